//! Owns topics: the record, names, attributes and tags with AWS's texts.
//! Refuses to know subscriptions and where records are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::{arn, delivery_policy};

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Never-reused id.
    pub id: u64,
    /// Owner, twelve digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// Name, 1..=256 characters.
    pub name: String,
    /// `arn:aws:sns:REGION:ACCOUNT:NAME`.
    pub arn: String,
    /// Attributes that were set, by AWS's names.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Creation time, milliseconds.
    #[serde(default)]
    pub created_ms: i64,
    /// Subscriptions deleted so far, for `SubscriptionsDeleted`.
    #[serde(default)]
    pub subscriptions_deleted: u64,
}

/// A `CreateTopic` request.
#[derive(Debug, Clone, Default)]
pub struct CreateTopic {
    /// `Name`.
    pub name: String,
    /// `Attributes`.
    pub attributes: BTreeMap<String, String>,
    /// `Tags`, in the order given.
    pub tags: Vec<(String, String)>,
}

/// What `create` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// A new record to keep.
    New(TopicRecord),
    /// The topic existed with the same attributes and tags: its ARN is the answer.
    Existing,
}

/// Whose topic it will be, and what the root supplies.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Account of the caller.
    pub account: &'a str,
    /// Region of the request.
    pub region: &'a str,
    /// Id to use when the topic is new.
    pub id: u64,
    /// Now, milliseconds.
    pub now_ms: i64,
}

const NAME_MAX: usize = 256;
const DISPLAY_NAME_MAX: usize = 100;
const TAGS_MAX: usize = 50;

/// The attribute names `SetTopicAttributes` knows.
const SETTABLE: [&str; 5] = ["DisplayName", "Policy", "DeliveryPolicy", "SignatureVersion", "TracingConfig"];

/// Attributes of AWS that are refused unless empty, and what they would need.
const UNSUPPORTED: [(&str, &str); 9] = [
    ("KmsMasterKeyId", "encryption of topics with KMS keys is"),
    ("FifoThroughputScope", "FIFO topics are"),
    ("FifoTopic", "FIFO topics are"),
    ("ContentBasedDeduplication", "FIFO topics are"),
    ("ArchivePolicy", "message archiving (FIFO topics) is"),
    ("BeginningArchiveTime", "message archiving (FIFO topics) is"),
    ("DataProtectionPolicy", "data protection policies on topics are"),
    ("DataProtection", "data protection policies on topics are"),
    ("MessageRetentionPeriod", "message archiving (FIFO topics) is"),
];

/// `HTTPSuccessFeedbackRoleArn` and its kin: delivery status logging to CloudWatch.
const FEEDBACK: [&str; 3] = ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];

/// Checks a topic name.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    if let Some(stem) = name.strip_suffix(".fifo")
        && is_plain(stem)
    {
        return Err(Refusal::unsupported("Topic Name", "FIFO topics (names ending in .fifo) are"));
    }
    if is_plain(name) { Ok(()) } else { Err(Refusal::invalid("Topic Name")) }
}

