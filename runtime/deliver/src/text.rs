//! Owns what is done to foreign text before it leaves in a message for people: control characters out,
//! length bounded, instants written. Refuses to know any channel's markup.

use chrono::{DateTime, Utc};

/// `2026-02-26T10:14:11.000Z`; an instant out of range is written as milliseconds.
pub fn iso(ms: i64) -> String {
    match DateTime::<Utc>::from_timestamp_millis(ms) {
        Some(at) => at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        None => ms.to_string(),
    }
}

/// At most `limit` characters, the last one an ellipsis when something was cut.
pub fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) if limit == 0 => String::new(),
        Some(_) => {
            let mut cut: String = text.chars().take(limit - 1).collect();
            cut.push('…');
            cut
        }
    }
}

/// Text without terminal control sequences, bidirectional overrides and carriage returns;
/// line feeds and tabs stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' => out.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// One line: every line break becomes a space.
pub fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// Text without two backticks in a row, so that it cannot close a code block it stands in.
pub fn unfenced(text: &str) -> String {
    text.replace("``", "`\u{200b}`").replace("``", "`\u{200b}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_tamed() {
        assert_eq!(clean("a\r\nb\rc\u{1b}[31md\u{202e}e\0"), "a\nb\nc[31mde");
        assert_eq!(one_line("a\r\nBcc: x"), "a Bcc: x");
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
        assert_eq!(clip("x", 0), "");
        for n in 0..9 {
            assert!(!unfenced(&"`".repeat(n)).contains("``"));
        }
        assert_eq!(iso(1_772_100_851_000), "2026-02-26T10:14:11.000Z");
        assert_eq!(iso(i64::MAX), i64::MAX.to_string());
    }
}
