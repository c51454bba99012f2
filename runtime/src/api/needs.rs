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
        Service::Lambda => functions(scope, operation, input),
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

/// Operations of Lambda whose resource is the version or alias that they name.
const ON_QUALIFIERS: &[&str] = &["Invoke"];

fn functions(scope: &Scope<'_>, operation: &str, input: &Value) -> Vec<String> {
    let names = texts(input, &["FunctionName", "Resource"]);
    // A partial ARN (`123456789012:function:NAME`) means the same as the name.
    let bare = |name| match str::split_once(name, ":function:") {
        Some((_, bare)) => bare,
        None => name,
    };
    let here = format!("arn:aws:lambda:{}:{}:function:", scope.region, scope.account);
    let whole = |name: &str| match name.split_once(":function:") {
        Some((front, _)) if front.starts_with("arn:") => format!("{front}:function:"),
        _ => here.clone(),
    };
    let given = input.get("Qualifier").and_then(Value::as_str);
    let resources = names.into_iter().map(|name| {
        let (function, derived) =
            bare(name).split_once(':').map_or((bare(name), None), |(f, q)| (f, Some(q)));
        // Every spelling of `$LATEST` needs the same: a denied name is denied with its suffix.
        let qualifier = derived.or(given).filter(|qualifier| *qualifier != "$LATEST");
        match qualifier.filter(|_| ON_QUALIFIERS.contains(&operation)) {
            Some(qualifier) => format!("{}{function}:{qualifier}", whole(name)),
            None => format!("{}{function}", whole(name)),
        }
    });
    resources.collect()
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
        let function = "arn:aws:lambda:eu-west-1:111111111111:function:f";
        for (operation, input, resource) in [
            ("Invoke", json!({"FunctionName": "f:$LATEST"}), function.to_owned()),
            ("Invoke", json!({"FunctionName": "f", "Qualifier": "live"}), format!("{function}:live")),
            ("Invoke", json!({"FunctionName": "111111111111:function:f:live"}), format!("{function}:live")),
            ("Invoke", json!({"FunctionName": format!("{function}:2")}), format!("{function}:2")),
            ("GetFunction", json!({"FunctionName": "f:live"}), function.to_owned()),
            ("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"}), function.to_owned()),
            ("TagResource", json!({"Resource": function}), function.to_owned()),
        ] {
            let needed = needs(&scope, Service::Lambda, operation, &input);
            assert_eq!(needed[0].resource, resource, "{operation} {input}");
        }
        let invoke = needs(&scope, Service::Lambda, "Invoke", &json!({}));
        assert_eq!((invoke[0].action.as_str(), invoke[0].resource.as_str()), ("lambda:InvokeFunction", "*"));
        assert!(needs(&scope, Service::Sts, "GetCallerIdentity", &json!({})).is_empty());
    }
}
