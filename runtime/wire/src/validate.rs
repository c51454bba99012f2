//! Constraints of the model, checked on a decoded input, and the sentences in which AWS reports them.
//! Where a service words things its own way, the exception is here; what an operation means is not.

use serde_json::Value;

use crate::fault::Fault;
use crate::model::{Kind, Service, Shape};

/// The longest value quoted in an error, in bytes.
const MAX_QUOTED_BYTES: usize = 4096;

/// One step from the input to a value.
#[derive(Debug, Clone)]
enum Step<'a> {
    Member(&'static str),
    Index(usize),
    Key(&'a str),
}

struct Violation {
    /// AWS's path: `logEvents.1.member.message`.
    path: String,
    /// The query protocol's path, which some texts quote: `MetricData.member.1.MetricName`.
    parameter: String,
    value: Option<String>,
    constraint: String,
    top_level_text: bool,
}

struct Checker<'a> {
    service: Service,
    steps: Vec<Step<'a>>,
    found: Vec<Violation>,
}

/// Checks `input` against `shape`.
///
/// # Errors
/// One fault that lists every violation, with the code the service uses.
pub(crate) fn check(
    service: Service,
    operation: &str,
    shape: &'static Shape,
    input: &Value,
) -> Result<(), Fault> {
    let mut checker = Checker { service, steps: Vec::new(), found: Vec::new() };
    checker.value(shape, input);
    match checker.found.as_slice() {
        [] => Ok(()),
        found => Err(report(service, operation, found)),
    }
}

fn report(service: Service, operation: &str, found: &[Violation]) -> Fault {
    if let Some(missing) = found.iter().find(|violation| violation.value.is_none()) {
        if service == Service::CloudWatch && operation == "PutMetricData" {
            return Fault::new(
                "MissingParameter",
                format!("The parameter {} is required.", missing.parameter),
            );
        }
        if service == Service::Sns && operation == "Publish" && missing.parameter == "Message" {
            return Fault::new("InvalidParameter", "Invalid parameter: Empty message");
        }
        if service == Service::Sns && missing.top_level_text {
            let message =
                format!("Invalid parameter: {} Reason: no value for required parameter", missing.parameter);
            return Fault::new("InvalidParameter", message);
        }
    }
    let code = match service {
        Service::Logs => "InvalidParameterException",
        Service::CloudWatch | Service::Sns | Service::Sts => "ValidationError",
        Service::Lambda | Service::Scheduler => "ValidationException",
    };
    let plural = if found.len() == 1 { "" } else { "s" };
    let mut message = format!("{} validation error{plural} detected: ", found.len());
    for (at, violation) in found.iter().enumerate() {
        if at > 0 {
            message.push_str("; ");
        }
        let value = violation.value.as_ref().map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        message.push_str(&format!(
            "Value {value} at '{}' failed to satisfy constraint: {}",
            violation.path, violation.constraint
        ));
    }
    Fault::new(code, message)
}

impl<'a> Checker<'a> {
    fn value(&mut self, shape: &'static Shape, value: &'a Value) {
        for constraint in broken(shape, value) {
            self.violation(shape, Some(value), constraint);
        }
        match (shape.kind, value) {
            (Kind::Structure(members), Value::Object(fields)) => {
                for member in members {
                    self.steps.push(Step::Member(member.name));
                    match fields.get(member.name) {
                        Some(value) => self.value(member.shape, value),
                        None if member.required => self.missing(member.shape),
                        None => {}
                    }
                    self.steps.pop();
                }
            }
            (Kind::List(element), Value::Array(items)) => {
                if self.all(shape, value, element, items.iter(), "Member") {
                    return;
                }
                for (index, item) in items.iter().enumerate() {
                    self.steps.push(Step::Index(index));
                    self.inner(element, item);
                    self.steps.pop();
                }
            }
            (Kind::Map { key, value: element, .. }, Value::Object(fields)) => {
                let keys: Vec<Value> = fields.keys().map(|key| Value::String(key.clone())).collect();
                self.all(shape, value, key, keys.iter(), "Map keys");
                if self.all(shape, value, element, fields.values(), "Map value") {
                    return;
                }
                for (name, item) in fields {
                    self.steps.push(Step::Key(name));
                    self.inner(element, item);
                    self.steps.pop();
                }
            }
            _ => {}
        }
    }

    fn inner(&mut self, element: &'static Shape, item: &'a Value) {
        if item.is_null() {
            self.missing(element);
        } else if !is_scalar(element) {
            self.value(element, item);
        }
    }

    /// Scalars inside a list or map are reported once for the whole, with every constraint of the element.
    fn all<'i>(
        &mut self,
        outer: &'static Shape,
        whole: &Value,
        element: &'static Shape,
        mut items: impl Iterator<Item = &'i Value>,
        what: &str,
    ) -> bool {
        let fails =
            is_scalar(element) && items.any(|item| !item.is_null() && !broken(element, item).is_empty());
        if fails {
            let mut rules = rules(element);
            if self.service.is_rest() {
                rules.push("Member must not be null".to_owned());
            }
            let constraint = format!("{what} must satisfy constraint: [{}]", rules.join(", "));
            self.violation(outer, Some(whole), constraint);
        }
        fails
    }

    fn missing(&mut self, shape: &'static Shape) {
        self.violation(shape, None, "Member must not be null".to_owned());
    }

    fn violation(&mut self, shape: &'static Shape, value: Option<&Value>, constraint: String) {
        let (mut path, mut parameter) = (String::new(), String::new());
        for step in &self.steps {
            let dot = if path.is_empty() { "" } else { "." };
            match step {
                Step::Member(name) => {
                    path.push_str(&format!("{dot}{}", lower_first(name)));
                    parameter.push_str(&format!("{dot}{name}"));
                }
                Step::Index(index) => {
                    path.push_str(&format!(".{}.member", index + 1));
                    parameter.push_str(&format!(".member.{}", index + 1));
                }
                Step::Key(key) => {
                    path.push_str(&format!(".{key}.member"));
                    parameter.push_str(&format!(".{key}"));
                }
            }
        }
        let value = value.map(|value| {
            let mut text = String::new();
            quote(&mut text, Some(shape), value);
            text
        });
        let top_level_text = self.steps.len() == 1 && matches!(shape.kind, Kind::String);
        self.found.push(Violation { path, parameter, value, constraint, top_level_text });
    }
}

