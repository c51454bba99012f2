//! Members of a document's root looked up once for the conditions of many patterns. Owns the table of their names;
//! refuses to test values: conditions do.

use std::cell::Cell;

use super::expression::{Condition, Expression, JsonPattern, Test};
use super::path::Selector;
use super::tape::{Kind, Value};
use crate::number::Number;

/// Names that a set looks up at most; conditions about further ones look for themselves.
const NAMES_MAX: usize = 250;

/// The place of a selector that does not begin with a member whose name is in the table.
pub(crate) const NOWHERE: u16 = u16::MAX;

/// Names of members, to be found in one walk over a root.
#[derive(Debug)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
    /// One more than the first name with this hash; 0 = none.
    first: Box<[u8; 256]>,
    /// One more than the next name with the same hash.
    next: Vec<u8>,
}

impl Default for Names {
    fn default() -> Names {
        Names { names: Vec::new(), first: Box::new([0; 256]), next: Vec::new() }
    }
}

/// What a walk found: by name, the node of the value; 0 = no such member (the root is node 0).
#[derive(Debug, Default)]
pub(crate) struct Found {
    nodes: Vec<u32>,
    /// By name: what its value is as a number, once that was asked.
    numbers: Vec<Cell<Option<Option<Number>>>>,
}

impl Found {
    /// The value at a place; `None` if there is no such member.
    pub(crate) fn value<'d>(&self, place: u16, root: Value<'d>) -> Option<Value<'d>> {
        match self.nodes.get(usize::from(place)) {
            None | Some(0) => None,
            Some(node) => Some(root.at_node(*node)),
        }
    }

    /// The number that the value at a place is, read once for all who ask.
    pub(crate) fn number(&self, place: u16, root: Value<'_>) -> Option<Number> {
        let cell = self.numbers.get(usize::from(place))?;
        if let Some(known) = cell.get() {
            return known;
        }
        let number = self.value(place, root).and_then(Value::scalar).and_then(|text| Number::parse(&text));
        cell.set(Some(number));
        number
    }
}

/// Length, first and last byte tell most names of one kind of document apart.
fn hash(name: &[u8]) -> usize {
    let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
    usize::from((name.len() as u8).wrapping_mul(31) ^ first.wrapping_mul(7) ^ last)
}

impl Names {
    /// The place of what a selector begins with.
    pub(crate) fn place_of(&mut self, selector: &Selector) -> u16 {
        selector.first_member().map_or(NOWHERE, |name| self.place(name))
    }

    fn place(&mut self, name: &str) -> u16 {
        if let Some(known) = self.names.iter().position(|known| **known == *name) {
            return known as u16;
        }
        if self.names.len() == NAMES_MAX {
            return NOWHERE;
        }
        let slot = &mut self.first[hash(name.as_bytes())];
        self.next.push(*slot);
        self.names.push(name.into());
        *slot = self.names.len() as u8;
        (self.names.len() - 1) as u16
    }

    /// Looks up all names; of a name that occurs more than once the last value stays.
    pub(crate) fn find(&self, root: Value<'_>, found: &mut Found) {
        found.nodes.clear();
        found.nodes.resize(self.names.len(), 0);
        found.numbers.clear();
        found.numbers.resize(self.names.len(), Cell::new(None));
        root.each_member(&mut |name, value| {
            let mut at = self.first[hash(name)];
            while at != 0 {
                let index = usize::from(at - 1);
                if self.names[index].as_bytes() == name {
                    found.nodes[index] = value;
                    return;
                }
                at = self.next[index];
            }
        });
    }
}

impl JsonPattern {
    /// Where each of its conditions begins.
    pub(crate) fn places(&self, names: &mut Names) -> Vec<u16> {
        self.conditions.iter().map(|condition| names.place_of(&condition.selector)).collect()
    }
}

impl Condition {
    /// As `holds`, for a condition that begins with a member that was looked up.
    fn holds_found(&self, found: &Found, place: u16, root: Value<'_>) -> bool {
        let Some(value) = found.value(place, root) else { return matches!(self.test, Test::NotExists) };
        if let Test::Compare(comparison) = &self.test
            && comparison.is_numeric()
            && self.selector.is_member()
            && matches!(value.kind(), Kind::Number | Kind::String)
        {
            return comparison.accepts_number(found.number(place, root)).unwrap_or(false);
        }
        self.holds_behind(value)
    }
}

/// Whether a pattern without guests holds for the root whose members were found.
pub(crate) fn holds_at(pattern: &JsonPattern, root: Value<'_>, places: &[u16], found: &Found) -> bool {
    holds(pattern, &pattern.expression, root, places, found)
}

fn holds(pattern: &JsonPattern, part: &Expression, root: Value<'_>, places: &[u16], found: &Found) -> bool {
    let each = |part: &Expression| holds(pattern, part, root, places, found);
    match part {
        Expression::Condition(at) => {
            let condition = &pattern.conditions[*at];
            match places.get(*at).filter(|place| **place != NOWHERE) {
                Some(place) => condition.holds_found(found, *place, root),
                None => condition.holds(root),
            }
        }
        Expression::Guest(_) => false,
        Expression::All(parts) => parts.iter().all(each),
        Expression::Any(parts) => parts.iter().any(each),
    }
}
