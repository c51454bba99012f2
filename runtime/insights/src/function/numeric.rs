//! Functions of numbers. What is no number gives null.

use super::{Function, MANY, number_of, or_null, row, whole_of};
use crate::value::number::Number;
use crate::value::{Cell, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    row(&["abs"], 1, 1, |a| match a[0].number() {
        Some(Number::Int(n)) => n.checked_abs().map_or(Value::Null, Value::Int),
        Some(Number::Float(x)) => Value::float(x.abs()),
        None => Value::Null,
    }),
    row(&["ceil"], 1, 1, |a| rounded(a, f64::ceil)),
    row(&["floor"], 1, 1, |a| rounded(a, f64::floor)),
    row(&["round"], 1, 2, round),
    row(&["greatest"], 1, MANY, |a| furthest(a, true)),
    row(&["least"], 1, MANY, |a| furthest(a, false)),
    row(&["log"], 1, 1, |a| or_null(number_of(a, 0).filter(|x| *x > 0.0).map(|x| Value::float(x.ln())))),
    row(&["sqrt"], 1, 1, |a| or_null(number_of(a, 0).map(|x| Value::float(x.sqrt())))),
    row(&["toNumber"], 1, 1, |a| or_null(a[0].number().map(Value::from))),
    row(&["toInt", "toLong"], 1, 1, |a| or_null(whole_of(a, 0).map(Value::Int))),
    row(&["toDouble"], 1, 1, |a| or_null(number_of(a, 0).map(Value::float))),
];

/// Whole results stay whole numbers.
fn whole(x: f64) -> Value {
    match Number::Float(x).whole() {
        Some(n) => Value::Int(n),
        None => Value::float(x),
    }
}

fn rounded(cells: &[Cell<'_>], how: fn(f64) -> f64) -> Value {
    match cells[0].number() {
        Some(Number::Int(n)) => Value::Int(n),
        Some(Number::Float(x)) => whole(how(x)),
        None => Value::Null,
    }
}

/// Half away from zero; the second argument is the number of decimals.
fn round(cells: &[Cell<'_>]) -> Value {
    if cells.len() == 1 {
        return rounded(cells, f64::round);
    }
    let (Some(number), Some(digits)) = (cells[0].number(), whole_of(cells, 1)) else {
        return Value::Null;
    };
    let scale = 10f64.powi(i32::try_from(digits.clamp(-15, 15)).unwrap_or(0));
    match number {
        Number::Int(n) if digits >= 0 => Value::Int(n),
        number => Value::float((number.float() * scale).round() / scale),
    }
}

fn furthest(cells: &[Cell<'_>], greatest: bool) -> Value {
    let mut best: Option<Number> = None;
    for cell in cells {
        let Some(n) = cell.number() else {
            return Value::Null;
        };
        let better = best.is_none_or(|b| if greatest { n.compare(b).is_gt() } else { n.compare(b).is_lt() });
        if better {
            best = Some(n);
        }
    }
    or_null(best.map(Value::from))
}
