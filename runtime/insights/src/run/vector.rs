//! One column of a batch, in the shape that fits it. Borrows from the block where it can.
//! Kernels look at the shape; everyone else goes through [`Vector::get`].

use std::borrow::Cow;
use std::sync::Arc;

use super::strings::{Digits, Strings};
use crate::block::Column;
use crate::value::{Cell, Value};

/// A value found in a message: numbers by value, text borrowed unless it had escapes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lent<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Borrowed(&'b str),
    Owned(Box<str>),
}

impl<'b> Lent<'b> {
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Lent::Null => Cell::Null,
            Lent::Bool(b) => Cell::Bool(*b),
            Lent::Int(n) => Cell::Int(*n),
            Lent::Float(x) => Cell::Float(*x),
            Lent::Borrowed(s) => Cell::Text(s),
            Lent::Owned(s) => Cell::Text(s),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Lent::Null)
    }

    /// A copy that borrows nothing.
    pub(crate) fn detached<'any>(&self) -> Lent<'any> {
        match self {
            Lent::Null => Lent::Null,
            Lent::Bool(b) => Lent::Bool(*b),
            Lent::Int(n) => Lent::Int(*n),
            Lent::Float(x) => Lent::Float(*x),
            Lent::Borrowed(s) => Lent::Owned(Box::from(*s)),
            Lent::Owned(s) => Lent::Owned(s.clone()),
        }
    }
}

/// An index that stands for an absent value.
pub(crate) const ABSENT: u32 = u32::MAX;

