//! Known answers from an independent signer, and every way to break them.

use serde_json::Value;

use super::*;
use crate::target::identify;

struct Case {
    name: String,
    request: Request,
    time_ms: i64,
}

fn cases() -> (String, Vec<Case>) {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/sign.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cases = file["cases"].as_array().unwrap().iter().map(|case| Case {
        name: text(&case["name"]),
        request: Request {
            method: text(&case["method"]),
            uri: text(&case["uri"]),
            headers: case["headers"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), text(v))).collect(),
            body: body(case["body"].as_str().unwrap()).into(),
        },
        time_ms: case["time_ms"].as_i64().unwrap(),
    });
    (text(&file["secret"]), cases.collect())
}

/// Hex, or `COUNT x BYTE` for long ones.
fn body(text: &str) -> Vec<u8> {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    match text.split_once(" x ") {
        Some((count, byte)) => vec![hex(byte)[0]; count.parse().unwrap()],
        None => hex(text),
    }
}

/// The target without reading the body, which some cases only pretend to compress.
fn target_of(request: &Request) -> Target {
    let credential = Credential::of(request).unwrap();
    let service = Service::from_signing_name(&credential.service).unwrap();
    Target {
        service,
        protocol: identify(request).map_or(Protocol::RestJson, |target| target.protocol),
        operation: String::new(),
        query_mode: false,
        credential: Some(credential),
    }
}

fn check(request: &Request, secret: &str, now_ms: i64) -> Result<Credential, Fault> {
    let lookup = |key: &str| (key == "AKIAEXAMPLEEXAMPLE00").then(|| secret.to_owned());
    verify(request, &target_of(request), lookup, now_ms)
}

#[test]
fn requests_of_an_independent_signer_verify() {
    let (secret, cases) = cases();
    assert_eq!(cases.len(), 30);
    for case in &cases {
        for skew in [0, MAX_SKEW_MS, -MAX_SKEW_MS] {
            let now_ms = case.time_ms + if case.name.starts_with("presigned") { skew.min(0) } else { skew };
            let verified = check(&case.request, &secret, now_ms);
            assert!(verified.is_ok(), "{}: {}", case.name, verified.unwrap_err());
        }
    }
}

#[test]
fn any_change_breaks_the_signature() {
    let (secret, cases) = cases();
    for case in &cases {
        let refused = |what: &str, request: &Request| {
            let result = check(request, &secret, case.time_ms);
            assert!(result.is_err(), "{}: {what} changed and nobody noticed", case.name);
        };
        let mut changed = case.request.clone();
        changed.body = [&changed.body[..], b"x"].concat().into();
        if case.name == "unsigned payload" {
            assert!(check(&changed, &secret, case.time_ms).is_ok());
        } else {
            refused("body", &changed);
        }
        let mut changed = case.request.clone();
        changed.uri.push_str(if changed.uri.contains('?') { "&z=1" } else { "?z=1" });
        refused("query", &changed);
        let mut changed = case.request.clone();
        changed.uri = format!("/x{}", changed.uri);
        refused("path", &changed);
        for at in 0..case.request.headers.len() {
            let mut changed = case.request.clone();
            changed.headers[at].1.push('0');
            refused(&case.request.headers[at].0, &changed);
            if case.request.headers[at].0 != "authorization" {
                changed.headers.remove(at);
                refused(&case.request.headers[at].0, &changed);
            }
        }
        assert!(check(&case.request, "another secret", case.time_ms).is_err(), "{}", case.name);
    }
}

#[test]
fn time_has_its_limits() {
    let (secret, cases) = cases();
    for case in &cases {
        let presigned = case.name.starts_with("presigned");
        let early = check(&case.request, &secret, case.time_ms - MAX_SKEW_MS - 1000).unwrap_err();
        assert!(early.message().starts_with("Signature not yet current"), "{early}");
        let past = if presigned { 604_801_000 } else { MAX_SKEW_MS + 1000 };
        let late = check(&case.request, &secret, case.time_ms + past).unwrap_err();
        assert!(late.message().starts_with("Signature expired"), "{late}");
    }
    // Times at the ends of the calendar are no reason to panic.
    for now_ms in [i64::MIN, i64::MAX] {
        assert!(check(&cases[0].request, &secret, now_ms).is_err());
    }
}

