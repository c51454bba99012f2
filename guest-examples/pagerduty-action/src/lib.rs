//! Opens and resolves PagerDuty incidents for an alarm, with the log lines behind it (Events API v2). Settings: KEY, the
//! name of the secret that holds the routing key (`pagerduty` if not given; the host puts it in on the way out, the
//! guest never sees it); SEVERITY (critical, error, warning or info; `error`); LINES (10); URL for another endpoint.
//! Grant it `logboom:allow-http=https://events.pagerduty.com` and the secret.
//!
//! One alarm is one incident: its ARN is the key, so that a change that is told twice changes nothing.

use logboom_sdk::prelude::*;
use serde_json::{Value, json};

struct PagerdutyAction;

const ENDPOINT: &str = "https://events.pagerduty.com/v2/enqueue";
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

impl AlarmAction for PagerdutyAction {
    fn handle(event: &AlarmEvent) -> Result<(), HandlerError> {
        let action = match event.current {
            AlarmState::Alarm => "trigger",
            AlarmState::Ok => "resolve",
            // Too little data neither opens nor resolves anything.
            AlarmState::InsufficientData => return Ok(()),
        };
        let key = secrets::placeholder(&config::get_or("KEY", "pagerduty"))?;
        let mut change = json!({ "routing_key": key, "dedup_key": event.alarm_arn, "event_action": action });
        if action == "trigger" {
            change["payload"] = payload(event)?;
        }
        let headers = [("content-type", "application/json")];
        let url = config::get_or("URL", ENDPOINT);
        let answer = http::post(&url, &headers, change.to_string().as_bytes())?.success()?;
        info!("{action} {}, status {}", event.alarm_name, answer.status);
        Ok(())
    }
}

logboom_sdk::export!(PagerdutyAction: alarm_action);

fn payload(event: &AlarmEvent) -> Result<Value, HandlerError> {
    let severity = config::get_or("SEVERITY", "error");
    if !SEVERITIES.contains(&severity.as_str()) {
        return Err(permanent(format!("SEVERITY is {severity}, not one of {}", SEVERITIES.join(", "))));
    }
    let details: Value = serde_json::from_str(&event.details_json).unwrap_or_default();
    let most = config::get_or("LINES", "10").parse().unwrap_or(10);
    let lines = details["LogboomEvidence"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<String> = lines.iter().take(most).map(line).collect();
    let summary: String = format!("{}: {}", event.alarm_name, event.reason).chars().take(1024).collect();
    Ok(json!({
        "summary": summary,
        "source": details["Region"].as_str().unwrap_or("logboom"),
        "severity": severity,
        "class": details["Trigger"]["MetricName"],
        "custom_details": { "description": event.description, "lines": lines },
    }))
}

fn line(line: &Value) -> String {
    let message: String = line["message"].as_str().unwrap_or_default().chars().take(300).collect();
    format!("{} | {}", line["logGroup"].as_str().unwrap_or("?"), message.trim_end())
}

#[cfg(test)]
mod tests;
