//! HTTP into guests and out of them. Nothing here opens a connection: the way out is a recorder.

use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use hyper::{Request, Response};
use wasm::{BoxFuture, Call, Egress, Grants, InvokeError, Module, Role, Secret, Unanswered};

use crate::support::{HOST, Product, call_with, compiled};

static WEB: LazyLock<Module> = LazyLock::new(|| compiled("web_guest"));

/// Records what leaves and answers as the host name says.
#[derive(Default)]
pub(crate) struct Recorder {
    sent: Mutex<Vec<Request<Bytes>>>,
}

const VALUE: &str = "s3cr3t/value";

impl Egress for Recorder {
    fn send(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Response<Bytes>, Unanswered>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let echo = format!(
            "{} {:?} {}",
            request.uri(),
            request.headers().get("authorization"),
            String::from_utf8_lossy(request.body())
        );
        self.sent.lock().expect("no panic").push(request);
        Box::pin(async move {
            match host.split('.').next().unwrap_or_default() {
                "private" => Err(Unanswered::Prohibited("10.0.0.1 is a private address".to_owned())),
                "large" => Err(Unanswered::TooLarge),
                "broken" => Err(Unanswered::Failed("connection reset".to_owned())),
                "slow" => std::future::pending().await,
                "away" => {
                    let answer =
                        Response::builder().status(302).header("location", "http://169.254.169.254/");
                    Ok(answer.body(Bytes::from_static(b"moved")).expect("an answer"))
                }
                _ => Ok(Response::new(Bytes::from(
                    echo.into_bytes()[..].iter().copied().take(limit).collect::<Vec<_>>(),
                ))),
            }
        })
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        let hosts = vec!["https://api.example".to_owned()];
        (name == "key").then(|| Secret::new(VALUE.to_owned(), hosts).expect("a secret"))
    }
}

fn web(http: &[&str]) -> (Call, Arc<Product>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let grants = Grants {
        http: http.iter().map(|grant| (*grant).to_owned()).collect(),
        secrets: vec!["key".to_owned(), "missing".to_owned()],
        ..Grants::default()
    };
    let product = Product { egress: Some(recorder.clone()), ..Product::default() };
    let (call, product) = call_with("", product, grants);
    (call, product, recorder)
}

