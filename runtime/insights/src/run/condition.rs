//! Conditions on one column: decided for a whole block from what is known of its columns, for each
//! distinct value, or in a loop over typed values. Every way gives what the language says of one cell.

use std::cmp::Ordering;

use super::column::Form;
use super::gather::Source;
use super::mask::Mask;
use super::matcher::Matcher;
use super::node::Node;
use super::stage::Slot;
use super::strings::{Digits, Strings};
use super::vector::{ABSENT, Vector};
use crate::lend::Templates;
use crate::value::compare::Comparison;
use crate::value::number::Number;
use crate::value::{Cell, Value};

/// A yes or no about one cell.
#[derive(Clone, Copy)]
pub(crate) enum Condition<'n> {
    Compare(Comparison, &'n Value),
    Match { matcher: &'n Matcher, negated: bool },
    In { list: &'n [Value], negated: bool },
}

impl<'n> Condition<'n> {
    /// The condition and its column, if the expression is one.
    pub(crate) fn of(node: &'n Node) -> Option<(Slot, Condition<'n>)> {
        let (subject, condition) = match node {
            Node::Compare(op, subject, value) => match &**value {
                Node::Constant(value) => (subject, Condition::Compare(*op, value)),
                _ => return None,
            },
            Node::Match { subject, negated, matcher } => {
                (subject, Condition::Match { matcher, negated: *negated })
            }
            Node::In { subject, negated, list } => (subject, Condition::In { list, negated: *negated }),
            _ => return None,
        };
        match &**subject {
            Node::Slot(slot) => Some((*slot, condition)),
            _ => None,
        }
    }

    /// Whether it holds for one cell.
    pub(crate) fn holds(&self, cell: Cell<'_>) -> bool {
        match self {
            Condition::Compare(op, value) => op.holds(cell, value.cell()),
            Condition::Match { matcher, negated } => {
                cell.text().is_some_and(|text| matcher.is_match(&text)) != *negated
            }
            Condition::In { list, negated } => {
                list.iter().any(|value| Comparison::Equal.holds(cell, value.cell())) != *negated
            }
        }
    }

    /// The rows of a column that it holds for.
    pub(crate) fn mask(&self, vector: &Vector<'_>, len: usize) -> Mask {
        match (self, vector) {
            (_, Vector::Constant(value)) => Mask::whole(self.holds(value.cell())),
            (_, Vector::Dictionary { codes, values }) => {
                let verdicts: Vec<bool> = values.iter().map(|value| self.holds(value.cell())).collect();
                if verdicts.iter().all(|verdict| *verdict == verdicts[0]) {
                    return Mask::whole(verdicts.first().copied().unwrap_or(false) && len > 0);
                }
                Mask::of(len, |row| verdicts[codes.get(row)])
            }
            (_, Vector::Sparse(inner, indexes)) => {
                let null = self.holds(Cell::Null);
                let present = indexes.iter().filter(|index| **index != ABSENT);
                let size = present.map(|index| *index as usize + 1).max().unwrap_or(0);
                let flags = self.mask(inner, size).flags(size);
                Mask::of(len, |row| match indexes[row] {
                    ABSENT => null,
                    index => flags[index as usize],
                })
            }
            (Condition::Compare(op, value), vector) => compare(*op, value, vector, len),
            (Condition::Match { matcher, negated }, Vector::Texts(strings)) => {
                find(matcher, *negated, strings, len)
            }
            _ => Mask::of(len, |row| self.holds(vector.get(row))),
        }
    }

    /// What it is for every row of a block's template, as far as that is known without reading a column.
    pub(crate) fn decide(&self, source: &Source, templates: &dyn Templates) -> Option<bool> {
        match source {
            Source::Absent => Some(self.holds(Cell::Null)),
            Source::Static(value) => Some(self.holds(value.cell())),
            Source::Column(column, form) => self.decide_column(*column, *form, templates),
            Source::Joined(_) | Source::Messages => None,
        }
    }

    fn decide_column(&self, column: u32, form: Form, templates: &dyn Templates) -> Option<bool> {
        if let Some(values) = templates.values(column) {
            let mut verdicts = values.iter().map(|text| self.holds(form.lend(text).cell()));
            let first = verdicts.next()?;
            return verdicts.all(|verdict| verdict == first).then_some(first);
        }
        let facts = templates.facts(column);
        if let Condition::Compare(Comparison::Equal, value @ Value::Text(text)) = self
            // Numbers are equal however they are written, and texts however they are escaped.
            && value.cell().number().is_none()
            && !facts.may_hold(b'\\')
            && templates.lacks(column, text)
        {
            return Some(false);
        }
        let (Some(min), Some(max), Condition::Compare(op, value)) = (facts.min, facts.max, self) else {
            return None;
        };
        // Beyond this, whole numbers and the floats that stand for them may differ.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let right = value.cell().number()?.float();
        if [min, max, right].iter().any(|x| x.abs() >= EXACT) {
            return None;
        }
        match op {
            Comparison::Equal => (right < min || right > max).then_some(false),
            Comparison::NotEqual => (right < min || right > max).then_some(true),
            Comparison::Less => verdict(max < right, min >= right),
            Comparison::LessOrEqual => verdict(max <= right, min > right),
            Comparison::Greater => verdict(min > right, max <= right),
            Comparison::GreaterOrEqual => verdict(min >= right, max < right),
        }
    }
}

fn verdict(all: bool, none: bool) -> Option<bool> {
    (all || none).then_some(all)
}

fn accepts(op: Comparison, order: Ordering) -> bool {
    match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

/// Compares numbers with a constant; a boolean equals its word, but numbers equal numbers only.
fn compare(op: Comparison, value: &Value, vector: &Vector<'_>, len: usize) -> Mask {
    let number = value.cell().number();
    match vector {
        Vector::Ints(list) | Vector::Times(list) => {
            if matches!(value, Value::Null | Value::List(_) | Value::Map(_)) {
                return Mask::None;
            }
            match number {
                None => Mask::whole(op == Comparison::NotEqual),
                Some(Number::Int(right)) => Mask::of(len, |row| accepts(op, list[row].cmp(&right))),
                Some(right) => Mask::of(len, |row| accepts(op, Number::Int(list[row]).compare(right))),
            }
        }
        Vector::Floats(list) => match number {
            Some(right) => Mask::of(len, |row| accepts(op, Number::Float(list[row]).compare(right))),
            None => Mask::of(len, |row| op.holds(Cell::Float(list[row]), value.cell())),
        },
        Vector::Digits(digits) => compare_digits(op, value, digits, len)
            .unwrap_or_else(|| Mask::of(len, |row| op.holds(vector.get(row), value.cell()))),
        _ => Mask::of(len, |row| op.holds(vector.get(row), value.cell())),
    }
}

/// Without writing the texts out: equality with a text, and the order of bare numbers.
fn compare_digits(op: Comparison, value: &Value, digits: &Digits<'_>, len: usize) -> Option<Mask> {
    let equality = matches!(op, Comparison::Equal | Comparison::NotEqual);
    match (value, value.cell().number()) {
        (Value::Text(text), _) if equality => {
            let equal = match digits.number_in(text) {
                Some(number) => Mask::of(len, |row| digits.values[row] == number),
                None => Mask::None,
            };
            Some(if op == Comparison::Equal { equal } else { equal.not(len) })
        }
        (Value::Bool(_), _) => None,
        (_, Some(right)) if digits.is_bare() => {
            Some(Mask::of(len, |row| accepts(op, Number::Int(digits.values[row]).compare(right))))
        }
        _ => None,
    }
}

/// A plain text is looked for in all texts at once.
fn find(matcher: &Matcher, negated: bool, strings: &Strings<'_>, len: usize) -> Mask {
    let (Some(finder), Some((text, ends))) = (matcher.finder(), strings.joined()) else {
        let holds = |row: usize| strings.get(row).is_some_and(|text| matcher.is_match(text)) != negated;
        return Mask::of(len, holds);
    };
    if finder.needle().is_empty() {
        return Mask::whole(!negated);
    }
    let mut rows = Vec::new();
    let (mut at, mut row) = (0, 0);
    while let Some(found) = finder.find(&text.as_bytes()[at..]) {
        let start = at + found;
        row += ends[row..].partition_point(|end| (*end as usize) <= start);
        let Some(end) = ends.get(row).map(|end| *end as usize) else { break };
        if start + finder.needle().len() <= end {
            rows.extend(u32::try_from(row));
            row += 1;
            at = end;
        } else {
            // It runs over into the next text.
            at = start + 1;
        }
    }
    let found = Mask::listed(rows, len);
    if negated { found.not(len) } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::syntax::Pattern;

    #[test]
    fn a_text_that_runs_over_two_rows_is_in_neither() {
        let strings = Strings::lent("abcabaabc", &[2, 3, 5, 9]);
        for (pattern, want) in [("ab", [0, 2, 3].as_slice()), ("bca", &[]), ("abc", &[3]), ("ba", &[])] {
            let matcher = Matcher::new(&Pattern::Text(pattern.to_owned())).expect("compiles");
            assert_eq!(find(&matcher, false, &strings, 4), Mask::listed(want.to_vec(), 4), "{pattern}");
            let rest = Mask::listed(want.to_vec(), 4).not(4);
            assert_eq!(find(&matcher, true, &strings, 4), rest, "not {pattern}");
        }
    }
}