fn is_plain(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Creates a topic, or finds that it exists. `existing` is the topic of that name, if there is one.
pub fn create(
    request: &CreateTopic,
    existing: Option<&TopicRecord>,
    origin: Origin<'_>,
) -> Result<Created, Refusal> {
    check_name(&request.name)?;
    let mut attributes = BTreeMap::new();
    for (name, value) in &request.attributes {
        if let Some(value) = check_attribute(name, value, "Attributes Reason: ")? {
            attributes.insert(name.clone(), value);
        }
    }
    let tags = check_tags(&request.tags, &BTreeMap::new())?;
    if let Some(topic) = existing {
        if attributes.iter().any(|(name, value)| topic.attributes.get(name) != Some(value)) {
            return Err(Refusal::invalid(
                "Attributes Reason: Topic already exists with different attributes",
            ));
        }
        if !tags.is_empty() && tags != topic.tags {
            return Err(Refusal::invalid("Tags Reason: Topic already exists with different tags"));
        }
        return Ok(Created::Existing);
    }
    Ok(Created::New(TopicRecord {
        id: origin.id,
        account: origin.account.to_owned(),
        region: origin.region.to_owned(),
        arn: arn::topic(origin.region, origin.account, &request.name),
        name: request.name.clone(),
        attributes,
        tags,
        created_ms: origin.now_ms,
        subscriptions_deleted: 0,
    }))
}

/// `SetTopicAttributes`. An absent value removes the attribute.
pub fn set_attribute(topic: &mut TopicRecord, name: &str, value: &str) -> Result<(), Refusal> {
    match check_attribute(name, value, "")? {
        Some(value) => topic.attributes.insert(name.to_owned(), value),
        None => topic.attributes.remove(name),
    };
    Ok(())
}

/// Checks one attribute; `None` means it is to be absent. `prefix` stands before the reason in texts.
fn check_attribute(name: &str, value: &str, prefix: &str) -> Result<Option<String>, Refusal> {
    let bad = |reason: &str| Refusal::invalid(format_args!("{prefix}{name}: {reason}"));
    if let Some((_, what)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
        return match value {
            "" => Ok(None),
            "false" if matches!(name, "FifoTopic" | "ContentBasedDeduplication") => Ok(None),
            _ => Err(Refusal::unsupported(&format!("Attributes Reason: {name}"), what)),
        };
    }
    if FEEDBACK.iter().any(|suffix| name.ends_with(suffix)) {
        return match value {
            "" => Ok(None),
            _ => {
                Err(Refusal::unsupported(&format!("Attributes Reason: {name}"), "delivery status logging is"))
            }
        };
    }
    if !SETTABLE.contains(&name) {
        return Err(if prefix.is_empty() {
            Refusal::invalid("AttributeName")
        } else {
            Refusal::invalid(format_args!("Attributes Reason: Unknown attribute: {name}"))
        });
    }
    if value.is_empty() {
        return Ok(None);
    }
    match name {
        "DisplayName" if value.chars().count() > DISPLAY_NAME_MAX || value.chars().any(char::is_control) => {
            Err(bad("must be at most 100 characters long and contain no control characters"))
        }
        "SignatureVersion" if !matches!(value, "1" | "2") => Err(bad("Invalid value. Must be 1 or 2.")),
        "TracingConfig" if value == "PassThrough" => Ok(Some(value.to_owned())),
        "TracingConfig" => Err(Refusal::unsupported("TracingConfig", "active tracing (X-Ray) is")),
        "Policy" => match serde_json::from_str::<Value>(value) {
            Ok(Value::Object(_)) => Ok(Some(value.to_owned())),
            _ => Err(bad("Policy is not a JSON object")),
        },
        "DeliveryPolicy" => {
            delivery_policy::check_topic(value).map_err(|reason| bad(&reason))?;
            Ok(Some(value.to_owned()))
        }
        _ => Ok(Some(value.to_owned())),
    }
}

/// How many subscriptions a topic has, for `GetTopicAttributes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `SubscriptionsConfirmed`.
    pub confirmed: u64,
    /// `SubscriptionsPending`.
    pub pending: u64,
}

/// The attributes `GetTopicAttributes` answers.
pub fn describe(topic: &TopicRecord, counts: Counts) -> BTreeMap<String, String> {
    let mut shown = topic.attributes.clone();
    shown.entry("DisplayName".to_owned()).or_default();
    shown.entry("Policy".to_owned()).or_insert_with(|| default_policy(topic));
    let delivery = topic.attributes.get("DeliveryPolicy").map(String::as_str);
    for (name, value) in [
        ("TopicArn", topic.arn.clone()),
        ("Owner", topic.account.clone()),
        ("SubscriptionsConfirmed", counts.confirmed.to_string()),
        ("SubscriptionsPending", counts.pending.to_string()),
        ("SubscriptionsDeleted", topic.subscriptions_deleted.to_string()),
        ("EffectiveDeliveryPolicy", delivery_policy::describe_topic(delivery)),
    ] {
        shown.insert(name.to_owned(), value);
    }
    shown
}

/// The access policy of a topic that has none of its own: its owner may do everything.
pub fn default_policy(topic: &TopicRecord) -> String {
    const ACTIONS: [&str; 8] = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": ACTIONS.map(|action| format!("SNS:{action}")),
            "Resource": topic.arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": topic.account } },
        }],
    })
    .to_string()
}

