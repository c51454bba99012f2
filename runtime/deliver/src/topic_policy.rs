//! Owns AddPermission and RemovePermission: statements in a topic's access policy.
//! Refuses to decide anything by a policy.

use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::topic::{TopicRecord, default_policy};

/// Actions a topic policy may name (AWS).
const ACTIONS: [&str; 10] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "GetDataProtectionPolicy",
    "PutDataProtectionPolicy",
];

fn policy(topic: &TopicRecord) -> Value {
    let own = topic.attributes.get("Policy").and_then(|text| serde_json::from_str(text).ok());
    own.or_else(|| serde_json::from_str(&default_policy(topic)).ok()).unwrap_or_else(|| json!({}))
}

fn statements(policy: &mut Value) -> Vec<Value> {
    match policy.get_mut("Statement").map(Value::take) {
        Some(Value::Array(statements)) => statements,
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

/// Adds a statement labelled `label` that lets `accounts` do `actions`.
pub fn add_permission(
    topic: &mut TopicRecord,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<(), Refusal> {
    if actions.iter().any(|action| !ACTIONS.contains(&action.as_str())) {
        return Err(Refusal::invalid("Policy statement action out of service scope!"));
    }
    if accounts.is_empty() || actions.is_empty() {
        return Err(Refusal::invalid("AWSAccountId and ActionName Reason: at least one of each is required"));
    }
    let mut policy = policy(topic);
    let mut statements = statements(&mut policy);
    if statements.iter().any(|s| s["Sid"] == label) {
        return Err(Refusal::invalid("Statement already exists"));
    }
    let partition = crate::arn::partition(&topic.region);
    let one_or_list = |mut values: Vec<String>| match values.len() {
        1 => Value::from(values.remove(0)),
        _ => Value::from(values),
    };
    let principals = accounts.iter().map(|id| format!("arn:{partition}:iam::{id}:root")).collect();
    let actions = actions.iter().map(|action| format!("SNS:{action}")).collect();
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_list(principals) },
        "Action": one_or_list(actions),
        "Resource": topic.arn,
    }));
    policy["Statement"] = statements.into();
    topic.attributes.insert("Policy".to_owned(), policy.to_string());
    Ok(())
}

/// Removes the statement labelled `label`; one that is not there is no error (AWS).
pub fn remove_permission(topic: &mut TopicRecord, label: &str) {
    let mut policy = policy(topic);
    let mut statements = statements(&mut policy);
    statements.retain(|s| s["Sid"] != label);
    policy["Statement"] = statements.into();
    topic.attributes.insert("Policy".to_owned(), policy.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::topic;

    #[test]
    fn statements_come_and_go() {
        let mut topic = topic("t");
        let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        add_permission(&mut topic, "p", &own(&["222222222222"]), &own(&["Publish", "Subscribe"])).unwrap();
        let policy: Value = serde_json::from_str(&topic.attributes["Policy"]).unwrap();
        assert_eq!(policy["Statement"][0]["Sid"], "__default_statement_ID");
        assert_eq!(policy["Statement"][1]["Principal"]["AWS"], "arn:aws:iam::222222222222:root");
        assert_eq!(policy["Statement"][1]["Action"], json!(["SNS:Publish", "SNS:Subscribe"]));
        for (label, actions, want) in [
            ("p", own(&["Publish"]), "Invalid parameter: Statement already exists"),
            ("q", own(&["Fly"]), "Invalid parameter: Policy statement action out of service scope!"),
        ] {
            let error = add_permission(&mut topic, label, &own(&["2"]), &actions).unwrap_err();
            assert_eq!(error.message, want);
        }
        remove_permission(&mut topic, "p");
        let policy: Value = serde_json::from_str(&topic.attributes["Policy"]).unwrap();
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
    }
}
