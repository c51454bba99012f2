//! Owns the first pass over a policy text: is it JSON, and if not, what would AWS's JSON parser have said.
//! Refuses to know what the JSON means.

use serde_json::Value;

const WHERE: &str = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";

/// Parses JSON, or describes the first fault in the words of the parser AWS uses.
pub(crate) fn check(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| describe(text, &error))
}

fn describe(text: &str, error: &serde_json::Error) -> String {
    let trimmed = text.trim_start();
    let start = text.len() - trimmed.len();
    match trimmed.chars().next() {
        Some(c) if is_word(c) => {
            let end = trimmed.find(|c: char| !is_word(c)).unwrap_or(trimmed.len());
            let (line, column) = position(text, start + end);
            format!(
                "Unrecognized token '{}': was expecting (JSON String, Number, Array, Object or token 'null', \
                 'true' or 'false')\n at {WHERE}; line: {line}, column: {column}]",
                &trimmed[..end]
            )
        }
        Some('{') => {
            let inside = trimmed[1..].trim_start();
            match inside.chars().next() {
                Some(c) if c != '"' && c != '}' => {
                    let (line, column) = position(text, text.len() - inside.len());
                    format!(
                        "Unexpected character ('{c}' (code {})): was expecting double-quote to start field \
                         name\n at {WHERE}; line: {line}, column: {column}]",
                        u32::from(c)
                    )
                }
                _ => plain(error),
            }
        }
        _ => plain(error),
    }
}

fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("{what}\n at {WHERE}; line: {}, column: {}]", error.line(), error.column())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Line and column, both from 1, of the character at byte `at`.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}
