//! Compiled expressions, evaluated a batch at a time. Names are slots by now, literals are values,
//! functions are closures. Knows no text.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::batch::Batch;
use super::condition::Condition;
use super::matcher::Matcher;
use super::outside::outside;
use super::stage::Slot;
use super::vector::{Operand, Vector};
use crate::error::Error;
use crate::guest::Guest;
use crate::text::period::Period;
use crate::text::syntax::PathStep;
use crate::value::compare::Comparison;
use crate::value::number::{Arithmetic, Number};
use crate::value::{Cell, Value, compare};

/// What a scalar function does with the arguments of one row.
pub(crate) type Body = Arc<dyn Fn(&[Cell<'_>]) -> Value + Send + Sync>;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Constant(Value),
    Slot(Slot),
    Access(Box<Node>, PathStep),
    Negate(Box<Node>),
    Not(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Match {
        subject: Box<Node>,
        negated: bool,
        matcher: Arc<Matcher>,
    },
    In {
        subject: Box<Node>,
        negated: bool,
        list: Vec<Value>,
    },
    Apply(Apply),
    /// The start of the period that a time lies in.
    Floor(Period, Box<Node>),
    Guest {
        guest: Handle,
        arguments: Vec<Node>,
    },
}

/// A call of a built-in function.
#[derive(Clone)]
pub(crate) struct Apply {
    pub(crate) name: String,
    pub(crate) body: Body,
    pub(crate) arguments: Vec<Node>,
    /// Lists and maps reach the function; otherwise they arrive as null.
    pub(crate) structures: bool,
}

impl fmt::Debug for Apply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(&self.name).field(&self.arguments).finish()
    }
}

/// An outside function that prints as its name.
#[derive(Clone)]
pub(crate) struct Handle(pub(crate) Arc<dyn Guest>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.signature().name)
    }
}

impl Node {
    /// The value of an expression without fields and without outside functions.
    pub(crate) fn constant(&self) -> Option<Value> {
        if let Node::Constant(value) = self {
            return Some(value.clone());
        }
        let mut pure = true;
        self.visit(&mut |node| pure &= !matches!(node, Node::Slot(_) | Node::Guest { .. }));
        pure.then(|| self.one(&|_| Cell::Null))
    }

