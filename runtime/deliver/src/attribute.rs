//! Owns message attributes: the record and AWS's rules for names, types and values.
//! Refuses to know filter policies and envelopes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// A checked message attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAttribute {
    /// `String`, `String.Array`, `Number`, `Binary`, or one of them with a custom label.
    pub data_type: String,
    /// The text; base64 for binary types.
    pub value: String,
}

/// A message attribute as a request carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeInput {
    /// `DataType`.
    pub data_type: Option<String>,
    /// `StringValue`.
    pub string_value: Option<String>,
    /// `BinaryValue`, base64.
    pub binary_value: Option<String>,
}

/// Longest attribute name in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Checks all attributes of one message. `path` is where they stand in the request, for the text about
/// a missing type: `messageAttributes` or `publishBatchRequestEntries.1.member.messageAttributes`.
pub fn check(
    inputs: &BTreeMap<String, AttributeInput>,
    path: &str,
) -> Result<BTreeMap<String, MessageAttribute>, Refusal> {
    inputs
        .iter()
        .map(|(name, input)| {
            check_name(name)?;
            Ok((name.clone(), check_one(name, input, path)?))
        })
        .collect()
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::attribute("Length of message attribute name must be less than 256 bytes."));
    }
    if name.is_empty() {
        return Err(Refusal::attribute("The request must contain non-empty message attribute names."));
    }
    if name.starts_with('.') {
        return Err(Refusal::attribute(
            "Invalid message attribute name starting with character '.' was found.",
        ));
    }
    if name.ends_with('.') {
        return Err(Refusal::attribute(
            "Invalid message attribute name ending with character '.' was found.",
        ));
    }
    if let Some(c) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_-.".contains(*c))) {
        return Err(Refusal::attribute(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only \
             include alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(c)
        )));
    }
    if name.contains("..") {
        return Err(Refusal::attribute("Message attribute name can not have successive '.' character."));
    }
    Ok(())
}

fn check_one(name: &str, input: &AttributeInput, path: &str) -> Result<MessageAttribute, Refusal> {
    let Some(data_type) = input.data_type.as_deref().filter(|t| !t.is_empty()) else {
        return Err(Refusal::new(
            "ValidationError",
            format!(
                "1 validation error detected: Value null at '{path}.{name}.member.dataType' failed to satisfy \
                 constraint: Member must not be null"
            ),
        ));
    };
    let prefix = data_type.split('.').next().unwrap_or_default();
    let (field, own, other) = match prefix {
        "String" | "Number" => ("String", &input.string_value, &input.binary_value),
        "Binary" => ("Binary", &input.binary_value, &input.string_value),
        _ => {
            return Err(Refusal::attribute(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported \
                 type prefixes is Binary, Number, and String."
            )));
        }
    };
    let given = |value: &Option<String>| value.as_ref().is_some_and(|v| !v.is_empty());
    if !given(own) && given(other) {
        return Err(Refusal::attribute(format!(
            "The message attribute '{name}' with type '{data_type}' must use field '{field}'."
        )));
    }
    let Some(value) = own.clone().filter(|v| !v.is_empty()) else {
        return Err(Refusal::attribute(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message \
             attribute type '{data_type}'."
        )));
    };
    let sound = match prefix {
        "Number" => value.trim().parse::<f64>().is_ok_and(f64::is_finite),
        "Binary" => STANDARD.decode(&value).is_ok(),
        _ => true,
    };
    if !sound {
        return Err(Refusal::attribute(format!(
            "Could not cast message attribute '{name}' value to {}.",
            prefix.to_lowercase()
        )));
    }
    Ok(MessageAttribute { data_type: data_type.to_owned(), value })
}

/// Bytes the attributes add to a message's size: names, types and (decoded) values.
pub fn size(attributes: &BTreeMap<String, MessageAttribute>) -> usize {
    attributes
        .iter()
        .map(|(name, a)| {
            let value = if a.data_type.starts_with("Binary") { a.value.len() / 4 * 3 } else { a.value.len() };
            name.len() + a.data_type.len() + value
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(data_type: &str, string: &str, binary: &str) -> AttributeInput {
        let some = |t: &str| (t != "-").then(|| t.to_owned());
        AttributeInput { data_type: some(data_type), string_value: some(string), binary_value: some(binary) }
    }

    #[test]
    fn refusals_have_the_recorded_texts() {
        let ok = || input("String", "v", "-");
        let long = "a".repeat(257);
        for (name, value, want) in [
            ("a.", ok(), "Invalid message attribute name ending with character '.' was found."),
            (".a", ok(), "Invalid message attribute name starting with character '.' was found."),
            ("a..b", ok(), "Message attribute name can not have successive '.' character."),
            (
                "a^b",
                ok(),
                "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            ),
            (long.as_str(), ok(), "Length of message attribute name must be less than 256 bytes."),
            (
                "attr1",
                input("Text", "v", "-"),
                "The message attribute 'attr1' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
            ),
            (
                "attr1",
                input("Binary", "-", ""),
                "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'Binary'.",
            ),
            (
                "attr1",
                input("String", "", "-"),
                "The message attribute 'attr1' must contain non-empty message attribute value for message attribute type 'String'.",
            ),
            (
                "attr1",
                input("Binary", "x", "-"),
                "The message attribute 'attr1' with type 'Binary' must use field 'Binary'.",
            ),
            (
                "attr1",
                input("Number", "-", "eA=="),
                "The message attribute 'attr1' with type 'Number' must use field 'String'.",
            ),
            (
                "attr1",
                input("String", "-", "eA=="),
                "The message attribute 'attr1' with type 'String' must use field 'String'.",
            ),
            (
                "attr1",
                input("-", "v", "-"),
                "1 validation error detected: Value null at 'messageAttributes.attr1.member.dataType' failed to satisfy constraint: Member must not be null",
            ),
        ] {
            let inputs = BTreeMap::from([(name.to_owned(), value)]);
            assert_eq!(check(&inputs, "messageAttributes").unwrap_err().message, want);
        }
    }

    #[test]
    fn good_attributes_pass_and_are_measured() {
        let inputs = BTreeMap::from([
            ("s".to_owned(), input("String.custom", "text", "-")),
            ("n".to_owned(), input("Number", "-1.5e3", "-")),
            ("b".to_owned(), input("Binary", "-", "AAEC")),
        ]);
        let checked = check(&inputs, "messageAttributes").unwrap();
        assert_eq!(checked["b"].value, "AAEC");
        assert_eq!(size(&checked), (1 + 13 + 4) + (1 + 6 + 6) + (1 + 6 + 3));
        let bad = BTreeMap::from([("n".to_owned(), input("Number", "NaN", "-"))]);
        assert!(check(&bad, "messageAttributes").unwrap_err().message.contains("'n'"));
    }
}
