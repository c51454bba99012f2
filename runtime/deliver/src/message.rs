//! Owns a published message: the checks of Publish and PublishBatch with AWS's texts, and which variant
//! of the text a protocol gets. Refuses to know subscribers and envelopes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attribute::{self, AttributeInput, MessageAttribute};
use crate::refusal::Refusal;
use crate::subscription::Protocol;

/// A checked message, as it is kept until it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `MessageId`, a UUID.
    pub id: String,
    /// Topic.
    pub topic_arn: String,
    /// `Subject`.
    #[serde(default)]
    pub subject: Option<String>,
    /// The text; the `default` variant when there are several.
    pub body: String,
    /// Variants by protocol (`MessageStructure: json`).
    #[serde(default)]
    pub variants: BTreeMap<String, String>,
    /// `MessageAttributes`.
    #[serde(default)]
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// When it was published, milliseconds.
    pub timestamp_ms: i64,
    /// How many times what caused it has passed through this product; the loop backstop.
    #[serde(default)]
    pub hop: u32,
}

/// A `Publish` request.
#[derive(Debug, Clone, Default)]
pub struct PublishInput {
    /// `Message`.
    pub message: String,
    /// `Subject`.
    pub subject: Option<String>,
    /// `MessageStructure`.
    pub structure: Option<String>,
    /// `MessageAttributes`.
    pub attributes: BTreeMap<String, AttributeInput>,
    /// `MessageGroupId`: accepted and without effect, as AWS does for standard topics.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
}

/// An entry of `PublishBatch`.
#[derive(Debug, Clone, Default)]
pub struct BatchEntry {
    /// `Id`.
    pub id: String,
    /// The rest, as in `Publish`.
    pub input: PublishInput,
}

/// A refused entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedEntry {
    /// `Id`.
    pub id: String,
    /// `Code`, `Message`; `SenderFault` is true.
    pub refusal: Refusal,
}

/// AWS: 256 KiB, attributes included.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Most entries of a batch.
pub const BATCH_ENTRIES_MAX: usize = 10;
const SUBJECT_MAX: usize = 100;
const ENTRY_ID_MAX: usize = 80;

impl Message {
    /// A message without subject, variants and attributes.
    pub fn plain(id: &str, topic_arn: &str, body: &str, timestamp_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            topic_arn: topic_arn.to_owned(),
            subject: None,
            body: body.to_owned(),
            variants: BTreeMap::new(),
            attributes: BTreeMap::new(),
            timestamp_ms,
            hop: 0,
        }
    }

    /// The text a protocol gets.
    pub fn text_for(&self, protocol: Protocol) -> &str {
        self.variants.get(protocol.as_str()).unwrap_or(&self.body)
    }
}

/// Where a message is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A topic, by ARN.
    Topic(&'a str),
}

/// Reads `TopicArn`, `TargetArn` and `PhoneNumber` of a Publish; exactly one must be given.
pub fn target<'a>(
    topic_arn: Option<&'a str>,
    target_arn: Option<&'a str>,
    phone_number: Option<&str>,
) -> Result<Target<'a>, Refusal> {
    match (topic_arn, target_arn, phone_number) {
        (None, None, Some(_)) => Err(Refusal::unsupported("PhoneNumber", "sending SMS is")),
        (Some(arn), None, None) => {
            crate::arn::parse_topic("TopicArn", arn)?;
            Ok(Target::Topic(arn))
        }
        (None, Some(arn), None) => {
            if arn.split(':').nth(5).is_some_and(|rest| rest.starts_with("endpoint/")) {
                return Err(Refusal::unsupported("TargetArn", "mobile push (platform endpoints) is"));
            }
            crate::arn::parse_topic("TargetArn", arn)?;
            Ok(Target::Topic(arn))
        }
        _ => Err(Refusal::invalid(
            "TopicArn or TargetArn Reason: exactly one of TopicArn, TargetArn and PhoneNumber is required",
        )),
    }
}

/// Checks one message. `id` and `now_ms` come from the caller.
pub fn publish(topic_arn: &str, input: &PublishInput, id: &str, now_ms: i64) -> Result<Message, Refusal> {
    let checked = check(topic_arn, input, "messageAttributes", id, now_ms)?;
    if size(input, &checked.attributes) > MESSAGE_BYTES_MAX {
        return Err(Refusal::invalid("Message too long"));
    }
    Ok(checked)
}

