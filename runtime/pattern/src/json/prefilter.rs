//! Can a message match at all? A cheap look at its raw text before it is parsed.
//!
//! Owns which literals are worth searching. Only sound for text without a backslash, where
//! member names and strings stand as they are; `may_match` checks that itself.

use memchr::memmem::Finder;

use super::expression::{Condition, Expression};
use crate::document::Document;

/// Beyond this many searches, parsing is cheaper.
const MOST_SEARCHES: usize = 8;
/// Shorter literals are found in nearly every message.
const SHORTEST: usize = 2;

#[derive(Debug, Clone)]
enum Need {
    Nothing,
    Has(Box<Finder<'static>>),
    All(Vec<Need>),
    Any(Vec<Need>),
}

/// The compiled check of one pattern.
#[derive(Debug, Clone)]
pub(crate) struct Prefilter {
    need: Need,
}

impl Prefilter {
    pub(crate) fn new(expression: &Expression, conditions: &[Condition]) -> Prefilter {
        let need = need(expression, conditions);
        Prefilter { need: if need.searches() > MOST_SEARCHES { Need::Nothing } else { need } }
    }

    /// `false` only if the message cannot match. A document that is parsed already is cheaper to
    /// ask than its text.
    pub(crate) fn may_match(&self, document: &Document<'_>) -> bool {
        if matches!(self.need, Need::Nothing) || document.is_parsed() || document.has_backslash() {
            return true;
        }
        self.need.met(document.text().as_bytes())
    }
}

impl Need {
    fn searches(&self) -> usize {
        match self {
            Need::Nothing => 0,
            Need::Has(_) => 1,
            Need::All(parts) | Need::Any(parts) => parts.iter().map(Need::searches).sum(),
        }
    }

    fn met(&self, text: &[u8]) -> bool {
        match self {
            Need::Nothing => true,
            Need::Has(finder) => finder.find(text).is_some(),
            Need::All(parts) => parts.iter().all(|part| part.met(text)),
            Need::Any(parts) => parts.iter().any(|part| part.met(text)),
        }
    }
}

fn need(part: &Expression, conditions: &[Condition]) -> Need {
    match part {
        Expression::Guest(_) => Need::Nothing,
        Expression::Condition(at) => {
            let condition = &conditions[*at];
            let values = condition.value_literals();
            let longest = values.into_iter().max_by_key(String::len).filter(|value| value.len() >= SHORTEST);
            match longest.or_else(|| condition.name_literal()) {
                Some(literal) => Need::Has(Box::new(Finder::new(&literal).into_owned())),
                None => Need::Nothing,
            }
        }
        Expression::All(parts) => {
            let needs = parts.iter().map(|part| need(part, conditions));
            let needs: Vec<Need> = needs.filter(|need| !matches!(need, Need::Nothing)).collect();
            if needs.is_empty() { Need::Nothing } else { Need::All(needs) }
        }
        Expression::Any(parts) => {
            let needs: Vec<Need> = parts.iter().map(|part| need(part, conditions)).collect();
            if needs.iter().any(|need| matches!(need, Need::Nothing)) {
                Need::Nothing
            } else {
                Need::Any(needs)
            }
        }
    }
}
