//! AWS Signature Version 4: credential scopes, and the check of signed and presigned requests. Knows the
//! algorithm and AWS's error texts; secrets and the time come from the caller.

mod signer;

use hmac::{Hmac, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::fault::Fault;
use crate::model::Service;
use crate::request::Request;
use crate::target::{Protocol, Target};
use crate::timestamp;

pub use signer::Signer;

/// How far a request's time may be from the server's, in milliseconds.
pub const MAX_SKEW_MS: i64 = 15 * 60 * 1000;

/// The longest validity of a presigned URL, in seconds.
const MAX_EXPIRES_SECONDS: i64 = 7 * 24 * 3600;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The credential scope of a request: claimed, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access key id.
    pub access_key: String,
    /// `YYYYMMDD`.
    pub date: String,
    /// The region, which is the region of every resource the request speaks of.
    pub region: String,
    /// The signing name, such as `logs` or `monitoring`.
    pub service: String,
}

impl Credential {
    /// The credential in the Authorization header or in a presigned query, where one parses.
    pub fn of(request: &Request) -> Option<Credential> {
        match request.header("authorization") {
            Some(header) => Authorization::from_header(header).ok().map(|parsed| parsed.credential),
            None => Credential::parse(&query_parameter(request, "X-Amz-Credential")?),
        }
    }

    fn parse(text: &str) -> Option<Credential> {
        // An access key id has no slash, so the five parts are what they seem.
        let mut parts = text.split('/');
        let credential = Credential {
            access_key: parts.next()?.to_owned(),
            date: parts.next()?.to_owned(),
            region: parts.next()?.to_owned(),
            service: parts.next()?.to_owned(),
        };
        let whole = parts.next() == Some("aws4_request") && parts.next().is_none();
        let dated = credential.date.len() == 8 && credential.date.bytes().all(|byte| byte.is_ascii_digit());
        let filled = [&credential.access_key, &credential.region, &credential.service];
        (whole && dated && filled.iter().all(|part| !part.is_empty())).then_some(credential)
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

struct Authorization {
    credential: Credential,
    signed_headers: Vec<String>,
    signature: String,
}

impl Authorization {
    /// Parses `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`, or says what is missing.
    fn from_header(header: &str) -> Result<Authorization, String> {
        let Some(rest) = header.trim().strip_prefix(ALGORITHM) else {
            return Err(format!(
                "Unsupported AWS 'algorithm': the Authorization header must begin with {ALGORITHM}."
            ));
        };
        let part = |name: &str| {
            rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::trim)
        };
        let (credential, headers, signature) = (part("Credential"), part("SignedHeaders"), part("Signature"));
        let mut missing = String::new();
        for (name, value) in
            [("Credential", credential), ("Signature", signature), ("SignedHeaders", headers)]
        {
            if value.is_none_or(str::is_empty) {
                missing.push_str(&format!("Authorization header requires '{name}' parameter. "));
            }
        }
        let (Some(credential), Some(headers), Some(signature), true) =
            (credential, headers, signature, missing.is_empty())
        else {
            return Err(missing.trim_end().to_owned());
        };
        Authorization::new(credential, headers, signature)
    }

    fn new(credential: &str, headers: &str, signature: &str) -> Result<Authorization, String> {
        let Some(credential) = Credential::parse(credential) else {
            return Err(format!(
                "Credential must have 5 parts, 'key/date/region/service/aws4_request': {credential}"
            ));
        };
        let signed_headers = headers.split(';').map(str::to_ascii_lowercase).collect();
        Ok(Authorization { credential, signed_headers, signature: signature.to_owned() })
    }
}

/// Checks the signature of a request. `secret` gives the secret of an access key id.
///
/// Any set of signed headers will do as long as `host` is among them. Presigned URLs count for GET alone.
/// The body is hashed as received; `UNSIGNED-PAYLOAD` is taken as it is.
///
/// # Errors
/// The service's own error for a missing, malformed, unknown, expired or wrong signature.
pub fn verify(
    request: &Request,
    target: &Target,
    secret: impl FnOnce(&str) -> Option<String>,
    now_ms: i64,
) -> Result<Credential, Fault> {
    let refusal = Refusal { service: target.service, protocol: target.protocol };
    let (parsed, time, presigned) = match request.header("authorization") {
        Some(header) => {
            let parsed = Authorization::from_header(header).map_err(|text| refusal.incomplete(text))?;
            let time = header_time(request).ok_or_else(|| {
                refusal.incomplete(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                        .to_owned(),
                )
            })?;
            (parsed, time, false)
        }
        None if query_parameter(request, "X-Amz-Algorithm").is_some() => {
            let parsed = presigned_authorization(request).map_err(|text| refusal.incomplete(text))?;
            let time = query_parameter(request, "X-Amz-Date").and_then(|text| timestamp::parse_basic(&text));
            (
                parsed,
                time.ok_or_else(|| refusal.incomplete("X-Amz-Date is missing or malformed.".to_owned()))?,
                true,
            )
        }
        None => return Err(refusal.missing()),
    };
    let credential = &parsed.credential;
    if credential.service != target.service.signing_name() {
        let name = target.service.signing_name();
        return Err(refusal.mismatch(format!("Credential should be scoped to correct service: '{name}'.")));
    }
    let stamp = timestamp::basic(time);
    if !stamp.starts_with(&credential.date) {
        let message = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{stamp}'.",
            credential.date
        );
        return Err(refusal.mismatch(message));
    }
    check_time(request, presigned, time, now_ms).map_err(|text| refusal.mismatch(text))?;
    let Some(secret) = secret(&credential.access_key) else { return Err(refusal.unknown_key()) };
    let canonical = canonical_request(request, &parsed, presigned).map_err(|text| refusal.mismatch(text))?;
    let expected = signature(&secret, credential, &stamp, &canonical);
    if bool::from(expected.as_bytes().ct_eq(parsed.signature.as_bytes())) {
        return Ok(parsed.credential);
    }
    Err(refusal.mismatch(
        "The request signature we calculated does not match the signature you provided. Check your AWS \
         Secret Access Key and signing method. Consult the service documentation for details."
            .to_owned(),
    ))
}

