//! Requests to other hosts, one at a time. Capability: `http` on scheme, host and port; feature `http`.
//! A request that leaves is not taken back when the handler fails later: send the delivery id along, so that the
//! other side can tell a repetition. Redirects are not followed. Pure worlds (filters, extractors, query functions)
//! have no network.

use std::fmt;

#[cfg(not(target_family = "wasm"))]
use crate::native::imported::http as imported;
#[cfg(target_family = "wasm")]
use wasi as imported;

use crate::{HandlerError, permanent, retry, retry_after};

#[cfg(target_family = "wasm")]
mod wasi;

/// An answer larger than this is an error: the host cuts there too.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A request. The URL has a scheme; secrets are put in as [`crate::secrets::placeholder`] gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// `https://hooks.example.com/path?query`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Empty: no body.
    pub body: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// 200, 404, ...
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The host is not granted, or its address is private.
    NotAllowed(String),
    /// The request is none: its URL, method or headers are not valid.
    Invalid(String),
    /// It could not be sent, or the answer did not come whole.
    Failed(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(what) => write!(f, "http: not allowed: {what}"),
            Self::Invalid(what) => write!(f, "http: invalid: {what}"),
            Self::Failed(what) => write!(f, "http: {what}"),
        }
    }
}

impl From<HttpError> for HandlerError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::NotAllowed(_) | HttpError::Invalid(_) => permanent(error.to_string()),
            HttpError::Failed(_) => retry(error.to_string()),
        }
    }
}

impl Response {
    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The answer if it is a 2xx. 429 and 5xx are worth another try (after `Retry-After`), others are not.
    ///
    /// # Errors
    /// [`HandlerError`] with the status and the beginning of the body.
    pub fn success(self) -> Result<Self, HandlerError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        let message = format!("http: status {}: {text}", self.status);
        if self.status != 429 && self.status < 500 {
            return Err(permanent(message));
        }
        let seconds = self.header("retry-after").and_then(|value| value.parse::<u32>().ok()).unwrap_or(0);
        Err(retry_after(message, seconds.saturating_mul(1000)))
    }
}

/// Sends a request and waits for the whole answer.
///
/// # Errors
/// [`HttpError`]; an answer with whatever status is none.
pub fn send(request: &Request) -> Result<Response, HttpError> {
    imported::send(request)
}

/// Posts a body.
///
/// # Errors
/// As [`send`].
///
/// ```
/// # use logboom_sdk::{HandlerError, http};
/// # fn notify(text: &str) -> Result<(), HandlerError> {
/// http::post("https://hooks.example.com/x", &[("content-type", "text/plain")], text.as_bytes())?.success()?;
/// # Ok(())
/// # }
/// # assert_eq!(notify("hello"), Ok(()));
/// # logboom_sdk::native::with(|r| assert_eq!(r.requests[0].body, b"hello"));
/// ```
pub fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, HttpError> {
    send(&request("POST", url, headers, body))
}

/// Gets a document.
///
/// # Errors
/// As [`send`].
pub fn get(url: &str, headers: &[(&str, &str)]) -> Result<Response, HttpError> {
    send(&request("GET", url, headers, &[]))
}

fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: method.to_owned(), url: url.to_owned(), headers, body: body.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_that_may_change_are_tried_again() {
        let answer = |status, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            Response { status, headers, body: b"why".to_vec() }.success()
        };
        assert_eq!(answer(204, &[]).map(|a| a.status), Ok(204));
        assert_eq!(answer(404, &[]), Err(permanent("http: status 404: why")));
        assert_eq!(answer(302, &[]), Err(permanent("http: status 302: why")));
        assert_eq!(answer(503, &[]), Err(retry("http: status 503: why")));
        assert_eq!(answer(429, &[("retry-after", "7")]), Err(retry_after("http: status 429: why", 7000)));
    }
}
