//! IAM policy documents of identities: reading and matching. Whatever the reader does not understand is an
//! error that names it; a policy is never half applied.

use std::fmt;

use serde_json::{Map, Value};

use crate::condition::{Condition, Context};
use crate::glob;

/// Why a policy document was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    message: String,
}

impl PolicyError {
    pub(crate) fn new(message: impl Into<String>) -> PolicyError {
        PolicyError { message: message.into() }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyError {}

/// A policy: statements that each allow or deny.
#[derive(Debug, Clone)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone)]
struct Statement {
    allows: bool,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone)]
struct Patterns {
    negated: bool,
    patterns: Vec<String>,
}

impl Policy {
    /// Reads a document given as JSON text.
    ///
    /// # Errors
    /// Names the first member, operator or value that is not understood.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let document = serde_json::from_str(text)
            .map_err(|error| PolicyError::new(format!("The policy is not JSON: {error}")))?;
        Policy::from_value(&document)
    }

    /// Reads a document that is already parsed.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn from_value(document: &Value) -> Result<Policy, PolicyError> {
        let Value::Object(document) = document else {
            return Err(PolicyError::new("The policy must be an object"));
        };
        known(document, &["Version", "Id", "Statement"], "policy")?;
        match document.get("Version").map(Value::as_str) {
            None | Some(Some("2012-10-17" | "2008-10-17")) => {}
            Some(_) => return Err(PolicyError::new("Version must be 2012-10-17 or 2008-10-17")),
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => {
                statements.iter().map(Statement::parse).collect::<Result<_, _>>()?
            }
            Some(statement) => vec![Statement::parse(statement)?],
            None => return Err(PolicyError::new("The policy has no Statement")),
        };
        Ok(Policy { statements })
    }

    /// What this policy alone says: `Some(false)` where any statement denies, else `Some(true)` where any
    /// allows.
    pub(crate) fn verdict(&self, action: &str, resource: &str, context: &Context) -> Option<bool> {
        let mut verdict = None;
        for statement in
            self.statements.iter().filter(|statement| statement.applies(action, resource, context))
        {
            if !statement.allows {
                return Some(false);
            }
            verdict = Some(true);
        }
        verdict
    }
}

impl Statement {
    fn parse(statement: &Value) -> Result<Statement, PolicyError> {
        let Value::Object(statement) = statement else {
            return Err(PolicyError::new("A Statement must be an object"));
        };
        let members = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        known(statement, &members, "statement")?;
        let allows = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(PolicyError::new("Effect must be Allow or Deny")),
        };
        let actions = Patterns::parse(statement, "Action", "NotAction")?;
        if let Some(bad) = actions.patterns.iter().find(|action| *action != "*" && !action.contains(':')) {
            return Err(PolicyError::new(format!("Action '{bad}' has no service prefix")));
        }
        let resources = Patterns::parse(statement, "Resource", "NotResource")?;
        let conditions = statement.get("Condition").map_or_else(|| Ok(Vec::new()), Condition::parse)?;
        Ok(Statement { allows, actions, resources, conditions })
    }

    fn applies(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.actions.cover(|pattern| glob::matches_any_case(pattern, action))
            && self.resources.cover(|pattern| glob::matches(pattern, resource))
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}

impl Patterns {
    fn parse(statement: &Map<String, Value>, name: &str, negation: &str) -> Result<Patterns, PolicyError> {
        let (negated, key, value) = match (statement.get(name), statement.get(negation)) {
            (Some(value), None) => (false, name, value),
            (None, Some(value)) => (true, negation, value),
            _ => return Err(PolicyError::new(format!("A statement needs either {name} or {negation}"))),
        };
        let items =
            if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        let patterns = texts
            .filter(|patterns| !patterns.is_empty())
            .ok_or_else(|| PolicyError::new(format!("{key} must be a string or a list of strings")))?;
        if let Some(variable) = patterns.iter().find(|pattern| pattern.contains("${")) {
            return Err(PolicyError::new(format!("{key} '{variable}': policy variables are not supported")));
        }
        Ok(Patterns { negated, patterns })
    }

    fn cover(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern)) != self.negated
    }
}

fn known(object: &Map<String, Value>, names: &[&str], what: &str) -> Result<(), PolicyError> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(PolicyError::new(format!("{key} is not supported in a {what}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_understood_is_named() {
        let with = |key: &str, value: Value| {
            let mut statement = json!({"Effect": "Allow", "Action": "logs:*", "Resource": "*"});
            statement[key] = value;
            json!({"Version": "2012-10-17", "Statement": statement})
        };
        for (document, word) in [
            (with("Principal", json!("*")), "Principal"),
            (with("Effect", json!("allow")), "Effect"),
            (with("Action", json!("everything")), "everything"),
            (with("Action", json!(7)), "Action"),
            (with("Action", json!([])), "Action"),
            (with("NotAction", json!("logs:*")), "NotAction"),
            (with("Resource", json!("arn:aws:logs:*:*:${aws:username}")), "${aws:username}"),
            (with("Condition", json!({"DateLessThan": {}})), "DateLessThan"),
            (json!({"Statement": []}), ""),
            (json!({"Version": "2020-01-01", "Statement": []}), "Version"),
            (json!({"Statments": []}), "Statments"),
            (json!([]), "object"),
        ] {
            match Policy::from_value(&document) {
                Err(error) => assert!(error.to_string().contains(word) && !word.is_empty(), "{error}"),
                Ok(_) => assert!(word.is_empty(), "{document}"),
            }
        }
        assert!(Policy::parse("{").unwrap_err().to_string().contains("JSON"));
    }

    /// Words of the language in random places: most of it is refused, none of it panics, and what is
    /// accepted can be decided.
    fn document() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just("Allow"),
            Just("Deny"),
            Just("logs:*"),
            Just("*"),
            Just("2012-10-17"),
            Just("10.0.0.0/8"),
            Just("::1/200"),
            Just("é?"),
            Just("true"),
            Just(""),
        ];
        let name = prop_oneof![
            Just("Statement"),
            Just("Effect"),
            Just("Action"),
            Just("Resource"),
            Just("Condition"),
            Just("IpAddress"),
            Just("Bool"),
            Just("aws:SourceIp"),
            Just("ArnLike"),
        ];
        let leaf =
            prop_oneof![word.prop_map(Value::from), any::<i32>().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("LOGBOOM_LONG").is_some() { 50_000 } else { 500 }))]
        #[test]
        fn no_document_panics(document in document(), condition in document()) {
            let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
            let _ = Policy::from_value(&document);
            let context = Context::new().with("aws:SourceIp", "10.0.0.1");
            if let Ok(policy) = Policy::from_value(&json!({"Statement": statement})) {
                prop_assert_ne!(policy.verdict("logs:PutLogEvents", "*", &context), Some(false));
            }
        }
    }
}
