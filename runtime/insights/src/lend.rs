//! What a block lends besides whole messages: texts by row, and the templates and typed columns that
//! its messages are made of. Refuses to know how any of it is stored.

use std::borrow::Cow;
use std::ops::Range;

/// Texts, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// All of them, joined.
    pub text: String,
    /// Where each one ends in `text`; it starts where the one before ends.
    pub ends: Vec<u32>,
}

impl Texts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one. Texts beyond 4 GiB in all are not held: later ones are empty.
    pub fn push(&mut self, text: &str) {
        if u32::try_from(self.text.len() + text.len()).is_ok() {
            self.text.push_str(text);
        }
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// Where a text stands.
    pub(crate) fn span(ends: &[u32], index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { ends[index - 1] as usize };
        start..ends[index] as usize
    }

    /// One of them.
    pub fn get(&self, index: usize) -> &str {
        &self.text[Texts::span(&self.ends, index)]
    }
}

/// The make-up of a block's messages. Every row has one template; its message is
/// `part(t, 0) v0 part(t, 1) v1 … part(t, n)`, where `v_i` is the row's value in column `columns(t)[i]`.
///
/// A column may belong to several templates. Its values stand in the order of the rows that have it.
/// Static parts and templates are cheap to ask for; reading a variable may read and decode.
pub trait Templates {
    /// How many templates the block has: at least one.
    fn len(&self) -> usize;

    /// True without any.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A static part: `part` is at most the number of the template's variables.
    fn part(&self, template: usize, part: usize) -> &str;

    /// The columns of a template's variables, in order.
    fn columns(&self, template: usize) -> &[u32];

    /// Whether every message of the template is one strict JSON object (RFC 8259: no control characters
    /// and no unknown escapes in strings) of which every variable is a whole scalar: what stands between
    /// the quotes of a string, still escaped, or a number, `true`, `false` or `null`. Keys are static.
    fn is_object(&self, template: usize) -> bool;

    /// The template of every row, so there are at most 256; None if all rows have template 0.
    fn of_rows(&self) -> Option<&[u8]>;

    /// The rows whose template has the column, ascending; None if all have.
    fn column_rows(&self, column: u32) -> Option<&[u32]>;

    /// What is known of a column without reading it.
    fn facts(&self, column: u32) -> Facts;

    /// Every value that the column has, in no order, if they are few and known without reading it.
    /// May include values that no row has.
    fn values(&self, _column: u32) -> Option<Vec<&str>> {
        None
    }

    /// True only if no value of the column contains the text. May read the column, but makes no texts of it.
    fn lacks(&self, _column: u32, _text: &str) -> bool {
        false
    }

    /// The values of a column.
    fn variable(&self, column: u32) -> Variable<'_>;

    /// Adds some values of a column as texts, the `index`-th value for every index; they never descend but
    /// may repeat. False, and nothing added, where [`Templates::variable`] costs no more.
    fn some_texts(&self, _column: u32, _indexes: &[u32], _into: &mut Texts) -> bool {
        false
    }
}

/// What is known of a column without reading it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// If every value is a decimal number: no value is less. May be less than the least.
    pub min: Option<f64>,
    /// If every value is a decimal number: no value is greater. May be more than the greatest.
    pub max: Option<f64>,
    /// Bit `b % 64` of word `b / 64` is set if byte `b` may occur in a value.
    pub bytes: [u64; 4],
}

impl Default for Facts {
    /// Nothing is known.
    fn default() -> Facts {
        Facts { min: None, max: None, bytes: [u64::MAX; 4] }
    }
}

impl Facts {
    /// Whether a value may contain the byte.
    pub fn may_hold(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }
}

