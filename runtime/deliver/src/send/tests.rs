//! Tests of `send`.

use std::collections::BTreeMap;

use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::Verifier as _;
use serde_json::Value;
use sha1::Sha1;
use sha2::Sha256;

use super::*;
use crate::attribute::MessageAttribute;
use crate::egress::BoxFuture;
use crate::email::SmtpTls;
use crate::message::Message;
use crate::outbox::{self, Step};
use crate::subscription::{Fresh, State, Subscribe, SubscriptionRecord, subscribe};
use crate::tests::{KEY_PEM, inbox, topic};
use crate::topic::TopicRecord;

fn ready_key() -> Arc<OnceLock<SigningKey>> {
    let key = OnceLock::new();
    key.set(SigningKey::from_pem(KEY_PEM).unwrap()).unwrap();
    Arc::new(key)
}

fn rules() -> Rules {
    Rules { allow_loopback: true, listed: Vec::new() }
}

fn options() -> SenderOptions {
    SenderOptions {
        rules: Arc::new(rules()),
        timeout: Duration::from_secs(5),
        ..SenderOptions::new("http://127.0.0.1:4586", ready_key())
    }
}

fn sub(
    topic: &TopicRecord,
    protocol: &str,
    endpoint: &str,
    attributes: &[(&str, &str)],
) -> SubscriptionRecord {
    let request = Subscribe {
        protocol: protocol.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    let fresh = Fresh { id: 1, uuid: "u".to_owned(), token: [0xcd; 32], now_ms: 0 };
    let mut record = subscribe(topic, &request, None, &fresh, &rules()).unwrap().record;
    record.state = State::Confirmed;
    record
}

fn message(topic: &TopicRecord) -> Message {
    let attribute = MessageAttribute { data_type: "String".to_owned(), value: "v".to_owned() };
    Message {
        subject: Some("Subj".to_owned()),
        attributes: BTreeMap::from([("a".to_owned(), attribute)]),
        ..Message::plain("0000-id", &topic.arn, "the text", 1_772_100_851_000)
    }
}

fn record(topic: &TopicRecord, sub: SubscriptionRecord, message: &Message) -> OutboxRecord {
    outbox::expand(topic, &[sub], message, &mut || 1, 0).remove(0)
}

/// Remembers calls; the function's name says how it ends.
#[derive(Default)]
struct Functions(Mutex<Vec<(String, Value, u32)>>);

impl LambdaInvoker for Functions {
    fn invoke<'a>(&'a self, call: Invocation<'a>) -> BoxFuture<'a, Result<(), InvokeError>> {
        let event = serde_json::from_str(call.payload).unwrap();
        self.0.lock().unwrap().push((call.idempotency_key.to_owned(), event, call.hop));
        Box::pin(std::future::ready(match call.function_arn.rsplit(':').next().unwrap() {
            "missing" => Err(InvokeError::Missing("no such function".to_owned())),
            "busy" => Err(InvokeError::Busy("throttled".to_owned())),
            "failing" => Err(InvokeError::Failed("trap".to_owned())),
            _ => Ok(()),
        }))
    }

    fn append<'a>(&'a self, line: Line<'a>) -> BoxFuture<'a, Result<(), InvokeError>> {
        let kept = Value::String(line.message.to_owned());
        self.0.lock().unwrap().push((line.log_group_arn.to_owned(), kept, line.hop));
        Box::pin(std::future::ready(Ok(())))
    }
}

fn verify(envelope: &Value, names: &[&str]) {
    let text: String =
        names.iter().map(|name| format!("{name}\n{}\n", envelope[*name].as_str().unwrap())).collect();
    let public: RsaPublicKey = rsa::RsaPrivateKey::from_pkcs8_pem(KEY_PEM).unwrap().to_public_key();
    use base64::Engine as _;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(envelope["Signature"].as_str().unwrap()).unwrap();
    let signature = Signature::try_from(bytes.as_slice()).unwrap();
    match envelope["SignatureVersion"].as_str().unwrap() {
        "1" => VerifyingKey::<Sha1>::new(public).verify(text.as_bytes(), &signature).unwrap(),
        _ => VerifyingKey::<Sha256>::new(public).verify(text.as_bytes(), &signature).unwrap(),
    }
}

#[tokio::test]
async fn a_notification_arrives_signed_with_its_headers() {
    let inbox = inbox::http().await;
    let sender = Sender::new(options()).unwrap();
    let mut topic = topic("t");
    for version in ["1", "2"] {
        topic.attributes.insert("SignatureVersion".to_owned(), version.to_owned());
        let sub = sub(&topic, "http", &format!("http://{}/hook", inbox.address), &[]);
        let record = record(&topic, sub.clone(), &message(&topic));
        assert_eq!(sender.send(&record, &Functions::default(), 0).await, SendResult::Delivered);
        let post = inbox.posts.lock().unwrap().pop().unwrap();
        for (name, value) in [
            ("x-amz-sns-message-type", "Notification"),
            ("x-amz-sns-message-id", "0000-id"),
            ("x-amz-sns-topic-arn", topic.arn.as_str()),
            ("x-amz-sns-subscription-arn", sub.arn.as_str()),
            ("user-agent", "Amazon Simple Notification Service Agent"),
            ("content-type", "text/plain; charset=UTF-8"),
            ("x-amz-sns-rawdelivery", ""),
        ] {
            assert_eq!(post.header(name), value, "{name}");
        }
        let body: Value = serde_json::from_str(&post.body).unwrap();
        for (name, value) in [
            ("Type", "Notification"),
            ("MessageId", "0000-id"),
            ("TopicArn", &topic.arn),
            ("Subject", "Subj"),
            ("Message", "the text"),
            ("Timestamp", "2026-02-26T10:14:11.000Z"),
            ("SignatureVersion", version),
        ] {
            assert_eq!(body[name], value, "{name}");
        }
        assert_eq!(body["MessageAttributes"]["a"], serde_json::json!({"Type": "String", "Value": "v"}));
        assert!(
            body["SigningCertURL"]
                .as_str()
                .unwrap()
                .starts_with("http://127.0.0.1:4586/SimpleNotificationService-")
        );
        assert_eq!(
            body["UnsubscribeURL"],
            format!("http://127.0.0.1:4586/?Action=Unsubscribe&SubscriptionArn={}", sub.arn)
        );
        verify(&body, &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]);
    }
}