fn is_scalar(shape: &Shape) -> bool {
    !matches!(shape.kind, Kind::Structure(_) | Kind::List(_) | Kind::Map { .. })
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + characters.as_str())
}

/// Whether a text keeps every rule of its shape: what the fast paths ask before they look for words.
pub(crate) fn text_is_valid(shape: &Shape, text: &str) -> bool {
    let length = java_length(text);
    shape.min.is_none_or(|min| length >= min)
        && shape.max.is_none_or(|max| length <= max)
        && (shape.values.is_empty() || shape.values.contains(&text))
        && shape.pattern.is_none_or(|pattern| pattern.matches(text))
}

/// AWS measures texts in UTF-16 units.
fn java_length(text: &str) -> i64 {
    if text.is_ascii() { text.len() as i64 } else { text.encode_utf16().count() as i64 }
}

/// The sentences for the rules that `value` itself breaks.
fn broken(shape: &Shape, value: &Value) -> Vec<String> {
    let (length, what) = match (shape.kind, value) {
        (Kind::String, Value::String(text)) => (Some(java_length(text)), "length"),
        // A blob's length is that of its bytes: three for four base64 characters.
        (Kind::Blob, Value::String(text)) => (Some(text.len() as i64 / 4 * 3), "length"),
        (Kind::List(_), Value::Array(items)) => (Some(items.len() as i64), "length"),
        (Kind::Map { .. }, Value::Object(fields)) => (Some(fields.len() as i64), "length"),
        (Kind::Integer | Kind::Long, Value::Number(number)) => (number.as_i64(), "value"),
        _ => (None, ""),
    };
    let mut out = Vec::new();
    if let (Some(length), Some(max)) = (length, shape.max)
        && length > max
    {
        out.push(format!("Member must have {what} less than or equal to {max}"));
    }
    if let (Some(length), Some(min)) = (length, shape.min)
        && length < min
    {
        out.push(format!("Member must have {what} greater than or equal to {min}"));
    }
    if let Value::String(text) = value {
        if let Some(pattern) = shape.pattern.filter(|pattern| !pattern.matches(text)) {
            out.push(format!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        if !shape.values.is_empty() && !shape.values.contains(&text.as_str()) {
            out.push(format!("Member must satisfy enum value set: [{}]", shape.values.join(", ")));
        }
    }
    out
}

/// Every rule of a shape, in AWS's order.
fn rules(shape: &Shape) -> Vec<String> {
    let what = if matches!(shape.kind, Kind::Integer | Kind::Long) { "value" } else { "length" };
    let mut out = Vec::new();
    out.extend(shape.max.map(|max| format!("Member must have {what} less than or equal to {max}")));
    out.extend(shape.min.map(|min| format!("Member must have {what} greater than or equal to {min}")));
    out.extend(shape.pattern.map(|p| format!("Member must satisfy regular expression pattern: {}", p.text)));
    if !shape.values.is_empty() {
        out.push(format!("Member must satisfy enum value set: [{}]", shape.values.join(", ")));
    }
    out
}

/// A value as Java prints it: `[a, b]`, `{k=v}`, `Name(member=value, other=null)`; cut when long.
fn quote(out: &mut String, shape: Option<&Shape>, value: &Value) {
    if out.len() > MAX_QUOTED_BYTES {
        if !out.ends_with("...") {
            out.push_str("...");
        }
        return;
    }
    let kind = shape.map(|shape| shape.kind);
    match (kind, value) {
        (_, Value::String(text)) => {
            let end = text.floor_char_boundary(MAX_QUOTED_BYTES);
            out.push_str(&text[..end]);
            if end < text.len() {
                out.push_str("...");
            }
        }
        (_, Value::Array(items)) => {
            let element = if let Some(Kind::List(element)) = kind { Some(element) } else { None };
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                quote(out, element, item);
                if out.len() > MAX_QUOTED_BYTES {
                    break;
                }
            }
            out.push(']');
        }
        (Some(Kind::Structure(members)), Value::Object(fields)) => {
            out.push_str(shape.map_or("", |shape| shape.name));
            out.push('(');
            for (at, member) in members.iter().enumerate() {
                out.push_str(&format!("{}{}=", if at > 0 { ", " } else { "" }, lower_first(member.name)));
                quote(out, Some(member.shape), fields.get(member.name).unwrap_or(&Value::Null));
            }
            out.push(')');
        }
        (_, Value::Object(fields)) => {
            let element = if let Some(Kind::Map { value, .. }) = kind { Some(value) } else { None };
            out.push('{');
            for (at, (key, item)) in fields.iter().enumerate() {
                out.push_str(&format!("{}{key}=", if at > 0 { ", " } else { "" }));
                quote(out, element, item);
                if out.len() > MAX_QUOTED_BYTES {
                    break;
                }
            }
            out.push('}');
        }
        (_, other) => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
