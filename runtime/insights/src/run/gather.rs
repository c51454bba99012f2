//! A column of a batch from the columns of its block's templates: one source per template, several
//! sources scattered into one vector. Knows no field and no pattern, only where values come from.

use std::borrow::Cow;

use super::batch::{Rows, index};
use super::column::{Form, owned, shape};
use super::strings::{Digits, Strings};
use super::vector::{ABSENT, CodeList, Lent, Vector};
use crate::lend::{Templates, Texts};
use crate::value::Value;

/// Where the rows of one template have a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Absent,
    /// The same in all rows.
    Static(Value),
    Column(u32, Form),
    /// Texts side by side.
    Joined(Vec<Piece>),
    /// Nowhere that is known without the message.
    Messages,
}

/// A part of a joined text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text(Box<str>),
    Column(u32),
}

/// The rows of a batch and the templates of its block.
pub(crate) struct Gather<'b, 'r> {
    pub(crate) templates: &'b dyn Templates,
    /// Rows in the block.
    pub(crate) len: usize,
    pub(crate) rows: &'r Rows,
}

/// Fewer rows than one in this many of a column are asked for one by one.
const FEW: usize = 8;

impl<'b> Gather<'b, '_> {
    /// The templates that rows of the batch have, ascending.
    pub(crate) fn used(&self) -> Vec<usize> {
        let Some(of_rows) = self.templates.of_rows() else {
            return vec![0];
        };
        let mut seen = [false; 256];
        match self.rows {
            // A template that no row has would do no harm.
            Rows::All(len) if *len == self.len => return (0..self.templates.len()).collect(),
            Rows::All(len) => of_rows[..*len].iter().for_each(|t| seen[usize::from(*t)] = true),
            Rows::Some(rows) => rows.iter().for_each(|row| seen[usize::from(of_rows[*row as usize])] = true),
        }
        (0..self.templates.len()).filter(|template| seen[*template]).collect()
    }

    /// The batch's rows for whose template `wanted` holds.
    pub(crate) fn members(&self, wanted: impl Fn(usize) -> bool) -> Vec<u32> {
        let flags: Vec<bool> = (0..self.templates.len()).map(wanted).collect();
        let of_rows = self.templates.of_rows();
        let template = |row: usize| of_rows.map_or(0, |list| usize::from(list[row]));
        let rows = (0..self.rows.len()).filter_map(index);
        rows.filter(|row| flags[template(self.rows.at(*row))]).collect()
    }

    /// The values of all rows. `sources` has one entry per template; `rest` gives the values of the
    /// rows it is asked for, which are those of [`Source::Messages`].
    pub(crate) fn column(
        &self,
        sources: &[Source],
        rest: &mut dyn FnMut(&[u32]) -> Vec<Lent<'b>>,
    ) -> Vector<'b> {
        let used = self.used();
        let mut distinct: Vec<&Source> = Vec::new();
        for template in &used {
            if !distinct.contains(&&sources[*template]) {
                distinct.push(&sources[*template]);
            }
        }
        match distinct.as_slice() {
            [] => return Vector::absent(),
            [source] => return self.part(source, None, rest),
            [Source::Column(column, form), Source::Absent]
            | [Source::Absent, Source::Column(column, form)]
                if self.is_alone(*column, &used, sources) =>
            {
                return self.values(*column, *form, None);
            }
            _ => {}
        }
        let mut parts = Vec::new();
        for source in distinct {
            if *source == Source::Absent {
                continue;
            }
            let members = self.members(|template| sources[template] == *source);
            let vector = self.part(source, Some(&members), rest);
            parts.push((members, vector));
        }
        scatter(parts, self.rows.len())
    }

    /// No template that has the column takes its value from elsewhere.
    fn is_alone(&self, column: u32, used: &[usize], sources: &[Source]) -> bool {
        used.iter().all(|t| sources[*t] != Source::Absent || !self.templates.columns(*t).contains(&column))
    }

    /// The values of some of the batch's rows, all of one source.
    fn part(
        &self,
        source: &Source,
        members: Option<&[u32]>,
        rest: &mut dyn FnMut(&[u32]) -> Vec<Lent<'b>>,
    ) -> Vector<'b> {
        match source {
            Source::Absent => Vector::absent(),
            Source::Static(value) => Vector::Constant(value.clone()),
            Source::Column(column, form) => self.values(*column, *form, members),
            Source::Joined(pieces) => self.joined(pieces, members),
            Source::Messages => match members {
                Some(members) => Vector::Lent(rest(members)),
                None => {
                    let len = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
                    Vector::Lent(rest(&(0..len).collect::<Vec<u32>>()))
                }
            },
        }
    }

    /// The values of one column in some of the batch's rows; null in rows that lack it.
    pub(super) fn values(&self, column: u32, form: Form, members: Option<&[u32]>) -> Vector<'b> {
        let Some(indexes) = self.indexes(column, members) else {
            return shape(self.templates.variable(column), form, None);
        };
        let present: Vec<u32> = indexes.iter().copied().filter(|index| *index != ABSENT).collect();
        if present.is_empty() {
            return Vector::absent();
        }
        let whole = present.len() == indexes.len();
        let dense = self.dense(column, form, &present);
        if whole {
            return dense;
        }
        let mut next = 0;
        let place = |index: &u32| {
            if *index == ABSENT {
                return ABSENT;
            }
            next += 1;
            next - 1
        };
        dense.spread(indexes.iter().map(place).collect())
    }

    fn dense(&self, column: u32, form: Form, at: &[u32]) -> Vector<'b> {
        let total = self.templates.column_rows(column).map_or(self.len, <[u32]>::len);
        if at.len() * FEW < total {
            let mut texts = Texts::default();
            if self.templates.some_texts(column, at, &mut texts) {
                return owned(texts, form);
            }
        }
        let every = at.len() == total && at.iter().enumerate().all(|(place, index)| place == *index as usize);
        shape(self.templates.variable(column), form, (!every).then_some(at))
    }

    /// Which value of the column each row has; None if row `i` of the batch has the `i`-th.
    fn indexes(&self, column: u32, members: Option<&[u32]>) -> Option<Vec<u32>> {
        let rows: Cow<'_, [u32]> = match (members, self.rows) {
            (None, Rows::All(_)) if self.templates.column_rows(column).is_none() => return None,
            (None, Rows::All(len)) => (0..u32::try_from(*len).unwrap_or(u32::MAX)).collect(),
            (None, Rows::Some(rows)) => Cow::Borrowed(rows),
            (Some(members), Rows::All(_)) => Cow::Borrowed(members),
            (Some(members), Rows::Some(rows)) => members.iter().map(|m| rows[*m as usize]).collect(),
        };
        let Some(having) = self.templates.column_rows(column) else {
            return Some(rows.into_owned());
        };
        let position = |at: usize| u32::try_from(at).unwrap_or(ABSENT);
        if rows.len() * FEW < having.len() {
            return Some(rows.iter().map(|row| having.binary_search(row).map_or(ABSENT, position)).collect());
        }
        let mut at = 0;
        let find = |row: &u32| {
            while having.get(at).is_some_and(|have| have < row) {
                at += 1;
            }
            if having.get(at) == Some(row) { position(at) } else { ABSENT }
        };
        Some(rows.iter().map(find).collect())
    }

    fn joined(&self, pieces: &[Piece], members: Option<&[u32]>) -> Vector<'b> {
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Text(text) => Vector::Constant(Value::text(text)),
                Piece::Column(column) => self.values(*column, Form::Raw, members),
            });
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            let text: String = parts.iter().filter_map(|part| part.get(0).print()).collect();
            return Vector::Constant(Value::text(text));
        }
        let mut texts = Texts::default();
        let mut scratch = String::new();
        for row in 0..members.map_or(self.rows.len(), <[u32]>::len) {
            scratch.clear();
            for part in &parts {
                scratch.push_str(&part.get(row).text().unwrap_or_default());
            }
            texts.push(&scratch);
        }
        Vector::Texts(Strings::made(texts))
    }
}

