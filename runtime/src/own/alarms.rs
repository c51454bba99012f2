//! Owns `GET /_logboom/alarms/NAME/explain`: why an alarm is in its state, in sentences. Refuses to evaluate.
//! Where access keys are configured, the request is signed like one of CloudWatch.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use wire::Service;

use super::dead_letters::check_door;
use crate::alarms::explain::explain;
use crate::app::App;
use crate::server::{Body, plain, respond};

pub(super) async fn answer(app: &Arc<App>, head: &Parts, path: &str) -> Response<Body> {
    if let Err((status, reason)) = check_door(app, head, &Bytes::new(), Service::CloudWatch, "DescribeAlarms")
    {
        return plain(status, reason);
    }
    let Some(name) = path.strip_suffix("/explain").and_then(unescape) else {
        let text = format!("logboom has no operation /_logboom/alarms/{path}; there is alarms/NAME/explain");
        return plain(StatusCode::NOT_FOUND, text);
    };
    if head.method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not a method of explain", head.method));
    }
    match explain(app, name.clone()).await {
        Ok(Some(text)) => respond(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from(text)),
        Ok(None) => plain(StatusCode::NOT_FOUND, format!("there is no alarm {name}")),
        Err(error) => {
            tracing::error!(%error, "an alarm could not be explained");
            plain(StatusCode::SERVICE_UNAVAILABLE, "metadata cannot be read; the log says more")
        }
    }
}

/// A path segment without its `%` escapes; `None` where they are wrong.
fn unescape(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_and_wrong_ones_refused() {
        assert_eq!(unescape("a%20b%C3%A9").as_deref(), Some("a bé"));
        for bad in ["%", "%2", "%zz", "%ff", "%é"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }
}
