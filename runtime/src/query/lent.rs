//! Owns the adapter from stored blocks to what a query reads. It lends what the store has decoded, as it is; no work
//! per row is done here that the query does not ask for.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use insights::{Facts, Fraction, Numbers, Templates, Texts, Variable};
use store::{Column, ColumnBlock, EventId, Position, ReadError};

use super::pointer::Pointer;
use crate::utf8::repaired;

/// A block with the names that its ids stand for.
///
/// Reading may fail at any time, and a query does not ask about that: the first failure is kept, empty values
/// are lent from then on, and whoever pushed the block drops the query ([`Lent::check`]).
pub(super) struct Lent<'a> {
    block: &'a ColumnBlock,
    stream: &'a str,
    log: &'a str,
    visible: Option<Vec<u32>>,
    whole: OnceCell<Texts>,
    parts: Option<Vec<Parts<'a>>>,
    columns: Vec<OnceCell<Held>>,
    /// Lent in place of what cannot be read.
    nothing: OnceCell<Vec<i64>>,
    failure: RefCell<Option<ReadError>>,
}

/// A template, as texts once they are asked for: most queries look at few of a block.
struct Parts<'a> {
    template: &'a store::Template,
    texts: OnceCell<Vec<Cow<'a, str>>>,
}

/// A column that was asked for; `None` if it could not be read.
struct Held {
    column: Option<Arc<Column>>,
    /// What is not lent as it is stored, written out.
    written: OnceCell<Texts>,
}

impl<'a> Lent<'a> {
    /// Lends `block`; `log` is `account:group`.
    ///
    /// # Errors
    /// The block cannot be read.
    pub(super) fn new(block: &'a ColumnBlock, stream: &'a str, log: &'a str) -> Result<Lent<'a>, ReadError> {
        let parts: Option<Vec<Parts<'a>>> = block.templates().map(|templates| {
            templates.iter().map(|template| Parts { template, texts: OnceCell::new() }).collect()
        });
        let named = parts.iter().flatten().flat_map(|parts| &parts.template.columns);
        let columns = named.max().map_or(0, |last| *last as usize + 1);
        Ok(Lent {
            block,
            stream,
            log,
            visible: block.visible()?,
            whole: OnceCell::new(),
            parts,
            columns: (0..columns).map(|_| OnceCell::new()).collect(),
            nothing: OnceCell::new(),
            failure: RefCell::new(None),
        })
    }

    /// Whether everything that was lent could be read.
    ///
    /// # Errors
    /// The first failure.
    pub(super) fn check(self) -> Result<(), ReadError> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }

    /// What was read, or nothing with a note of the failure.
    fn take<T>(&self, read: Result<T, ReadError>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    fn zeros(&self) -> &[i64] {
        self.nothing.get_or_init(|| vec![0; self.block.len()])
    }

    fn rows(&self, rows: &[u32]) -> Texts {
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(rows.len()));
        match self.take(self.block.push_messages(rows, &mut text, &mut ends)) {
            Some(()) => texts(text, ends),
            None => Texts { text: String::new(), ends: vec![0; rows.len()] },
        }
    }

    fn held(&self, column: u32) -> &Held {
        self.columns[column as usize].get_or_init(|| {
            let read = self.take(self.block.variable(column)).flatten();
            Held { column: read, written: OnceCell::new() }
        })
    }
}

/// Bytes that are UTF-8 wherever they came in through an API; others are repaired, one by one.
fn texts(text: Vec<u8>, ends: Vec<u32>) -> Texts {
    match String::from_utf8(text) {
        Ok(text) => Texts { text, ends },
        Err(error) => {
            let (bytes, mut start) = (error.into_bytes(), 0);
            let mut repaired = Texts::default();
            for end in ends {
                repaired.push(&String::from_utf8_lossy(&bytes[start..end as usize]));
                start = end as usize;
            }
            repaired
        }
    }
}

impl insights::Block for Lent<'_> {
    fn len(&self) -> usize {
        self.block.len()
    }

    fn visible(&self) -> Option<&[u32]> {
        self.visible.as_deref()
    }

    fn time_bounds(&self) -> Option<(i64, i64)> {
        let meta = self.block.meta();
        Some((meta.min_ms, meta.max_ms))
    }

    fn timestamps(&self) -> &[i64] {
        self.take(self.block.timestamps()).unwrap_or_else(|| self.zeros())
    }

    fn ingestion_times(&self) -> &[i64] {
        self.take(self.block.ingestion_times()).unwrap_or_else(|| self.zeros())
    }

    fn message(&self, row: usize) -> &str {
        let every = || (0..self.block.len()).filter_map(|row| u32::try_from(row).ok()).collect::<Vec<_>>();
        self.whole.get_or_init(|| self.rows(&every())).get(row)
    }

    fn messages(&self, rows: &[u32], into: &mut Texts) {
        let found = self.rows(rows);
        if into.is_empty() {
            *into = found;
        } else {
            (0..found.len()).for_each(|index| into.push(found.get(index)));
        }
    }

    fn rows_containing(&self, text: &str) -> Option<Vec<u32>> {
        Some(self.take(self.block.rows_containing(text.as_bytes())).unwrap_or_default())
    }

    fn templates(&self) -> Option<&dyn Templates> {
        self.parts.is_some().then_some(self)
    }

    fn stream_name(&self, _row: usize) -> &str {
        self.stream
    }

    fn stream(&self) -> Option<&str> {
        Some(self.stream)
    }

    fn log_identifier(&self) -> &str {
        self.log
    }

    fn pointer(&self, row: usize) -> String {
        let (_, seq) = self.position(row);
        let id = EventId::new(self.timestamps()[row], Position::at(seq));
        Pointer { group: self.block.group(), stream: self.block.stream(), id }.text()
    }

    fn position(&self, row: usize) -> (u32, u64) {
        (0, self.take(self.block.seqs()).map_or(0, |seqs| seqs[row]))
    }

    fn bytes(&self) -> u64 {
        self.block.raw_bytes()
    }

    fn bytes_of(&self, rows: &[u32]) -> u64 {
        // Their share: to know it exactly, the messages would have to be made.
        let all = self.block.len().max(1) as u64;
        u64::try_from(u128::from(self.block.raw_bytes()) * rows.len() as u128 / u128::from(all))
            .unwrap_or(u64::MAX)
    }
}

