//! Owns `/_logboom/tail`: who may follow what, and from where. Refuses to know how (`tail`).
//!
//! `GET ?group=/a&group=/b&stream=S&prefix=P&pattern=...&since=10m&from=POSITION`, or `POST` with
//! `{"groups": [...], "streams": [...], "prefixes": [...], "pattern": "...", "sinceMs": n, "from": n}`. The
//! answer is newline-delimited JSON without an end; `tail/road.rs` says what the lines are. Where access keys
//! are configured, the request is signed like one of Logs, and its key needs `logs:StartLiveTail`.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use wire::{Credential, Fault, Protocol, Service, Target};

use crate::api::logs::live_tail;
use crate::api::{self, Caller};
use crate::app::App;
use crate::cli::span;
use crate::doors;
use crate::server::{Body, respond};
use crate::tail::{Begin, follow};

/// Groups of one tail.
const GROUPS_MAX: usize = 100;

/// Names or prefixes of one tail.
const STREAMS_MAX: usize = 100;

/// The region of a request that names none.
const REGION: &str = "us-east-1";

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    groups: Vec<String>,
    streams: Vec<String>,
    prefixes: Vec<String>,
    pattern: String,
    /// Milliseconds before now.
    since_ms: Option<u64>,
    /// A position, to go on where another tail ended.
    from: Option<u64>,
}

pub(super) fn answer(app: &Arc<App>, head: &Parts, body: &Bytes) -> Response<Body> {
    match open(app, head, body) {
        Ok(body) => {
            let mut response = Response::new(body);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(fault) => {
            let status = fault.explicit_status().and_then(|status| StatusCode::from_u16(status).ok());
            let body = json!({ "__type": fault.code(), "message": fault.message() }).to_string();
            respond(status.unwrap_or(StatusCode::BAD_REQUEST), "application/json", Bytes::from(body))
        }
    }
}

fn open(app: &Arc<App>, head: &Parts, body: &Bytes) -> Result<Body, Fault> {
    let caller = admit(app, head, body)?;
    let asked = match head.method {
        Method::GET => from_query(head.uri.query().unwrap_or_default()).map_err(refusal)?,
        Method::POST => serde_json::from_slice(body).map_err(|error| refusal(error.to_string()))?,
        _ => return Err(refusal("GET and POST are the methods of tail".to_owned()).status(405)),
    };
    let Asked { groups, streams, prefixes, pattern, since_ms, from } = asked;
    if groups.is_empty() || groups.len() > GROUPS_MAX {
        return Err(refusal(format!("a tail follows 1 to {GROUPS_MAX} log groups, not {}", groups.len())));
    }
    if streams.len() > STREAMS_MAX || prefixes.len() > STREAMS_MAX {
        return Err(refusal(format!("a tail takes at most {STREAMS_MAX} streams or prefixes")));
    }
    authorize(&caller, &groups)?;
    let some = |names: Vec<String>| Some(names).filter(|names| !names.is_empty());
    let streams = live_tail::streams(some(streams), some(prefixes))?;
    let begin = match (from, since_ms) {
        (Some(position), _) => Begin::At(position),
        (None, Some(ms @ 1..)) => Begin::SinceMs(app.clock.now_ms().saturating_sub_unsigned(ms).max(0)),
        (None, _) => Begin::Now,
    };
    let wanted = live_tail::wanted(app, &caller, &groups, streams, &pattern)?;
    let place = app.tails.enter(caller.account()).map_err(|full| live_tail::full_fault(&full))?;
    Ok(follow(app, wanted, begin, place))
}

fn refusal(text: String) -> Fault {
    Fault::new("InvalidParameterException", text)
}

fn target(request: &wire::Request) -> Target {
    Target {
        service: Service::Logs,
        protocol: Protocol::Json11,
        operation: "StartLiveTail".to_owned(),
        query_mode: false,
        credential: Credential::of(request),
    }
}

/// Who asks. Without keys anybody on this machine may, and a request without a credential is the default
/// account's.
fn admit(app: &App, head: &Parts, body: &Bytes) -> Result<Caller, Fault> {
    let request = api::into_wire(head, body.clone());
    let target = target(&request);
    let secure = app.tls.is_some();
    let source = head.extensions.get::<SocketAddr>().map_or([127, 0, 0, 1].into(), SocketAddr::ip);
    if app.is_open() && target.credential.is_none() {
        let account = &app.config.account;
        let identity = access::Identity::administrator(account, "root", "");
        return Ok(Caller {
            identity,
            region: REGION.to_owned(),
            request_id: app.clock.uuid(),
            source,
            hop: 0,
            secure,
        });
    }
    let admitted = doors::admit(app, &target, &request).map_err(|fault| fault.status(403))?;
    let (identity, region) = (admitted.identity, admitted.region);
    Ok(Caller { identity, region, request_id: app.clock.uuid(), source, hop: 0, secure })
}

fn authorize(caller: &Caller, groups: &[String]) -> Result<(), Fault> {
    let target = target(&wire::Request::default());
    doors::authorize(caller, &target, &json!({ "logGroupIdentifiers": groups }))
        .map_err(|fault| fault.status(403))
}

/// The same as a query string, for `curl`.
fn from_query(query: &str) -> Result<Asked, String> {
    let mut asked = Asked::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-")) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(value)?;
        let number = || value.parse().map_err(|_| format!("{name}={value} is not a number"));
        match name {
            "group" => asked.groups.push(value),
            "stream" => asked.streams.push(value),
            "prefix" => asked.prefixes.push(value),
            "pattern" => asked.pattern = value,
            "since" => asked.since_ms = Some(span::parse(&value)?.unsigned_abs()),
            "from" => asked.from = Some(number()?),
            _ => {
                let known = "group, stream, prefix, pattern, since and from";
                return Err(format!("{name} is not understood: {known} are"));
            }
        }
    }
    Ok(asked)
}

pub(super) fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits =
                    [rest.next(), rest.next()].map(|byte| (byte.unwrap_or(b'?') as char).to_digit(16));
                let [Some(high), Some(low)] = digits else {
                    return Err(format!("{text} is not percent-encoded"));
                };
                bytes.push((high << 4 | low) as u8);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{text} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_string_and_a_body_ask_for_the_same() {
        let query = "group=%2Fa&group=/b+c&pattern=%7B%20%24.x%20%3D%201%20%7D&since=10m&from=7&prefix=p";
        let body =
            r#"{"groups":["/a","/b c"],"pattern":"{ $.x = 1 }","sinceMs":600000,"from":7,"prefixes":["p"]}"#;
        assert_eq!(from_query(query).unwrap(), serde_json::from_str(body).unwrap());
        for bad in ["what=1", "since=10", "from=x", "group=%2", "group=%zz", "group=%ff"] {
            assert!(from_query(bad).is_err(), "{bad}");
        }
    }
}
