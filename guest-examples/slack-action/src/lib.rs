//! Renders a change of an alarm for people, with the log lines that caused it, and publishes it to
//! the topic named in TOPIC. Other settings: CHANNEL, LINES (how many log lines, 10 if not given).

use logboom_sdk::prelude::*;
use serde_json::Value;

struct SlackAction;

impl AlarmAction for SlackAction {
    fn handle(event: &AlarmEvent) -> Result<(), HandlerError> {
        let Some(topic) = config::get("TOPIC") else {
            return Err(permanent("the setting TOPIC names no topic"));
        };
        let lines = config::get_or("LINES", "10").parse().unwrap_or(10);
        let details: Value = serde_json::from_str(&event.details_json).unwrap_or_default();
        let (title, text) = render(event, &details, lines);
        info!("{title}");
        // A retry of the same change is one message.
        let key = format!("{}/{}/{:?}", event.alarm_arn, event.changed_at, event.current);
        let mut message = Notification::new(text).subject(title).dedup_key(key);
        if let Some(channel) = config::get("CHANNEL") {
            message = message.attribute("channel", channel);
        }
        notify::send(&topic, &message)?;
        Ok(())
    }
}

logboom_sdk::export!(SlackAction: alarm_action);

/// The title, and a text of a few lines.
fn render(event: &AlarmEvent, details: &Value, lines_max: usize) -> (String, String) {
    let (sign, word) = match event.current {
        AlarmState::Alarm => ("🔴", "is in ALARM"),
        AlarmState::Ok => ("🟢", "is OK again"),
        AlarmState::InsufficientData => ("⚪", "has too little data"),
    };
    let mut text = format!("{sign} *{}* {word}\n", event.alarm_name);
    text.extend(event.description.iter().filter(|d| !d.is_empty()).map(|d| format!("_{d}_\n")));
    text.push_str(&format!("{}\n", event.reason));
    text.extend(metric(&details["Trigger"]).map(|metric| format!("Metric: {metric}\n")));
    let lines = details["LogboomEvidence"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !lines.is_empty() {
        text.push_str(&format!("Log lines behind it ({}):\n```\n", lines.len()));
        for line in lines.iter().take(lines_max) {
            let message = line["message"].as_str().unwrap_or_default().replace("```", "'''");
            let short: String = message.chars().take(300).collect();
            text.push_str(&format!("{} | {}\n", line["logGroup"].as_str().unwrap_or("?"), short.trim_end()));
        }
        text.push_str("```\n");
        text.extend(lines.len().checked_sub(lines_max + 1).map(|more| format!("and {} more\n", more + 1)));
    }
    (format!("{} {word}", event.alarm_name), text)
}

/// `Sum of MyApplication/DatabaseErrors over 300 s`, from the details SNS subscribers get.
fn metric(trigger: &Value) -> Option<String> {
    let text = |name: &str| trigger[name].as_str();
    let (namespace, name) = (text("Namespace")?, text("MetricName")?);
    let statistic = text("Statistic").or(text("ExtendedStatistic")).unwrap_or("?").to_lowercase();
    Some(format!("{statistic} of {namespace}/{name} over {} s", trigger["Period"]))
}

#[cfg(test)]
mod tests;