/// Indexes into a list of values, one per row.
#[derive(Debug, Clone)]
pub(crate) enum CodeList<'b> {
    U8(Cow<'b, [u8]>),
    U16(Cow<'b, [u16]>),
    U32(Cow<'b, [u32]>),
}

impl CodeList<'_> {
    /// The code of one row.
    pub(crate) fn get(&self, row: usize) -> usize {
        match self {
            CodeList::U8(list) => usize::from(list[row]),
            CodeList::U16(list) => usize::from(list[row]),
            CodeList::U32(list) => list[row] as usize,
        }
    }

    /// Calls `visit` with every row and its code.
    pub(crate) fn each(&self, mut visit: impl FnMut(usize, usize)) {
        match self {
            CodeList::U8(list) => list.iter().enumerate().for_each(|(row, c)| visit(row, usize::from(*c))),
            CodeList::U16(list) => list.iter().enumerate().for_each(|(row, c)| visit(row, usize::from(*c))),
            CodeList::U32(list) => list.iter().enumerate().for_each(|(row, c)| visit(row, *c as usize)),
        }
    }

    fn select(&mut self, rows: &[u32]) {
        match self {
            CodeList::U8(list) => pick(list, rows),
            CodeList::U16(list) => pick(list, rows),
            CodeList::U32(list) => pick(list, rows),
        }
    }
}

/// A column of values, one per row of its batch.
#[derive(Debug)]
pub(crate) enum Vector<'b> {
    /// The same in every row.
    Constant(Value),
    Ints(Cow<'b, [i64]>),
    Floats(Cow<'b, [f64]>),
    Times(Cow<'b, [i64]>),
    Bools(Vec<bool>),
    /// `values[codes[row]]`
    Dictionary {
        codes: CodeList<'b>,
        values: Arc<[Value]>,
    },
    /// Texts that are a number between fixed texts.
    Digits(Digits<'b>),
    Texts(Strings<'b>),
    /// `inner[indexes[row]]`; [`ABSENT`] is null. The inner vector is not sparse itself.
    Sparse(Box<Vector<'b>>, Vec<u32>),
    Lent(Vec<Lent<'b>>),
    Values(Vec<Value>),
}

fn pick<T: Clone>(list: &mut Cow<'_, [T]>, rows: &[u32]) {
    *list = Cow::Owned(rows.iter().map(|row| list[*row as usize].clone()).collect());
}

fn pick_vec<T: Clone>(list: &mut Vec<T>, rows: &[u32]) {
    *list = rows.iter().map(|row| list[*row as usize].clone()).collect();
}

impl<'b> Vector<'b> {
    /// Null in every row.
    pub(crate) fn absent() -> Vector<'b> {
        Vector::Constant(Value::Null)
    }

    /// The value of one row.
    pub(crate) fn get(&self, row: usize) -> Cell<'_> {
        match self {
            Vector::Constant(value) => value.cell(),
            Vector::Ints(list) => Cell::Int(list[row]),
            Vector::Floats(list) => Cell::Float(list[row]),
            Vector::Times(list) => Cell::Time(list[row]),
            Vector::Bools(list) => Cell::Bool(list[row]),
            Vector::Dictionary { codes, values } => values[codes.get(row)].cell(),
            Vector::Digits(digits) => Cell::Text(digits.text(row)),
            Vector::Texts(strings) => strings.get(row).map_or(Cell::Null, Cell::Text),
            Vector::Sparse(inner, indexes) => match indexes[row] {
                ABSENT => Cell::Null,
                index => inner.get(index as usize),
            },
            Vector::Lent(list) => list[row].cell(),
            Vector::Values(list) => list[row].cell(),
        }
    }

    /// Keeps the rows whose indexes are listed, in that order; an index may repeat.
    pub(crate) fn select(&mut self, rows: &[u32]) {
        match self {
            Vector::Constant(_) => {}
            Vector::Ints(list) | Vector::Times(list) => pick(list, rows),
            Vector::Floats(list) => pick(list, rows),
            Vector::Bools(list) => pick_vec(list, rows),
            Vector::Dictionary { codes, .. } => codes.select(rows),
            Vector::Digits(digits) => digits.select(rows),
            Vector::Texts(strings) => strings.select(rows),
            Vector::Sparse(_, indexes) => pick_vec(indexes, rows),
            Vector::Lent(list) => pick_vec(list, rows),
            Vector::Values(list) => pick_vec(list, rows),
        }
    }

    /// The values whose indexes are listed, as a column of its own.
    pub(crate) fn picked(&self, rows: &[u32]) -> Vector<'b> {
        let at = |row: &u32| *row as usize;
        match self {
            Vector::Constant(value) => Vector::Constant(value.clone()),
            Vector::Ints(list) => Vector::Ints(rows.iter().map(|row| list[at(row)]).collect()),
            Vector::Floats(list) => Vector::Floats(rows.iter().map(|row| list[at(row)]).collect()),
            Vector::Times(list) => Vector::Times(rows.iter().map(|row| list[at(row)]).collect()),
            Vector::Digits(digits) => {
                let values = rows.iter().map(|row| digits.values[at(row)]).collect();
                Vector::Digits(Digits::new(digits.prefix, digits.suffix, digits.width, values))
            }
            Vector::Lent(list) => Vector::Lent(rows.iter().map(|row| list[at(row)].clone()).collect()),
            other => Vector::Values(rows.iter().map(|row| other.get(at(row)).to_value()).collect()),
        }
    }

    /// Spreads the values over rows: row `i` has value `indexes[i]`, or none where that is [`ABSENT`].
    pub(crate) fn spread(self, indexes: Vec<u32>) -> Vector<'b> {
        match self {
            Vector::Constant(Value::Null) => Vector::absent(),
            Vector::Dictionary { codes, values } => {
                let null = u32::try_from(values.len()).unwrap_or(ABSENT);
                let code = |index: &u32| match *index {
                    ABSENT => null,
                    index => u32::try_from(codes.get(index as usize)).unwrap_or(null),
                };
                let list: Vec<u32> = indexes.iter().map(code).collect();
                let values = values.iter().cloned().chain([Value::Null]).collect();
                Vector::Dictionary { codes: CodeList::U32(Cow::Owned(list)), values }
            }
            Vector::Constant(value) => {
                let codes = indexes.iter().map(|index| u8::from(*index == ABSENT)).collect();
                let values = Arc::from([value, Value::Null]);
                Vector::Dictionary { codes: CodeList::U8(Cow::Owned(codes)), values }
            }
            Vector::Texts(strings) => Vector::Texts(strings.spread(&indexes)),
            Vector::Sparse(inner, at) => {
                let through = |index: &u32| if *index == ABSENT { ABSENT } else { at[*index as usize] };
                let indexes = indexes.iter().map(through).collect();
                Vector::Sparse(inner, indexes)
            }
            dense => Vector::Sparse(Box::new(dense), indexes),
        }
    }

    /// The rows of `column` that the batch holds.
    pub(crate) fn from_column(column: &Column<'b>, rows: &[u32]) -> Vector<'b> {
        let mut vector = match column {
            Column::Constant(cell) => Vector::Constant(cell.to_value()),
            Column::Dictionary { codes, values } => Vector::Dictionary {
                codes: CodeList::U32(Cow::Borrowed(codes)),
                values: values.iter().map(|cell| cell.to_value()).collect(),
            },
            Column::Ints { values, .. } => Vector::Ints(Cow::Borrowed(values)),
            Column::Floats { values, .. } => Vector::Floats(Cow::Borrowed(values)),
            Column::Texts { text, ends, .. } => Vector::Texts(Strings::lent(text, ends)),
        };
        let present = match column {
            Column::Ints { present, .. } | Column::Floats { present, .. } | Column::Texts { present, .. } => {
                *present
            }
            Column::Constant(_) | Column::Dictionary { .. } => None,
        };
        match present.filter(|present| rows.iter().any(|row| !present[*row as usize])) {
            Some(present) => {
                vector.spread(rows.iter().map(|r| if present[*r as usize] { *r } else { ABSENT }).collect())
            }
            None => {
                vector.select(rows);
                vector
            }
        }
    }
}

/// A column that is either kept by the batch or was just computed.
pub(crate) enum Operand<'a, 'b> {
    Kept(&'a Vector<'b>),
    Made(Vector<'b>),
}

impl<'b> std::ops::Deref for Operand<'_, 'b> {
    type Target = Vector<'b>;

    fn deref(&self) -> &Vector<'b> {
        match self {
            Operand::Kept(vector) => vector,
            Operand::Made(vector) => vector,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lent_columns_keep_their_values_through_selection() {
        let codes = [1u32, 0, 1, 2];
        let present = [true, false, true, true];
        let columns = [
            (Column::Constant(Cell::Text("k")), ["k", "k", "k"]),
            (
                Column::Dictionary { codes: &codes, values: vec![Cell::Text("a"), Cell::Int(5), Cell::Null] },
                ["", "5", "a"],
            ),
            (Column::Ints { values: &[1, 2, 3, 4], present: None }, ["4", "3", "2"]),
            (Column::Ints { values: &[1, 2, 3, 4], present: Some(&present) }, ["4", "3", ""]),
            (Column::Floats { values: &[0.5, 1.0, 2.5, 4.0], present: None }, ["4", "2.5", "1"]),
            (Column::Texts { text: "xyyzzz", ends: &[1, 3, 3, 6], present: Some(&present) }, ["zzz", "", ""]),
        ];
        for (column, want) in columns {
            let mut vector = Vector::from_column(&column, &[0, 1, 2, 3]);
            vector.select(&[3, 2, 1]);
            let got: Vec<String> = (0..3).map(|row| vector.get(row).print().unwrap_or_default()).collect();
            assert_eq!(got, want, "{column:?}");
        }
    }
}