/// Indexes of dictionary values.
#[derive(Debug, Clone, Copy)]
pub enum Codes<'a> {
    /// Of one byte each.
    U8(&'a [u8]),
    /// Of two bytes each.
    U16(&'a [u16]),
}

/// Whole numbers. What is not of eight bytes is never negative.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// Of one byte each.
    U8(&'a [u8]),
    /// Of two bytes each.
    U16(&'a [u16]),
    /// Of four bytes each.
    U32(&'a [u32]),
    /// Any.
    I64(&'a [i64]),
}

/// How a decimal number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fraction {
    /// With exactly `scale` digits after the point: `1.50`.
    Fixed,
    /// Without zeros at the end, but with at least one digit after the point: `1.5`, `2.0`.
    Trimmed,
}

/// The values of a column; each is exactly the text that stands in the message.
#[derive(Debug, Clone)]
pub enum Variable<'a> {
    /// The same in every row.
    Constant(&'a str),
    /// `values[codes[i]]`.
    Dictionary {
        /// One per value of the column.
        codes: Codes<'a>,
        /// The distinct values.
        values: Vec<&'a str>,
    },
    /// Whole numbers as Rust prints them.
    Ints(Numbers<'a>),
    /// Decimal fractions with a point: `mantissa / 10^scale`, never written as minus zero.
    Decimals {
        /// One per value of the column.
        mantissas: Numbers<'a>,
        /// Digits after the point, at least one.
        scale: u8,
        /// How they are written.
        fraction: Fraction,
    },
    /// A number, never negative, between fixed texts.
    Numbered {
        /// Before the number.
        prefix: &'a str,
        /// After the number.
        suffix: &'a str,
        /// Digits to which the number is filled up with zeros; 0 or 1: as it is.
        width: u8,
        /// One per value of the column.
        values: Numbers<'a>,
    },
    /// Any texts: value `i` is `text[ends[i - 1]..ends[i]]`, with 0 before the first.
    Texts {
        /// All values, joined.
        text: &'a str,
        /// One per value of the column.
        ends: &'a [u32],
    },
}

impl Codes<'_> {
    /// One code.
    pub(crate) fn get(&self, index: usize) -> usize {
        match self {
            Codes::U8(codes) => usize::from(codes[index]),
            Codes::U16(codes) => usize::from(codes[index]),
        }
    }
}

impl<'a> Numbers<'a> {
    /// How many.
    pub(crate) fn len(self) -> usize {
        match self {
            Numbers::U8(list) => list.len(),
            Numbers::U16(list) => list.len(),
            Numbers::U32(list) => list.len(),
            Numbers::I64(list) => list.len(),
        }
    }

    /// One number.
    pub(crate) fn get(self, index: usize) -> i64 {
        match self {
            Numbers::U8(list) => i64::from(list[index]),
            Numbers::U16(list) => i64::from(list[index]),
            Numbers::U32(list) => i64::from(list[index]),
            Numbers::I64(list) => list[index],
        }
    }

    /// The numbers at the given indexes, or all of them.
    pub(crate) fn pick(self, at: Option<&[u32]>) -> Cow<'a, [i64]> {
        match (self, at) {
            (Numbers::I64(list), None) => Cow::Borrowed(list),
            _ => Cow::Owned(self.pick_as(at, |number| number)),
        }
    }

    /// What is made of each of the numbers at the given indexes, or of all of them.
    pub(crate) fn pick_as<T>(self, at: Option<&[u32]>, make: impl Fn(i64) -> T) -> Vec<T> {
        fn each<N: Copy + Into<i64>, T>(list: &[N], at: Option<&[u32]>, make: impl Fn(i64) -> T) -> Vec<T> {
            match at {
                None => list.iter().map(|number| make((*number).into())).collect(),
                Some(at) => at.iter().map(|index| make(list[*index as usize].into())).collect(),
            }
        }
        match self {
            Numbers::U8(list) => each(list, at, make),
            Numbers::U16(list) => each(list, at, make),
            Numbers::U32(list) => each(list, at, make),
            Numbers::I64(list) => each(list, at, make),
        }
    }
}

impl Variable<'_> {
    /// Writes one value as it stands in the message.
    pub fn write(&self, index: usize, out: &mut String) {
        match self {
            Variable::Constant(text) => out.push_str(text),
            Variable::Dictionary { codes, values } => out.push_str(values[codes.get(index)]),
            Variable::Ints(values) => write_int(values.get(index), 1, out),
            Variable::Decimals { mantissas, scale, fraction } => {
                write_decimal(mantissas.get(index), *scale, *fraction, out);
            }
            Variable::Numbered { prefix, suffix, width, values } => {
                out.push_str(prefix);
                write_int(values.get(index), usize::from(*width), out);
                out.push_str(suffix);
            }
            Variable::Texts { text, ends } => out.push_str(&text[Texts::span(ends, index)]),
        }
    }
}

fn write_int(number: i64, width: usize, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    write_digits(number.unsigned_abs(), width, out);
}

/// At least `width` digits.
fn write_digits(mut number: u64, width: usize, out: &mut String) {
    // Digits of the greatest u64.
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 || at == digits.len() {
        at -= 1;
        // A digit.
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    let count = digits.len() - at;
    out.extend(std::iter::repeat_n('0', width.saturating_sub(count)));
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Writes `mantissa / 10^scale`.
pub(crate) fn write_decimal(mantissa: i64, scale: u8, fraction: Fraction, out: &mut String) {
    if mantissa < 0 {
        out.push('-');
    }
    let scale = usize::from(scale.max(1));
    write_digits(mantissa.unsigned_abs(), scale + 1, out);
    if fraction == Fraction::Trimmed {
        let zeros = out.bytes().rev().take(scale - 1).take_while(|b| *b == b'0').count();
        out.truncate(out.len() - zeros);
        out.insert(out.len() - (scale - zeros), '.');
    } else {
        out.insert(out.len() - scale, '.');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_variable_is_written_as_it_stood() {
        let fixed = |mantissas| Variable::Decimals {
            mantissas: Numbers::I64(mantissas),
            scale: 2,
            fraction: Fraction::Fixed,
        };
        let trimmed = |mantissas| Variable::Decimals {
            mantissas: Numbers::I64(mantissas),
            scale: 3,
            fraction: Fraction::Trimmed,
        };
        let numbered =
            |width| Variable::Numbered { prefix: "u-", suffix: "/x", width, values: Numbers::U16(&[623]) };
        let dictionary = Variable::Dictionary { codes: Codes::U8(&[1]), values: vec!["a", "b"] };
        for (variable, want) in [
            (Variable::Constant("k"), "k"),
            (dictionary, "b"),
            (Variable::Ints(Numbers::I64(&[-12])), "-12"),
            (fixed(&[150]), "1.50"),
            (fixed(&[-5]), "-0.05"),
            (trimmed(&[19180]), "19.18"),
            (trimmed(&[-2000]), "-2.0"),
            (numbered(7), "u-0000623/x"),
            (numbered(0), "u-623/x"),
            (Variable::Texts { text: "xyz", ends: &[3] }, "xyz"),
        ] {
            let mut out = String::new();
            variable.write(0, &mut out);
            assert_eq!(out, want, "{variable:?}");
        }
    }
}
