//! The story of the demo: log lines go in; they are redacted, stored, handled, counted, alarmed on and reported.
//!
//! Owns the sequence of calls and what is shown of their answers. Each step fails with the server's own error.

use hyper::Method;
use serde_json::{Value, json};

use super::samples::{SAMPLES, Sample};
use super::screen::Screen;
use super::stage::{Stage, trouble};
use crate::cli::client::{ClientError, element};
use crate::cli::query;

const LINES: usize = 400;
/// The same lines at every run.
const SEED: u64 = 20_260_101;
const BATCH: usize = 50;
const ALARM: &str = "demo-server-errors";
/// Rounds of `pause` that a background step may take before the demo says that it did not happen.
const ROUNDS_MAX: usize = 300;
const PAUSE_MS: u64 = 100;

/// Plays all steps.
pub(super) async fn tell(stage: &mut Stage, screen: &mut Screen) -> Result<(), ClientError> {
    let topic = deploy(stage, screen).await?;
    attach(stage, screen).await?;
    stream(stage, screen).await?;
    show_stored(stage, screen).await?;
    show_handled(stage, screen).await?;
    alarm(stage, screen, &topic).await
}

/// Deploys the guests and makes the topic with its webhook.
async fn deploy(stage: &Stage, screen: &mut Screen) -> Result<String, ClientError> {
    screen.step("Deploy the guests, make a topic with a webhook");
    let settings =
        |tags: Value, variables: Value| json!({"Tags": tags, "Environment": {"Variables": variables}});
    for (name, with) in [
        ("redact", settings(json!({}), json!({}))),
        ("latency-extractor", settings(json!({}), json!({}))),
        ("error-digest", settings(json!({}), json!({}))),
        (
            "slack-action",
            settings(json!({"logboom:allow-publish": "demo-people"}), json!({"TOPIC": "demo-people"})),
        ),
    ] {
        stage.client.deploy(name, &stage.module(name)?, with).await?;
        screen.good(&format!("{name} is compiled and active"));
    }
    let mut topics = Vec::new();
    for topic in ["demo-ops", "demo-people"] {
        let xml = stage.client.sns("CreateTopic", &[("Name", topic)]).await?;
        topics.push(element(&xml, "TopicArn").ok_or_else(|| trouble(format!("no TopicArn in {xml}")))?);
    }
    for (topic, format) in topics.iter().zip(["slack", "json"]) {
        let webhook = [
            ("TopicArn", topic.as_str()),
            ("Protocol", "http"),
            ("Endpoint", stage.inbox.url.as_str()),
            ("Attributes.entry.1.key", "WebhookFormat"),
            ("Attributes.entry.1.value", format),
        ];
        stage.client.sns("Subscribe", &webhook).await?;
    }
    screen.good(&format!("topic demo-ops posts to {} as a Slack message", stage.inbox.url));
    Ok(topics.swap_remove(0))
}

/// Makes the log groups and everything that reads them.
async fn attach(stage: &Stage, screen: &mut Screen) -> Result<(), ClientError> {
    screen.step("Make log groups; attach redaction, a wasm handler and metric filters");
    for sample in SAMPLES {
        let tags = match sample.group {
            "/demo/api" | "/demo/payments" => json!({
                "logboom:transformer": "redact", "logboom:transformer-on-error": "fail",
            }),
            _ => json!({"team": "demo"}),
        };
        stage.client.logs("CreateLogGroup", json!({"logGroupName": sample.group, "tags": tags})).await?;
        let stream = json!({"logGroupName": sample.group, "logStreamName": sample.stream});
        stage.client.logs("CreateLogStream", stream).await?;
    }
    screen.good("/demo/api and /demo/payments: every line passes `redact` before it is stored");
    let path = "/2015-03-31/functions/error-digest/configuration";
    let digest = stage.client.lambda(Method::GET, path, Value::Null).await?;
    for group in ["/demo/payments", "/demo/worker"] {
        let filter = json!({
            "logGroupName": group, "filterName": "errors", "filterPattern": "?ERROR ?Traceback",
            "destinationArn": digest["FunctionArn"],
        });
        stage.client.logs("PutSubscriptionFilter", filter).await?;
    }
    screen.good("/demo/payments and /demo/worker: lines with ERROR go to the handler `error-digest`");
    for (group, name, pattern, metric, value) in [
        ("/demo/api", "errors", "{ $.status >= 500 }", "ServerErrors", "1"),
        ("/demo/api", "latency", "{ $.latency > 0 }", "Latency", "$.latency"),
    ] {
        let transformation = json!([{"metricName": metric, "metricNamespace": "Demo", "metricValue": value}]);
        let filter = json!({
            "logGroupName": group, "filterName": name, "filterPattern": pattern,
            "metricTransformations": transformation,
        });
        stage.client.logs("PutMetricFilter", filter).await?;
    }
    screen.good("/demo/api: `{ $.status >= 500 }` counts into the metric Demo/ServerErrors");
    Ok(())
}

