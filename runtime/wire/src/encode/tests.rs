//! Answers as clients must find them, in every protocol.

use proptest::prelude::*;
use quick_xml::events::Event;
use serde_json::json;

use super::*;
use crate::decode::decode;
use crate::target::identify;

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn target(service: Service, protocol: Protocol, operation: &str) -> Target {
    Target { service, protocol, operation: operation.to_owned(), query_mode: false, credential: None }
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[test]
fn successes() {
    let json = encode(
        &target(Service::Logs, Protocol::Json11, "DescribeLogGroups"),
        ID,
        Ok(json!({"logGroups": []})),
    );
    assert_eq!((json.status, text(&json)), (200, r#"{"logGroups":[]}"#));
    assert_eq!(json.header("content-type"), Some("application/x-amz-json-1.1"));
    let none = encode(&target(Service::Logs, Protocol::Json11, "CreateLogGroup"), ID, Ok(json!({})));
    assert_eq!(text(&none), "");
    let xml =
        encode(&target(Service::Sns, Protocol::Query, "CreateTopic"), ID, Ok(json!({"TopicArn": "a&b"})));
    assert_eq!(
        text(&xml),
        format!(
            "<CreateTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><CreateTopicResult>\
             <TopicArn>a&amp;b</TopicArn></CreateTopicResult><ResponseMetadata><RequestId>{ID}</RequestId>\
             </ResponseMetadata></CreateTopicResponse>"
        )
    );
    let xml = encode(&target(Service::Sns, Protocol::Query, "DeleteTopic"), ID, Ok(json!({})));
    assert!(!text(&xml).contains("Result"), "{}", text(&xml));
    let cbor = encode(&target(Service::CloudWatch, Protocol::Cbor, "PutMetricData"), ID, Ok(json!({})));
    assert_eq!((cbor.body.len(), cbor.header("smithy-protocol")), (0, Some("rpc-v2-cbor")));
    let cbor =
        encode(&target(Service::CloudWatch, Protocol::Cbor, "ListMetrics"), ID, Ok(json!({"Metrics": []})));
    assert_eq!(crate::cbor::decode(&cbor.body).unwrap(), json!({"Metrics": []}));
    for response in [json, none, xml, cbor] {
        assert_eq!(response.header("x-amzn-requestid"), Some(ID));
    }
}

#[test]
fn faults_in_each_protocol() {
    let fault = || Fault::new("ResourceNotFound", "no such alarm");
    let json = encode(&target(Service::CloudWatch, Protocol::Json10, "SetAlarmState"), ID, Err(fault()));
    assert_eq!(
        (json.status, text(&json)),
        (404, r#"{"__type":"ResourceNotFound","message":"no such alarm"}"#)
    );
    assert_eq!(json.header("x-amzn-query-error"), Some("ResourceNotFound;Sender"));
    let cbor = encode(&target(Service::CloudWatch, Protocol::Cbor, "SetAlarmState"), ID, Err(fault()));
    assert_eq!(
        crate::cbor::decode(&cbor.body).unwrap(),
        json!({"__type": "ResourceNotFound", "message": "no such alarm"})
    );
    let xml = encode(&target(Service::CloudWatch, Protocol::Query, "SetAlarmState"), ID, Err(fault()));
    assert!(
        text(&xml)
            .contains("<Type>Sender</Type><Code>ResourceNotFound</Code><Message>no such alarm</Message>")
    );
    let logs = Fault::new("ResourceAlreadyExistsException", "The specified log group already exists");
    let logs = encode(&target(Service::Logs, Protocol::Json11, "CreateLogGroup"), ID, Err(logs));
    assert_eq!(
        (logs.status, text(&logs)),
        (
            400,
            r#"{"__type":"ResourceAlreadyExistsException","message":"The specified log group already exists"}"#
        )
    );
    assert_eq!(logs.header("x-amzn-query-error"), None);
    let lambda = Fault::new("ResourceNotFoundException", "Function not found");
    let lambda = encode(&target(Service::Lambda, Protocol::RestJson, "GetFunction"), ID, Err(lambda));
    assert_eq!((lambda.status, text(&lambda)), (404, r#"{"Message":"Function not found","Type":"User"}"#));
    assert_eq!(lambda.header("x-amzn-errortype"), Some("ResourceNotFoundException"));
    let compile = json!({"location": {"startCharOffset": 1}});
    let query = Fault::new("MalformedQueryException", "bad").field("queryCompileError", compile);
    let query = encode(&target(Service::Logs, Protocol::Json11, "StartQuery"), ID, Err(query));
    assert!(text(&query).contains(r#""queryCompileError":{"location""#));
}

/// Both spellings of a code give the shape name to JSON clients and the query code to the others.
#[test]
fn codes_that_differ_between_protocols() {
    for (shape, code, status) in [
        ("InternalServiceFault", "InternalServiceError", 500),
        ("InvalidFormatFault", "InvalidFormat", 400),
        ("InvalidParameterCombinationException", "InvalidParameterCombination", 400),
        ("InvalidParameterValueException", "InvalidParameterValue", 400),
        ("LimitExceededFault", "LimitExceeded", 400),
        ("MissingRequiredParameterException", "MissingParameter", 400),
        ("DashboardNotFoundError", "DashboardNotFoundError", 404),
    ] {
        for given in [shape, code] {
            let answer = |protocol| {
                encode(
                    &target(Service::CloudWatch, protocol, "PutMetricData"),
                    ID,
                    Err(Fault::new(given, "m")),
                )
            };
            let json = answer(Protocol::Json10);
            assert_eq!(json.status, status, "{given}");
            assert!(text(&json).contains(&format!(r#""__type":"{shape}""#)), "{given}: {}", text(&json));
            if shape != code {
                let blame = if status == 500 { "Receiver" } else { "Sender" };
                assert_eq!(json.header("x-amzn-query-error"), Some(format!("{code};{blame}").as_str()));
                assert!(text(&answer(Protocol::Query)).contains(&format!("<Code>{code}</Code>")), "{given}");
            }
        }
    }
    for (code, status) in
        [("NotFound", 404), ("AuthorizationError", 403), ("InvalidParameter", 400), ("Throttled", 429)]
    {
        let xml = encode(&target(Service::Sns, Protocol::Query, "Publish"), ID, Err(Fault::new(code, "m")));
        assert_eq!(xml.status, status, "{code}");
        assert!(text(&xml).contains(&format!("<Code>{code}</Code>")));
    }
}

#[test]
fn unserved_operations_are_named() {
    for (service, protocol, operation, code) in [
        (Service::Logs, Protocol::Json11, "DescribeDeliveries", "UnknownOperationException"),
        (Service::CloudWatch, Protocol::Json10, "GetMetricStream", "UnknownOperationException"),
        (Service::CloudWatch, Protocol::Query, "GetMetricStream", "<Code>InvalidAction</Code>"),
        (Service::Sns, Protocol::Query, "CreatePlatformEndpoint", "<Code>InvalidAction</Code>"),
        (Service::Lambda, Protocol::RestJson, "ListLayers", "UnknownOperationException"),
    ] {
        let target = target(service, protocol, operation);
        let fault = decode(&target, &Request::default()).unwrap_err();
        assert_eq!(fault, Fault::not_served(service, operation));
        let response = encode(&target, ID, Err(fault));
        let typed = response.header("x-amzn-errortype").unwrap_or_default();
        assert!(text(&response).contains(operation), "{}", text(&response));
        assert!(text(&response).contains(code) || typed == code, "{}", text(&response));
    }
}

#[test]
fn what_cannot_be_placed_is_refused_in_the_likely_protocol() {
    let scope = |service: &str| {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=A/20260131/r/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        vec![("authorization".to_owned(), value)]
    };
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for (method, uri, headers, body, status, starts) in [
        ("GET", "/nothing/here", scope("sns"), "", 404, "<ErrorResponse"),
        ("POST", "/", scope("sns"), "Action=Dance&Version=2010-03-31", 400, "<ErrorResponse"),
        ("POST", "/", scope("sns"), "", 400, "<ErrorResponse"),
        ("POST", "/", scope("monitoring"), "Action=ListMetrics&Version=1999-01-01", 400, "<ErrorResponse"),
        ("POST", "/", scope("logs"), "", 400, "{"),
        ("POST", "/", header("x-amz-target", "Logs_20140328.Dance"), "{}", 400, "{"),
        ("POST", "/", header("x-amz-target", "Other.Op"), "{}", 400, "{"),
        ("GET", "/", header("x-amz-target", "Logs_20140328.GetLogEvents"), "{}", 404, "{"),
        ("GET", "/2015-03-31/dance/x", scope("lambda"), "", 404, "{"),
        ("POST", "/service/GraniteServiceVersion20100801/operation/Dance", vec![], "", 400, "\u{a2}"),
        ("POST", "/service/Other/operation/ListMetrics", vec![], "", 404, "\u{a2}"),
        ("GET", "/", vec![], "", 404, "{"),
        (
            "POST",
            "/",
            header("content-type", "application/x-www-form-urlencoded"),
            "a=b",
            404,
            "<ErrorResponse",
        ),
    ] {
        let request = Request { method: method.into(), uri: uri.into(), headers, body: body.into() };
        let response = refuse(&request, ID, &identify(&request).unwrap_err());
        assert_eq!(response.status, status, "{request:?}");
        let start: String =
            response.body.iter().take(starts.chars().count()).map(|byte| char::from(*byte)).collect();
        assert_eq!(start, starts, "{request:?}");
        assert_eq!(response.header("x-amzn-requestid"), Some(ID));
    }
}

#[test]
fn every_client_of_one_operation_is_understood() {
    let input = json!({"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 1.0}]});
    let json = Request {
        method: "POST".into(),
        uri: "/".into(),
        headers: vec![
            ("x-amz-target".into(), "GraniteServiceVersion20100801.PutMetricData".into()),
            ("content-type".into(), "application/x-amz-json-1.0".into()),
            ("x-amzn-query-mode".into(), "true".into()),
        ],
        body: input.to_string().into(),
    };
    let form = "Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.1.MetricName=m&MetricData.member.1.Value=1";
    let query = Request { method: "POST".into(), uri: "/".into(), headers: vec![], body: form.into() };
    let cbor = Request {
        method: "POST".into(),
        uri: "/service/GraniteServiceVersion20100801/operation/PutMetricData".into(),
        headers: vec![("smithy-protocol".into(), "rpc-v2-cbor".into())],
        body: crate::cbor::encode(None, &input).into(),
    };
    for (request, protocol) in [(json, Protocol::Json10), (query, Protocol::Query), (cbor, Protocol::Cbor)] {
        let target = identify(&request).unwrap();
        assert_eq!((target.service, target.protocol), (Service::CloudWatch, protocol));
        assert_eq!(target.query_mode, protocol == Protocol::Json10);
        assert_eq!(decode(&target, &request).unwrap(), input);
    }
    // Links in SNS messages carry no version and no signature.
    let link = Request {
        method: "GET".into(),
        uri: "/?Action=ConfirmSubscription&TopicArn=t&Token=x".into(),
        ..Request::default()
    };
    let target = identify(&link).unwrap();
    assert_eq!((target.service, target.operation.as_str()), (Service::Sns, "ConfirmSubscription"));
    assert_eq!(decode(&target, &link).unwrap(), json!({"TopicArn": "t", "Token": "x"}));
}

#[test]
fn documents_of_the_wrong_type_get_the_services_words() {
    let target = target(Service::Logs, Protocol::Json11, "FilterLogEvents");
    for (body, words) in [
        (r#"{"logGroupName": true}"#, "TRUE_VALUE can not be converted to a String"),
        (r#"{"limit": "5"}"#, "STRING_VALUE can not be converted to an Integer"),
        (r#"{"limit": 3000000000}"#, "out of range"),
        (r#"{"logGroupName": []}"#, "Start of list found where not expected"),
        (r#"{"logGroupName": {}}"#, "Start of structure or map found where not expected."),
        (r#"{"logStreamNames": {}}"#, "Start of structure"),
        (r#"[]"#, "Start of list"),
        (r#"5"#, "Expected structure"),
        (r#"{"#, "malformed at line 1"),
        ("\u{feff}{}", "malformed"),
    ] {
        let request = Request { body: body.into(), ..Request::default() };
        let fault = decode(&target, &request).unwrap_err();
        assert_eq!(fault.code(), "SerializationException", "{body}");
        assert!(fault.message().contains(words), "{body}: {fault}");
    }
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let ask = |body: String| decode(&target, &Request { body: body.into(), ..Request::default() });
    assert_eq!(ask(nested(65)).unwrap_err().code(), "SerializationException");
    assert_eq!(ask(nested(64)).unwrap(), json!({}));
    assert_eq!(ask("[".repeat(1_000_000)).unwrap_err().code(), "SerializationException");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("LOGBOOM_LONG").is_some() { 20_000 } else { 200 }))]

    /// An XML reader finds the text again, whatever it is (but for what XML cannot carry).
    #[test]
    fn xml_is_well_formed(value in "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\u{fffe}\\u{ffff}]{0,40}") {
        let response = encode(&target(Service::Sns, Protocol::Query, "Publish"), ID, Ok(json!({"MessageId": value})));
        let mut reader = quick_xml::Reader::from_str(text(&response));
        let (mut inside, mut found) = (false, String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) if element.name().as_ref() == "MessageId" => inside = true,
                Event::End(element) if element.name().as_ref() == "MessageId" => inside = false,
                Event::Text(part) if inside => found.push_str(&part),
                Event::GeneralRef(name) if inside => match &*name {
                    "lt" => found.push('<'),
                    "gt" => found.push('>'),
                    "amp" => found.push('&'),
                    "quot" => found.push('"'),
                    "#xD" => found.push('\r'),
                    other => panic!("{other}"),
                },
                Event::Eof => break,
                _ => {}
            }
        }
        prop_assert_eq!(found, value);
    }

    #[test]
    fn no_request_panics(
        method in "GET|POST|PUT",
        uri in "/?(service|2015-03-31|functions|Granite|\\?|Action=Publish|&|/|%f0){0,6}",
        name in "x-amz-target|content-type|authorization|content-encoding|smithy-protocol",
        value in "(Logs_20140328|GraniteServiceVersion20100801|\\.|PutMetricData|GetLogEvents|gzip|AWS4-HMAC-SHA256 |Credential=|/|,|20260131|é){0,8}",
        body in prop_oneof![proptest::collection::vec(any::<u8>(), 0..80), "[\\[\\]{}\":,a1]{0,40}".prop_map(String::into_bytes)],
    ) {
        let request = Request { method, uri, headers: vec![(name, value)], body: body.into() };
        match identify(&request) {
            Ok(target) => drop(encode(&target, ID, decode(&target, &request))),
            Err(fault) => drop(refuse(&request, ID, &fault)),
        }
    }
}