fn with_authorization(service: &str, authorization: Option<&str>) -> (Request, Target) {
    let mut request = Request {
        method: "POST".into(),
        uri: "/".into(),
        headers: vec![("host".into(), "h".into()), ("x-amz-date".into(), "20260131T120000Z".into())],
        body: bytes::Bytes::new(),
    };
    request.headers.extend(authorization.map(|value| ("authorization".to_owned(), value.to_owned())));
    let (service, protocol) = match service {
        "logs" => (Service::Logs, Protocol::Json11),
        "sns" => (Service::Sns, Protocol::Query),
        _ => (Service::Lambda, Protocol::RestJson),
    };
    (request, Target { service, protocol, operation: String::new(), query_mode: false, credential: None })
}

#[test]
fn each_refusal_has_the_services_own_name() {
    let scope = |service: &str| format!("Credential=AKIA/20260131/us-east-1/{service}/aws4_request");
    let whole = |service: &str, headers: &str| {
        format!("AWS4-HMAC-SHA256 {}, SignedHeaders={headers}, Signature=00", scope(service))
    };
    for (service, authorization, code, status, words) in [
        ("logs", None, "MissingAuthenticationTokenException", 400, "missing"),
        ("sns", None, "MissingAuthenticationToken", 403, "missing"),
        ("lambda", None, "MissingAuthenticationTokenException", 403, "Missing"),
        ("logs", Some("Basic eDp5".to_owned()), "IncompleteSignatureException", 400, "AWS4-HMAC-SHA256"),
        ("sns", Some("AWS4-HMAC-SHA256 x".to_owned()), "IncompleteSignature", 403, "requires 'Credential'"),
        (
            "logs",
            Some("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0".to_owned()),
            "IncompleteSignatureException",
            400,
            "5 parts",
        ),
        ("logs", Some(whole("logs", "host")), "InvalidSignatureException", 400, "does not match"),
        ("sns", Some(whole("sns", "host")), "SignatureDoesNotMatch", 403, "does not match"),
        ("logs", Some(whole("logs", "x-amz-date")), "InvalidSignatureException", 400, "'Host' must be"),
        ("logs", Some(whole("logs", "host;x-absent")), "InvalidSignatureException", 400, "x-absent"),
        ("logs", Some(whole("sns", "host")), "InvalidSignatureException", 400, "correct service: 'logs'"),
        (
            "logs",
            Some(whole("logs", "host").replace("20260131", "20260130")),
            "InvalidSignatureException",
            400,
            "20260130",
        ),
        (
            "logs",
            Some(whole("logs", "host").replace("AKIA", "OTHER")),
            "UnrecognizedClientException",
            400,
            "security token",
        ),
        (
            "sns",
            Some(whole("sns", "host").replace("AKIA", "OTHER")),
            "InvalidClientTokenId",
            403,
            "security token",
        ),
    ] {
        let (request, target) = with_authorization(service, authorization.as_deref());
        let lookup = |key: &str| (key == "AKIA").then(|| "secret".to_owned());
        let fault = verify(&request, &target, lookup, 1_769_860_800_000).unwrap_err();
        assert_eq!((fault.code(), fault.explicit_status()), (code, Some(status)), "{authorization:?}");
        assert!(fault.message().contains(words), "{fault}");
    }
}

#[test]
fn a_presigned_url_is_for_get_and_has_an_end() {
    let (secret, cases) = cases();
    let case = cases.iter().find(|case| case.name == "presigned sts").unwrap();
    let mut post = case.request.clone();
    post.method = "POST".into();
    assert!(check(&post, &secret, case.time_ms).unwrap_err().message().contains("GET"));
    let mut long = case.request.clone();
    long.uri = long.uri.replace("X-Amz-Expires=60", "X-Amz-Expires=9999999");
    assert!(check(&long, &secret, case.time_ms).unwrap_err().message().contains("X-Amz-Expires"));
}
