//! Tests of `subscription`.

use super::*;
use crate::tests::topic;

fn fresh() -> Fresh {
    Fresh { id: 9, uuid: "01234567-89ab-cdef-0123-456789abcdef".to_owned(), token: [0xab; 32], now_ms: 1000 }
}

fn request(protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> Subscribe {
    Subscribe {
        protocol: protocol.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

fn open_rules() -> Rules {
    Rules { allow_loopback: true, listed: Vec::new() }
}

fn subscribed(request: &Subscribe) -> Subscribed {
    subscribe(&topic("t"), request, None, &fresh(), &open_rules()).unwrap()
}

const URL: &str = "http://example.com/hook";

#[test]
fn refusals_have_the_recorded_texts() {
    let long = format!("http://example.com/{}", "x".repeat(2048));
    for (request, want) in [
        (
            request("test-protocol", "x", &[]),
            "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol",
        ),
        (
            request("sqs", "arn:aws:sqs:us-east-1:1:q", &[]),
            "Invalid parameter: Protocol Reason: delivery by sqs (use http, https, email, email-json or lambda) is not supported by Logboom",
        ),
        (
            request("sms", "+15551234567", &[]),
            "Invalid parameter: Protocol Reason: delivery by sms (use http, https, email, email-json or lambda) is not supported by Logboom",
        ),
        (request("http", "https://x", &[]), "Invalid parameter: Endpoint must match the specified protocol"),
        (request("https", "ftp://x", &[]), "Invalid parameter: Endpoint must match the specified protocol"),
        (request("http", "http://", &[]), "Invalid parameter: Endpoint Reason: the URL is malformed"),
        (request("http", "", &[]), "Invalid parameter: Endpoint"),
        (
            request("http", &long, &[]),
            "Invalid parameter: Endpoint Reason: must be at most 2048 characters long",
        ),
        (request("email", "no-address", &[]), "Invalid parameter: Email address"),
        (request("email", "a@b.c\r\nBcc: x@y.z", &[]), "Invalid parameter: Email address"),
        (
            request("lambda", "arn:aws:lambda:us-east-1:1:layer:x", &[]),
            "Invalid parameter: Lambda endpoint ARN",
        ),
    ] {
        refused(&request, want);
    }
}

#[test]
fn attribute_refusals_have_the_recorded_texts() {
    for (request, want) in [
        (
            request("http", URL, &[("RawMessageDelivery", "wrongvalue")]),
            "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false.",
        ),
        (
            request("email", "a@b.cd", &[("RawMessageDelivery", "true")]),
            "Invalid parameter: Attributes Reason: Delivery protocol [email] does not support raw message delivery.",
        ),
        (
            request("http", URL, &[("FilterPolicyScope", "RandomValue")]),
            "Invalid parameter: Attributes Reason: FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes",
        ),
        (
            request("http", URL, &[("RedrivePolicy", "{\"deadLetterTargetArn\":\"x\"}")]),
            "Invalid parameter: Attributes Reason: RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        (
            request(
                "http",
                URL,
                &[("RedrivePolicy", "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:1:q\"}")],
            ),
            "Invalid parameter: Attributes Reason: RedrivePolicy Reason: an SQS queue for dead letters (they are kept by the server itself) is not supported by Logboom",
        ),
        (
            request("http", URL, &[("WebhookFormat", "irc")]),
            "Invalid parameter: Attributes Reason: WebhookFormat: Invalid value [irc]. Must be sns, slack, discord, teams or json.",
        ),
        (
            request("http", URL, &[("WebhookFormat", "json")]),
            "Invalid parameter: Attributes Reason: WebhookFormat: the format json may not go to example.com: it has no vendor; list the host in the configuration to allow it",
        ),
        (
            request("http", URL, &[("WebhookFormat", "teams")]),
            "Invalid parameter: Attributes Reason: WebhookFormat: the format teams may not go to example.com: its hosts are *.webhook.office.com, outlook.office.com, *.logic.azure.com, *.api.powerplatform.com; list the host in the configuration to allow it",
        ),
        (
            request("http", "http://hooks.slack.com/services/x", &[("WebhookFormat", "slack")]),
            "Invalid parameter: Attributes Reason: WebhookFormat: the format slack needs an https URL",
        ),
        (
            request(
                "http",
                "http://localhost/x",
                &[("WebhookFormat", "slack"), ("RawMessageDelivery", "true")],
            ),
            "Invalid parameter: Attributes Reason: RawMessageDelivery: cannot be combined with a WebhookFormat other than sns",
        ),
        (
            request("http", URL, &[("ReplayPolicy", "{}")]),
            "Invalid parameter: Attributes Reason: ReplayPolicy Reason: message replay (FIFO topics) is not supported by Logboom",
        ),
    ] {
        refused(&request, want);
    }
}

fn refused(request: &Subscribe, want: &str) {
    let got = subscribe(&topic("t"), request, None, &fresh(), &open_rules()).unwrap_err();
    assert_eq!((got.code, got.message.as_str()), ("InvalidParameter", want));
}

#[test]
fn set_attribute_texts_lack_the_prefix() {
    let mut record = subscribed(&request("http", URL, &[])).record;
    for (name, value, want) in [
        ("Fake", "x", "Invalid parameter: AttributeName"),
        (
            "RawMessageDelivery",
            "test-ValUe",
            "Invalid parameter: RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false.",
        ),
        (
            "RawMessageDelivery",
            "",
            "Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false.",
        ),
        (
            "RedrivePolicy",
            "{\"deadLetterTargetArn\":\"fake\"}",
            "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn",
        ),
        (
            "RedrivePolicy",
            "{invalidjson}",
            "Invalid parameter: RedrivePolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]",
        ),
        (
            "FilterPolicy",
            "{invalidjson}",
            "Invalid parameter: FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]",
        ),
        (
            "FilterPolicy",
            "{\"a\":{\"b\":[\"x\"]}}",
            "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            "FilterPolicyScope",
            "RandomValue",
            "Invalid parameter: FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes",
        ),
    ] {
        let before = record.clone();
        let got = set_attribute(&mut record, name, value, &open_rules()).unwrap_err().message;
        assert_eq!(got.replace('\n', ""), want);
        assert_eq!(record, before, "a refusal changes nothing");
    }
}

#[test]
fn a_scope_change_rechecks_the_policy() {
    let nested = [("FilterPolicy", r#"{"a":{"b":["x"]}}"#), ("FilterPolicyScope", "MessageBody")];
    let mut record = subscribed(&request("http", URL, &nested)).record;
    assert!(set_attribute(&mut record, "FilterPolicyScope", "MessageAttributes", &open_rules()).is_err());
    set_attribute(&mut record, "FilterPolicy", "{}", &open_rules()).unwrap();
    assert!(record.filter().is_none());
    set_attribute(&mut record, "FilterPolicyScope", "MessageAttributes", &open_rules()).unwrap();
}

#[test]
fn who_needs_a_handshake() {
    let slack = [("WebhookFormat", "slack")];
    for (request, handshake) in [
        (request("http", URL, &[]), true),
        (request("https", "https://example.com", &[]), true),
        (request("email", "a@example.com", &[]), true),
        (request("email-json", "a@example.com", &[]), true),
        (request("lambda", "arn:aws:lambda:us-east-1:111111111111:function:f:live", &[]), false),
        (request("https", "https://hooks.slack.com/services/x", &slack), false),
        (request("http", "http://localhost:9/x", &slack), false),
        (request("http", "http://[::1]:9/x", &slack), false),
    ] {
        let done = subscribed(&request);
        assert_eq!(done.handshake, handshake, "{request:?}");
        let state = if handshake { State::Pending } else { State::Confirmed };
        assert_eq!((done.record.state, done.is_new), (state, true));
    }
    let strict = subscribe(
        &topic("t"),
        &request("http", "http://localhost:9/x", &slack),
        None,
        &fresh(),
        &Rules::default(),
    );
    assert!(strict.is_err(), "loopback only in open mode");
}

#[test]
fn the_handshake() {
    let topic = topic("t");
    let ask = request("http", URL, &[("RawMessageDelivery", "true")]);
    let first = subscribed(&ask);
    assert_eq!(first.record.answered_arn(false), "pending confirmation");
    assert_eq!(first.record.answered_arn(true), first.record.arn);
    assert_eq!(first.record.listed_arn(), "PendingConfirmation");
    let again = Fresh { id: 10, uuid: "other".to_owned(), token: [1; 32], now_ms: 5000 };
    let second = subscribe(&topic, &ask, Some(first.record.clone()), &again, &open_rules()).unwrap();
    assert_eq!((second.record.id, second.handshake, second.is_new), (9, true, false));
    assert_eq!(second.record.token, "01".repeat(32));
    let other = request("http", URL, &[("RawMessageDelivery", "false")]);
    assert_eq!(
        subscribe(&topic, &other, Some(first.record.clone()), &again, &open_rules()).unwrap_err().message,
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    );

    let (arn, token) = (topic.arn.as_str(), first.record.token.clone());
    let run = |arn: &str, token: &str, found: Option<SubscriptionRecord>, now| {
        confirm(arn, token, found, true, false, now).map_err(|e| e.message)
    };
    let found = || Some(first.record.clone());
    let ended = 1000 + TOKEN_LIFE_MS;
    assert_eq!(run(arn, "randomtoken", None, 2000), Err("Invalid token".to_owned()));
    assert_eq!(run(arn, &token, None, 2000), Err("Invalid parameter: Token".to_owned()));
    assert_eq!(run(&format!("{arn}x"), &token, found(), 2000), Err("Invalid parameter: Token".to_owned()));
    assert_eq!(run(arn, &"0".repeat(64), found(), 2000), Err("Invalid parameter: Token".to_owned()));
    assert_eq!(run(arn, &token, found(), ended), Err("Invalid parameter: Token".to_owned()));
    assert!(first.record.is_expired(ended) && !first.record.is_expired(ended - 1));
    let confirmed = run(arn, &token, found(), ended - 1).unwrap();
    assert_eq!(confirmed.state, State::Confirmed);
    assert!(confirmed.authenticate_on_unsubscribe && !confirmed.confirmation_was_authenticated);
    // The link may be opened twice.
    assert_eq!(run(arn, &token, Some(confirmed.clone()), ended).unwrap(), confirmed);
    let third = subscribe(&topic, &ask, Some(confirmed.clone()), &again, &open_rules()).unwrap();
    assert_eq!((third.handshake, third.record), (false, confirmed));
}

#[test]
fn a_human_format_cannot_be_a_way_around_the_handshake() {
    let mut record =
        subscribed(&request("https", "https://hooks.slack.com/services/x", &[("WebhookFormat", "slack")]))
            .record;
    let error = set_attribute(&mut record, "WebhookFormat", "sns", &open_rules()).unwrap_err();
    assert!(error.message.contains("subscribe again"), "{error}");
    let mut pending = subscribed(&request("https", "https://hooks.slack.com/services/x", &[])).record;
    set_attribute(&mut pending, "WebhookFormat", "slack", &open_rules()).unwrap();
    assert_eq!(pending.state, State::Confirmed);
}

#[test]
fn attributes_are_shown_as_aws_does() {
    let policy = [("FilterPolicy", r#"{"a":["b"]}"#)];
    let record = subscribed(&request("http", URL, &policy)).record;
    let shown = describe(&record, &topic("t"));
    for (name, value) in [
        ("SubscriptionArn", "arn:aws:sns:us-east-1:111111111111:t:01234567-89ab-cdef-0123-456789abcdef"),
        ("TopicArn", "arn:aws:sns:us-east-1:111111111111:t"),
        ("Owner", "111111111111"),
        ("Protocol", "http"),
        ("Endpoint", URL),
        ("PendingConfirmation", "true"),
        ("ConfirmationWasAuthenticated", "false"),
        ("RawMessageDelivery", "false"),
        ("FilterPolicyScope", "MessageAttributes"),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    assert!(shown["EffectiveDeliveryPolicy"].contains("healthyRetryPolicy"));
}

#[test]
fn a_password_is_not_shown() {
    for (url, want) in [
        ("http://u:p%40:x@h.example/a@b", "http://u:****@h.example/a@b"),
        ("http://u@h.example/", "http://u@h.example/"),
        ("http://h.example/a:b@c", "http://h.example/a:b@c"),
    ] {
        assert_eq!(subscribed(&request("http", url, &[])).record.shown_endpoint(), want);
    }
}

#[test]
fn records_of_an_older_version_open() {
    let old = r#"{"id":1,"arn":"a","topic_id":1,"topic_arn":"t","account":"1","region":"r","protocol":"email-json",
        "endpoint":"a@b.c","state":"confirmed"}"#;
    let record: SubscriptionRecord = serde_json::from_str(old).unwrap();
    assert_eq!((record.protocol, record.state), (Protocol::EmailJson, State::Confirmed));
}