/// One vector of `len` rows from parts, each for the rows listed with it; null elsewhere.
fn scatter<'b>(parts: Vec<(Vec<u32>, Vector<'b>)>, len: usize) -> Vector<'b> {
    let mut indexes = vec![ABSENT; len];
    let mut count = 0u32;
    for (members, _) in &parts {
        for row in members {
            indexes[*row as usize] = count;
            count += 1;
        }
    }
    let sizes: Vec<usize> = parts.iter().map(|(members, _)| members.len()).collect();
    let vectors: Vec<Vector<'b>> = parts.into_iter().map(|(_, vector)| vector).collect();
    let mut joined = concatenate(&vectors, &sizes);
    if count as usize == len {
        joined.select(&indexes);
        return joined;
    }
    joined.spread(indexes)
}

/// All vectors in one, in the most special shape that holds them all.
fn concatenate<'b>(parts: &[Vector<'b>], sizes: &[usize]) -> Vector<'b> {
    if parts.iter().all(|part| matches!(part, Vector::Constant(_) | Vector::Dictionary { .. })) {
        return codes(parts, sizes);
    }
    if parts.iter().all(|part| matches!(part, Vector::Ints(_))) {
        return Vector::Ints(flat(parts, |part| if let Vector::Ints(list) = part { list } else { &[] }));
    }
    if parts.iter().all(|part| matches!(part, Vector::Floats(_))) {
        return Vector::Floats(flat(parts, |part| if let Vector::Floats(list) = part { list } else { &[] }));
    }
    if let Some(Vector::Digits(first)) = parts.first() {
        let same = |part: &Vector<'b>| match part {
            Vector::Digits(other) => {
                (other.prefix, other.suffix, other.width) == (first.prefix, first.suffix, first.width)
            }
            _ => false,
        };
        if parts.iter().all(same) {
            let all =
                flat(parts, |part| if let Vector::Digits(digits) = part { &digits.values } else { &[] });
            return Vector::Digits(Digits::new(first.prefix, first.suffix, first.width, all));
        }
    }
    let mut out = Vec::with_capacity(sizes.iter().sum());
    for (part, size) in parts.iter().zip(sizes) {
        out.extend((0..*size).map(|row| lend(part, row)));
    }
    Vector::Lent(out)
}

