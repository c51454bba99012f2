//! Tests of `webhook`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NASTY: &str =
    "<!channel> <@U1> @everyone @here [x](http://evil) **b** ```` ``` \u{202e}\r\n<b>hi</b> & \u{1b}[31m";

fn alarm(lines: &[&str], reason: &str) -> Message {
    let evidence: Vec<Value> = lines
        .iter()
        .map(|line| json!({"logGroup": "/app", "logStream": "s", "timestamp": 1_772_100_851_000i64, "message": line, "eventId": "1"}))
        .collect();
    let text = json!({
        "AlarmName": "DatabaseErrorsAlarm", "AlarmDescription": "too many", "NewStateValue": "ALARM",
        "OldStateValue": "OK", "NewStateReason": reason, "StateChangeTime": "2026-02-26T10:14:11.000+0000",
        "Region": "US East (N. Virginia)", "LogboomEvidence": evidence,
    });
    Message::plain("m", "arn:aws:sns:us-east-1:1:t", &text.to_string(), 0)
}

fn render(format: WebhookFormat, message: &Message) -> String {
    human_body(format, &Notice::read(message, &message.body), message).unwrap()
}

/// Every string in a JSON value.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|v| strings(v, out)),
        Value::Object(members) => members.values().for_each(|v| strings(v, out)),
        _ => {}
    }
}

fn all_text(body: &str) -> String {
    let mut out = Vec::new();
    strings(&serde_json::from_str(body).unwrap(), &mut out);
    out.join("\n")
}

const HUMAN: [WebhookFormat; 4] =
    [WebhookFormat::Slack, WebhookFormat::Discord, WebhookFormat::Teams, WebhookFormat::Json];

#[test]
fn every_format_shows_name_state_reason_and_lines() {
    let message = alarm(
        &["[ERROR] Database connection timeout 1", "[ERROR] Database connection timeout 2"],
        "Threshold Crossed",
    );
    for format in HUMAN {
        let shown = all_text(&render(format, &message)).replace('\\', "");
        for part in [
            "DatabaseErrorsAlarm",
            "ALARM",
            "OK",
            "Threshold Crossed",
            "connection timeout 1",
            "connection timeout 2",
            "/app",
        ] {
            assert!(shown.contains(part), "{} lacks {part}: {shown}", format.as_str());
        }
    }
}

#[test]
fn what_is_no_alarm_is_shown_as_it_is() {
    let mut message = Message::plain("m", "arn:aws:sns:us-east-1:1:ops", "disk is full", 0);
    for format in HUMAN {
        let shown = all_text(&render(format, &message));
        assert!(shown.contains("disk is full") && shown.contains("Notification from ops"), "{shown}");
    }
    message.subject = Some("Disk".to_owned());
    for format in HUMAN {
        assert!(all_text(&render(format, &message)).contains("Disk"));
    }
}

