//! A compiled JSON pattern: conditions joined by `&&` and `||`, with guests among them.
//!
//! Owns the shape and what can be read off it (selectors, guests, required literals). Refuses to
//! know the grammar (`parse`) and the documents (`evaluate`).

use super::path::Selector;
use super::prefilter::Prefilter;
use crate::operand::Comparison;
use crate::required;

/// What is asked of the value a selector lands on.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare(Comparison),
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
}

#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) selector: Selector,
    pub(crate) test: Test,
}

/// The formula. Leaves are indices, so that order of evaluation and order of the text may
/// differ.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Condition(usize),
    Guest(usize),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Expression {
    /// Joins `parts`, native ones first: a guest is asked only if the rest leaves it open.
    pub(crate) fn join(mut parts: Vec<Expression>, how: fn(Vec<Expression>) -> Expression) -> Expression {
        match parts.len() {
            1 => parts.remove(0),
            _ => {
                parts.sort_by_key(Expression::asks_guest);
                how(parts)
            }
        }
    }

    fn asks_guest(&self) -> bool {
        match self {
            Expression::Condition(_) => false,
            Expression::Guest(_) => true,
            Expression::All(parts) | Expression::Any(parts) => parts.iter().any(Expression::asks_guest),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct JsonPattern {
    pub(crate) expression: Expression,
    /// In the order of the text.
    pub(crate) conditions: Vec<Condition>,
    /// Names after `wasm:`, each once, in the order of the text.
    pub(crate) guests: Vec<String>,
    pub(crate) prefilter: Prefilter,
}

impl JsonPattern {
    pub(crate) fn new(
        expression: Expression,
        conditions: Vec<Condition>,
        guests: Vec<String>,
    ) -> JsonPattern {
        let prefilter = Prefilter::new(&expression, &conditions);
        JsonPattern { expression, conditions, guests, prefilter }
    }

    /// The one guest whose verdict is the whole pattern.
    pub(crate) fn guest_only(&self) -> Option<&str> {
        match self.expression {
            Expression::Guest(at) => self.guests.get(at).map(String::as_str),
            _ => None,
        }
    }

    /// Literals that occur verbatim in every matching message.
    ///
    /// Member names and strings may be written with `\u` escapes, so they prove nothing; the
    /// words `true`, `false` and `null` cannot be written in any other way.
    pub(crate) fn literals(&self) -> Vec<String> {
        self.required(&self.expression, &|condition| match condition.test {
            Test::IsNull => vec!["null".to_string()],
            Test::IsTrue => vec!["true".to_string()],
            Test::IsFalse => vec!["false".to_string()],
            Test::Compare(_) | Test::NotExists => Vec::new(),
        })
    }

    /// Literals that occur verbatim in every matching message that has no backslash in it.
    ///
    /// Without a backslash nothing is escaped: names and strings stand in the text as they are.
    pub(crate) fn literals_unless_escaped(&self) -> Vec<String> {
        self.required(&self.expression, &Condition::literals_unless_escaped)
    }

    /// Does some condition refuse every value (`!= *`)?
    pub(crate) fn has_never(&self) -> bool {
        let never = |test: &Test| matches!(test, Test::Compare(comparison) if comparison.is_never());
        self.conditions.iter().any(|condition| never(&condition.test))
    }

    fn required(&self, part: &Expression, of: &dyn Fn(&Condition) -> Vec<String>) -> Vec<String> {
        match part {
            Expression::Condition(at) => of(&self.conditions[*at]),
            Expression::Guest(_) => Vec::new(),
            Expression::All(parts) => {
                required::minimal(parts.iter().flat_map(|part| self.required(part, of)).collect())
            }
            Expression::Any(parts) => parts
                .iter()
                .map(|part| self.required(part, of))
                .reduce(|left, right| required::either(&left, &right))
                .unwrap_or_default(),
        }
    }
}

impl Condition {
    pub(crate) fn literals_unless_escaped(&self) -> Vec<String> {
        let mut literals = self.value_literals();
        literals.extend(self.name_literal());
        required::minimal(literals)
    }

    /// Texts the value itself must contain.
    pub(crate) fn value_literals(&self) -> Vec<String> {
        match &self.test {
            Test::Compare(comparison) => comparison.literals(),
            Test::IsNull => vec!["null".to_string()],
            Test::IsTrue => vec!["true".to_string()],
            Test::IsFalse => vec!["false".to_string()],
            Test::NotExists => Vec::new(),
        }
    }

    /// The member name that must be there, in its quotes.
    pub(crate) fn name_literal(&self) -> Option<String> {
        match self.test {
            Test::NotExists => None,
            _ => self.selector.last_name().map(|name| format!("\"{name}\"")),
        }
    }
}
