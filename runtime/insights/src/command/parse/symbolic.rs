//! A glob matched against a template instead of its messages: where each wildcard's text stands, if
//! that is the same for all of them. Knows no row and no value, only which bytes variables may hold.

use memchr::memmem::Finder;

use crate::lend::{Facts, Templates};
use crate::run::column::Form;
use crate::run::gather::{Piece, Source};
use crate::value::Value;

/// Steps of one search; a template that needs more is left to its messages.
const STEPS: usize = 20_000;

/// A part of a template.
enum Element<'t> {
    Text(&'t str),
    Variable { column: u32, facts: Facts, values: Option<Vec<&'t str>> },
}

/// A place between two bytes of a template; within a variable there is none.
type Place = (usize, usize);

/// Where a text is found first.
enum Found {
    /// Here in every message, and nowhere before.
    Here(Place),
    /// Nowhere in any message.
    Nowhere,
    /// It depends on the message.
    Unclear,
}

struct Template<'t> {
    elements: Vec<Element<'t>>,
    steps: usize,
}

/// What each wildcard takes in every message of the template: nothing for a template that never
/// matches. None: it depends on the message.
pub(super) fn cut(
    pieces: &[Finder<'static>],
    templates: &dyn Templates,
    template: usize,
) -> Option<Vec<Source>> {
    let mut template = Template::new(templates, template);
    let mut captures = Vec::new();
    let mut at = (0, 0);
    for (index, piece) in pieces.iter().enumerate() {
        let needle = piece.needle();
        let rest_of_text = index > 0 && index == pieces.len() - 1 && needle.is_empty();
        let found = if rest_of_text {
            (template.elements.len(), 0)
        } else {
            match template.find(needle, at) {
                Found::Here(found) => found,
                Found::Nowhere => return Some(vec![Source::Absent; pieces.len() - 1]),
                Found::Unclear => return None,
            }
        };
        if index > 0 {
            captures.push(template.between(at, found));
        }
        at = (found.0, found.1 + needle.len());
    }
    Some(captures)
}

impl<'t> Template<'t> {
    fn new(templates: &'t dyn Templates, template: usize) -> Template<'t> {
        let columns = templates.columns(template);
        let mut elements = Vec::with_capacity(columns.len() * 2 + 1);
        for part in 0..=columns.len() {
            if part > 0 {
                let column = columns[part - 1];
                let (facts, values) = (templates.facts(column), templates.values(column));
                elements.push(Element::Variable { column, facts, values });
            }
            let text = templates.part(template, part);
            if !text.is_empty() {
                elements.push(Element::Text(text));
            }
        }
        Template { elements, steps: 0 }
    }

    /// The first place from `from` on where the text stands.
    fn find(&mut self, needle: &[u8], from: Place) -> Found {
        if needle.is_empty() {
            return Found::Here(from);
        }
        for at in from.0..self.elements.len() {
            let start = if at == from.0 { from.1 } else { 0 };
            match &self.elements[at] {
                Element::Text(text) => {
                    let text = text.as_bytes();
                    for offset in start..text.len() {
                        let here = &text[offset..];
                        if here.starts_with(needle) {
                            return Found::Here((at, offset));
                        }
                        if needle.starts_with(here) && self.may_follow(at + 1, &needle[here.len()..]) {
                            return Found::Unclear;
                        }
                    }
                }
                Element::Variable { .. } => {
                    if self.may_start_in(at, needle) {
                        return Found::Unclear;
                    }
                }
            }
        }
        Found::Nowhere
    }

    /// Whether the text may start with a byte of this variable.
    fn may_start_in(&mut self, at: usize, needle: &[u8]) -> bool {
        let ends = match &self.elements[at] {
            Element::Variable { values: Some(values), .. } => {
                let mut ends = Vec::new();
                for value in values.iter().map(|value| value.as_bytes()) {
                    for start in 0..value.len() {
                        let rest = &value[start..];
                        if rest.starts_with(needle) {
                            return true;
                        }
                        if needle.starts_with(rest) {
                            ends.push(rest.len());
                        }
                    }
                }
                ends
            }
            Element::Variable { facts, .. } => (1..=held(facts, needle)).collect(),
            Element::Text(_) => Vec::new(),
        };
        ends.into_iter().any(|end| self.may_follow(at + 1, &needle[end..]))
    }

    /// Whether the text may stand from the start of this element on.
    fn may_follow(&mut self, at: usize, rest: &[u8]) -> bool {
        self.steps += 1;
        if rest.is_empty() || self.steps > STEPS {
            return true;
        }
        let ends = match self.elements.get(at) {
            None => return false,
            Some(Element::Text(text)) => {
                let text = text.as_bytes();
                if text.len() >= rest.len() {
                    return text.starts_with(rest);
                }
                if rest.starts_with(text) { vec![text.len()] } else { Vec::new() }
            }
            Some(Element::Variable { values: Some(values), .. }) => {
                let mut ends = Vec::new();
                for value in values.iter().map(|value| value.as_bytes()) {
                    if value.starts_with(rest) {
                        return true;
                    }
                    if rest.starts_with(value) {
                        ends.push(value.len());
                    }
                }
                ends
            }
            Some(Element::Variable { facts, .. }) => (0..=held(facts, rest)).collect(),
        };
        ends.into_iter().any(|end| self.may_follow(at + 1, &rest[end..]))
    }

    /// What stands between two places.
    fn between(&self, from: Place, to: Place) -> Source {
        let mut pieces: Vec<Piece> = Vec::new();
        let passed = self.elements.iter().enumerate().take(to.0 + 1).skip(from.0);
        for (at, element) in passed {
            match element {
                Element::Text(text) => {
                    let start = if at == from.0 { from.1 } else { 0 };
                    let end = if at == to.0 { to.1 } else { text.len() };
                    if start < end {
                        pieces.push(Piece::Text(text[start..end].into()));
                    }
                }
                Element::Variable { column, .. } if at < to.0 => pieces.push(Piece::Column(*column)),
                Element::Variable { .. } => {}
            }
        }
        match pieces.as_slice() {
            [] => Source::Static(Value::text("")),
            [Piece::Text(text)] => Source::Static(Value::text(text)),
            [Piece::Column(column)] => Source::Column(*column, Form::Raw),
            _ => Source::Joined(pieces),
        }
    }
}

/// How many leading bytes a variable may hold.
fn held(facts: &Facts, text: &[u8]) -> usize {
    text.iter().take_while(|byte| facts.may_hold(**byte)).count()
}