/// Sends the sample lines, spread over the last three minutes.
async fn stream(stage: &Stage, screen: &mut Screen) -> Result<(), ClientError> {
    screen.step("Stream sample logs of four kinds through PutLogEvents");
    let total = SAMPLES.len() * LINES;
    let start = stage.clock.now_ms() - 180_000;
    let step = 170_000 / LINES as i64;
    let mut sent = 0;
    let all = SAMPLES.iter().map(|sample| (sample, sample.lines(SEED, LINES)));
    let all: Vec<(&Sample, Vec<String>)> = all.collect();
    for from in (0..LINES).step_by(BATCH) {
        for (sample, lines) in &all {
            let events: Vec<Value> = (from..(from + BATCH).min(LINES))
                .map(|n| json!({"timestamp": start + n as i64 * step, "message": lines[n]}))
                .collect();
            sent += events.len();
            let batch = json!({
                "logGroupName": sample.group, "logStreamName": sample.stream, "logEvents": events,
            });
            let answer = stage.client.logs("PutLogEvents", batch).await?;
            if answer.get("rejectedLogEventsInfo").is_some() {
                return Err(trouble(format!("events were rejected: {answer}")));
            }
            screen.progress(sample.group, sent, total);
        }
    }
    screen.good(&format!("{sent} events acknowledged, each one on the disk before its answer"));
    Ok(())
}

/// Shows that the lines are stored and redacted, and a query over them.
async fn show_stored(stage: &Stage, screen: &mut Screen) -> Result<(), ClientError> {
    screen.step("Stored, redacted, and answered by Logs Insights");
    let input = json!({"logGroupName": "/demo/payments", "filterPattern": "declined", "limit": 1});
    let found = stage.client.logs("FilterLogEvents", input).await?;
    let stored = found["events"][0]["message"].as_str().unwrap_or_default().to_owned();
    let all = SAMPLES[3].lines(SEED, LINES);
    if let Some(original) = all.iter().find(|line| line.contains("declined")) {
        screen.say("sent:");
        screen.quote(original);
    }
    screen.say("stored:");
    screen.quote(&stored);
    if stored.is_empty() || stored.contains("4111") {
        return Err(trouble("the stored line is not redacted".to_owned()));
    }
    let text = "stats count(*) as requests, avg(latency) as avg_ms, pct(latency, 99) as p99_ms by status";
    screen.say(&format!("query: {text}"));
    let now = stage.clock.now_ms() / 1000;
    let input = json!({
        "logGroupName": "/demo/api", "queryString": text, "startTime": now - 3600, "endTime": now + 60,
    });
    screen.quote(&query::table(&query::rows(&stage.client, &stage.clock, input).await?));
    Ok(())
}

/// Shows what the subscription handler wrote into its own log group.
async fn show_handled(stage: &Stage, screen: &mut Screen) -> Result<(), ClientError> {
    screen.step("Handled by WebAssembly: the log of the handler `error-digest`");
    let input = json!({"logGroupName": "/aws/lambda/error-digest", "filterPattern": "-START -END -REPORT"});
    for _ in 0..ROUNDS_MAX {
        match stage.client.logs("FilterLogEvents", input.clone()).await {
            Err(e) if e.is("ResourceNotFoundException") => {}
            Err(e) => return Err(e),
            Ok(found) => {
                let events = found["events"].as_array().cloned().unwrap_or_default();
                if !events.is_empty() {
                    for event in events.iter().take(6) {
                        screen.quote(event["message"].as_str().unwrap_or_default().trim_end());
                    }
                    return Ok(());
                }
            }
        }
        stage.clock.sleep(PAUSE_MS).await;
    }
    Err(trouble("the handler wrote nothing within 30 s".to_owned()))
}

/// Raises the alarm and shows the message that arrives.
async fn alarm(stage: &mut Stage, screen: &mut Screen, topic: &str) -> Result<(), ClientError> {
    screen.step("Counted, alarmed, notified: with the log lines in the message");
    let path = "/2015-03-31/functions/slack-action/configuration";
    let action = stage.client.lambda(Method::GET, path, Value::Null).await?;
    let alarm = json!({
        "AlarmName": ALARM, "AlarmDescription": "More than 2 server errors in a minute",
        "Namespace": "Demo", "MetricName": "ServerErrors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 2.0, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching", "AlarmActions": [topic, action["FunctionArn"]],
    });
    stage.client.cloudwatch("PutMetricAlarm", alarm).await?;
    screen.say(
        "alarm: Sum(Demo/ServerErrors) > 2 in one minute -> topic demo-ops and the guest `slack-action`",
    );
    let message = stage.inbox.next(150).await;
    let message = message.ok_or_else(|| trouble("no notification arrived within 150 s".to_owned()))?;
    let answer = stage.client.cloudwatch("DescribeAlarms", json!({"AlarmNames": [ALARM]})).await?;
    let state = &answer["MetricAlarms"][0];
    screen.good(&format!("{ALARM} is {}", state["StateValue"].as_str().unwrap_or_default()));
    screen.quote(state["StateReason"].as_str().unwrap_or_default());
    screen.good("received by the inbox:");
    screen.quote(&readable(&message));
    if let Some(second) = stage.inbox.next(20).await {
        screen.good("and the message that the guest `slack-action` rendered:");
        screen.quote(&readable(&second));
    }
    Ok(())
}

/// A message as a person would see it: the texts of a Slack message, or the `message` of our own format.
fn readable(message: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(message) else { return message.to_owned() };
    if let Some(text) = value["message"].as_str() {
        return text.to_owned();
    }
    let mut texts = Vec::new();
    gather(&value["blocks"], &mut texts);
    gather(&value["attachments"], &mut texts);
    if texts.is_empty() {
        texts.extend(value["text"].as_str());
    }
    texts.join("\n")
}

/// Every `text` inside, in order.
fn gather<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "text" => texts.push(text),
                    other => gather(other, texts),
                }
            }
        }
        _ => {}
    }
}
