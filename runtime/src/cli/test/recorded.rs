//! Owns recorded events: a file of lines. A line that is a JSON object with a `message` is an event, with the times it
//! names; any other line is a message. Refuses to know what is done with them.

use serde_json::Value;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Milliseconds since the Unix epoch.
    pub(super) timestamp: i64,
    /// Milliseconds since the Unix epoch.
    pub(super) ingestion_time: i64,
    /// The text.
    pub(super) message: String,
}

/// The time of the first event that names none: the same at each run. Each next one is a millisecond later.
const FIRST_MS: i64 = 1_767_225_600_000;

/// Reads the events of a file.
pub(super) fn parse(text: &str) -> Vec<Recorded> {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).enumerate();
    lines.map(|(index, line)| event(line, FIRST_MS.saturating_add_unsigned(index as u64))).collect()
}

fn event(line: &str, default_ms: i64) -> Recorded {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let Some(message) = value["message"].as_str() else {
        return Recorded { timestamp: default_ms, ingestion_time: default_ms, message: line.to_owned() };
    };
    let timestamp = value["timestamp"].as_i64().unwrap_or(default_ms);
    let ingestion_time = value["ingestionTime"].as_i64().unwrap_or(timestamp);
    Recorded { timestamp, ingestion_time, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_with_a_message_are_events_and_all_else_is_a_message() {
        let text = concat!(
            r#"{"timestamp": 5, "ingestionTime": 7, "message": "a"}"#,
            "\n\n",
            r#"{"timestamp": 6, "message": "b"}"#,
            "\nERROR plain\n",
            r#"{"level": "info"}"#
        );
        let told: Vec<_> =
            parse(text).into_iter().map(|one| (one.timestamp, one.ingestion_time, one.message)).collect();
        assert_eq!(
            told,
            [
                (5, 7, "a".to_owned()),
                (6, 6, "b".to_owned()),
                (FIRST_MS + 2, FIRST_MS + 2, "ERROR plain".to_owned()),
                (FIRST_MS + 3, FIRST_MS + 3, r#"{"level": "info"}"#.to_owned()),
            ]
        );
    }
}
