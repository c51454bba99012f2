//! Owns how a parsed policy meets a message's attributes or body.
//! Refuses to know the policy's text.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rule::{Datum, Node, Rule, Test};
use crate::attribute::MessageAttribute;

/// Attribute scope: every key, and one branch of every `$or`, must hold.
pub(super) fn attributes(node: &Node, have: &BTreeMap<String, MessageAttribute>) -> bool {
    let fields = node.fields.iter().all(|(name, rule)| match rule {
        Rule::Values(tests) => any(tests, have.get(name).map(attribute_values).as_deref()),
        Rule::Nested(_) => false,
    });
    fields && node.any_of.iter().all(|branches| branches.iter().any(|branch| attributes(branch, have)))
}

/// Body scope. Under an array one element must satisfy a whole nested policy by itself.
pub(super) fn body(node: &Node, have: &Value) -> bool {
    have.is_object() && level(node, Some(have))
}

fn level(node: &Node, have: Option<&Value>) -> bool {
    if let Some(Value::Array(elements)) = have {
        return elements.iter().any(|element| level(node, Some(element)));
    }
    let object = have.and_then(Value::as_object);
    let fields = node.fields.iter().all(|(name, rule)| {
        let value = object.and_then(|o| o.get(name));
        match rule {
            Rule::Nested(inner) => level(inner, value),
            Rule::Values(tests) => {
                let mut leaves = Vec::new();
                if let Some(value) = value {
                    collect(value, &mut leaves);
                }
                // An object is no leaf: to `exists` it is absent.
                any(tests, (!leaves.is_empty()).then_some(leaves.as_slice()))
            }
        }
    });
    fields && node.any_of.iter().all(|branches| branches.iter().any(|branch| level(branch, have)))
}

fn any(tests: &[Test], values: Option<&[Datum]>) -> bool {
    tests.iter().any(|test| match (test, values) {
        (Test::Exists(wanted), values) => *wanted == values.is_some(),
        (_, None) => false,
        (test, Some(values)) => values.iter().any(|value| test.accepts(value)),
    })
}

fn attribute_values(attribute: &MessageAttribute) -> Vec<Datum> {
    let (text, data_type) = (attribute.value.as_str(), attribute.data_type.as_str());
    if data_type == "String.Array" {
        let mut leaves = Vec::new();
        match serde_json::from_str::<Value>(text) {
            Ok(array @ Value::Array(_)) => collect(&array, &mut leaves),
            _ => leaves.push(Datum::Text(text.to_owned())),
        }
        return leaves;
    }
    match data_type.split('.').next() {
        // A binary value is present and equal to nothing.
        Some("Binary") => Vec::new(),
        Some("Number") => text.trim().parse().map(Datum::Number).into_iter().collect(),
        _ => vec![Datum::Text(text.to_owned())],
    }
}

fn collect(value: &Value, leaves: &mut Vec<Datum>) {
    match value {
        Value::Null => leaves.push(Datum::Null),
        Value::Bool(truth) => leaves.push(Datum::Bool(*truth)),
        Value::Number(number) => leaves.extend(number.as_f64().map(Datum::Number)),
        Value::String(text) => leaves.push(Datum::Text(text.clone())),
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, leaves)),
        Value::Object(_) => {}
    }
}