#[tokio::test]
async fn raw_delivery_is_the_text_alone() {
    let inbox = inbox::http().await;
    let sender = Sender::new(options()).unwrap();
    let topic = topic("t");
    let policy = r#"{"requestPolicy":{"headerContentType":"application/json"}}"#;
    let attributes = [("RawMessageDelivery", "true"), ("DeliveryPolicy", policy)];
    let sub = sub(&topic, "http", &format!("http://{}/hook", inbox.address), &attributes);
    let mut message = message(&topic);
    message.hop = 2;
    let record = record(&topic, sub, &message);
    assert_eq!(sender.send(&record, &Functions::default(), 0).await, SendResult::Delivered);
    let post = inbox.posts.lock().unwrap().pop().unwrap();
    assert_eq!((post.body.as_str(), post.header("x-amz-sns-rawdelivery")), ("the text", "true"));
    assert_eq!((post.header("content-type"), post.header("x-logboom-hop")), ("application/json", "2"));
}

#[tokio::test]
async fn the_handshake_carries_a_signed_link() {
    let inbox = inbox::http().await;
    let sender = Sender::new(options()).unwrap();
    let topic = topic("t");
    let sub = sub(&topic, "http", &format!("http://{}/hook", inbox.address), &[]);
    for (leaving, kind) in [(false, "SubscriptionConfirmation"), (true, "UnsubscribeConfirmation")] {
        let record = outbox::handshake(&topic, &sub, leaving, 1, "mid", 0);
        assert_eq!(sender.send(&record, &Functions::default(), 0).await, SendResult::Delivered);
        let post = inbox.posts.lock().unwrap().pop().unwrap();
        assert_eq!(post.header("x-amz-sns-message-type"), kind);
        assert_eq!(post.header("x-amz-sns-subscription-arn"), if leaving { sub.arn.as_str() } else { "" });
        let body: Value = serde_json::from_str(&post.body).unwrap();
        let token = "cd".repeat(32);
        assert_eq!((&body["Type"], &body["Token"]), (&kind.into(), &token.as_str().into()));
        assert_eq!(
            body["SubscribeURL"],
            format!("http://127.0.0.1:4586/?Action=ConfirmSubscription&TopicArn={}&Token={token}", topic.arn)
        );
        verify(&body, &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]);
    }
}

