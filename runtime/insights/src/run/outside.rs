//! Calls of outside functions: a column at a time, and no more rows than need be. They are pure, so equal arguments
//! give equal values: constants are called for once, the values of a dictionary once each.
//! Knows no guest.

use std::borrow::Cow;

use super::batch::Batch;
use super::node::Node;
use super::vector::{CodeList, Operand, Vector};
use crate::error::Error;
use crate::guest::{Guest, Type};
use crate::value::Value;

/// The value in every row.
pub(crate) fn outside<'b>(
    guest: &dyn Guest,
    arguments: &[Node],
    batch: &Batch<'b>,
) -> Result<Vector<'b>, Error> {
    let len = batch.len();
    if len == 0 {
        return Ok(Vector::absent());
    }
    let operands: Vec<Operand<'_, 'b>> =
        arguments.iter().map(|argument| argument.evaluate(batch)).collect::<Result<_, _>>()?;
    let mut varying = operands.iter().filter(|operand| !matches!(***operand, Vector::Constant(_)));
    let (first, second) = (varying.next(), varying.next());
    match (first, second) {
        (None, _) => {
            let mut values = call(guest, &operands, &[0])?;
            Ok(values.pop().map_or_else(Vector::absent, Vector::Constant))
        }
        (Some(only), None) => match &**only {
            Vector::Dictionary { codes, values } if values.len() < len => {
                let (rows, codes) = distinct(codes, values.len());
                let values = call(guest, &operands, &rows)?.into();
                Ok(Vector::Dictionary { codes: CodeList::U32(Cow::Owned(codes)), values })
            }
            _ => all(guest, &operands, len),
        },
        _ => all(guest, &operands, len),
    }
}

fn all<'b>(guest: &dyn Guest, operands: &[Operand<'_, 'b>], len: usize) -> Result<Vector<'b>, Error> {
    // A block never has more rows than a u32 counts.
    let rows: Vec<u32> = (0..u32::try_from(len).unwrap_or(u32::MAX)).collect();
    call(guest, operands, &rows).map(Vector::Values)
}

/// A row of every code that occurs, and for every row which of those it is like. Values that no row has are not
/// called for: one of them might fail.
fn distinct(codes: &CodeList<'_>, count: usize) -> (Vec<u32>, Vec<u32>) {
    let (mut places, mut rows, mut like) = (vec![u32::MAX; count], Vec::new(), Vec::new());
    codes.each(|row, code| {
        if places[code] == u32::MAX {
            places[code] = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            rows.push(u32::try_from(row).unwrap_or(u32::MAX));
        }
        like.push(places[code]);
    });
    (rows, like)
}

/// The values for some rows.
fn call(guest: &dyn Guest, operands: &[Operand<'_, '_>], rows: &[u32]) -> Result<Vec<Value>, Error> {
    let signature = guest.signature();
    let kind = |index: usize| {
        let last = signature.parameters.last();
        signature.parameters.get(index).or(last).copied().unwrap_or(Type::Any)
    };
    let column = |(index, operand): (usize, &Operand<'_, '_>)| {
        let kind = kind(index);
        rows.iter().map(|row| kind.take(operand.get(*row as usize))).collect()
    };
    let columns: Vec<Vec<Value>> = operands.iter().enumerate().map(column).collect();
    let failed = |message| Error::Guest { function: signature.name.clone(), message };
    let values = guest.evaluate(&columns, rows.len()).map_err(failed)?;
    if values.len() != rows.len() {
        return Err(failed(format!("it returned {} values for {} rows", values.len(), rows.len())));
    }
    match values.iter().find(|value| !signature.returns.gives(value)) {
        Some(wrong) => {
            let shown = wrong.cell().print().unwrap_or_default();
            Err(failed(format!("it returned {shown}, which is not of its type {}", signature.returns.name())))
        }
        None => Ok(values),
    }
}