async fn post(call: &Call, body: &str) -> Result<String, InvokeError> {
    let answered = HOST.http(&WEB, call, Bytes::from(body.to_owned()), 3).await.result;
    answered.map(|bytes| String::from_utf8(bytes).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_posted_and_the_status_is_the_outcome() {
    assert_eq!(WEB.roles(), [Role::Http]);
    let (call, _, _) = web(&[]);
    assert_eq!(post(&call, "{\"a\":1}").await, Ok("/ d-1 3 {\"a\":1}".to_owned()));
    for (status, expected) in [(429, Some(true)), (503, Some(true)), (404, Some(false)), (201, None)] {
        let answered = post(&call, &format!("status {status}")).await;
        match expected {
            None => assert_eq!(answered, Ok("as you like".to_owned())),
            Some(again) => {
                let error = answered.expect_err("an error");
                assert_eq!(error.may_retry(), again, "{error}");
                assert!(error.to_string().contains(&status.to_string()), "{error}");
            }
        }
    }
    let lacking = HOST.lambda(&WEB, &call, b"").await.result;
    assert!(matches!(lacking, Err(InvokeError::Refused(m)) if m.contains("it is: http")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_does_not_answer_is_an_error_soon() {
    let (mut call, _, _) = web(&[]);
    for silent in ["silent", "keep", "trap"] {
        let error = post(&call, silent).await.expect_err(silent);
        assert!(matches!(error, InvokeError::Trap { .. }), "{silent}: {error:?}");
    }
    call.timeout_ms = 200;
    assert_eq!(post(&call, "loop").await, Err(InvokeError::Timeout { limit_ms: 200 }));
    call.timeout_ms = 10_000;
    let endless = post(&call, "endless").await.expect_err("too large");
    assert!(matches!(endless, InvokeError::OutputTooLarge { limit_bytes: 6_291_456, .. }), "{endless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_not_sent_and_the_log_says_why() {
    for (grants, url, sent) in [
        (&["https://api.example"][..], "https://api.example/x", true),
        (&["https://*.example"], "https://api.example/x", true),
        (&["https://api.example:8443"], "https://api.example/x", false),
        (&["https://api.example"], "http://api.example/x", false),
        (&["https://api.example"], "https://other.example/x", false),
        (&[], "https://api.example/x", false),
    ] {
        let (call, product, recorder) = web(grants);
        let answered = post(&call, &format!("fetch GET {url}")).await.expect("an answer");
        assert_eq!(recorder.sent.lock().expect("no panic").len(), usize::from(sent), "{grants:?} {url}");
        assert_eq!(answered.contains("HttpRequestDenied"), !sent, "{answered}");
        let told = product.lines().iter().any(|line| line.contains("logboom:allow-http="));
        assert_eq!(told, !sent, "{:?}", product.lines());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_way_out_reach_the_guest_as_codes() {
    let (mut call, product, _) = web(&["http://*.example"]);
    for (host, code) in [
        ("private", "DestinationIpProhibited"),
        ("large", "HttpResponseBodySize"),
        ("broken", "InternalError"),
    ] {
        let answered = post(&call, &format!("fetch GET http://{host}.example/")).await.expect("an answer");
        assert!(answered.contains(code), "{answered}");
    }
    assert!(product.lines().iter().any(|l| l.contains("private address")), "{:?}", product.lines());
    // A redirect is an answer; nobody follows it.
    let (redirected, _, recorder) = web(&["*"]);
    let answered = post(&redirected, "fetch GET http://away.example/").await;
    assert_eq!(answered, Ok("302 moved".to_owned()));
    assert_eq!(recorder.sent.lock().expect("no panic").len(), 1);
    // The call's time covers its requests.
    call.timeout_ms = 200;
    let slow = post(&call, "fetch GET http://slow.example/").await;
    assert_eq!(slow, Err(InvokeError::Timeout { limit_ms: 200 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_call_are_bounded_in_number_and_size() {
    let (call, product, recorder) = web(&["https://api.example"]);
    assert_eq!(post(&call, "many 12 https://api.example/").await, Ok("10".to_owned()));
    assert_eq!(recorder.sent.lock().expect("no panic").len(), 10);
    assert!(
        product.lines().iter().any(|l| l.contains("a call may send 10 requests")),
        "{:?}",
        product.lines()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_placed_on_the_way_out_and_never_comes_in() {
    let (call, product, recorder) = web(&["https://api.example", "https://other.example"]);
    let answered = post(&call, "secret key https://api.example/hook").await.expect("an answer");
    let sent = recorder.sent.lock().expect("no panic").remove(0);
    assert_eq!(sent.uri(), "https://api.example/hook/s3cr3t/value");
    assert_eq!(sent.headers()["authorization"], "Bearer s3cr3t/value");
    assert_eq!(&sent.body()[..], b"xs3cr3t/valuey");
    // The answer repeated all of it.
    assert!(answered.starts_with("200 ") && !answered.contains(VALUE), "{answered}");
    assert!(answered.contains("{{logboom-secret:key:"), "{answered}");
    // Not to another host, whatever the grant says.
    let elsewhere = post(&call, "secret key https://other.example/hook").await.expect("an answer");
    assert!(elsewhere.contains("HttpRequestDenied"), "{elsewhere}");
    assert!(recorder.sent.lock().expect("no panic").is_empty());
    let lines = product.lines();
    assert!(lines.iter().any(|l| l.contains("secret key goes to its own hosts only (https://api.example)")));
    assert!(lines.iter().all(|l| !l.contains(VALUE)), "{lines:?}");
    // Text that only looks like a placeholder is text.
    let forged = "fetch POST https://api.example/ {{logboom-secret:key:0123456789abcdef}}";
    let answered = post(&call, forged).await.expect("an answer");
    assert!(answered.contains("{{logboom-secret:key:0123456789abcdef}}"), "{answered}");
    assert!(post(&call, "secret missing https://api.example/").await.is_err(), "it panics");
    assert!(post(&call, "secret other https://api.example/").await.is_err());
}
