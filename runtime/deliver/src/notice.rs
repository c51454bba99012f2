//! Owns what people are told about a message: for an alarm its name, state, reason and the log lines that
//! caused it; else the text. Refuses to know any channel's markup. Reads the alarm message JSON that
//! CloudWatch publishes, with `LogboomEvidence` as an own member.

use serde_json::Value;

use crate::message::Message;
use crate::text::{clean, clip, iso, one_line};

/// Most log lines shown in one message.
pub const LINES_SHOWN: usize = 50;
/// Most characters of one log line shown in a chat.
pub const CHAT_LINE_CHARS: usize = 1000;

/// A message, read for people. All texts are free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One line: the subject, or what the alarm did.
    pub title: String,
    /// Set when the message is an alarm's.
    pub alarm: Option<AlarmNotice>,
    /// The message text.
    pub text: String,
    /// The log lines behind an alarm, all that came.
    pub lines: Vec<Line>,
}

/// What an alarm says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmNotice {
    /// `AlarmName`.
    pub name: String,
    /// `AlarmDescription`, or empty.
    pub description: String,
    /// `NewStateValue`.
    pub state: String,
    /// `OldStateValue`.
    pub previous: String,
    /// `NewStateReason`.
    pub reason: String,
    /// `AlarmArn`.
    pub arn: String,
    /// `AWSAccountId`.
    pub account: String,
    /// `Region`.
    pub region: String,
    /// `StateChangeTime`.
    pub at: String,
    /// Lines about metric and threshold, `Name: value`, from `Trigger`.
    pub trigger: Vec<(String, String)>,
}

/// One log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Log group.
    pub group: String,
    /// Log stream.
    pub stream: String,
    /// When, as text.
    pub at: String,
    /// The line.
    pub message: String,
    /// Event id.
    pub event_id: String,
    /// The alarm's message holds only the beginning of the line.
    pub truncated: bool,
}

impl Notice {
    /// Reads a message; `text` is the variant meant for the protocol.
    pub fn read(message: &Message, text: &str) -> Self {
        let subject = message.subject.as_deref().map(one_line);
        let value: Option<Value> =
            text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
        let alarm = value.as_ref().and_then(alarm);
        let lines = value.as_ref().filter(|_| alarm.is_some()).map(lines).unwrap_or_default();
        let title = match (&subject, &alarm) {
            (_, Some(alarm)) => format!("{}: {}", alarm.state, alarm.name),
            (Some(subject), None) => subject.clone(),
            (None, None) => format!("Notification from {}", topic_name(&message.topic_arn)),
        };
        Self { title, alarm, text: clean(text), lines }
    }

    /// The lines to show, each as `time group message`, the message cut to `line_chars`. An ellipsis stands
    /// for what is missing.
    pub fn shown_lines(&self, line_chars: usize) -> Vec<String> {
        self.lines
            .iter()
            .take(LINES_SHOWN)
            .map(|line| {
                let mut message = clip(line.message.trim_end(), line_chars);
                if line.truncated && !message.ends_with('…') {
                    message.push('…');
                }
                [line.at.as_str(), line.group.as_str(), &message]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    /// How many lines `shown_lines` leaves out.
    pub fn hidden_lines(&self) -> usize {
        self.lines.len().saturating_sub(LINES_SHOWN)
    }
}

fn topic_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn alarm(value: &Value) -> Option<AlarmNotice> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(clean);
    Some(AlarmNotice {
        name: one_line(&text("AlarmName")?),
        state: one_line(&text("NewStateValue")?),
        reason: text("NewStateReason").unwrap_or_default(),
        previous: one_line(&text("OldStateValue").unwrap_or_default()),
        description: text("AlarmDescription").unwrap_or_default(),
        arn: one_line(&text("AlarmArn").unwrap_or_default()),
        account: one_line(&text("AWSAccountId").unwrap_or_default()),
        region: one_line(&text("Region").unwrap_or_default()),
        at: one_line(&text("StateChangeTime").unwrap_or_default()),
        trigger: value.get("Trigger").map(trigger).unwrap_or_default(),
    })
}

/// The members of `Trigger` worth a line of their own, in the order people read them.
const TRIGGER: [(&str, &str); 10] = [
    ("Namespace", "Metric namespace"),
    ("MetricName", "Metric name"),
    ("Dimensions", "Dimensions"),
    ("Period", "Period (s)"),
    ("Statistic", "Statistic"),
    ("ExtendedStatistic", "Statistic"),
    ("Unit", "Unit"),
    ("ComparisonOperator", "Comparison"),
    ("Threshold", "Threshold"),
    ("TreatMissingData", "Missing data"),
];

fn trigger(value: &Value) -> Vec<(String, String)> {
    let shown = |member: &Value| match member {
        Value::String(text) => one_line(text),
        Value::Array(dimensions) => {
            let pairs = dimensions.iter().map(|d| {
                let part = |name: &str| d.get(name).and_then(Value::as_str).unwrap_or_default();
                one_line(&format!("{} = {}", part("name"), part("value")))
            });
            pairs.collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    };
    TRIGGER
        .iter()
        .filter_map(|(member, label)| Some(((*label).to_owned(), shown(value.get(*member)?))))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

fn lines(value: &Value) -> Vec<Line> {
    let Some(Value::Array(lines)) = value.get("LogboomEvidence") else { return Vec::new() };
    lines
        .iter()
        .map(|line| {
            let text = |name: &str| line.get(name).and_then(Value::as_str).map(clean).unwrap_or_default();
            let at = match line.get("timestamp") {
                Some(Value::Number(ms)) => ms.as_i64().map(iso).unwrap_or_default(),
                Some(Value::String(text)) => one_line(text),
                _ => String::new(),
            };
            Line {
                group: one_line(&text("logGroup")),
                stream: one_line(&text("logStream")),
                at,
                message: text("message"),
                event_id: one_line(&text("eventId")),
                truncated: line.get("truncated").and_then(Value::as_bool).unwrap_or(false),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_told_from_a_text() {
        let mut message = Message::plain("m", "arn:aws:sns:us-east-1:1:ops", "{}", 0);
        let notice = Notice::read(&message, "hello");
        assert_eq!(
            (notice.title.as_str(), notice.alarm, notice.text.as_str()),
            ("Notification from ops", None, "hello")
        );
        message.subject = Some("S".to_owned());
        assert_eq!(Notice::read(&message, "{\"AlarmName\":1}").title, "S");
        let text = r#"{"AlarmName":"a\r\nb","NewStateValue":"ALARM","NewStateReason":"r","Trigger":{"Threshold":5.0,
            "Dimensions":[{"name":"n","value":"v"}],"Statistic":"SUM"},
            "LogboomEvidence":[{"logGroup":"g","logStream":"s","timestamp":0,"message":"x\u001b[0m","eventId":"1"}, 7,
            {"message":"long","truncated":true}]}"#;
        let notice = Notice::read(&message, text);
        assert_eq!(notice.title, "ALARM: a b");
        assert_eq!(notice.shown_lines(9), ["1970-01-01T00:00:00.000Z g x[0m", "", "long…"]);
        let trigger = notice.alarm.unwrap().trigger;
        assert_eq!(trigger[0], ("Dimensions".to_owned(), "n = v".to_owned()));
        assert_eq!(trigger[2], ("Threshold".to_owned(), "5.0".to_owned()));
    }
}