fn presigned_authorization(request: &Request) -> Result<Authorization, String> {
    if request.method != "GET" {
        return Err("A presigned URL is accepted for GET alone.".to_owned());
    }
    let parameter = |name: &str| {
        query_parameter(request, name)
            .ok_or_else(|| format!("The presigned URL requires the parameter {name}."))
    };
    if parameter("X-Amz-Algorithm")? != ALGORITHM {
        return Err(format!("X-Amz-Algorithm only supports {ALGORITHM}."));
    }
    Authorization::new(
        &parameter("X-Amz-Credential")?,
        &parameter("X-Amz-SignedHeaders")?,
        &parameter("X-Amz-Signature")?,
    )
}

fn header_time(request: &Request) -> Option<i64> {
    match request.header("x-amz-date") {
        Some(text) => timestamp::parse_basic(text.trim()),
        None => {
            let text = request.header("date")?.trim();
            timestamp::parse_basic(text)
                .or_else(|| timestamp::parse(text).map(|seconds| (seconds * 1000.0) as i64))
        }
    }
}

fn check_time(request: &Request, presigned: bool, time: i64, now_ms: i64) -> Result<(), String> {
    let (stamp, now) = (timestamp::basic(time), timestamp::basic(now_ms));
    if time > now_ms.saturating_add(MAX_SKEW_MS) {
        let edge = timestamp::basic(now_ms.saturating_add(MAX_SKEW_MS));
        return Err(format!(
            "Signature not yet current: {stamp} is still later than {edge} ({now} + 15 min.)"
        ));
    }
    if presigned {
        let expires: Option<i64> =
            query_parameter(request, "X-Amz-Expires").and_then(|text| text.parse().ok());
        let Some(seconds) = expires.filter(|seconds| (1..=MAX_EXPIRES_SECONDS).contains(seconds)) else {
            return Err(format!(
                "X-Amz-Expires must be a number of seconds from 1 to {MAX_EXPIRES_SECONDS}."
            ));
        };
        if now_ms > time.saturating_add(seconds * 1000) {
            return Err(format!(
                "Signature expired: {stamp} is now earlier than {now} ({seconds} s of validity)"
            ));
        }
        return Ok(());
    }
    if time < now_ms.saturating_sub(MAX_SKEW_MS) {
        let edge = timestamp::basic(now_ms.saturating_sub(MAX_SKEW_MS));
        return Err(format!("Signature expired: {stamp} is now earlier than {edge} ({now} - 15 min.)"));
    }
    Ok(())
}

