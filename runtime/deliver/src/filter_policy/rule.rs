//! Owns the parsed form of a policy and what one value test accepts.
//! Refuses to know how a policy is written and where values come from.

use std::net::IpAddr;

/// One level of a policy: all fields and all `$or` groups must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    pub(super) fields: Vec<(String, Rule)>,
    pub(super) any_of: Vec<Vec<Node>>,
}

impl Node {
    pub(super) fn is_nested(&self) -> bool {
        self.fields.iter().any(|(_, rule)| matches!(rule, Rule::Nested(_)))
            || self.any_of.iter().flatten().any(Node::is_nested)
    }
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    Values(Vec<Test>),
    Nested(Node),
}

/// A value of a message, or a literal of a policy.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
}

/// One entry of a value list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Exact(Datum),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Wildcard(Wildcard),
    Numeric(Range),
    Cidr(Cidr),
    Exists(bool),
    /// Holds when no inner test does.
    AnythingBut(Vec<Test>),
}

impl Test {
    /// Whether a present value passes. `Exists` is decided by the caller, who knows about absence.
    pub(super) fn accepts(&self, value: &Datum) -> bool {
        match (self, value) {
            (Self::Exact(want), have) => want == have,
            (Self::Prefix(want), Datum::Text(have)) => have.starts_with(want.as_str()),
            (Self::Suffix(want), Datum::Text(have)) => have.ends_with(want.as_str()),
            (Self::IgnoreCase(want), Datum::Text(have)) => have.to_lowercase() == want.to_lowercase(),
            (Self::Wildcard(want), Datum::Text(have)) => want.matches(have),
            (Self::Numeric(range), Datum::Number(have)) => range.contains(*have),
            (Self::Cidr(cidr), Datum::Text(have)) => cidr.contains(have),
            (Self::AnythingBut(tests), have) => !tests.iter().any(|test| test.accepts(have)),
            _ => false,
        }
    }
}

/// Literal parts that must appear in order; a `*` stood between two parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wildcard(pub(super) Vec<String>);

impl Wildcard {
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return text.is_empty() };
        let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
        for part in middle {
            match left.find(part.as_str()) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        left.ends_with(last.as_str())
    }
}

/// A range of numbers; an absent side is open-ended, `true` means the bound itself is outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Range {
    pub(super) bottom: Option<(f64, bool)>,
    pub(super) top: Option<(f64, bool)>,
}

impl Range {
    fn contains(&self, value: f64) -> bool {
        let above = self.bottom.is_none_or(|(b, open)| if open { value > b } else { value >= b });
        let below = self.top.is_none_or(|(t, open)| if open { value < t } else { value <= t });
        above && below
    }
}

/// An address block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cidr {
    network: IpAddr,
    bits: u32,
}

impl Cidr {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/');
        let (Some(address), Some(bits), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err("Malformed CIDR, one '/' required".to_owned());
        };
        let bits: u32 =
            bits.parse().map_err(|_| "Malformed CIDR, mask bits must be an integer".to_owned())?;
        let network: IpAddr = address.parse().map_err(|_| format!("Nonstandard IP address: {address}"))?;
        if bits > width(network) {
            return Err(format!("Malformed CIDR, mask bits must be at most {}", width(network)));
        }
        Ok(Self { network, bits })
    }

    fn contains(&self, text: &str) -> bool {
        let Ok(address) = text.parse::<IpAddr>() else { return false };
        match (self.network, address) {
            (IpAddr::V4(net), IpAddr::V4(have)) => {
                (net.to_bits() ^ have.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(have)) => {
                (net.to_bits() ^ have.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}