fn flat<'b, T: Copy>(parts: &[Vector<'b>], list: impl for<'a> Fn(&'a Vector<'b>) -> &'a [T]) -> Cow<'b, [T]> {
    parts.iter().flat_map(|part| list(part).iter().copied()).collect()
}

fn lend<'b>(part: &Vector<'b>, row: usize) -> Lent<'b> {
    match part {
        Vector::Lent(list) => list[row].clone(),
        Vector::Texts(strings) => match strings.borrowed(row) {
            Some(text) => Lent::Borrowed(text),
            None => strings.get(row).map_or(Lent::Null, |text| Lent::Owned(text.into())),
        },
        part => match part.get(row) {
            crate::value::Cell::Bool(b) => Lent::Bool(b),
            crate::value::Cell::Int(n) => Lent::Int(n),
            crate::value::Cell::Float(x) => Lent::Float(x),
            crate::value::Cell::Text(text) => Lent::Owned(text.into()),
            // Variables hold neither times nor lists nor maps.
            _ => Lent::Null,
        },
    }
}

fn codes<'b>(parts: &[Vector<'b>], sizes: &[usize]) -> Vector<'b> {
    let mut all: Vec<Value> = Vec::new();
    let mut list: Vec<u32> = Vec::with_capacity(sizes.iter().sum());
    for (part, size) in parts.iter().zip(sizes) {
        let base = all.len();
        let code = |code: usize| u32::try_from(base + code).unwrap_or(ABSENT);
        match part {
            Vector::Dictionary { codes, values } => {
                codes.each(|_, at| list.push(code(at)));
                all.extend(values.iter().cloned());
            }
            Vector::Constant(value) => {
                list.extend(std::iter::repeat_n(code(0), *size));
                all.push(value.clone());
            }
            _ => {}
        }
    }
    Vector::Dictionary { codes: CodeList::U32(Cow::Owned(list)), values: all.into() }
}