#[tokio::test]
async fn a_human_format_is_posted_without_envelope() {
    let inbox = inbox::http().await;
    let sender = Sender::new(options()).unwrap();
    let topic = topic("t");
    let sub = sub(&topic, "http", &format!("http://{}/hook", inbox.address), &[("WebhookFormat", "slack")]);
    let mut record = record(&topic, sub, &message(&topic));
    assert_eq!(sender.send(&record, &Functions::default(), 0).await, SendResult::Delivered);
    let post = inbox.posts.lock().unwrap().pop().unwrap();
    assert_eq!(
        (post.header("content-type"), post.header("x-logboom-delivery")),
        ("application/json", record.key.as_str())
    );
    let body: Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!(body["blocks"][1]["text"]["text"], "the text");
    // A host that is no vendor's and not listed is refused at the time of sending, too.
    if let Payload::Notification(n) = &mut record.payload {
        n.endpoint = "https://example.com/".to_owned();
    }
    let refused = sender.send(&record, &Functions::default(), 0).await;
    assert!(
        matches!(&refused, SendResult::Refused { error } if error.contains("example.com")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn mail_goes_to_the_configured_server() {
    let inbox = inbox::mail().await;
    let smtp = SmtpOptions {
        host: inbox.address.ip().to_string(),
        port: inbox.address.port(),
        tls: SmtpTls::None,
        login: None,
        from: "alerts@example.com".to_owned(),
        extra_roots: Vec::new(),
        timeout: Duration::from_secs(5),
    };
    let sender = Sender::new(SenderOptions { smtp: Some(smtp), ..options() }).unwrap();
    let mut topic = topic("t");
    topic.attributes.insert("DisplayName".to_owned(), "Ops team".to_owned());
    let plain = sub(&topic, "email", "a@example.com", &[]);
    let json = sub(&topic, "email-json", "b@example.com", &[]);
    for record in [
        record(&topic, plain.clone(), &message(&topic)),
        record(&topic, json.clone(), &message(&topic)),
        outbox::handshake(&topic, &plain, false, 1, "mid", 0),
        outbox::handshake(&topic, &json, false, 1, "mid", 0),
        outbox::handshake(&topic, &plain, true, 1, "mid", 0),
    ] {
        assert_eq!(sender.send(&record, &Functions::default(), 0).await, SendResult::Delivered);
    }
    let mails = inbox.mails.lock().unwrap();
    let bodies: Vec<String> = mails.iter().map(|(_, text)| inbox::body_of(text)).collect();
    assert!(
        mails[0].1.contains("Subject: Subj")
            && mails[0].1.contains("From: \"Ops team\" <alerts@example.com>"),
        "{}",
        mails[0].1
    );
    assert!(
        bodies[0].starts_with("the text\n") && bodies[0].contains("?Action=Unsubscribe&SubscriptionArn=")
    );
    let envelope: Value = serde_json::from_str(&bodies[1]).unwrap();
    verify(&envelope, &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]);
    assert!(
        bodies[2].contains("?Action=ConfirmSubscription&TopicArn=")
            && mails[2].1.contains("Subscription Confirmation")
    );
    let asked: Value = serde_json::from_str(&bodies[3]).unwrap();
    assert_eq!(asked["Type"], "SubscriptionConfirmation");
    assert!(bodies[4].contains("has been ended"));
}

#[tokio::test]
async fn without_a_mail_server_mail_waits_and_says_why() {
    let sender = Sender::new(options()).unwrap();
    let topic = topic("t");
    let record = record(&topic, sub(&topic, "email", "a@example.com", &[]), &message(&topic));
    let result = sender.send(&record, &Functions::default(), 0).await;
    assert!(matches!(&result, SendResult::Retry { error, .. } if error.contains("smtp")), "{result:?}");
}

#[tokio::test]
async fn functions_receive_awss_event() {
    let sender = Sender::new(options()).unwrap();
    let functions = Functions::default();
    let topic = topic("t");
    let arn = |name: &str| format!("arn:aws:lambda:us-east-1:111111111111:function:{name}");
    let sub = |name: &str| sub(&topic, "lambda", &arn(name), &[]);
    let mut text = message(&topic);
    text.subject = None;
    let good = record(&topic, sub("f"), &text);
    assert_eq!(sender.send(&good, &functions, 0).await, SendResult::Delivered);
    let (key, event, hop) = functions.0.lock().unwrap().pop().unwrap();
    assert_eq!((key, hop), (good.key.clone(), 1));
    let one = &event["Records"][0];
    assert_eq!((&one["EventSource"], &one["EventVersion"]), (&"aws:sns".into(), &"1.0".into()));
    assert_eq!(one["EventSubscriptionArn"], sub("f").arn);
    assert_eq!((&one["Sns"]["Message"], &one["Sns"]["Subject"]), (&"the text".into(), &Value::Null));
    assert_eq!(one["Sns"]["MessageAttributes"]["a"]["Value"], "v");
    assert!(one["Sns"]["SigningCertUrl"].is_string() && one["Sns"]["UnsubscribeUrl"].is_string());
    verify(&one["Sns"], &["Message", "MessageId", "Timestamp", "TopicArn", "Type"]);

    let run = async |name: &str| sender.send(&record(&topic, sub(name), &text), &functions, 0).await;
    assert!(matches!(run("missing").await, SendResult::Refused { .. }));
    assert!(matches!(run("busy").await, SendResult::Retry { .. }));
    assert!(matches!(run("failing").await, SendResult::FunctionFailed { .. }));
    text.hop = HOPS_MAX;
    let looped = sender.send(&record(&topic, sub("f"), &text), &functions, 0).await;
    assert!(matches!(&looped, SendResult::Refused { error } if error.contains("loop")), "{looped:?}");
    let call = InvokeRecord {
        function_arn: arn("f"),
        payload: "{\"source\":\"aws.cloudwatch\"}".to_owned(),
        principal: "lambda.alarms.cloudwatch.amazonaws.com".to_owned(),
        source_arn: "arn:alarm".to_owned(),
        hop: 0,
    };
    let direct = outbox::invoke("1", "r", call, "k", 1, 0);
    assert_eq!(sender.send(&direct, &functions, 0).await, SendResult::Delivered);
    let line = outbox::AppendRecord {
        log_group_arn: "arn:group".to_owned(),
        log_stream: "f".to_owned(),
        message: "what became of it".to_owned(),
        hop: 2,
    };
    let line = outbox::append("1", "r", line, "k", 1, 0);
    assert_eq!(sender.send(&line, &functions, 0).await, SendResult::Delivered);
    let (group, message, hop) = functions.0.lock().unwrap().pop().unwrap();
    assert_eq!((group.as_str(), message.as_str(), hop), ("arn:group", Some("what became of it"), 2));
    assert_eq!(functions.0.lock().unwrap().pop().unwrap().1["source"], "aws.cloudwatch");
}

#[test]
fn a_try_may_run_on_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    let sender = Sender::new(options()).unwrap();
    let topic = topic("t");
    let record = record(&topic, sub(&topic, "email", "a@example.com", &[]), &message(&topic));
    let functions = Functions::default();
    sendable(&sender.send(&record, &functions, 0));
}

#[tokio::test]
async fn what_cannot_go_yet_waits_without_counting() {
    let inbox = inbox::http().await;
    let topic = topic("t");
    let policy = [("DeliveryPolicy", r#"{"throttlePolicy":{"maxReceivesPerSecond":1}}"#)];
    let sub = sub(&topic, "http", &format!("http://{}/hook", inbox.address), &policy);
    let record = record(&topic, sub, &message(&topic));
    let keyless = Sender::new(SenderOptions { key: Arc::default(), ..options() }).unwrap();
    assert!(matches!(keyless.send(&record, &Functions::default(), 0).await, SendResult::Later { .. }));
    let sender = Sender::new(options()).unwrap();
    assert_eq!(sender.send(&record, &Functions::default(), 100).await, SendResult::Delivered);
    let held = sender.send(&record, &Functions::default(), 200).await;
    assert!(matches!(held, SendResult::Later { after_ms: 800, .. }), "{held:?}");
    let Step::Retry(kept) = outbox::next(record, held, 200, 0.0) else { panic!("kept") };
    assert_eq!((kept.attempt, kept.due_ms), (0, 1000));
    assert_eq!(sender.send(&kept, &Functions::default(), 1000).await, SendResult::Delivered);
}

#[tokio::test]
async fn a_failing_receiver_ends_in_a_dead_letter() {
    let inbox = inbox::http().await;
    let sender = Sender::new(options()).unwrap();
    let topic = topic("t");
    let mut now = 0;
    let mut record =
        record(&topic, sub(&topic, "http", &format!("http://{}/503", inbox.address), &[]), &message(&topic));
    let letter = loop {
        let result = sender.send(&record, &Functions::default(), now).await;
        match outbox::next(record, result, now, 0.0) {
            Step::Retry(again) => {
                now = again.due_ms;
                record = *again;
            }
            Step::Dead(letter) => break letter,
            Step::Done => panic!("503 is no delivery"),
        }
    };
    assert_eq!((inbox.posts.lock().unwrap().len(), now), (4, 60_000));
    assert!(letter.error.contains("answered 503"));
    let ids: std::collections::BTreeSet<String> =
        inbox.posts.lock().unwrap().iter().map(|p| p.header("x-amz-sns-message-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "every try has the same id");
}