    /// Calls `visit` with this node and every node inside.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Node)) {
        visit(self);
        match self {
            Node::Constant(_) | Node::Slot(_) => {}
            Node::Access(inner, _) | Node::Negate(inner) | Node::Not(inner) | Node::Floor(_, inner) => {
                inner.visit(visit);
            }
            Node::Match { subject, .. } | Node::In { subject, .. } => subject.visit(visit),
            Node::Arithmetic(_, a, b) | Node::Compare(_, a, b) => {
                a.visit(visit);
                b.visit(visit);
            }
            Node::And(list) | Node::Or(list) => list.iter().for_each(|n| n.visit(visit)),
            Node::Apply(apply) => apply.arguments.iter().for_each(|n| n.visit(visit)),
            Node::Guest { arguments, .. } => arguments.iter().for_each(|n| n.visit(visit)),
        }
    }

    /// The slots read, each once.
    pub(crate) fn slots(&self, out: &mut Vec<Slot>) {
        self.visit(&mut |node| {
            if let Node::Slot(slot) = node
                && !out.contains(slot)
            {
                out.push(*slot);
            }
        });
    }

    /// The value in every row, as a column that does not borrow from the batch.
    pub(crate) fn evaluate_owned<'b>(&self, batch: &Batch<'b>) -> Result<Vector<'b>, Error> {
        match self.evaluate(batch)? {
            Operand::Made(vector) => Ok(vector),
            Operand::Kept(vector) => {
                Ok(Vector::Values((0..batch.len()).map(|row| vector.get(row).to_value()).collect()))
            }
        }
    }

    /// The value in every row; the slots read are loaded.
    pub(crate) fn evaluate<'a, 'b>(&'a self, batch: &'a Batch<'b>) -> Result<Operand<'a, 'b>, Error> {
        let len = batch.len();
        Ok(Operand::Made(match self {
            Node::Slot(slot) => return Ok(Operand::Kept(batch.get(*slot))),
            Node::Constant(value) => Vector::Constant(value.clone()),
            Node::Compare(op, a, b) => match (&**a, &**b) {
                (_, Node::Constant(right)) => {
                    flags(Condition::Compare(*op, right), &*a.evaluate(batch)?, len)
                }
                _ => {
                    let (a, b) = (a.evaluate(batch)?, b.evaluate(batch)?);
                    Vector::Bools((0..len).map(|row| op.holds(a.get(row), b.get(row))).collect())
                }
            },
            Node::Match { subject, negated, matcher } => {
                let condition = Condition::Match { matcher, negated: *negated };
                flags(condition, &*subject.evaluate(batch)?, len)
            }
            Node::In { subject, negated, list } => {
                let condition = Condition::In { list, negated: *negated };
                flags(condition, &*subject.evaluate(batch)?, len)
            }
            Node::Not(inner) => {
                let inner = inner.evaluate(batch)?;
                Vector::Bools((0..len).map(|row| !inner.get(row).truthy()).collect())
            }
            Node::Floor(period, inner) => floor(*period, &*inner.evaluate(batch)?, len),
            Node::And(list) => all(list, batch, true)?,
            Node::Or(list) => all(list, batch, false)?,
            Node::Negate(inner) => {
                let inner = inner.evaluate(batch)?;
                Vector::Values((0..len).map(|row| negate(inner.get(row))).collect())
            }
            Node::Arithmetic(op, a, b) => {
                let (a, b) = (a.evaluate(batch)?, b.evaluate(batch)?);
                Vector::Values((0..len).map(|row| calculate(*op, a.get(row), b.get(row))).collect())
            }
            Node::Access(inner, step) => {
                let inner = inner.evaluate(batch)?;
                Vector::Values((0..len).map(|row| access(inner.get(row), step)).collect())
            }
            Node::Apply(apply) => {
                let arguments: Vec<Operand<'_, 'b>> =
                    apply.arguments.iter().map(|n| n.evaluate(batch)).collect::<Result<_, _>>()?;
                let mut cells = vec![Cell::Null; arguments.len()];
                let one = |row| {
                    for (cell, argument) in cells.iter_mut().zip(&arguments) {
                        *cell = apply.visible(argument.get(row));
                    }
                    (apply.body)(&cells)
                };
                Vector::Values((0..len).map(one).collect())
            }
            Node::Guest { guest, arguments } => outside(&*guest.0, arguments, batch)?,
        }))
    }

    /// The value for one row whose slots are given.
    fn one<'c>(&self, slot: &dyn Fn(Slot) -> Cell<'c>) -> Value {
        match self {
            Node::Constant(value) => value.clone(),
            Node::Slot(at) => slot(*at).to_value(),
            Node::Access(inner, step) => access(inner.one(slot).cell(), step),
            Node::Negate(inner) => negate(inner.one(slot).cell()),
            Node::Not(inner) => Value::Bool(!inner.one(slot).cell().truthy()),
            Node::Arithmetic(op, a, b) => calculate(*op, a.one(slot).cell(), b.one(slot).cell()),
            Node::Compare(op, a, b) => Value::Bool(op.holds(a.one(slot).cell(), b.one(slot).cell())),
            Node::And(list) => Value::Bool(list.iter().all(|n| n.one(slot).cell().truthy())),
            Node::Or(list) => Value::Bool(list.iter().any(|n| n.one(slot).cell().truthy())),
            Node::Match { subject, negated, matcher } => {
                let condition = Condition::Match { matcher, negated: *negated };
                Value::Bool(condition.holds(subject.one(slot).cell()))
            }
            Node::In { subject, negated, list } => {
                let condition = Condition::In { list, negated: *negated };
                Value::Bool(condition.holds(subject.one(slot).cell()))
            }
            Node::Floor(period, inner) => floor_one(*period, inner.one(slot).cell()),
            Node::Apply(apply) => {
                let values: Vec<Value> = apply.arguments.iter().map(|n| n.one(slot)).collect();
                let cells: Vec<Cell<'_>> = values.iter().map(|v| apply.visible(v.cell())).collect();
                (apply.body)(&cells)
            }
            // `constant` never gets here with one.
            Node::Guest { .. } => Value::Null,
        }
    }
}

