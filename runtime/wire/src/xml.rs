//! The XML of AWS query answers, written along a shape. Writes only; nothing here reads XML.

use serde_json::Value;

use crate::model::{Kind, Shape};
use crate::timestamp;

/// Writes the members of `value` (a structure) as elements.
pub(crate) fn members(out: &mut String, shape: &Shape, value: &Value) {
    for member in shape.members() {
        match value.get(member.name) {
            None | Some(Value::Null) => {}
            Some(value) => element(out, member.name, member.shape, value),
        }
    }
}

fn element(out: &mut String, name: &str, shape: &Shape, value: &Value) {
    open(out, name);
    match shape.kind {
        Kind::Structure(_) => members(out, shape, value),
        Kind::List(inner) => {
            for item in value.as_array().into_iter().flatten() {
                element(out, "member", inner, item);
            }
        }
        Kind::Map { key: _, value: inner, key_name, value_name } => {
            for (key, item) in value.as_object().into_iter().flatten() {
                open(out, "entry");
                text(out, key_name, key);
                element(out, value_name, inner, item);
                close(out, "entry");
            }
        }
        Kind::Timestamp => match value.as_f64().and_then(timestamp::iso) {
            Some(time) => out.push_str(&time),
            None => scalar(out, value),
        },
        _ => scalar(out, value),
    }
    close(out, name);
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => escape(out, text),
        Value::Null => {}
        other => escape(out, &other.to_string()),
    }
}

/// `<name>text</name>`.
pub(crate) fn text(out: &mut String, name: &str, text: &str) {
    open(out, name);
    escape(out, text);
    close(out, name);
}

pub(crate) fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

pub(crate) fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Escapes markup; carriage returns survive as a reference, characters that XML 1.0 cannot carry become
/// U+FFFD.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Member;

    static TEXT: Shape = Shape::string("Text");
    static TIME: Shape = Shape::timestamp("Time");
    static TEXTS: Shape = Shape::list("Texts", &TEXT);
    static ATTRIBUTES: Shape = Shape::map("Attributes", &TEXT, &TEXT, "key", "value");
    static OUTPUT: Shape = Shape::structure(
        "Output",
        &[
            Member::new("Name", &TEXT),
            Member::new("Names", &TEXTS),
            Member::new("At", &TIME),
            Member::new("Attributes", &ATTRIBUTES),
        ],
    );

    #[test]
    fn structures_lists_maps_and_timestamps() {
        let mut out = String::new();
        let value = json!({
            "Name": "a<&>\u{1b}\r", "Names": ["x", "y"], "At": 1_769_860_800.5, "Attributes": {"k": "v"},
            "Unknown": 1,
        });
        members(&mut out, &OUTPUT, &value);
        assert_eq!(
            out,
            "<Name>a&lt;&amp;&gt;\u{fffd}&#xD;</Name><Names><member>x</member><member>y</member></Names>\
             <At>2026-01-31T12:00:00.500Z</At>\
             <Attributes><entry><key>k</key><value>v</value></entry></Attributes>"
        );
    }
}
