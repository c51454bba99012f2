//! A lent variable as a vector: what its texts mean where they stand, without a step per row where
//! the shape allows. Knows no template and no row of a block.

use std::borrow::Cow;
use std::sync::Arc;

use super::strings::{Digits, Strings};
use super::vector::{CodeList, Lent, Vector};
use crate::discover::{lend_quoted, lend_token};
use crate::lend::{Codes, Numbers, Texts, Variable};
use crate::value::Value;

/// What the text of a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON number, `true`, `false` or `null`.
    Token,
    /// What stands between the quotes of a JSON string.
    Quoted,
    /// Itself.
    Raw,
}

impl Form {
    /// The value of one text.
    pub(crate) fn lend(self, text: &str) -> Lent<'_> {
        match self {
            Form::Token => lend_token(text),
            Form::Quoted => lend_quoted(text),
            Form::Raw => Lent::Borrowed(text),
        }
    }

    pub(crate) fn value(self, text: &str) -> Value {
        self.lend(text).cell().to_value()
    }

    /// The text is the value, whatever bytes it has.
    fn is_plain(self, text: &str) -> bool {
        match self {
            Form::Token => false,
            Form::Quoted => memchr::memchr(b'\\', text.as_bytes()).is_none(),
            Form::Raw => true,
        }
    }
}

/// The values of the variable at the given indexes, or all of them.
pub(crate) fn shape<'b>(variable: Variable<'b>, form: Form, at: Option<&[u32]>) -> Vector<'b> {
    match variable {
        Variable::Constant(text) => Vector::Constant(form.value(text)),
        Variable::Dictionary { codes, values } => dictionary(codes, &values, form, at),
        Variable::Ints(list) if form == Form::Token => Vector::Ints(list.pick(at)),
        Variable::Ints(list) => Vector::Digits(Digits::new("", "", 0, list.pick(at))),
        Variable::Decimals { mantissas, scale, .. } if form == Form::Token && is_exact(mantissas, scale) => {
            let divisor = 10f64.powi(i32::from(scale));
            #[allow(clippy::cast_precision_loss)]
            Vector::Floats(Cow::Owned(mantissas.pick_as(at, |mantissa| mantissa as f64 / divisor)))
        }
        Variable::Numbered { prefix, suffix, width, values }
            if form.is_plain(prefix) && form.is_plain(suffix) =>
        {
            Vector::Digits(Digits::new(prefix, suffix, width, values.pick(at)))
        }
        Variable::Texts { text, ends } => texts(text, ends, form, at),
        variable @ (Variable::Decimals { .. } | Variable::Numbered { .. }) => written(&variable, form, at),
    }
}

fn pick<'b, T: Copy>(list: &'b [T], at: Option<&[u32]>) -> Cow<'b, [T]> {
    match at {
        None => Cow::Borrowed(list),
        Some(at) => Cow::Owned(at.iter().map(|index| list[*index as usize]).collect()),
    }
}

