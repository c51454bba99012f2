//! Regular expressions with named groups: the first match, or a row for every match.

use std::sync::Arc;

use regex::Regex;

use super::glob::shifted;
use crate::error::Error;
use crate::run::batch::{Batch, check_made_rows};
use crate::run::matcher::compile_regex;
use crate::run::stage::{Producer, Slot, Stage, Step};
use crate::run::strings::NOWHERE;
use crate::run::vector::{Lent, Vector};
use crate::value::Value;

/// A compiled expression and its named groups.
#[derive(Debug)]
pub(super) struct Regular {
    regex: Regex,
    names: Vec<String>,
    groups: Vec<usize>,
}

impl Regular {
    /// The error says what is wrong with the expression.
    pub(super) fn new(source: &str) -> Result<Regular, String> {
        let regex = compile_regex(source)?;
        let named =
            regex.capture_names().enumerate().filter_map(|(group, name)| Some((group, name?.to_owned())));
        let (groups, names) = named.unzip();
        Ok(Regular { regex, names, groups })
    }

    /// The names of the groups, in order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn source(&self) -> &str {
        self.regex.as_str()
    }
}

/// The columns of one `parse`.
#[derive(Debug)]
pub(super) struct Captures {
    pub(super) regex: Arc<Regular>,
    pub(super) input: Slot,
    pub(super) targets: Vec<Slot>,
}

impl Producer for Captures {
    fn input(&self) -> Slot {
        self.input
    }

    fn targets(&self) -> &[Slot] {
        &self.targets
    }

    fn produce<'b>(&self, input: &Vector<'b>, len: usize) -> Vec<Vector<'b>> {
        let Regular { regex, groups, .. } = &*self.regex;
        let mut locations = regex.capture_locations();
        if let Vector::Texts(strings) = input {
            let mut columns: Vec<Vec<(u32, u32)>> = groups.iter().map(|_| Vec::with_capacity(len)).collect();
            for row in 0..len {
                let text = strings.get(row);
                let found = text.is_some_and(|text| regex.captures_read(&mut locations, text).is_some());
                let base = strings.span(row).0;
                for (column, group) in columns.iter_mut().zip(groups) {
                    let span = locations.get(*group).filter(|_| found);
                    column.push(span.map_or(NOWHERE, |span| shifted(base, span)));
                }
            }
            return columns.into_iter().map(|spans| Vector::Texts(strings.cut(spans))).collect();
        }
        let mut columns: Vec<Vec<Lent<'b>>> = self.targets.iter().map(|_| Vec::with_capacity(len)).collect();
        for row in 0..len {
            // Text that the block lends is cut without copying.
            if let Vector::Lent(list) = input
                && let Lent::Borrowed(text) = &list[row]
            {
                let text: &'b str = text;
                let found = regex.captures_read(&mut locations, text).is_some();
                for (column, group) in columns.iter_mut().zip(groups) {
                    let span = locations.get(*group).filter(|_| found);
                    column.push(span.map_or(Lent::Null, |(start, end)| Lent::Borrowed(&text[start..end])));
                }
                continue;
            }
            let text = input.get(row).text();
            let found = text.as_ref().is_some_and(|text| regex.captures_read(&mut locations, text).is_some());
            for (column, group) in columns.iter_mut().zip(groups) {
                let span = locations.get(*group).filter(|_| found);
                let cut = span.zip(text.as_ref()).map(|((start, end), text)| Box::from(&text[start..end]));
                column.push(cut.map_or(Lent::Null, Lent::Owned));
            }
        }
        columns.into_iter().map(Vector::Lent).collect()
    }
}

/// `multi`: as many rows as there are matches; a row without one stays.
#[derive(Debug)]
pub(super) struct EveryMatch {
    pub(super) regex: Arc<Regular>,
    pub(super) input: Slot,
    pub(super) targets: Vec<Slot>,
}

impl Step for EveryMatch {
    fn run(&self, stage: &Stage, batch: &mut Batch<'_>) -> Result<(), Error> {
        batch.load(stage, self.input)?;
        let Regular { regex, groups, .. } = &*self.regex;
        let mut counts = Vec::with_capacity(batch.len());
        let mut total = 0;
        let mut columns: Vec<Vec<Value>> = self.targets.iter().map(|_| Vec::new()).collect();
        for row in 0..batch.len() {
            let text = batch.cell(self.input, row).text();
            let mut count = 0;
            for captures in text.iter().flat_map(|text| regex.captures_iter(text)) {
                for (column, group) in columns.iter_mut().zip(groups) {
                    column.push(captures.get(*group).map_or(Value::Null, |m| Value::text(m.as_str())));
                }
                count += 1;
                check_made_rows(total + count)?;
            }
            if count == 0 {
                columns.iter_mut().for_each(|column| column.push(Value::Null));
                count = 1;
            }
            total += count;
            counts.push(count);
        }
        batch.expand(&counts);
        for (slot, column) in self.targets.iter().zip(columns) {
            batch.put(*slot, Vector::Values(column));
        }
        Ok(())
    }
}
