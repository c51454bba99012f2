//! One column of a batch, in the shape that fits it. Borrows from the block where it can.
//! This is the seam where vectorised kernels go; today every reader goes through [`Vector::get`].

use std::sync::Arc;

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
}

/// A column of values, one per row of its batch.
#[derive(Debug)]
pub(crate) enum Vector<'b> {
    /// The same in every row.
    Constant(Value),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Times(Vec<i64>),
    Bools(Vec<bool>),
    Lent(Vec<Lent<'b>>),
    /// `values[codes[row]]`
    Dictionary {
        codes: Vec<u32>,
        values: Arc<[Value]>,
    },
    Values(Vec<Value>),
}

impl<'b> Vector<'b> {
    /// The value of one row.
    pub(crate) fn get(&self, row: usize) -> Cell<'_> {
        match self {
            Vector::Constant(value) => value.cell(),
            Vector::Ints(list) => Cell::Int(list[row]),
            Vector::Floats(list) => Cell::Float(list[row]),
            Vector::Times(list) => Cell::Time(list[row]),
            Vector::Bools(list) => Cell::Bool(list[row]),
            Vector::Lent(list) => list[row].cell(),
            Vector::Dictionary { codes, values } => values[codes[row] as usize].cell(),
            Vector::Values(list) => list[row].cell(),
        }
    }

    /// Keeps the rows whose indexes are listed, in that order; an index may repeat.
    pub(crate) fn select(&mut self, rows: &[u32]) {
        fn pick<T: Clone>(list: &mut Vec<T>, rows: &[u32]) {
            *list = rows.iter().map(|row| list[*row as usize].clone()).collect();
        }
        match self {
            Vector::Constant(_) => {}
            Vector::Ints(list) | Vector::Times(list) => pick(list, rows),
            Vector::Floats(list) => pick(list, rows),
            Vector::Bools(list) => pick(list, rows),
            Vector::Lent(list) => pick(list, rows),
            Vector::Dictionary { codes, .. } => pick(codes, rows),
            Vector::Values(list) => pick(list, rows),
        }
    }

    /// A yes or no per row. A dictionary is asked once per distinct value.
    pub(crate) fn test(&self, len: usize, verdict: impl Fn(Cell<'_>) -> bool) -> Vector<'b> {
        match self {
            Vector::Constant(value) => Vector::Constant(Value::Bool(verdict(value.cell()))),
            Vector::Dictionary { codes, values } => {
                let verdicts: Vec<bool> = values.iter().map(|v| verdict(v.cell())).collect();
                Vector::Bools(codes.iter().map(|code| verdicts[*code as usize]).collect())
            }
            _ => Vector::Bools((0..len).map(|row| verdict(self.get(row))).collect()),
        }
    }

    /// The rows of `column` that the batch holds.
    pub(crate) fn from_column(column: &Column<'b>, rows: &[u32]) -> Vector<'b> {
        let at = |row: &u32| *row as usize;
        let all = |present: &Option<&[bool]>| present.is_none_or(|p| rows.iter().all(|row| p[at(row)]));
        match column {
            Column::Constant(cell) => Vector::Constant(cell.to_value()),
            Column::Dictionary { codes, values } => Vector::Dictionary {
                codes: rows.iter().map(|row| codes[at(row)]).collect(),
                values: values.iter().map(|cell| cell.to_value()).collect(),
            },
            Column::Ints { values, present } if all(present) => {
                Vector::Ints(rows.iter().map(|row| values[at(row)]).collect())
            }
            Column::Floats { values, present } if all(present) => {
                Vector::Floats(rows.iter().map(|row| values[at(row)]).collect())
            }
            Column::Ints { values, present } => lend(rows, *present, |row| Lent::Int(values[row])),
            Column::Floats { values, present } => lend(rows, *present, |row| Lent::Float(values[row])),
            Column::Texts { text, ends, present } => {
                let text: &'b str = text;
                lend(rows, *present, |row| {
                    let start = if row == 0 { 0 } else { ends[row - 1] as usize };
                    Lent::Borrowed(&text[start..ends[row] as usize])
                })
            }
        }
    }
}

fn lend<'b>(rows: &[u32], present: Option<&[bool]>, value: impl Fn(usize) -> Lent<'b>) -> Vector<'b> {
    let one = |row: &u32| {
        let row = *row as usize;
        if present.is_none_or(|p| p[row]) { value(row) } else { Lent::Null }
    };
    Vector::Lent(rows.iter().map(one).collect())
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
