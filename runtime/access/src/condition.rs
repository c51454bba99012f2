//! Condition blocks: the operators Logboom knows and the request facts they test. An operator that is not
//! in the table is an error when the policy is read, never a condition that passes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::glob;
use crate::policy::PolicyError;

/// Facts about a request under IAM's condition keys (`aws:SourceIp`, `aws:RequestedRegion`, ...).
#[derive(Debug, Clone, Default)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// No facts.
    pub fn new() -> Context {
        Context::default()
    }

    /// Adds a value of a key; keys are compared without case.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Context {
        self.values.entry(key.to_ascii_lowercase()).or_default().push(value.into());
        self
    }

    fn get(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    EqualAnyCase,
    Like,
    ArnLike,
    Bool,
    Ip,
}

/// (name, test, negated). ArnEquals and ArnLike are one operator, as in IAM.
const OPERATORS: &[(&str, Test, bool)] = &[
    ("StringEquals", Test::Equal, false),
    ("StringNotEquals", Test::Equal, true),
    ("StringEqualsIgnoreCase", Test::EqualAnyCase, false),
    ("StringNotEqualsIgnoreCase", Test::EqualAnyCase, true),
    ("StringLike", Test::Like, false),
    ("StringNotLike", Test::Like, true),
    ("ArnEquals", Test::ArnLike, false),
    ("ArnLike", Test::ArnLike, false),
    ("ArnNotEquals", Test::ArnLike, true),
    ("ArnNotLike", Test::ArnLike, true),
    ("Bool", Test::Bool, false),
    ("IpAddress", Test::Ip, false),
    ("NotIpAddress", Test::Ip, true),
];

/// One operator over one key: holds if any wanted value fits any fact.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    test: Test,
    negated: bool,
    key: String,
    wanted: Vec<String>,
}

impl Condition {
    /// Reads a `Condition` block into conditions that must all hold.
    pub(crate) fn parse(block: &Value) -> Result<Vec<Condition>, PolicyError> {
        let Value::Object(operators) = block else {
            return Err(PolicyError::new("Condition must be an object"));
        };
        let mut found = Vec::new();
        for (name, keys) in operators {
            let Some((_, test, negated)) = OPERATORS.iter().find(|(known, _, _)| known == name) else {
                return Err(PolicyError::new(format!("Condition operator {name} is not supported")));
            };
            let Value::Object(keys) = keys else {
                return Err(PolicyError::new(format!("Condition operator {name} must hold an object")));
            };
            for (key, values) in keys {
                let wanted = texts(values).ok_or_else(|| {
                    PolicyError::new(format!("The values of {name} {key} must be strings or booleans"))
                })?;
                let condition =
                    Condition { test: *test, negated: *negated, key: key.to_ascii_lowercase(), wanted };
                condition.check(name)?;
                found.push(condition);
            }
        }
        Ok(found)
    }

    fn check(&self, name: &str) -> Result<(), PolicyError> {
        let bad = match self.test {
            Test::Ip => self.wanted.iter().find(|text| Network::parse(text).is_none()),
            Test::Bool => self.wanted.iter().find(|text| parse_bool(text).is_none()),
            Test::Equal | Test::EqualAnyCase | Test::Like | Test::ArnLike => None,
        };
        bad.map_or(Ok(()), |text| {
            Err(PolicyError::new(format!("{name}: '{text}' is not a value it can test")))
        })
    }

    /// A key that the request does not have fails a positive operator and passes a negated one, as in IAM.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let facts = context.get(&self.key);
        let any = facts.iter().any(|fact| self.wanted.iter().any(|wanted| self.fits(wanted, fact)));
        any != self.negated
    }

    fn fits(&self, wanted: &str, fact: &str) -> bool {
        match self.test {
            Test::Equal => wanted == fact,
            Test::EqualAnyCase => wanted.to_lowercase() == fact.to_lowercase(),
            Test::Like => glob::matches(wanted, fact),
            Test::ArnLike => glob::matches_arn(wanted, fact),
            Test::Bool => parse_bool(wanted).is_some() && parse_bool(wanted) == parse_bool(fact),
            Test::Ip => Network::parse(wanted).is_some_and(|network| network.contains(fact)),
        }
    }
}

