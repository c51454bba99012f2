//! What a project is attached to, brought into a running server.
//!
//! Owns the calls, one kind of attachment each, and saying what was attached. Refuses to detach: what is no longer in
//! the file stays until somebody removes it.

use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, ClientError, escape};
use super::project::{Metric, On, Project, Retry, Schedule, Transform};

/// Attaches a function that was deployed as its project says.
///
/// # Errors
/// The server refuses something; says what.
pub(super) async fn attach(client: &Client, project: &Project, arn: &str) -> Result<(), ClientError> {
    let name = &project.name;
    for on in &project.on {
        subscribe(client, name, arn, on).await?;
    }
    for to in &project.transform {
        transform(client, name, arn, to).await?;
    }
    for metric in &project.metric {
        measure(client, name, metric).await?;
    }
    for one in &project.schedule {
        schedule(client, name, one).await?;
    }
    match &project.retry {
        Some(retry) => try_again(client, name, retry).await,
        None => Ok(()),
    }
}

/// Hands events of a log group to a function.
///
/// # Errors
/// The server refuses it.
pub(super) async fn subscribe(client: &Client, name: &str, arn: &str, on: &On) -> Result<(), ClientError> {
    let filter = json!({
        "logGroupName": on.log_group, "filterName": name, "filterPattern": on.pattern, "destinationArn": arn,
    });
    let made = client.logs("PutSubscriptionFilter", filter).await;
    made.map_err(|error| ClientError::Here(format!("{}: {error}", on.log_group)))?;
    let what = if on.pattern.is_empty() { "all events" } else { &on.pattern };
    eprintln!("{name} receives {what} of {}", on.log_group);
    Ok(())
}

/// Makes the function the transformer of a log group.
async fn transform(client: &Client, name: &str, arn: &str, to: &Transform) -> Result<(), ClientError> {
    // arn:aws:lambda:REGION:ACCOUNT:function:NAME
    let mut parts = arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let group = format!("arn:aws:logs:{region}:{account}:log-group:{}", to.log_group);
    let tags = json!({"logboom:transformer": name, "logboom:transformer-on-error": to.on_error.name()});
    let made = client.logs("TagResource", json!({"resourceArn": group, "tags": tags})).await;
    made.map_err(|error| ClientError::Here(format!("{}: {error}", to.log_group)))?;
    eprintln!("{name} transforms {} (on an error: {})", to.log_group, to.on_error.name());
    Ok(())
}

/// Makes values that the function finds in events a metric.
async fn measure(client: &Client, name: &str, metric: &Metric) -> Result<(), ClientError> {
    let Metric { log_group, pattern, namespace, name: metric_name } = metric;
    let filter = json!({
        "logGroupName": log_group, "filterName": format!("{name}-{metric_name}"), "filterPattern": pattern,
        "metricTransformations": [{
            "metricNamespace": namespace, "metricName": metric_name, "metricValue": format!("wasm:{name}"),
        }],
    });
    let made = client.logs("PutMetricFilter", filter).await;
    made.map_err(|error| ClientError::Here(format!("{log_group}: {error}")))?;
    eprintln!("{name} measures {namespace}/{metric_name} in {log_group}");
    Ok(())
}

async fn schedule(client: &Client, name: &str, one: &Schedule) -> Result<(), ClientError> {
    let as_named = one.name.as_deref().unwrap_or(name);
    let body = json!({
        "expression": one.expression, "function": name, "timeZone": one.time_zone, "input": one.input,
    });
    let path = format!("/_logboom/schedules/{}", escape(as_named));
    let made = client.own("scheduler", Method::PUT, &path, body).await;
    made.map_err(|error| ClientError::Here(format!("schedule {as_named}: {error}")))?;
    eprintln!("{name} runs at {} ({}), schedule {as_named}", one.expression, one.time_zone);
    Ok(())
}

/// Says how calls that were asked for with `Event` are tried again.
async fn try_again(client: &Client, name: &str, retry: &Retry) -> Result<(), ClientError> {
    let Retry { attempts, max_age_s } = retry;
    let mut config = json!({});
    let said = [("MaximumRetryAttempts", attempts), ("MaximumEventAgeInSeconds", max_age_s)];
    for (setting, number) in said {
        if let Some(number) = number {
            config[setting] = Value::from(*number);
        }
    }
    let path = format!("/2019-09-25/functions/{}/event-invoke-config", escape(name));
    let made = client.lambda(Method::PUT, &path, config).await;
    made.map_err(|error| ClientError::Here(format!("[retry]: {error}")))?;
    let or_usual =
        |number: &Option<u32>, unit| number.map_or_else(|| "as usual".to_owned(), |n| format!("{n}{unit}"));
    let (tries, age) = (or_usual(attempts, ""), or_usual(max_age_s, " s"));
    eprintln!("calls of {name} made later: tries after the first {tries}, age at most {age}");
    Ok(())
}
