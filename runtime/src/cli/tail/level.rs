//! Owns telling how bad a message is, for its colour. Refuses to be sure: a message that does not say is `None`.

use serde_json::Value;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

/// What levels are called, in lower case.
const NAMES: &[(&str, Level)] = &[
    ("error", Level::Error),
    ("err", Level::Error),
    ("fatal", Level::Error),
    ("critical", Level::Error),
    ("panic", Level::Error),
    ("severe", Level::Error),
    ("alert", Level::Error),
    ("emergency", Level::Error),
    ("warn", Level::Warning),
    ("warning", Level::Warning),
    ("info", Level::Info),
    ("information", Level::Info),
    ("notice", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Debug),
    ("verbose", Level::Debug),
];

/// Where JSON messages keep it.
const MEMBERS: &[&str] = &["level", "severity", "lvl", "levelname", "log.level", "loglevel", "@l"];

/// How much of a text is looked at: a level comes early.
const LOOKED_AT: usize = 200;

fn named(name: &str) -> Option<Level> {
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
}

/// The level that a message names; `parsed` is the message where it is JSON.
pub(super) fn of(message: &str, parsed: Option<&Value>) -> Option<Level> {
    let Some(parsed) = parsed else { return in_text(message) };
    let value = MEMBERS.iter().find_map(|member| parsed.get(member));
    let value = value.or_else(|| parsed.get("log")?.get("level"))?;
    match value {
        Value::String(name) => named(name),
        // Bunyan and pino count in tens.
        Value::Number(number) => match number.as_f64()? {
            number if number >= 50.0 => Some(Level::Error),
            number if number >= 40.0 => Some(Level::Warning),
            number if number >= 30.0 => Some(Level::Info),
            _ => Some(Level::Debug),
        },
        _ => None,
    }
}

/// The first word in capitals, or behind `level=`, that is a level.
fn in_text(message: &str) -> Option<Level> {
    let end = message.char_indices().nth(LOOKED_AT).map_or(message.len(), |(at, _)| at);
    let text = &message[..end];
    let mut before = "";
    for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        let is_capital = word.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_said = MEMBERS.iter().any(|member| member.eq_ignore_ascii_case(before));
        if (is_capital || is_said)
            && let Some(level) = named(word)
        {
            return Some(level);
        }
        before = word;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_where_programs_write_them() {
        let cases = [
            ("2026-01-01 ERROR no disk", Some(Level::Error)),
            ("[WARN] slow", Some(Level::Warning)),
            ("time=1 level=warning msg=x", Some(Level::Warning)),
            ("an error in lower case is prose", None),
            ("ERRORS are not a level, INFO is", Some(Level::Info)),
            (r#"{"level":"ERROR","msg":"INFO"}"#, Some(Level::Error)),
            (r#"{"level":40}"#, Some(Level::Warning)),
            (r#"{"log":{"level":"debug"}}"#, Some(Level::Debug)),
            (r#"{"log.level":"debug"}"#, Some(Level::Debug)),
            (r#"{"msg":"ERROR"}"#, None),
            ("", None),
        ];
        for (message, level) in cases {
            let parsed: Option<Value> = serde_json::from_str(message).ok();
            assert_eq!(of(message, parsed.as_ref()), level, "{message}");
        }
    }
}