fn texts(values: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    match values {
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

struct Network {
    bits: u128,
    mask: u128,
    is_v4: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let (bits, is_v4) = address_bits(address)?;
        let width: u32 = if is_v4 { 32 } else { 128 };
        let length: u32 = length.map_or(Some(width), |length| length.parse().ok())?;
        if length > width {
            return None;
        }
        let mask = if length == 0 { 0 } else { u128::MAX << (width - length) };
        Some(Network { bits: bits & mask, mask, is_v4 })
    }

    fn contains(&self, address: &str) -> bool {
        address_bits(address)
            .is_some_and(|(bits, is_v4)| is_v4 == self.is_v4 && bits & self.mask == self.bits)
    }
}

/// An IPv4 address that arrives in its IPv6 form is IPv4.
fn address_bits(text: &str) -> Option<(u128, bool)> {
    Some(match text.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), true),
        IpAddr::V6(address) => (u128::from(address), false),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(block: &Value, context: &Context) -> bool {
        Condition::parse(block).unwrap().iter().all(|condition| condition.holds(context))
    }

    #[test]
    fn each_operator_and_its_missing_key() {
        let context = Context::new()
            .with("aws:SourceIp", "10.1.2.3")
            .with("aws:RequestedRegion", "eu-west-1")
            .with("aws:SourceArn", "arn:aws:sns:eu-west-1:000000000000:alerts")
            .with("aws:SecureTransport", "false");
        for (block, expected) in [
            (json!({"StringEquals": {"aws:requestedregion": "eu-west-1"}}), true),
            (json!({"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}}), true),
            (json!({"StringEquals": {"aws:RequestedRegion": "EU-WEST-1"}}), false),
            (json!({"StringEqualsIgnoreCase": {"aws:RequestedRegion": "EU-WEST-1"}}), true),
            (json!({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}), false),
            (json!({"StringLike": {"aws:RequestedRegion": "eu-*"}}), true),
            (json!({"StringEquals": {"aws:RequestedRegion": "eu-*"}}), false),
            (json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:al*"}}), true),
            (json!({"ArnLike": {"aws:SourceArn": "arn:aws:*"}}), false),
            (json!({"Bool": {"aws:SecureTransport": "false"}}), true),
            (json!({"Bool": {"aws:SecureTransport": true}}), false),
            (json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), true),
            (json!({"IpAddress": {"aws:SourceIp": "10.1.2.4"}}), false),
            (json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), false),
            (json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}), true),
            (json!({"IpAddress": {"aws:SourceIp": "::/0"}}), false),
            (json!({"StringEquals": {"aws:Absent": "x"}}), false),
            (json!({"StringNotEquals": {"aws:Absent": "x"}}), true),
            (
                json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringLike": {"aws:RequestedRegion": "us-*"}}),
                false,
            ),
            (json!({}), true),
        ] {
            assert_eq!(holds(&block, &context), expected, "{block}");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (block, word) in [
            (json!({"NumericLessThan": {"a": "1"}}), "NumericLessThan"),
            (json!({"StringEqualsIfExists": {"a": "1"}}), "StringEqualsIfExists"),
            (json!({"ForAnyValue:StringLike": {"a": "1"}}), "ForAnyValue:StringLike"),
            (json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}), "10.0.0.0/33"),
            (json!({"Bool": {"a": "maybe"}}), "maybe"),
            (json!({"StringEquals": {"a": 1}}), "StringEquals"),
            (json!({"StringEquals": "a"}), "StringEquals"),
        ] {
            let error = Condition::parse(&block).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