/// Checks tags to add to those a topic has; the result is all of them.
pub fn check_tags(
    given: &[(String, String)],
    have: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut fresh = BTreeMap::new();
    for (key, value) in given {
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err(Refusal::invalid(format_args!("Tags Reason: tag '{key}' is too long or empty")));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Refusal::invalid("Tags Reason: tag keys must not start with aws:"));
        }
        if fresh.insert(key.clone(), value.clone()).is_some() {
            return Err(Refusal::invalid("Duplicated keys are not allowed."));
        }
    }
    let mut all = have.clone();
    all.extend(fresh);
    if all.len() > TAGS_MAX {
        return Err(Refusal::new(
            "TagLimitExceeded",
            "Could not complete request: tag quota of per resource exceeded",
        ));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin { account: "111111111111", region: "us-east-1", id: 7, now_ms: 5 };

    fn request(name: &str, attributes: &[(&str, &str)], tags: &[(&str, &str)]) -> CreateTopic {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        CreateTopic {
            name: name.to_owned(),
            attributes: attributes.iter().map(own).collect(),
            tags: tags.iter().map(own).collect(),
        }
    }

    fn new(request: &CreateTopic) -> TopicRecord {
        match create(request, None, ORIGIN).unwrap() {
            Created::New(topic) => topic,
            Created::Existing => panic!("nothing existed"),
        }
    }

    #[test]
    fn creating_twice_is_one_topic_unless_it_differs() {
        let first = request("t", &[("DisplayName", "d")], &[("k", "v")]);
        let topic = new(&first);
        assert_eq!(topic.arn, "arn:aws:sns:us-east-1:111111111111:t");
        assert_eq!(create(&first, Some(&topic), ORIGIN), Ok(Created::Existing));
        assert_eq!(create(&request("t", &[], &[]), Some(&topic), ORIGIN), Ok(Created::Existing));
        for (other, want) in [
            (
                request("t", &[("DisplayName", "e")], &[]),
                "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
            ),
            (
                request("t", &[], &[("k", "w")]),
                "Invalid parameter: Tags Reason: Topic already exists with different tags",
            ),
        ] {
            assert_eq!(create(&other, Some(&topic), ORIGIN).unwrap_err().message, want);
        }
    }

    #[test]
    fn refusals() {
        let long = "x".repeat(257);
        for (request, want) in [
            (request("", &[], &[]), "Invalid parameter: Topic Name"),
            (request("a b", &[], &[]), "Invalid parameter: Topic Name"),
            (request("../x", &[], &[]), "Invalid parameter: Topic Name"),
            (request(&long, &[], &[]), "Invalid parameter: Topic Name"),
            (
                request("a.fifo", &[], &[]),
                "Invalid parameter: Topic Name Reason: FIFO topics (names ending in .fifo) are not supported by Logboom",
            ),
            (
                request("a", &[("FifoTopic", "true")], &[]),
                "Invalid parameter: Attributes Reason: FifoTopic Reason: FIFO topics are not supported by Logboom",
            ),
            (
                request("a", &[("KmsMasterKeyId", "alias/aws/sns")], &[]),
                "Invalid parameter: Attributes Reason: KmsMasterKeyId Reason: encryption of topics with KMS keys is not supported by Logboom",
            ),
            (
                request("a", &[("LambdaSuccessFeedbackRoleArn", "arn")], &[]),
                "Invalid parameter: Attributes Reason: LambdaSuccessFeedbackRoleArn Reason: delivery status logging is not supported by Logboom",
            ),
            (
                request("a", &[("SignatureVersion", "3")], &[]),
                "Invalid parameter: Attributes Reason: SignatureVersion: Invalid value. Must be 1 or 2.",
            ),
            (
                request("a", &[], &[("k", "1"), ("k", "2")]),
                "Invalid parameter: Duplicated keys are not allowed.",
            ),
        ] {
            assert_eq!(create(&request, None, ORIGIN).unwrap_err().message, want);
        }
        let mut topic = new(&request("a", &[], &[]));
        assert_eq!(
            set_attribute(&mut topic, "Nope", "x").unwrap_err().message,
            "Invalid parameter: AttributeName"
        );
        let error = set_attribute(&mut topic, "DeliveryPolicy", r#"{"http":{"x":1}}"#).unwrap_err();
        assert!(error.message.contains("unknown field `x`"), "{error}");
    }

    #[test]
    fn attributes_are_set_shown_and_removed() {
        let mut topic = new(&request("a", &[("FifoTopic", "false")], &[]));
        set_attribute(&mut topic, "SignatureVersion", "2").unwrap();
        set_attribute(&mut topic, "DisplayName", "Über").unwrap();
        let shown = describe(&topic, Counts { confirmed: 2, pending: 1 });
        for (name, value) in [
            ("SignatureVersion", "2"),
            ("DisplayName", "Über"),
            ("SubscriptionsConfirmed", "2"),
            ("SubscriptionsPending", "1"),
            ("SubscriptionsDeleted", "0"),
            ("Owner", "111111111111"),
            ("TopicArn", "arn:aws:sns:us-east-1:111111111111:a"),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        assert!(shown["Policy"].contains("__default_policy_ID"));
        assert!(shown["EffectiveDeliveryPolicy"].contains(r#""minDelayTarget":20"#));
        set_attribute(&mut topic, "DisplayName", "").unwrap();
        assert_eq!(describe(&topic, Counts::default())["DisplayName"], "");
    }

    #[test]
    fn records_of_an_older_version_open() {
        let old = r#"{"id":1,"account":"1","region":"r","name":"n","arn":"a"}"#;
        let topic: TopicRecord = serde_json::from_str(old).unwrap();
        assert_eq!((topic.created_ms, topic.subscriptions_deleted), (0, 0));
    }
}