#[test]
fn foreign_text_has_no_power() {
    for message in [alarm(&[NASTY], NASTY), Message::plain("m", "arn:t", NASTY, 0)] {
        let slack = all_text(&render(WebhookFormat::Slack, &message));
        assert!(!slack.contains("<!") && !slack.contains("<@") && !slack.contains("<b>"), "{slack}");
        assert!(slack.contains("&lt;!channel&gt;") && slack.contains("&amp;"));
        let discord = render(WebhookFormat::Discord, &message);
        assert!(discord.contains(r#""allowed_mentions":{"parse":[]}"#));
        let discord = all_text(&discord);
        assert!(!discord.contains("@everyone") && !discord.contains("@here"), "{discord}");
        let outside: String = discord.split("```").step_by(2).collect::<String>().replace("\\<", "");
        assert!(!outside.contains("[x](http") && !outside.contains("<!channel"), "{outside}");
        for format in HUMAN {
            let shown = all_text(&render(format, &message));
            assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r']), "{}", format.as_str());
        }
    }
    // The code block is opened and closed by us alone.
    for format in [WebhookFormat::Slack, WebhookFormat::Discord] {
        let shown = all_text(&render(format, &alarm(&["a ``` b ````` c", "```", "c"], "r")));
        assert_eq!(shown.matches("```").count(), 2, "{shown}");
    }
    let teams: Value = serde_json::from_str(&render(WebhookFormat::Teams, &alarm(&[NASTY], NASTY))).unwrap();
    let blocks = teams["attachments"][0]["content"]["body"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"), "no block with markup");
}

fn within_limits(message: &Message) {
    let slack: Value = serde_json::from_str(&render(WebhookFormat::Slack, message)).unwrap();
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap();
        assert!((1..=3000).contains(&text.chars().count()), "{}", text.chars().count());
    }
    let discord: Value = serde_json::from_str(&render(WebhookFormat::Discord, message)).unwrap();
    let embed = &discord["embeds"][0];
    let size = |name: &str| embed[name].as_str().map_or(0, |t| t.chars().count());
    let footer = embed["footer"]["text"].as_str().map_or(0, |t| t.chars().count());
    assert!(size("title") <= 256 && size("description") <= 4096 && footer <= 2048);
    assert!(size("title") + size("description") + footer <= 6000);
    assert!(render(WebhookFormat::Teams, message).len() <= 28 * 1024);
}

#[test]
fn limits_of_the_channels_hold() {
    let long = "x".repeat(20_000);
    let entities = "<&>".repeat(5_000);
    let many: Vec<&str> = vec!["[ERROR] short line"; 300];
    for message in [
        alarm(&[&long, &long, &long], &long),
        alarm(&vec![entities.as_str(); 50], &entities),
        alarm(&many, "r"),
        Message::plain("m", "arn:t", &long, 0),
        Message::plain("m", "arn:t", &entities, 0),
        Message::plain("m", "arn:t", "\"\u{1}", 0),
    ] {
        within_limits(&message);
    }
    let shown = all_text(&render(WebhookFormat::Slack, &alarm(&many, "r")));
    assert!(shown.contains("more lines"), "what is left out is said");
}

#[test]
fn the_plain_format_keeps_every_line_whole() {
    let lines: Vec<String> = (0..300).map(|n| format!("line {n}")).collect();
    let message = alarm(&lines.iter().map(String::as_str).collect::<Vec<_>>(), "r");
    let body: Value = serde_json::from_str(&render(WebhookFormat::Json, &message)).unwrap();
    assert_eq!(body["lines"].as_array().unwrap().len(), 300);
    assert_eq!(body["alarm"]["state"], "ALARM");
    assert_eq!(body["lines"][7]["message"], "line 7");
}

#[test]
fn hosts() {
    let open = Rules { allow_loopback: true, listed: Vec::new() };
    let listed =
        Rules { allow_loopback: false, listed: vec![crate::egress::Listed::parse("chat.corp").unwrap()] };
    for (format, url, rules, want) in [
        ("slack", "https://hooks.slack.com/services/T/B/x", &open, true),
        ("slack", "https://hooks.slack.com.evil.example/", &open, false),
        ("slack", "https://evil.example/?hooks.slack.com", &open, false),
        ("slack", "https://hooks.slack.com@evil.example/", &open, false),
        ("discord", "https://discord.com/api/webhooks/1/x", &open, true),
        ("discord", "https://xdiscord.com/", &open, false),
        ("teams", "https://corp.webhook.office.com/x", &open, true),
        ("teams", "https://prod-1.westus.logic.azure.com:443/x", &open, true),
        ("teams", "https://logic.azure.com.evil.example/", &open, false),
        ("json", "http://127.0.0.1:99/", &open, true),
        ("json", "http://127.0.0.1:99/", &listed, false),
        ("json", "http://chat.corp/", &listed, true),
        ("slack", "http://chat.corp/", &listed, true),
    ] {
        let protocol = if url.starts_with("https") { Protocol::Https } else { Protocol::Http };
        assert_eq!(check(protocol, url, format, rules).is_ok(), want, "{format} {url}");
    }
    assert!(check(Protocol::Email, "a@b.c", "slack", &open).is_err());
    for row in &FORMATS {
        assert_eq!(WebhookFormat::parse(row.name), Some(row.format));
        assert_eq!(row.format.as_str(), row.name);
    }
}

proptest! {
    #![proptest_config(crate::tests::rounds(48))]
    #[test]
    fn any_text_is_rendered_within_limits(
        lines in prop::collection::vec(any::<String>(), 0..8), reason in any::<String>(), repeat in 1usize..400,
    ) {
        let lines: Vec<String> = lines.iter().map(|l| l.repeat(repeat)).collect();
        let message = alarm(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &format!("r{reason}"));
        within_limits(&message);
        let slack = all_text(&render(WebhookFormat::Slack, &message));
        prop_assert!(!slack.contains('<'));
    }
}