/// Checks a batch. Faults of the batch refuse it all; faults of one entry fail that entry.
/// `ids` has a message id for every entry.
pub fn publish_batch(
    topic_arn: &str,
    entries: &[BatchEntry],
    ids: &[String],
    now_ms: i64,
) -> Result<Vec<Result<Message, FailedEntry>>, Refusal> {
    check_batch(entries)?;
    let mut total = 0;
    let mut results = Vec::with_capacity(entries.len());
    for (at, (entry, id)) in entries.iter().zip(ids).enumerate() {
        let path = format!("publishBatchRequestEntries.{}.member.messageAttributes", at + 1);
        let result = check(topic_arn, &entry.input, &path, id, now_ms);
        match result {
            // A missing member refuses the whole request.
            Err(refusal) if refusal.code == "ValidationError" => return Err(refusal),
            Err(refusal) => results.push(Err(FailedEntry { id: entry.id.clone(), refusal })),
            Ok(message) => {
                total += size(&entry.input, &message.attributes);
                results.push(Ok(message));
            }
        }
    }
    if total > MESSAGE_BYTES_MAX {
        return Err(Refusal::new(
            "BatchRequestTooLong",
            "The length of all the messages put together is more than the limit.",
        ));
    }
    Ok(results)
}

fn check_batch(entries: &[BatchEntry]) -> Result<(), Refusal> {
    if entries.is_empty() {
        return Err(Refusal::new("EmptyBatchRequest", "The batch request doesn't contain any entries."));
    }
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(Refusal::new(
            "TooManyEntriesInBatchRequest",
            "The batch request contains more entries than permissible.",
        ));
    }
    let mut seen = BTreeSet::new();
    for BatchEntry { id, .. } in entries {
        if id.len() > ENTRY_ID_MAX {
            return Err(Refusal::new(
                "InvalidBatchEntryId",
                format!("The Id of a batch entry in the batch request is too long: {id}"),
            ));
        }
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(Refusal::new(
                "InvalidBatchEntryId",
                format!(
                    "The Id of a batch entry in the batch request contains an impermissible character: {id}"
                ),
            ));
        }
        if !seen.insert(id) {
            return Err(Refusal::new(
                "BatchEntryIdsNotDistinct",
                "Two or more batch entries in the request have the same Id.",
            ));
        }
    }
    Ok(())
}

fn check(
    topic_arn: &str,
    input: &PublishInput,
    path: &str,
    id: &str,
    now_ms: i64,
) -> Result<Message, Refusal> {
    if input.message.is_empty() {
        return Err(Refusal::invalid("Empty message"));
    }
    if let Some(subject) = &input.subject {
        check_subject(subject)?;
    }
    if input.deduplication_id.is_some() {
        return Err(Refusal::invalid(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not \
             valid for this topic type",
        ));
    }
    let (body, variants) = match input.structure.as_deref() {
        None | Some("") => (input.message.clone(), BTreeMap::new()),
        Some("json") => variants(&input.message)?,
        Some(_) => return Err(Refusal::invalid("MessageStructure")),
    };
    Ok(Message {
        id: id.to_owned(),
        topic_arn: topic_arn.to_owned(),
        subject: input.subject.clone(),
        body,
        variants,
        attributes: attribute::check(&input.attributes, path)?,
        timestamp_ms: now_ms,
        hop: 0,
    })
}

/// AWS: printable ASCII, at most 100, beginning with a letter, digit or punctuation.
fn check_subject(subject: &str) -> Result<(), Refusal> {
    let sound = (1..=SUBJECT_MAX).contains(&subject.len())
        && subject.bytes().all(|b| (0x20..0x7f).contains(&b))
        && !subject.starts_with(' ');
    if sound { Ok(()) } else { Err(Refusal::invalid("Subject")) }
}

fn variants(message: &str) -> Result<(String, BTreeMap<String, String>), Refusal> {
    let Ok(Value::Object(members)) = serde_json::from_str(message) else {
        return Err(Refusal::invalid("Message Structure - JSON message body failed to parse"));
    };
    // Members that are no strings are ignored, as AWS does.
    let mut variants: BTreeMap<String, String> = members
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        })
        .collect();
    match variants.remove("default") {
        Some(body) => Ok((body, variants)),
        None => Err(Refusal::invalid("Message Structure - No default entry in JSON message body")),
    }
}

