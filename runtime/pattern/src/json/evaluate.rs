//! Asking a compiled JSON pattern about a document, and what a match extracts.
//!
//! Owns the truth of conditions. A message that is not one JSON object makes every condition
//! false, `NOT EXISTS` included; guests are asked about any message.

use super::expression::{Condition, Expression, JsonPattern, Test};
use super::tape::{Kind, Value};
use crate::document::Document;
use crate::guests::Guests;

impl JsonPattern {
    pub(crate) fn matches(&self, document: &Document<'_>, guests: &mut dyn Guests) -> bool {
        self.prefilter.may_match(document) && self.holds(&self.expression, document, guests)
    }

    fn holds(&self, part: &Expression, document: &Document<'_>, guests: &mut dyn Guests) -> bool {
        match part {
            Expression::Condition(at) => {
                document.object().is_some_and(|root| self.conditions[*at].holds(root))
            }
            Expression::Guest(at) => guests.verdict(&self.guests[*at]),
            Expression::All(parts) => parts.iter().all(|part| self.holds(part, document, guests)),
            Expression::Any(parts) => parts.iter().any(|part| self.holds(part, document, guests)),
        }
    }

    /// One entry for each selector of the pattern that lands, spelled as in the pattern. A
    /// wildcard gives the first value that satisfies its condition, else the first value.
    pub(crate) fn extract(&self, document: &Document<'_>) -> Vec<(String, String)> {
        let Some(root) = document.object() else { return Vec::new() };
        let mut values: Vec<(String, String)> = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let spelling = condition.selector.spelling();
            if values.iter().any(|(name, _)| name == spelling) {
                continue;
            }
            if let Some(value) = condition.witness(root) {
                values.push((spelling.to_string(), value));
            }
        }
        values
    }
}

impl Condition {
    /// As `holds`, from the value that the first step of the selector landed on.
    pub(super) fn holds_behind(&self, first: Value<'_>) -> bool {
        match self.test {
            Test::NotExists => !self.selector.any_behind_first(first, &mut |_| true),
            _ => self.selector.any_behind_first(first, &mut |value| self.accepts(value)),
        }
    }

    pub(super) fn holds(&self, root: Value<'_>) -> bool {
        match self.test {
            // Absent means that no path leads there, whatever a wildcard could choose.
            Test::NotExists => !self.selector.any(root, &mut |_| true),
            _ => self.selector.any(root, &mut |value| self.accepts(value)),
        }
    }

    fn accepts(&self, value: Value<'_>) -> bool {
        match &self.test {
            Test::Compare(comparison) => match value.kind() {
                Kind::Object | Kind::Array => false,
                Kind::Null => comparison.accepts_null(),
                Kind::String | Kind::Number | Kind::True | Kind::False => {
                    value.scalar().is_some_and(|text| comparison.accepts(&text))
                }
            },
            Test::IsNull => value.kind() == Kind::Null,
            Test::IsTrue => value.kind() == Kind::True,
            Test::IsFalse => value.kind() == Kind::False,
            Test::NotExists => false,
        }
    }

    fn witness(&self, root: Value<'_>) -> Option<String> {
        if self.selector.wildcards() > 0 {
            let mut found = None;
            self.selector.any(root, &mut |value| {
                let accepted = self.accepts(value);
                if accepted {
                    found = Some(value.display().into_owned());
                }
                accepted
            });
            if found.is_some() {
                return found;
            }
        }
        self.selector.first(root).map(|value| value.display().into_owned())
    }
}
