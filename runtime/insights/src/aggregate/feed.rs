//! Batches on their way into states: which row belongs to which group, and the numbers of a column
//! in the shape they come in. Knows no aggregate.

use crate::run::strings::Digits;
use crate::run::vector::{ABSENT, CodeList, Operand, Vector};
use crate::value::Value;
use crate::value::number::Number;

/// The group of every row of a batch.
#[derive(Debug)]
pub(crate) enum Assigned {
    /// All rows are in one group.
    One {
        group: u32,
        rows: usize,
    },
    Each(Vec<u32>),
}

impl Assigned {
    /// Calls `visit` with every row and its group.
    pub(crate) fn each(&self, mut visit: impl FnMut(usize, usize)) {
        match self {
            Assigned::One { group, rows } => (0..*rows).for_each(|row| visit(row, *group as usize)),
            Assigned::Each(list) => {
                list.iter().enumerate().for_each(|(row, group)| visit(row, *group as usize));
            }
        }
    }
}

/// The rows of a sparse column that have a value, with their groups.
pub(super) fn present<'a, 'b>(
    groups: &Assigned,
    inner: &'a Vector<'b>,
    indexes: &[u32],
) -> (Assigned, Operand<'a, 'b>)
where
    'b: 'a,
{
    let kept: Vec<u32> = indexes.iter().copied().filter(|index| *index != ABSENT).collect();
    let groups = match groups {
        Assigned::One { group, .. } => Assigned::One { group: *group, rows: kept.len() },
        Assigned::Each(list) => {
            let pairs = list.iter().zip(indexes).filter(|(_, index)| **index != ABSENT);
            Assigned::Each(pairs.map(|(group, _)| *group).collect())
        }
    };
    (groups, Operand::Made(inner.picked(&kept)))
}

/// A column's values as numbers, where its shape says what they are.
enum Numbers<'a> {
    Ints(&'a [i64]),
    Floats(&'a [f64]),
    Coded(&'a CodeList<'a>, Vec<Option<Number>>),
    Same(Option<Number>),
}

fn numbers<'a>(values: &'a Vector<'_>) -> Option<Numbers<'a>> {
    let number = |value: &Value| value.cell().number();
    Some(match values {
        Vector::Constant(value) => Numbers::Same(number(value)),
        Vector::Ints(list) | Vector::Times(list) => Numbers::Ints(list),
        Vector::Floats(list) => Numbers::Floats(list),
        Vector::Digits(digits) if digits.is_bare() => Numbers::Ints(bare(digits)),
        Vector::Dictionary { codes, values } => Numbers::Coded(codes, values.iter().map(number).collect()),
        _ => return None,
    })
}

fn bare<'a>(digits: &'a Digits<'_>) -> &'a [i64] {
    &digits.values
}

/// Calls `visit` with the group and number of every row whose value is a number, in order.
pub(super) fn each_number(values: &Vector<'_>, groups: &Assigned, mut visit: impl FnMut(usize, Number)) {
    match numbers(values) {
        Some(Numbers::Ints(list)) => groups.each(|row, group| visit(group, Number::Int(list[row]))),
        Some(Numbers::Floats(list)) => groups.each(|row, group| visit(group, Number::Float(list[row]))),
        Some(Numbers::Coded(codes, numbers)) => groups.each(|row, group| {
            if let Some(number) = numbers[codes.get(row)] {
                visit(group, number);
            }
        }),
        Some(Numbers::Same(Some(number))) => groups.each(|_, group| visit(group, number)),
        Some(Numbers::Same(None)) => {}
        None => groups.each(|row, group| {
            if let Some(number) = values.get(row).number() {
                visit(group, number);
            }
        }),
    }
}
