//! Tests of `http`.

use proptest::prelude::*;

use super::*;
use crate::egress::{Rules, System};
use crate::tests::inbox;

fn poster(allow_loopback: bool, timeout_ms: u64) -> Poster {
    Poster::new(gate(allow_loopback), &[], Duration::from_millis(timeout_ms)).unwrap()
}

fn gate(allow_loopback: bool) -> Gate {
    let rules = Arc::new(Rules { allow_loopback, listed: Vec::new() });
    Gate::new(rules, Arc::new(System), Arc::new(System))
}

#[tokio::test]
async fn https_is_spoken_and_its_certificate_checked() {
    let inbox = inbox::https().await;
    let endpoint = Endpoint::parse(&format!("https://127.0.0.1:{}/200", inbox.address.port())).unwrap();
    let trusting = Poster::new(gate(true), &[inbox::CA_PEM.to_owned()], Duration::from_secs(5)).unwrap();
    assert_eq!(trusting.post(&endpoint, &[], Bytes::from_static(b"b")).await, Outcome::Accepted);
    let strict = poster(true, 5000).post(&endpoint, &[], Bytes::from_static(b"b")).await;
    assert!(matches!(&strict, Outcome::Retry { error, .. } if error.contains("certificate")), "{strict:?}");
    assert_eq!(inbox.posts.lock().unwrap().len(), 1);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    assert!(Poster::new(gate(true), &[garbage], Duration::from_secs(5)).is_err());
}

#[test]
fn urls_are_taken_apart() {
    for (url, host, port, tls, authorization) in [
        ("http://a.example", "a.example", 80, false, None),
        ("HTTPS://a.example:8443/p?q=1", "a.example", 8443, true, None),
        ("http://[::1]:99/x", "::1", 99, false, None),
        ("http://u:p%40ss@a.example/x", "a.example", 80, false, Some("Basic dTpwQHNz")),
    ] {
        let endpoint = Endpoint::parse(url).unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.tls), (host, port, tls));
        assert_eq!(endpoint.authorization.as_deref(), authorization);
        assert!(!endpoint.uri.to_string().contains('@'));
    }
    assert_eq!(
        Endpoint::parse("HTTPS://a.example:8443/p?q=1").unwrap().uri.path_and_query().unwrap(),
        "/p?q=1"
    );
    for bad in [
        "",
        "a.example",
        "ftp://a",
        "http://",
        "http:///x",
        "http://a:99999/",
        "http://a:0/",
        "http://a:/",
        "/x",
        "http://a b/",
    ] {
        assert!(Endpoint::parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn answers_are_sorted_into_retry_and_not() {
    let inbox = inbox::http().await;
    let poster = poster(true, 5000);
    let name = "127.0.0.1";
    for (path, want) in [
        ("200", Outcome::Accepted),
        ("204", Outcome::Accepted),
        ("endless", Outcome::Accepted),
        ("500", Outcome::Retry { error: format!("{name} answered 500: said the server"), after_ms: None }),
        ("503", Outcome::Retry { error: format!("{name} answered 503: said the server"), after_ms: None }),
        (
            "wait",
            Outcome::Retry { error: format!("{name} answered 429: said the server"), after_ms: Some(2500) },
        ),
        ("400", Outcome::Permanent { error: format!("{name} answered 400: said the server") }),
        ("404", Outcome::Permanent { error: format!("{name} answered 404: said the server") }),
        ("away", Outcome::Permanent { error: format!("{name} answered 302 (redirects are not followed)") }),
    ] {
        let endpoint = Endpoint::parse(&format!("http://u:p@{}/secret/{path}", inbox.address)).unwrap();
        let headers = [("x-a".to_owned(), "b".to_owned())];
        let got = poster.post(&endpoint, &headers, Bytes::from_static(b"body")).await;
        assert_eq!(got, want, "{path}");
    }
    let posts = inbox.posts.lock().unwrap();
    assert_eq!(posts.len(), 9, "the redirect was not followed");
    let first = &posts[0];
    assert_eq!((first.path.as_str(), first.body.as_str(), first.header("x-a")), ("/secret/200", "body", "b"));
    assert_eq!(first.header("authorization"), "Basic dTpw");
    assert_eq!(first.header("host"), inbox.address.to_string());
}

#[tokio::test]
async fn silence_refusal_and_forbidden_targets() {
    let inbox = inbox::http().await;
    let post = async |poster: Poster, url: String| {
        poster.post(&Endpoint::parse(&url).unwrap(), &[], Bytes::new()).await
    };
    let slow = post(poster(true, 200), format!("http://{}/slow", inbox.address)).await;
    assert!(matches!(&slow, Outcome::Retry { error, .. } if error.contains("did not answer")), "{slow:?}");
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    let refused = post(poster(true, 5000), format!("http://{closed}/secret")).await;
    assert!(matches!(&refused, Outcome::Retry { error, .. } if !error.contains("secret")), "{refused:?}");
    let before = inbox.posts.lock().unwrap().len();
    for url in
        [format!("http://{}/200", inbox.address), format!("http://localhost:{}/200", inbox.address.port())]
    {
        let denied = post(poster(false, 5000), url).await;
        assert!(matches!(&denied, Outcome::Permanent { error } if error.contains("loopback")), "{denied:?}");
    }
    let tls = post(poster(false, 5000), "https://169.254.169.254/latest".to_owned()).await;
    assert!(matches!(&tls, Outcome::Permanent { error } if error.contains("link-local")), "{tls:?}");
    assert_eq!(inbox.posts.lock().unwrap().len(), before);
    let bad = [("x-a".to_owned(), "b\r\nx-c: d".to_owned())];
    let endpoint = Endpoint::parse("http://127.0.0.1:9/").unwrap();
    let split = poster(true, 100).post(&endpoint, &bad, Bytes::new()).await;
    assert_eq!(split, Outcome::Permanent { error: "the header x-a is malformed".to_owned() });
}

proptest! {
    #![proptest_config(crate::tests::rounds(256))]
    #[test]
    fn no_url_panics(rest in any::<String>(), scheme in prop::sample::select(vec!["", "http://", "https://u@"])) {
        if let Ok(endpoint) = Endpoint::parse(&format!("{scheme}{rest}")) {
            prop_assert!(!endpoint.host.is_empty() && !endpoint.uri.to_string().contains('@') || rest.contains('@'));
        }
    }
}
