//! Owns which `LOGBOOM_*` variables there are. Refuses to know their meaning.

use toml::{Table, Value};

use super::{ConfigError, set_at};

const PREFIX: &str = "LOGBOOM_";

enum Kind {
    Text,
    Number,
    Switch,
    /// Several texts, separated by commas.
    Texts,
}

/// Variable (without its prefix), where it lands, how it is read.
const VARIABLES: &[(&str, &str, Kind)] = &[
    ("LISTEN", "listen", Kind::Text),
    ("DATA", "data", Kind::Text),
    ("KEY_FILE", "key_file", Kind::Text),
    ("ACCOUNT", "account", Kind::Text),
    ("PUBLIC_URL", "public_url", Kind::Text),
    ("STRICT_PATTERNS", "strict_patterns", Kind::Switch),
    ("AWS_QUOTAS", "aws_quotas", Kind::Switch),
    ("RETENTION_SCHEDULE", "retention_schedule", Kind::Text),
    ("ALLOW_RESET", "allow_reset", Kind::Switch),
    ("SMTP_HOST", "smtp.host", Kind::Text),
    ("SMTP_PORT", "smtp.port", Kind::Number),
    ("SMTP_TLS", "smtp.tls", Kind::Text),
    ("SMTP_USER", "smtp.user", Kind::Text),
    ("SMTP_PASSWORD", "smtp.password", Kind::Text),
    ("SMTP_FROM", "smtp.from", Kind::Text),
    ("TLS_CERT", "tls.cert", Kind::Text),
    ("TLS_KEY", "tls.key", Kind::Text),
    ("TLS_SELF_SIGNED", "tls.self_signed", Kind::Switch),
    ("TLS_NAMES", "tls.names", Kind::Texts),
];

/// Variables that are ours but not settings of the server: what it writes to stderr, where the client commands find
/// it, the tests' switches.
const NOT_SETTINGS: &[&str] = &["LOG", "LOG_FORMAT", "ENDPOINT", "CA", "LONG", "SEED", "BIN", "PYTHON"];

/// Lays the `LOGBOOM_*` variables over `table`. `LOGBOOM_KEYS=id:secret[,id:secret...]` adds access keys.
pub(super) fn lay_over(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, text) in variables {
        let Some(short) = name.strip_prefix(PREFIX) else { continue };
        if short == "KEYS" {
            add_keys(table, &text)?;
        } else if let Some((_, path, kind)) = VARIABLES.iter().find(|(known, _, _)| *known == short) {
            set_at(table, path, read(&name, &text, kind)?)?;
        } else if !NOT_SETTINGS.contains(&short) {
            return Err(ConfigError(format!("the environment variable {name} is not a setting of logboom")));
        }
    }
    Ok(())
}

fn read(name: &str, text: &str, kind: &Kind) -> Result<Value, ConfigError> {
    let wrong = |expected: &str| ConfigError(format!("{name}={text:?} is not {expected}"));
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Texts => {
            let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            Ok(Value::Array(texts.map(|text| Value::String(text.to_owned())).collect()))
        }
        Kind::Number => text.parse().map(Value::Integer).map_err(|_| wrong("a number")),
        Kind::Switch => match text {
            "1" | "true" => Ok(Value::Boolean(true)),
            "0" | "false" | "" => Ok(Value::Boolean(false)),
            _ => Err(wrong("`true` or `false`")),
        },
    }
}

fn add_keys(table: &mut Table, text: &str) -> Result<(), ConfigError> {
    // The value is secret: the message does not repeat it.
    let malformed = || ConfigError("LOGBOOM_KEYS must be id:secret, several separated by commas".to_owned());
    let keys = table.entry("keys").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(keys) = keys else { return Err(malformed()) };
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (id, secret) = pair.split_once(':').ok_or_else(malformed)?;
        let pair = [("id", id), ("secret", secret)];
        let pair = pair.map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())));
        keys.push(Value::Table(Table::from_iter(pair)));
    }
    Ok(())
}