fn canonical_request(request: &Request, parsed: &Authorization, presigned: bool) -> Result<String, String> {
    if !parsed.signed_headers.iter().any(|name| name == "host") {
        return Err("'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned());
    }
    let mut headers = String::new();
    for name in &parsed.signed_headers {
        let values: Vec<String> = request
            .headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| collapsed(value))
            .collect();
        if values.is_empty() {
            return Err(format!("'{name}' is a 'SignedHeader' but not in the request."));
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let payload = match request.header("x-amz-content-sha256") {
        Some("UNSIGNED-PAYLOAD") => "UNSIGNED-PAYLOAD".to_owned(),
        claimed => {
            let actual = hex(&Sha256::digest(&request.body));
            if claimed.is_some_and(|claimed| !claimed.eq_ignore_ascii_case(&actual)) {
                return Err("The value of x-amz-content-sha256 is not the SHA-256 of the body.".to_owned());
            }
            actual
        }
    };
    let names = parsed.signed_headers.join(";");
    let path = encoded(&normalized(request.path()), true);
    let query = canonical_query(request.query(), presigned);
    Ok(format!("{}\n{path}\n{query}\n{headers}\n{names}\n{payload}", request.method))
}

/// Surrounding white space cut, runs of spaces made one.
fn collapsed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path without empty, `.` and `..` segments; a trailing slash stays.
fn normalized(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn canonical_query(query: &str, presigned: bool) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (reencoded(name), reencoded(value)))
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn reencoded(text: &str) -> String {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    encoded_bytes(&bytes, false)
}

fn encoded(text: &str, keep_slash: bool) -> String {
    encoded_bytes(text.as_bytes(), keep_slash)
}

/// AWS's percent-encoding: everything but the unreserved characters, hex digits in upper case.
fn encoded_bytes(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn query_parameter(request: &Request, name: &str) -> Option<String> {
    request.query().split('&').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key == name).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

fn signature(secret: &str, credential: &Credential, stamp: &str, canonical: &str) -> String {
    let mut key = hmac(format!("AWS4{secret}").as_bytes(), credential.date.as_bytes());
    for part in [credential.region.as_str(), credential.service.as_str(), "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("{ALGORITHM}\n{stamp}\n{}\n{digest}", credential.scope());
    hex(&hmac(&key, text.as_bytes()))
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // Invariant: HMAC takes keys of any length.
    #[allow(clippy::expect_used)]
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same refusal has other names in the query services, and other statuses in JSON ones.
struct Refusal {
    service: Service,
    protocol: Protocol,
}

impl Refusal {
    fn fault(&self, json: &str, query: &str, message: String) -> Fault {
        let xml = matches!(self.service, Service::Sns | Service::Sts) || self.protocol == Protocol::Query;
        let status = if xml || self.service.is_rest() { 403 } else { 400 };
        Fault::new(if xml { query } else { json }, message).status(status)
    }

    fn missing(&self) -> Fault {
        let message = if self.service.is_rest() {
            "Missing Authentication Token"
        } else {
            "Request is missing Authentication Token"
        };
        self.fault("MissingAuthenticationTokenException", "MissingAuthenticationToken", message.to_owned())
    }

    fn incomplete(&self, message: String) -> Fault {
        self.fault("IncompleteSignatureException", "IncompleteSignature", message)
    }

    fn unknown_key(&self) -> Fault {
        let message = "The security token included in the request is invalid.".to_owned();
        self.fault("UnrecognizedClientException", "InvalidClientTokenId", message)
    }

    fn mismatch(&self, message: String) -> Fault {
        self.fault("InvalidSignatureException", "SignatureDoesNotMatch", message)
    }
}

#[cfg(test)]
mod tests;
