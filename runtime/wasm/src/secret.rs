//! Secrets on their way out. Owns placeholders and putting values in their place. Refuses to know where values
//! come from. A placeholder holds for one call and cannot be guessed: text out of a log line that looks like
//! one is sent as it is, so nobody who writes logs can make a guest send a secret somewhere.

use bytes::Bytes;
use hyper::http::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Uri};
use sha2::{Digest, Sha256};

use crate::target::Target;
use crate::{Call, Secret};

/// What a placeholder begins with.
const OPEN: &str = "{{logboom-secret:";

/// The placeholder of a secret in this call.
pub(crate) fn placeholder(call: &Call, name: &str) -> String {
    let mut digest = Sha256::new();
    for part in ["logboom secret placeholder", &call.request_id, &call.function_name, name] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let nonce: String = digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{OPEN}{name}:{nonce}}}}}")
}

/// Values that were put into a request, and what stood in their place.
#[derive(Default)]
pub(crate) struct Used(Vec<(Vec<u8>, Vec<u8>)>);

impl Used {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the placeholders back where an answer repeats the values.
    pub(crate) fn hide(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.iter().fold(bytes.to_vec(), |bytes, (placeholder, value)| replaced(&bytes, value, placeholder))
    }
}

/// Puts the values of `secrets` (name and value) in place of their placeholders in URL, headers and body.
///
/// # Errors
/// A sentence that names a secret that must not go to this host, or does not fit where it stands; never its value.
pub(crate) fn place(
    request: &mut Request<Bytes>,
    call: &Call,
    secrets: &[(String, Secret)],
) -> Result<Used, String> {
    let mut used = Used::default();
    for (name, secret) in secrets {
        let placeholder = placeholder(call, name);
        if !holds(request, &placeholder) {
            continue;
        }
        if !secret.hosts.iter().any(|host| Target::parse(host).is_ok_and(|host| host.covers(request.uri()))) {
            let hosts = secret.hosts.join(", ");
            return Err(format!("secret {name} goes to its own hosts only ({hosts})"));
        }
        place_one(request, &placeholder, &secret.value)
            .map_err(|part| format!("secret {name} does not fit into the {part}"))?;
        used.0.push((placeholder.into_bytes(), secret.value.clone().into_bytes()));
    }
    Ok(used)
}

/// As it stands, and as clients write it into URLs.
fn spellings(placeholder: &str) -> [String; 3] {
    let braces = placeholder.replace('{', "%7B").replace('}', "%7D");
    let all = braces.replace(':', "%3A");
    [placeholder.to_owned(), braces, all]
}

fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

fn holds(request: &Request<Bytes>, placeholder: &str) -> bool {
    let path = path(request.uri());
    spellings(placeholder).iter().any(|spelling| path.contains(spelling.as_str()))
        || request.headers().values().any(|value| find(value.as_bytes(), placeholder.as_bytes()).is_some())
        || find(request.body(), placeholder.as_bytes()).is_some()
}

fn place_one(request: &mut Request<Bytes>, placeholder: &str, value: &str) -> Result<(), &'static str> {
    let path = path(request.uri());
    let placed = spellings(placeholder).iter().fold(path.to_owned(), |path, one| path.replace(one, value));
    if placed != path {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(placed.parse().map_err(|_| "URL")?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| "URL")?;
    }
    for header in request.headers_mut().values_mut() {
        if find(header.as_bytes(), placeholder.as_bytes()).is_some() {
            let placed = replaced(header.as_bytes(), placeholder.as_bytes(), value.as_bytes());
            *header = HeaderValue::from_bytes(&placed).map_err(|_| "header")?;
            header.set_sensitive(true);
        }
    }
    if find(request.body(), placeholder.as_bytes()).is_some() {
        let placed = replaced(request.body(), placeholder.as_bytes(), value.as_bytes());
        *request.body_mut() = Bytes::from(placed);
        // The guest counted the placeholder; the client counts anew.
        request.headers_mut().remove(hyper::header::CONTENT_LENGTH);
    }
    Ok(())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn replaced(text: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut rest, mut out) = (text, Vec::with_capacity(text.len()));
    while let Some(at) = find(rest, wanted) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + wanted.len()..];
    }
    out.extend_from_slice(rest);
    out
}
