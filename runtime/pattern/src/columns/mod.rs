//! Space-delimited patterns: `[ip, user, ..., status = 4*, bytes > 1000]`.
//!
//! Owns how slots are laid over the fields of a line and what a match extracts. Refuses to know
//! the grammar (`parse`) and how a line is split (`fields`).

mod fields;
mod parse;

pub(crate) use fields::{Field, Fields};
pub(crate) use parse::parse;

use crate::document::Document;
use crate::operand::Comparison;
use crate::required;

/// A condition of one slot.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare(Comparison),
    All(Vec<Test>),
    Any(Vec<Test>),
}

/// One column of the pattern.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    pub(crate) name: Option<Box<str>>,
    pub(crate) test: Option<Test>,
}

/// A parsed pattern. `back` are the slots after the ellipsis, `None` without one.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) front: Vec<Slot>,
    pub(crate) back: Option<Vec<Slot>>,
    /// The one slot is an upper-case word and nothing else: `[ERROR]`.
    pub(crate) lone_word: bool,
}

impl Test {
    fn accepts(&self, value: &str) -> bool {
        match self {
            Test::Compare(comparison) => comparison.accepts(value),
            Test::All(parts) => parts.iter().all(|part| part.accepts(value)),
            Test::Any(parts) => parts.iter().any(|part| part.accepts(value)),
        }
    }

    fn literals(&self) -> Vec<String> {
        match self {
            Test::Compare(comparison) => comparison.literals(),
            Test::All(parts) => parts.iter().flat_map(Test::literals).collect(),
            Test::Any(parts) => parts
                .iter()
                .map(Test::literals)
                .reduce(|left, right| required::either(&left, &right))
                .unwrap_or_default(),
        }
    }

    /// Does some comparison in here refuse every value?
    fn has_never(&self) -> bool {
        match self {
            Test::Compare(comparison) => comparison.is_never(),
            Test::All(parts) | Test::Any(parts) => parts.iter().any(Test::has_never),
        }
    }
}

impl Slot {
    fn accepts(&self, value: &str) -> bool {
        self.test.as_ref().is_none_or(|test| test.accepts(value))
    }
}

impl Columns {
    /// Slots that need a field of their own.
    fn least(&self) -> usize {
        self.front.len() + self.back.as_ref().map_or(0, Vec::len)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.front.iter().chain(self.back.iter().flatten())
    }

    /// `[]`: matches everything and numbers all fields.
    fn is_bare(&self) -> bool {
        self.front.is_empty() && self.back.is_none()
    }

    pub(crate) fn matches(&self, document: &Document<'_>) -> bool {
        if document.is_split() {
            return self.matches_split(document);
        }
        let Some(back) = &self.back else { return self.is_bare() || self.matches_closed(document.text()) };
        let mut fields = Fields::of(document.text());
        let fits = |slot: &Slot| fields.next().is_some_and(|field| slot.accepts(field.value));
        if !self.front.iter().all(fits) {
            return false;
        }
        if back.is_empty() {
            return true;
        }
        let fields = document.fields();
        fields.len() >= self.least()
            && back.iter().rev().zip(fields.iter().rev()).all(|(slot, field)| slot.accepts(field.value))
    }

    /// As `matches`, over the fields of a line that was split for others already.
    fn matches_split(&self, document: &Document<'_>) -> bool {
        let fields = document.fields();
        if self.is_bare() {
            return true;
        }
        let back = self.back.as_deref().unwrap_or_default();
        fields.len() >= self.least()
            && back.iter().rev().zip(fields.iter().rev()).all(|(slot, field)| slot.accepts(field.value))
            && self
                .front
                .iter()
                .enumerate()
                .all(|(at, slot)| slot.test.is_none() || slot.accepts(self.value(document, fields, at)))
    }

    /// Without an ellipsis the last slot takes the rest of the line.
    fn matches_closed(&self, text: &str) -> bool {
        let mut fields = Fields::of(text);
        for (at, slot) in self.front.iter().enumerate() {
            let Some(field) = fields.next() else { return false };
            let last = at + 1 == self.front.len();
            let value = if last && fields.has_more() { fields.rest_from(field) } else { field.value };
            if !slot.accepts(value) {
                return false;
            }
        }
        true
    }

