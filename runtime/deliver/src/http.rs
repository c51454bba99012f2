//! Owns one HTTP POST to a subscriber: URL, time-out, TLS, and what the answer means for a retry.
//! Refuses to know what the body says. Redirects are not followed.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::egress::{Denied, Gate};
use crate::text;

/// AWS waits this long for the whole exchange.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of an answer that are read; it is only looked at for an error text.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Most characters of an answer kept in an error text.
const ANSWER_SHOWN: usize = 200;
/// Longest wait a subscriber may ask for with `Retry-After`, seconds.
const RETRY_AFTER_MAX: u64 = 3600;

/// Where a POST goes: the URL without credentials, and the credentials it carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// URL without user information.
    pub uri: Uri,
    /// Host, without brackets.
    pub host: String,
    /// Port, the scheme's unless given.
    pub port: u16,
    /// Whether the scheme is https.
    pub tls: bool,
    authorization: Option<String>,
}

impl Endpoint {
    /// Reads an `http://` or `https://` URL; `user:password@` becomes Basic authentication.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "the URL is malformed".to_owned())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("the URL must start with http:// or https://".to_owned()),
        };
        let Some(authority) = uri.authority() else { return Err("the URL names no host".to_owned()) };
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        let given = place.strip_prefix(authority.host()).unwrap_or_default();
        let port = match (authority.port_u16(), given) {
            (Some(port), _) if port != 0 => port,
            (None, "") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err("the URL has a bad port".to_owned()),
        };
        let authorization = user.map(|user| {
            let plain: Vec<u8> = percent_decode_str(user).collect();
            format!("Basic {}", STANDARD.encode(plain))
        });
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let bare = format!("{}://{place}{path}", if tls { "https" } else { "http" });
        let uri = bare.parse().map_err(|_| "the URL is malformed".to_owned())?;
        Ok(Self { uri, host, port, tls, authorization })
    }
}

/// What a POST came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx answer.
    Accepted,
    /// Worth trying again: time-out, no connection, 5xx, 429.
    Retry {
        /// What happened; never the URL, which may hold a secret.
        error: String,
        /// Milliseconds the subscriber asked to wait.
        after_ms: Option<u64>,
    },
    /// Trying again cannot help: other statuses, a refused target, a bad URL.
    Permanent {
        /// What happened.
        error: String,
    },
}

/// A client whose every connection passes the gate.
#[derive(Clone)]
pub struct Poster {
    client: GatedClient,
    timeout: Duration,
}

/// Connections that pass the gate, with TLS where the URL says so.
pub(crate) type GatedClient = Client<HttpsConnector<Gate>, Full<Bytes>>;

/// A client that trusts the public roots and the PEM certificates in `extra_roots`.
/// The error says which part of the TLS set-up failed.
pub(crate) fn client(gate: Gate, extra_roots: &[String]) -> Result<GatedClient, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for pem in extra_roots {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|e| format!("a root certificate is no PEM: {e}"))?;
            roots.add(certificate).map_err(|e| format!("a root certificate is unusable: {e}"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(gate);
    // A connection per request: an idle one would outlive the judgement on its address.
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

/// The rules' refusal behind a failed request, if that is what it is; else what failed, innermost first.
pub(crate) fn cause(error: &hyper_util::client::legacy::Error) -> Result<Denied, String> {
    let mut cause = error.source();
    let mut last = error.to_string();
    while let Some(inner) = cause {
        // `io::Error::source` skips the error it wraps and gives that one's source.
        let denied = inner.downcast_ref::<Denied>().cloned().or_else(|| {
            let io = inner.downcast_ref::<std::io::Error>()?;
            io.get_ref()?.downcast_ref::<Denied>().cloned()
        });
        if let Some(denied) = denied {
            return Ok(denied);
        }
        last = inner.to_string();
        cause = inner.source();
    }
    Err(last)
}

impl Poster {
    /// A client that trusts the public roots and the PEM certificates in `extra_roots`.
    /// The error says which part of the TLS set-up failed.
    pub fn new(gate: Gate, extra_roots: &[String], timeout: Duration) -> Result<Self, String> {
        Ok(Self { client: client(gate, extra_roots)?, timeout })
    }

    /// Posts `body`. Header names and values must be valid; one that is not is a permanent failure.
    pub async fn post(&self, endpoint: &Endpoint, headers: &[(String, String)], body: Bytes) -> Outcome {
        let request = match build(endpoint, headers, body) {
            Ok(request) => request,
            Err(error) => return Outcome::Permanent { error },
        };
        let exchange = async {
            let response = self.client.request(request).await?;
            let (status, wait) = (response.status(), retry_after(&response));
            Ok((status, wait, read_answer(response).await))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Err(_) => {
                let error = format!("{} did not answer within {} s", endpoint.host, self.timeout.as_secs());
                Outcome::Retry { error, after_ms: None }
            }
            Ok(Err(error)) => failed(&endpoint.host, &error),
            Ok(Ok((status, wait, answer))) => answered(&endpoint.host, status, wait, &answer),
        }
    }
}

fn build(
    endpoint: &Endpoint,
    headers: &[(String, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.uri.clone();
    let map = request.headers_mut();
    for (name, value) in headers {
        let bad = || format!("the header {name} is malformed");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        map.insert(name.clone(), HeaderValue::from_str(value).map_err(|_| bad())?);
    }
    if let Some(authorization) = &endpoint.authorization {
        let mut value = HeaderValue::from_str(authorization).map_err(|_| "bad credentials".to_owned())?;
        value.set_sensitive(true);
        map.insert(AUTHORIZATION, value);
    }
    Ok(request)
}

fn retry_after<B>(response: &Response<B>) -> Option<u64> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<f64>().ok()?;
    let bounded = seconds.clamp(0.0, RETRY_AFTER_MAX as f64);
    // clamp() keeps NaN, and `as` turns it into 0.
    Some((bounded * 1000.0) as u64)
}

async fn read_answer(response: Response<hyper::body::Incoming>) -> String {
    let mut body = response.into_body();
    let mut read = Vec::new();
    while read.len() < ANSWER_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[][..], |d| &d[..])),
            Some(Err(_)) | None => break,
        }
    }
    read.truncate(ANSWER_BYTES_MAX);
    String::from_utf8_lossy(&read).into_owned()
}

fn answered(host: &str, status: StatusCode, wait: Option<u64>, answer: &str) -> Outcome {
    if status.is_success() {
        return Outcome::Accepted;
    }
    let shown = text::clip(text::one_line(answer).trim(), ANSWER_SHOWN);
    let mut error = format!("{host} answered {}", status.as_u16());
    if status.is_redirection() {
        error.push_str(" (redirects are not followed)");
    } else if !shown.is_empty() {
        error = format!("{error}: {shown}");
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Outcome::Retry { error, after_ms: wait }
    } else {
        Outcome::Permanent { error }
    }
}

/// A request that got no answer. A target the rules refuse stays refused; everything else may pass.
fn failed(host: &str, error: &hyper_util::client::legacy::Error) -> Outcome {
    match cause(error) {
        Ok(denied) => Outcome::Permanent { error: denied.to_string() },
        Err(last) => Outcome::Retry { error: format!("{host}: {last}"), after_ms: None },
    }
}

#[cfg(test)]
mod tests;