fn size(input: &PublishInput, attributes: &BTreeMap<String, MessageAttribute>) -> usize {
    input.message.len() + attribute::size(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:us-east-1:111111111111:t";

    fn input(message: &str) -> PublishInput {
        PublishInput { message: message.to_owned(), ..PublishInput::default() }
    }

    fn refusal(input: &PublishInput) -> String {
        publish(TOPIC, input, "m", 0).unwrap_err().message
    }

    #[test]
    fn publish_refusals_have_the_recorded_texts() {
        assert_eq!(refusal(&input("")), "Invalid parameter: Empty message");
        assert!(publish(TOPIC, &input(&"x".repeat(MESSAGE_BYTES_MAX)), "m", 0).is_ok());
        assert_eq!(
            refusal(&input(&"x".repeat(MESSAGE_BYTES_MAX + 1))),
            "Invalid parameter: Message too long"
        );
        let attribute = AttributeInput {
            data_type: Some("String".to_owned()),
            string_value: Some("v".to_owned()),
            binary_value: None,
        };
        let mut with_attribute = input(&"x".repeat(MESSAGE_BYTES_MAX - 3));
        with_attribute.attributes.insert("a".to_owned(), attribute);
        assert_eq!(refusal(&with_attribute), "Invalid parameter: Message too long");
        for subject in ["", "é", "a\nb", "\t", " a", &"x".repeat(101)] {
            let bad = PublishInput { subject: Some(subject.to_owned()), ..input("m") };
            assert_eq!(refusal(&bad), "Invalid parameter: Subject", "{subject:?}");
        }
        let bad = PublishInput { deduplication_id: Some("d".to_owned()), ..input("m") };
        assert!(refusal(&bad).starts_with("Invalid parameter: MessageDeduplicationId Reason: The request"));
        for (text, want) in [
            ("{", "Invalid parameter: Message Structure - JSON message body failed to parse"),
            ("[]", "Invalid parameter: Message Structure - JSON message body failed to parse"),
            ("{}", "Invalid parameter: Message Structure - No default entry in JSON message body"),
            (
                r#"{"default":1}"#,
                "Invalid parameter: Message Structure - No default entry in JSON message body",
            ),
        ] {
            let bad = PublishInput { structure: Some("json".to_owned()), ..input(text) };
            assert_eq!(refusal(&bad), want);
        }
        let bad = PublishInput { structure: Some("xml".to_owned()), ..input("m") };
        assert_eq!(refusal(&bad), "Invalid parameter: MessageStructure");
    }

    #[test]
    fn a_protocol_gets_its_variant() {
        let text = r#"{"default":"d","email":"e","http":"h","x":1}"#;
        let message =
            publish(TOPIC, &PublishInput { structure: Some("json".to_owned()), ..input(text) }, "m", 7)
                .unwrap();
        for (protocol, want) in [
            (Protocol::Email, "e"),
            (Protocol::Http, "h"),
            (Protocol::Https, "d"),
            (Protocol::EmailJson, "d"),
            (Protocol::Lambda, "d"),
        ] {
            assert_eq!(message.text_for(protocol), want);
        }
        assert_eq!(message.timestamp_ms, 7);
    }

    #[test]
    fn targets() {
        assert_eq!(target(Some(TOPIC), None, None), Ok(Target::Topic(TOPIC)));
        assert_eq!(target(None, Some(TOPIC), None), Ok(Target::Topic(TOPIC)));
        for (topic, other, phone, word) in [
            (None, None, Some("+15551234567"), "SMS"),
            (None, Some("arn:aws:sns:us-east-1:111111111111:endpoint/APNS/x/y"), None, "mobile push"),
            (None, None, None, "exactly one"),
            (Some("x"), None, None, "at least 6 elements, not 1"),
        ] {
            let message = target(topic, other, phone).unwrap_err().message;
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn batch_rules() {
        let entry = |id: &str, message: &str| BatchEntry { id: id.to_owned(), input: input(message) };
        let ids: Vec<String> = (0..11).map(|n| format!("m{n}")).collect();
        let run = |entries: &[BatchEntry]| publish_batch(TOPIC, entries, &ids, 0);
        let many: Vec<_> = (0..11).map(|n| entry(&n.to_string(), "m")).collect();
        let half = "x".repeat(MESSAGE_BYTES_MAX / 2 + 1);
        let long = "a".repeat(81);
        for (entries, code, message) in [
            (vec![], "EmptyBatchRequest", "The batch request doesn't contain any entries.".to_owned()),
            (
                many,
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.".to_owned(),
            ),
            (
                vec![entry("1", "a"), entry("1", "b")],
                "BatchEntryIdsNotDistinct",
                "Two or more batch entries in the request have the same Id.".to_owned(),
            ),
            (
                vec![entry("message.id", "a")],
                "InvalidBatchEntryId",
                "The Id of a batch entry in the batch request contains an impermissible character: message.id"
                    .to_owned(),
            ),
            (
                vec![entry(&long, "a")],
                "InvalidBatchEntryId",
                format!("The Id of a batch entry in the batch request is too long: {long}"),
            ),
            (
                vec![entry("1", &half), entry("2", &half)],
                "BatchRequestTooLong",
                "The length of all the messages put together is more than the limit.".to_owned(),
            ),
        ] {
            let refusal = run(&entries).unwrap_err();
            assert_eq!((refusal.code, refusal.message), (code, message));
        }
        let mixed = run(&[entry("good", "a"), entry("bad", "")]).unwrap();
        assert_eq!(mixed[0].as_ref().unwrap().id, "m0");
        let failed = mixed[1].as_ref().unwrap_err();
        assert_eq!(
            (failed.id.as_str(), failed.refusal.message.as_str()),
            ("bad", "Invalid parameter: Empty message")
        );
    }
}
