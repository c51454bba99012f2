//! Encodings and digests of text. What cannot be decoded gives null.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::md5::md5;
use super::{Function, or_null, row, text_of, whole_of};
use crate::value::{Cell, Value};

/// Everything but letters, digits and `-_.~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) const FUNCTIONS: &[Function] = &[
    row(&["urlencode"], 1, 1, |a| mapped(a, |s| Some(utf8_percent_encode(s, RESERVED).to_string()))),
    row(&["urldecode"], 1, 1, |a| mapped(a, url_decode)),
    row(&["base64encode"], 1, 1, |a| mapped(a, |s| Some(STANDARD.encode(s)))),
    row(&["base64decode"], 1, 1, |a| mapped(a, |s| String::from_utf8(STANDARD.decode(s).ok()?).ok())),
    row(&["hexToAscii"], 1, 1, |a| mapped(a, |s| String::from_utf8(bytes(digits(s))?).ok())),
    row(&["hexToDec"], 1, 1, |a| {
        let number = text_of(a, 0).and_then(|s| i64::from_str_radix(digits(&s), 16).ok());
        or_null(number.map(Value::Int))
    }),
    row(&["decToHex"], 1, 1, |a| or_null(whole_of(a, 0).map(|n| Value::text(format!("0x{n:x}"))))),
    row(&["md5"], 1, 1, |a| mapped(a, |s| Some(hex(&md5(s.as_bytes()))))),
    row(&["sha256"], 1, 1, |a| mapped(a, |s| Some(hex(&Sha256::digest(s.as_bytes()))))),
];

fn mapped(cells: &[Cell<'_>], how: impl Fn(&str) -> Option<String>) -> Value {
    or_null(text_of(cells, 0).and_then(|s| how(&s)).map(Value::text))
}

fn url_decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Hexadecimal digits without their prefix.
fn digits(text: &str) -> &str {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