impl<'a> Lent<'a> {
    fn template(&self, template: usize) -> &Parts<'a> {
        // Invariant: only asked through `templates`, which is `None` without parts.
        &self.parts.as_ref().expect("a block with templates")[template]
    }
}

impl Templates for Lent<'_> {
    fn len(&self) -> usize {
        self.parts.as_ref().map_or(0, Vec::len)
    }

    fn part(&self, template: usize, part: usize) -> &str {
        let Parts { template, texts } = self.template(template);
        let texts = texts.get_or_init(|| template.parts.iter().map(|part| repaired(part)).collect());
        &texts[part]
    }

    fn columns(&self, template: usize) -> &[u32] {
        &self.template(template).template.columns
    }

    fn is_object(&self, template: usize) -> bool {
        self.template(template).template.json
    }

    fn of_rows(&self) -> Option<&[u8]> {
        self.take(self.block.of_rows()).flatten()
    }

    fn column_rows(&self, column: u32) -> Option<&[u32]> {
        self.take(self.block.column_rows(column)).flatten()
    }

    fn facts(&self, column: u32) -> Facts {
        let known = self.block.facts(column);
        known.map_or_else(Facts::default, |facts| Facts {
            min: facts.min,
            max: facts.max,
            bytes: facts.bytes.0,
        })
    }

    fn values(&self, column: u32) -> Option<Vec<&str>> {
        let values = self.block.values(column);
        let texts = values.iter().map(|value| std::str::from_utf8(value).ok()).collect::<Option<Vec<_>>>();
        texts.filter(|texts| !texts.is_empty())
    }

    fn lacks(&self, column: u32, text: &str) -> bool {
        self.take(self.block.column_lacks(column, text.as_bytes())).unwrap_or(false)
    }

    fn variable(&self, column: u32) -> Variable<'_> {
        let held = self.held(column);
        let Some(found) = &held.column else { return Variable::Constant("") };
        as_it_is(found.variable()).unwrap_or_else(|| {
            let Texts { text, ends } = held.written.get_or_init(|| written(found, None));
            Variable::Texts { text, ends }
        })
    }

    fn some_texts(&self, column: u32, indexes: &[u32], into: &mut Texts) -> bool {
        let held = self.held(column);
        let made = match &held.column {
            Some(found)
                if matches!(found.variable(), store::Variable::Other) && held.written.get().is_none() =>
            {
                written(found, Some(indexes))
            }
            // Lent as it is, or written out already: nothing is to be won.
            _ => return false,
        };
        if into.is_empty() {
            *into = made;
        } else {
            (0..made.len()).for_each(|index| into.push(made.get(index)));
        }
        true
    }
}

fn written(column: &Column, rows: Option<&[u32]>) -> Texts {
    let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(rows.map_or(column.len(), <[u32]>::len)));
    column.push_values(rows, &mut text, &mut ends);
    texts(text, ends)
}

/// What can be lent without writing values out: everything that is UTF-8 and in a shape that a query knows.
fn as_it_is(variable: store::Variable<'_>) -> Option<Variable<'_>> {
    let utf8 = |bytes| std::str::from_utf8(bytes).ok();
    Some(match variable {
        store::Variable::Constant(value) => Variable::Constant(utf8(value)?),
        store::Variable::Dictionary { codes, values } => Variable::Dictionary {
            codes: match codes {
                store::Codes::U8(codes) => insights::Codes::U8(codes),
                store::Codes::U16(codes) => insights::Codes::U16(codes),
            },
            values: values.iter().map(|value| utf8(value)).collect::<Option<_>>()?,
        },
        store::Variable::Ints(values) => Variable::Ints(numbers(values)),
        store::Variable::Decimals { mantissas, scale, style } => Variable::Decimals {
            mantissas: numbers(mantissas),
            scale,
            fraction: match style {
                store::Style::Fixed => Fraction::Fixed,
                store::Style::Trimmed => Fraction::Trimmed,
                store::Style::Short => return None,
            },
        },
        store::Variable::Numbered { prefix, suffix, width, values } => Variable::Numbered {
            prefix: utf8(prefix)?,
            suffix: utf8(suffix)?,
            width,
            values: numbers(values),
        },
        store::Variable::Texts { text, ends } => Variable::Texts { text: utf8(text)?, ends },
        store::Variable::Other => return None,
    })
}

fn numbers(numbers: store::Numbers<'_>) -> Numbers<'_> {
    match numbers {
        store::Numbers::U8(list) => Numbers::U8(list),
        store::Numbers::U16(list) => Numbers::U16(list),
        store::Numbers::U32(list) => Numbers::U32(list),
        store::Numbers::I64(list) => Numbers::I64(list),
    }
}