    /// Named fields under `$name`, every other under its 1-based position. Empty if there are
    /// not enough fields.
    pub(crate) fn extract(&self, document: &Document<'_>) -> Vec<(String, String)> {
        let fields = document.fields();
        if fields.len() < self.least() {
            return Vec::new();
        }
        let positions = if self.is_bare() || self.back.is_some() { fields.len() } else { self.front.len() };
        let mut values: Vec<(String, String)> = Vec::with_capacity(positions);
        for at in 0..positions {
            let name = match self.slot_of(at, fields.len()).and_then(|slot| slot.name.as_deref()) {
                Some(name) => format!("${name}"),
                None => format!("${}", at + 1),
            };
            values.push((name, self.value(document, fields, at).to_string()));
        }
        self.keep_last_of_equal_names(values)
    }

    fn keep_last_of_equal_names(&self, mut values: Vec<(String, String)>) -> Vec<(String, String)> {
        if self.repeated_name().is_some() {
            let mut seen = std::collections::HashSet::new();
            values.reverse();
            values.retain(|(name, _)| seen.insert(name.clone()));
            values.reverse();
        }
        values
    }

    /// The slot that the field at `at` of `count` falls into.
    fn slot_of(&self, at: usize, count: usize) -> Option<&Slot> {
        let back = self.back.as_deref().unwrap_or_default();
        let from_back = count.saturating_sub(back.len());
        self.front.get(at).or_else(|| at.checked_sub(from_back).and_then(|at| back.get(at)))
    }

    fn value<'t>(&self, document: &Document<'t>, fields: &[Field<'t>], at: usize) -> &'t str {
        let takes_rest = self.back.is_none() && at + 1 == self.front.len() && fields.len() > self.front.len();
        if takes_rest { Fields::rest_of(document.text(), fields[at]) } else { fields[at].value }
    }

    /// The value of the slot called `name`; of the last one, if the name repeats.
    pub(crate) fn named<'t>(&self, name: &str, document: &Document<'t>) -> Option<&'t str> {
        self.in_slot(self.slot_named(name)?, document)
    }

    /// The slot called `name`; the last one, if the name repeats.
    pub(crate) fn slot_named(&self, name: &str) -> Option<usize> {
        Some(self.slots().enumerate().filter(|(_, slot)| slot.name.as_deref() == Some(name)).last()?.0)
    }

    /// The value of a slot.
    pub(crate) fn in_slot<'t>(&self, slot: usize, document: &Document<'t>) -> Option<&'t str> {
        let fields = document.fields();
        if fields.len() < self.least() {
            return None;
        }
        let at = if slot < self.front.len() { slot } else { fields.len() - self.least() + slot };
        Some(self.value(document, fields, at))
    }

    /// The value at a 1-based position.
    pub(crate) fn positioned<'t>(&self, position: usize, document: &Document<'t>) -> Option<&'t str> {
        let fields = document.fields();
        let at = position.checked_sub(1)?;
        (fields.len() >= self.least() && at < fields.len() && self.has_position(position))
            .then(|| self.value(document, fields, at))
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.slots().any(|slot| slot.name.as_deref() == Some(name))
    }

    pub(crate) fn has_position(&self, position: usize) -> bool {
        self.is_bare() || self.back.is_some() || position <= self.front.len()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.slots().filter_map(|slot| slot.name.as_deref())
    }

    /// A name that more than one slot has.
    pub(crate) fn repeated_name(&self) -> Option<&str> {
        let names: Vec<&str> = self.names().collect();
        names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| *name)
    }

    pub(crate) fn has_never(&self) -> bool {
        self.slots().filter_map(|slot| slot.test.as_ref()).any(Test::has_never)
    }

    /// Texts that every matching line contains: fields are spans of the line, so whatever a
    /// field must contain, the line must contain too.
    pub(crate) fn literals(&self) -> Vec<String> {
        required::minimal(
            self.slots().filter_map(|slot| slot.test.as_ref()).flat_map(Test::literals).collect(),
        )
    }
}
