//! Owns which IAM permissions a request needs: action and resource ARNs, told from its input's members.
//! Refuses to decide (`access` does).

use access::{Need, Scope};
use serde_json::Value;
use wire::Service;

/// IAM actions that are not spelt as their operation.
const RENAMED: &[(Service, &str, &str)] = &[(Service::Lambda, "Invoke", "InvokeFunction")];

/// Operations that anybody with a valid key may call.
const FREE: &[(Service, &str)] = &[(Service::Sts, "GetCallerIdentity")];

/// Operations of Logs whose resource is a stream.
const ON_STREAMS: &[&str] = &["PutLogEvents", "GetLogEvents", "DeleteLogStream"];

/// Everything that `operation` with this decoded `input` needs; nothing for the few free ones.
pub(crate) fn needs(scope: &Scope<'_>, service: Service, operation: &str, input: &Value) -> Vec<Need> {
    if FREE.contains(&(service, operation)) {
        return Vec::new();
    }
    let renamed = RENAMED.iter().find(|(of, name, _)| *of == service && *name == operation);
    let name = renamed.map_or(operation, |(_, _, name)| name);
    let action = format!("{}:{name}", service.action_prefix());
    let mut resources = match service {
        Service::Logs => log_groups(scope, operation, input),
        Service::CloudWatch => alarms(scope, input),
        Service::Sns => topics(scope, input),
        Service::Lambda => functions(scope, input),
        Service::Sts => Vec::new(),
        Service::Scheduler => schedules(scope, input),
    };
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    resources.into_iter().map(|resource| Need { action: action.clone(), resource }).collect()
}

/// The texts under any of these members, whether one or a list.
fn texts<'a>(input: &'a Value, members: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for value in members.iter().filter_map(|member| input.get(member)) {
        match value {
            Value::String(text) => found.push(text.as_str()),
            Value::Array(items) => found.extend(items.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    found
}

/// `name` as an ARN, unless it is one.
fn arn(scope: &Scope<'_>, service: &str, kind: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    format!("arn:aws:{service}:{}:{}:{kind}{name}", scope.region, scope.account)
}

fn log_groups(scope: &Scope<'_>, operation: &str, input: &Value) -> Vec<String> {
    const GROUPS: &[&str] = &[
        "logGroupName",
        "logGroupNames",
        "logGroupIdentifier",
        "logGroupIdentifiers",
        "resourceArn",
        "resourceIdentifier",
    ];
    let stream = input.get("logStreamName").and_then(Value::as_str);
    let stream = stream.filter(|_| ON_STREAMS.contains(&operation));
    let groups = texts(input, GROUPS).into_iter().map(|group| {
        let group = arn(scope, "logs", "log-group:", group);
        let group = group.strip_suffix(":*").unwrap_or(&group);
        match stream {
            Some(stream) => format!("{group}:log-stream:{stream}"),
            None => format!("{group}:*"),
        }
    });
    groups.collect()
}

fn alarms(scope: &Scope<'_>, input: &Value) -> Vec<String> {
    let names = texts(input, &["AlarmName", "AlarmNames", "ResourceARN"]);
    names.into_iter().map(|name| arn(scope, "cloudwatch", "alarm:", name)).collect()
}

fn topics(scope: &Scope<'_>, input: &Value) -> Vec<String> {
    let names = texts(input, &["TopicArn", "TargetArn", "ResourceArn", "SubscriptionArn", "Name"]);
    names.into_iter().map(|name| arn(scope, "sns", "", name)).collect()
}

fn functions(scope: &Scope<'_>, input: &Value) -> Vec<String> {
    let names = texts(input, &["FunctionName", "Resource"]);
    // A partial ARN (`123456789012:function:NAME`) means the same as the name.
    let bare = |name| match str::split_once(name, ":function:") {
        Some((front, bare)) if !front.starts_with("arn:") => bare,
        _ => name,
    };
    // Every spelling of the one version there is needs the same: a denied name is denied with its suffix.
    let names = names.into_iter().map(|name| name.strip_suffix(":$LATEST").unwrap_or(name));
    names.map(|name| arn(scope, "lambda", "function:", bare(name))).collect()
}

/// All schedules are in AWS's default group.
fn schedules(scope: &Scope<'_>, input: &Value) -> Vec<String> {
    let names = texts(input, &["Name"]).into_iter().filter(|name| !name.is_empty());
    names.map(|name| arn(scope, "scheduler", "schedule/default/", name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_requests_need() {
        let scope = Scope { account: "111111111111", region: "eu-west-1" };
        let group = "arn:aws:logs:eu-west-1:111111111111:log-group:/a";
        let cases = [
            (Service::Logs, "PutRetentionPolicy", json!({"logGroupName": "/a"}), vec![format!("{group}:*")]),
            (
                Service::Logs,
                "PutLogEvents",
                json!({"logGroupName": "/a", "logStreamName": "s"}),
                vec![format!("{group}:log-stream:s")],
            ),
            (
                Service::Logs,
                "StartQuery",
                json!({"logGroupNames": ["/a"], "logGroupIdentifiers": [format!("{group}:*")]}),
                vec![format!("{group}:*"), format!("{group}:*")],
            ),
            (
                Service::Logs,
                "AssociateKmsKey",
                json!({"resourceIdentifier": group, "kmsKeyId": "k"}),
                vec![format!("{group}:*")],
            ),
            (Service::Logs, "DescribeLogGroups", json!({}), vec!["*".to_owned()]),
            (
                Service::CloudWatch,
                "DeleteAlarms",
                json!({"AlarmNames": ["x", "y"]}),
                vec![
                    "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:x".to_owned(),
                    "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:y".to_owned(),
                ],
            ),
            (
                Service::Sns,
                "CreateTopic",
                json!({"Name": "t"}),
                vec!["arn:aws:sns:eu-west-1:111111111111:t".to_owned()],
            ),
            (
                Service::Lambda,
                "Invoke",
                json!({"FunctionName": "f"}),
                vec!["arn:aws:lambda:eu-west-1:111111111111:function:f".to_owned()],
            ),
        ];
        for (service, operation, input, expected) in cases {
            let needed = needs(&scope, service, operation, &input);
            let resources: Vec<_> = needed.iter().map(|need| need.resource.clone()).collect();
            assert_eq!(resources, expected, "{operation}");
        }
        let invoke = needs(&scope, Service::Lambda, "Invoke", &json!({}));
        assert_eq!((invoke[0].action.as_str(), invoke[0].resource.as_str()), ("lambda:InvokeFunction", "*"));
        assert!(needs(&scope, Service::Sts, "GetCallerIdentity", &json!({})).is_empty());
    }
}