fn dictionary<'b>(codes: Codes<'b>, values: &[&'b str], form: Form, at: Option<&[u32]>) -> Vector<'b> {
    let all = match codes {
        Codes::U8(list) => list.len(),
        Codes::U16(list) => list.len(),
    };
    let rows = at.map_or(all, <[u32]>::len);
    // More values than rows: reading them all costs more than it saves.
    if values.len() > 16 && values.len() > rows * 2 {
        let one = |index: usize| form.lend(values[codes.get(index)]);
        return match at {
            None => Vector::Lent((0..all).map(one).collect()),
            Some(at) => Vector::Lent(at.iter().map(|index| one(*index as usize)).collect()),
        };
    }
    let codes = match codes {
        Codes::U8(list) => CodeList::U8(pick(list, at)),
        Codes::U16(list) => CodeList::U16(pick(list, at)),
    };
    let values: Arc<[Value]> = values.iter().map(|text| form.value(text)).collect();
    Vector::Dictionary { codes, values }
}

/// Whether dividing gives exactly the float that the written number reads as: both operands are
/// exact, and division rounds correctly.
fn is_exact(mantissas: Numbers<'_>, scale: u8) -> bool {
    const EXACT: u64 = 1 << 53;
    let fits = match mantissas {
        Numbers::I64(list) => list.iter().fold(0, |all, m| all | m.unsigned_abs()) < EXACT,
        _ => true,
    };
    scale <= 22 && fits
}

fn texts<'b>(text: &'b str, ends: &'b [u32], form: Form, at: Option<&[u32]>) -> Vector<'b> {
    if form.is_plain(text) {
        let mut strings = Strings::lent(text, ends);
        if let Some(at) = at {
            strings.select(at);
        }
        return Vector::Texts(strings);
    }
    let one = |index: usize| form.lend(&text[Texts::span(ends, index)]);
    Vector::Lent(match at {
        None => (0..ends.len()).map(one).collect(),
        Some(at) => at.iter().map(|index| one(*index as usize)).collect(),
    })
}

/// By writing every value out.
fn written<'b>(variable: &Variable<'_>, form: Form, at: Option<&[u32]>) -> Vector<'b> {
    let count = match variable {
        Variable::Decimals { mantissas: list, .. } | Variable::Numbered { values: list, .. } => list.len(),
        Variable::Constant(_) | Variable::Dictionary { .. } | Variable::Ints(_) | Variable::Texts { .. } => 0,
    };
    let mut texts = Texts::default();
    let mut scratch = String::new();
    let mut write = |index: usize| {
        scratch.clear();
        variable.write(index, &mut scratch);
        texts.push(&scratch);
    };
    match at {
        None => (0..count).for_each(&mut write),
        Some(at) => at.iter().for_each(|index| write(*index as usize)),
    }
    owned(texts, form)
}

/// Texts that were written for this batch alone.
pub(crate) fn owned<'b>(texts: Texts, form: Form) -> Vector<'b> {
    if form.is_plain(&texts.text) {
        return Vector::Texts(Strings::made(texts));
    }
    Vector::Lent((0..texts.len()).map(|index| form.lend(texts.get(index)).detached()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lend::Fraction;

    fn printed(variable: Variable<'_>, form: Form, at: Option<&[u32]>, rows: usize) -> Vec<String> {
        let vector = shape(variable, form, at);
        (0..rows).map(|row| vector.get(row).print().unwrap_or_else(|| "absent".to_owned())).collect()
    }

    #[test]
    fn texts_mean_what_they_mean_in_the_message() {
        let tokens = Variable::Texts { text: "nulltrue1e3007", ends: &[4, 8, 11, 14] };
        assert_eq!(printed(tokens.clone(), Form::Token, None, 3), ["absent", "1", "1000"]);
        assert_eq!(printed(tokens, Form::Quoted, Some(&[3, 0]), 2), ["007", "null"]);
        let escaped =
            Variable::Numbered { prefix: "\\u00e9", suffix: "", width: 0, values: Numbers::U8(&[5]) };
        assert_eq!(printed(escaped.clone(), Form::Quoted, None, 1), ["é5"]);
        assert_eq!(printed(escaped, Form::Raw, None, 1), ["\\u00e95"]);
        let decimals = || Variable::Decimals {
            mantissas: Numbers::I64(&[19_180, -1]),
            scale: 3,
            fraction: Fraction::Trimmed,
        };
        assert_eq!(printed(decimals(), Form::Token, None, 2), ["19.18", "-0.001"]);
        assert_eq!(printed(decimals(), Form::Quoted, Some(&[1]), 1), ["-0.001"]);
    }

    #[test]
    fn decimals_are_the_floats_that_their_texts_read_as() {
        for scale in 1..=22u8 {
            for mantissa in [1i64, 3, 7, 19_180, 123_456_789, 9_007_199_254_740_991, -5_555_555_555] {
                let mantissas = [mantissa];
                let variable = || Variable::Decimals {
                    mantissas: Numbers::I64(&mantissas),
                    scale,
                    fraction: Fraction::Fixed,
                };
                let mut text = String::new();
                variable().write(0, &mut text);
                let want: f64 = text.parse().expect("a number");
                let Vector::Floats(list) = shape(variable(), Form::Token, None) else { panic!("floats") };
                assert_eq!(list[0].to_bits(), want.to_bits(), "{text}");
            }
        }
    }
}