impl Apply {
    fn visible<'c>(&self, cell: Cell<'c>) -> Cell<'c> {
        match cell {
            Cell::List(_) | Cell::Map(_) if !self.structures => Cell::Null,
            cell => cell,
        }
    }
}

/// Conjunction (`verdict` true) or disjunction of columns.
fn all<'b>(list: &[Node], batch: &Batch<'b>, verdict: bool) -> Result<Vector<'b>, Error> {
    let mut out = vec![verdict; batch.len()];
    for node in list {
        let column = node.evaluate(batch)?;
        for (row, flag) in out.iter_mut().enumerate() {
            if *flag == verdict {
                *flag = column.get(row).truthy();
            }
        }
    }
    Ok(Vector::Bools(out))
}

/// A condition as a value in every row.
fn flags<'b>(condition: Condition<'_>, subject: &Vector<'_>, len: usize) -> Vector<'b> {
    match subject {
        Vector::Constant(value) => Vector::Constant(Value::Bool(condition.holds(value.cell()))),
        subject => Vector::Bools(condition.mask(subject, len).flags(len)),
    }
}

fn floor_one(period: Period, cell: Cell<'_>) -> Value {
    let start = cell.number().and_then(Number::whole).and_then(|ms| period.floor(ms));
    start.map_or(Value::Null, Value::Time)
}

/// Neighbours in time mostly lie in the same period.
fn floor<'b>(period: Period, inner: &Vector<'_>, len: usize) -> Vector<'b> {
    if let Vector::Constant(value) = inner {
        return Vector::Constant(floor_one(period, value.cell()));
    }
    let (Vector::Times(list) | Vector::Ints(list)) = inner else {
        return Vector::Values((0..len).map(|row| floor_one(period, inner.get(row))).collect());
    };
    let mut out = Vec::with_capacity(len);
    let (mut start, mut end) = (0, 0);
    for ms in list.iter() {
        if !(start..end).contains(ms) {
            let Some(found) = period.floor(*ms) else {
                return Vector::Values(list.iter().map(|ms| floor_one(period, Cell::Time(*ms))).collect());
            };
            start = found;
            end = period.ceil(ms.saturating_add(1)).unwrap_or(ms.saturating_add(1));
        }
        out.push(start);
    }
    Vector::Times(Cow::Owned(out))
}

fn negate(cell: Cell<'_>) -> Value {
    match cell.number() {
        Some(Number::Int(n)) => n.checked_neg().map_or(Value::Null, Value::Int),
        Some(Number::Float(x)) => Value::float(-x),
        None => Value::Null,
    }
}

fn calculate(op: Arithmetic, a: Cell<'_>, b: Cell<'_>) -> Value {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => op.apply(a, b).map_or(Value::Null, Value::from),
        _ => Value::Null,
    }
}

fn access(cell: Cell<'_>, step: &PathStep) -> Value {
    let member = match (cell, step) {
        (Cell::Map(entries), PathStep::Key(key)) => {
            entries.iter().find(|(k, _)| **k == **key).map(|(_, v)| v.clone())
        }
        (Cell::List(items), PathStep::Index(index)) => items.get(*index).cloned(),
        (Cell::List(items), PathStep::Key(key)) => {
            key.parse().ok().and_then(|i: usize| items.get(i).cloned())
        }
        _ => None,
    };
    member.unwrap_or(Value::Null)
}

/// Whether two values are the same text, as groups and distinct counts see them.
pub(crate) fn write_key(cell: Cell<'_>, out: &mut Vec<u8>) {
    let at = out.len();
    match cell {
        Cell::Null => return out.push(0),
        Cell::Time(_) => out.push(2),
        _ => out.push(1),
    }
    out.extend_from_slice(&[0; 4]);
    match cell {
        Cell::List(_) | Cell::Map(_) => out.extend(cell.print().unwrap_or_default().into_bytes()),
        _ => compare::write_canonical(cell, out),
    }
    let length = u32::try_from(out.len() - at - 5).unwrap_or(u32::MAX);
    out[at + 1..at + 5].copy_from_slice(&length.to_le_bytes());
}
