//! HTTP out of a guest (`wasi:http/outgoing-handler`): whether a call may send a request, how many, how large,
//! with which secrets. Refuses to resolve names and to connect: the root lends a way out through [`Egress`],
//! and it judges the addresses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::output::Output;
use crate::secret::{self, Used};
use crate::target::Target;
use crate::{Call, Limits, LogSource};

/// A boxed future; the seam is object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The way out of the process for one call, as the root implements it.
pub trait Egress: Send + Sync {
    /// Sends a request whose URI is absolute; the answer's body has at most `limit` bytes. Redirects are answers.
    fn send(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Response<Bytes>, Unanswered>>;

    /// The secret of this name.
    fn secret(&self, name: &str) -> Option<Secret>;
}

/// A secret: its value, and the only places it goes to.
#[derive(Clone)]
pub struct Secret {
    pub(crate) value: String,
    /// `scheme://host[:port]`, as in a grant.
    pub(crate) hosts: Vec<String>,
}

/// The shortest secret: anything shorter could not be told from other text in an answer.
const SECRET_BYTES_MIN: usize = 8;

impl Secret {
    /// A secret for these places.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the value.
    pub fn new(value: String, hosts: Vec<String>) -> Result<Self, String> {
        if value.len() < SECRET_BYTES_MIN {
            return Err(format!("a secret has at least {SECRET_BYTES_MIN} bytes"));
        }
        if hosts.is_empty() {
            return Err("hosts says where it may go; there is none".to_owned());
        }
        hosts.iter().try_for_each(|host| Target::parse(host).map(drop))?;
        Ok(Self { value, hosts })
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// Why a request got no answer. The texts hold no URL and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The address must not be reached, or the request is part of a loop.
    Prohibited(String),
    /// The answer has more bytes than it may.
    TooLarge,
    /// Anything else, in words.
    Failed(String),
}

/// The hooks of one call.
pub(crate) struct Hooks {
    call: Call,
    limits: Arc<Limits>,
    output: Output,
    pure: bool,
    sent: usize,
    /// Names of the secrets the guest has asked for: only these are looked for in requests.
    pub(crate) placeholders: Vec<String>,
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl Hooks {
    pub(crate) fn new(call: &Call, limits: &Arc<Limits>, output: &Output, pure: bool) -> Self {
        let (call, limits, output) = (call.clone(), Arc::clone(limits), output.clone());
        Self { call, limits, output, pure, sent: 0, placeholders: Vec::new() }
    }

    /// Whether a request may be sent at all.
    fn admit(&mut self, request: &Request<WasiBody>) -> Result<Arc<dyn Egress>, (Error, String)> {
        if self.pure {
            let reason = "filters, extractors and query functions are pure".to_owned();
            return Err((Error::HttpRequestDenied, reason));
        }
        let uri = request.uri();
        let place = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or("https"),
            uri.authority().map_or("", |a| a.as_str())
        );
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err((Error::HttpRequestUriInvalid, "credentials in a URL are not sent".to_owned()));
        }
        if !self.call.grants.may_request(uri) {
            let reason = format!("{place} is not granted; grant it with the tag logboom:allow-http={place}");
            return Err((Error::HttpRequestDenied, reason));
        }
        let Some(egress) = self.call.services.egress() else {
            return Err((Error::HttpRequestDenied, "requests are not served here".to_owned()));
        };
        let limit = self.limits.http_requests;
        if self.sent == limit {
            return Err((Error::ConnectionLimitReached, format!("a call may send {limit} requests")));
        }
        self.sent += 1;
        Ok(egress)
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let output = self.output.clone();
        let egress = match self.admit(&request) {
            Ok(egress) => egress,
            Err((error, reason)) => {
                refused(&output, &request, &reason);
                return Box::new(async { Err(error) });
            }
        };
        let known = |name: &String| Some((name.clone(), egress.secret(name)?));
        let secrets: Vec<_> = self.placeholders.iter().filter_map(known).collect();
        let exchange =
            Exchange { egress, call: self.call.clone(), limits: Arc::clone(&self.limits), output, secrets };
        Box::new(async move {
            let wait = waiting(options);
            let answered = tokio::time::timeout(wait, exchange.run(request)).await;
            let answer = answered.map_err(|_| Error::ConnectionReadTimeout)??;
            let done: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((answer.map(|bytes| Full::new(bytes).map_err(Error::from).boxed_unsync()), done))
        })
    }

    fn p2_error_from_hyper(
        &mut self,
        _: &hyper::Error,
    ) -> wasmtime_wasi_http::p2::bindings::http::types::ErrorCode {
        wasmtime_wasi_http::p2::bindings::http::types::ErrorCode::HttpProtocolError
    }
}

/// How long the guest itself wants to wait; the call's own time ends it in any case.
fn waiting(options: Option<RequestOptions>) -> Duration {
    let asked = options.and_then(|o| Some(o.connect_timeout?.saturating_add(o.first_byte_timeout?)));
    asked.unwrap_or(Duration::from_secs(3600))
}

/// A line in the function's log: the guest gets a code, its author a sentence.
fn refused<B>(output: &Output, request: &Request<B>, reason: &str) {
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    output.line(LogSource::Host, &format!("[HTTP] {} {host}: {reason}", request.method()));
}

/// A request that may be sent.
struct Exchange {
    egress: Arc<dyn Egress>,
    call: Call,
    limits: Arc<Limits>,
    output: Output,
    secrets: Vec<(String, crate::Secret)>,
}

impl Exchange {
    async fn run(self, request: Request<WasiBody>) -> Result<Response<Bytes>, Error> {
        let (head, body) = request.into_parts();
        let limit = self.limits.http_request_bytes;
        let body =
            Limited::new(body, limit).collect().await.map_err(|error| match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(_) => Error::HttpRequestBodySize(u64::try_from(limit).ok()),
            })?;
        let mut request = Request::from_parts(head, body.to_bytes());
        let used = match secret::place(&mut request, &self.call, &self.secrets) {
            Ok(used) => used,
            Err(reason) => {
                refused(&self.output, &request, &reason);
                return Err(Error::HttpRequestDenied);
            }
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let limit = self.limits.http_answer_bytes;
        let answered = self.egress.send(request, limit).await;
        let answer = answered.map_err(|error| {
            let (code, reason) = match error {
                Unanswered::Prohibited(reason) => (Error::DestinationIpProhibited, reason),
                Unanswered::TooLarge => {
                    let reason = format!("the answer has more than {limit} bytes");
                    (Error::HttpResponseBodySize(u64::try_from(limit).ok()), reason)
                }
                Unanswered::Failed(reason) => (Error::InternalError(Some(reason.clone())), reason),
            };
            let mut shown = Request::new(());
            (*shown.method_mut(), *shown.uri_mut()) = (method, uri);
            refused(&self.output, &shown, &reason);
            code
        })?;
        Ok(hidden(answer, &used))
    }
}

/// An answer that repeats a secret does not bring it into the guest.
fn hidden(answer: Response<Bytes>, used: &Used) -> Response<Bytes> {
    if used.is_empty() {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    for value in head.headers.values_mut() {
        if let Ok(hidden) = hyper::header::HeaderValue::from_bytes(&used.hide(value.as_bytes())) {
            *value = hidden;
        }
    }
    head.headers.remove(hyper::header::CONTENT_LENGTH);
    Response::from_parts(head, Bytes::from(used.hide(&body)))
}
