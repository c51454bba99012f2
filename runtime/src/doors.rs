//! Owns who may come in: hosts, origins, the listener's address, credentials. Refuses to know what a request
//! asks for beyond its service and operation.
//!
//! Open mode (no keys configured) is for programs on this machine, not for web pages that its user visits:
//! the Host must be loopback (a rebound DNS name is not), any Origin is refused, and an AWS operation needs
//! an Authorization header that parses, which a page cannot send without asking first.

use std::net::{IpAddr, SocketAddr};

use access::{Context, Identity, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use ring::hmac;
use serde_json::Value;
use wire::{Credential, Fault, Request, Service, Target};

use crate::api::{self, Caller};
use crate::app::App;
use crate::config::{Config, is_account};
use crate::own;
use crate::server::{Body, plain};

/// What the SDKs put before the host for streaming operations.
const STREAM_PREFIXES: [&str; 2] = ["streaming-", "stream-"];

/// Refuses a listener that would be open to the network.
///
/// # Errors
/// A sentence that says what to do.
pub(crate) fn check_listener(config: &Config, virtual_clock: bool) -> Result<(), String> {
    let listen = &config.listen;
    let address = listen_address(listen)?;
    if address.ip().is_loopback() {
        return Ok(());
    }
    if config.keys.is_empty() {
        return Err(format!(
            "listening on {listen} would let anybody on the network in: configure access keys \
             (LOGBOOM_KEYS=id:secret or [[keys]] in --config) or listen on 127.0.0.1"
        ));
    }
    let switches = [(virtual_clock, "--clock virtual"), (config.allow_reset, "--allow-reset")];
    match switches.into_iter().find(|(on, _)| *on) {
        Some((_, switch)) => Err(format!("{switch} is for tests: it needs a loopback address, not {listen}")),
        None => Ok(()),
    }
}

/// The address of the `listen` setting; `localhost` is understood.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn listen_address(listen: &str) -> Result<SocketAddr, String> {
    let numeric = match listen.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => listen.to_owned(),
    };
    numeric.parse().map_err(|_| format!("{listen:?} is not an address to listen on (like 127.0.0.1:4586)"))
}

/// Refuses what a browser would send on behalf of a web page. `open`: no keys are configured.
///
/// # Errors
/// A sentence for the client.
pub(crate) fn check_browser(headers: &HeaderMap, open: bool) -> Result<(), String> {
    if headers.contains_key(ORIGIN) {
        return Err("requests from web pages (with an Origin header) are refused".to_owned());
    }
    if !open {
        return Ok(());
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or("");
    if hosts.next().is_some() || !is_loopback_host(host) {
        return Err(format!(
            "the Host header {host:?} is not this machine: without access keys only loopback names are served"
        ));
    }
    Ok(())
}

/// A request whose credential was accepted.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Who it is.
    pub(crate) identity: Identity,
    /// Region of the credential scope.
    pub(crate) region: String,
}

/// Longest access key id (IAM: 16 to 128 characters; shorter ones are in use with emulators).
const ACCESS_KEY_CHARS_MAX: usize = 128;

/// Longest region name.
const REGION_CHARS_MAX: usize = 32;

/// Where access keys are configured: refuses who wants to read what the process says about itself without one. Like
/// the own operations it is of every account, so keys with policies do not open it. Prometheus cannot sign: it sends
/// the key as user and secret as password of basic authentication.
///
/// # Errors
/// Status and sentence.
pub(crate) fn admit_observer(app: &App, head: &Parts) -> Result<(), (StatusCode, String)> {
    if app.is_open() {
        return Ok(());
    }
    let text = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(encoded) = text.strip_prefix("Basic ") else {
        return match own::check_door(app, head, &Bytes::new(), Service::CloudWatch, "ReadTelemetry") {
            Err((StatusCode::FORBIDDEN, _)) if text.is_empty() => {
                let needed = "an access key is needed: as user and password, or as a signature";
                Err((StatusCode::UNAUTHORIZED, needed.to_owned()))
            }
            checked => checked,
        };
    };
    let decoded = BASE64.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|pair| pair.split_once(':'));
    let identity = pair.and_then(|(id, secret)| {
        let wanted = app.keys.secret(id)?;
        is_same(secret, wanted).then(|| app.keys.identity(id)).flatten()
    });
    match identity {
        None => Err((StatusCode::UNAUTHORIZED, "the access key or its secret is wrong".to_owned())),
        Some(identity) if !identity.policies.is_empty() => {
            Err((StatusCode::FORBIDDEN, format!("{} may not read this: its key has policies", identity.arn)))
        }
        Some(_) => Ok(()),
    }
}

/// Compares secrets in a time that does not tell where they differ.
fn is_same(given: &str, wanted: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"comparison");
    hmac::verify(&key, given.as_bytes(), hmac::sign(&key, wanted.as_bytes()).as_ref()).is_ok()
}

/// A refusal; one for want of a key says which kind of key is understood.
pub(crate) fn challenged(status: StatusCode, reason: String) -> Response<Body> {
    let mut answer = plain(status, reason);
    if status == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"logboom\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, realm);
    }
    answer
}

/// Checks the credential of a request for an AWS operation: with keys its signature, in open mode only that
/// an Authorization header is there and parses (a presigned URL is what an image tag can send).
///
/// # Errors
/// The service's own fault for missing, malformed, unknown or wrong credentials.
pub(crate) fn admit(app: &App, target: &Target, request: &Request) -> Result<Admitted, Fault> {
    let now_ms = app.clock.now_ms();
    if !app.is_open() {
        let credential =
            wire::sign::verify(request, target, |id| app.keys.secret(id).map(str::to_owned), now_ms)?;
        check_scope(target, &credential)?;
        let identity = app.keys.identity(&credential.access_key).cloned();
        let identity =
            identity.ok_or_else(|| Fault::access_denied(target.service, "The access key is gone."))?;
        return Ok(Admitted { identity, region: credential.region });
    }
    let credential = target.credential.clone().filter(|_| request.header("authorization").is_some());
    let credential = match credential {
        Some(credential) => credential,
        // The check of a signature says best what is missing; without keys it accepts nothing.
        None => {
            let unsigned = Request { uri: request.path().to_owned(), ..request.clone() };
            wire::sign::verify(&unsigned, target, |_| None, now_ms)?
        }
    };
    check_scope(target, &credential)?;
    let key = credential.access_key.as_str();
    let account = if is_account(key) { key } else { app.config.account.as_str() };
    let mut identity = Identity::administrator(account, "root", key);
    identity.arn = format!("arn:aws:iam::{account}:root");
    Ok(Admitted { identity, region: credential.region })
}

/// Region and key id become parts of ARNs and records, so they are names, not any text.
fn check_scope(target: &Target, credential: &Credential) -> Result<(), Fault> {
    let Credential { access_key, region, .. } = credential;
    let region_is_name =
        region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !region_is_name || region.len() > REGION_CHARS_MAX {
        let text = "The region in the credential scope is not a region name.";
        return Err(Fault::access_denied(target.service, text).status(403));
    }
    if access_key.len() > ACCESS_KEY_CHARS_MAX || !access_key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = "The access key id in the credential is malformed.";
        return Err(Fault::access_denied(target.service, text).status(403));
    }
    Ok(())
}

/// Asks the policies of the caller's key whether it may do this.
///
/// # Errors
/// The service's access-denied fault.
pub(crate) fn authorize(caller: &Caller, target: &Target, input: &Value) -> Result<(), Fault> {
    let identity = &caller.identity;
    if identity.policies.is_empty() {
        return Ok(());
    }
    let scope = Scope { account: &identity.account, region: &caller.region };
    let needs = api::needs(&scope, target.service, &target.operation, input);
    let context = Context::new()
        .with("aws:SourceIp", caller.source.to_string())
        .with("aws:RequestedRegion", caller.region.as_str())
        .with("aws:username", identity.name.as_str())
        .with("aws:SecureTransport", if caller.secure { "true" } else { "false" });
    let allowed = access::authorize(identity, &needs, &context);
    allowed.map_err(|refusal| Fault::access_denied(target.service, refusal.to_string()))
}

fn is_loopback_host(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let host = STREAM_PREFIXES.iter().find_map(|prefix| host.strip_prefix(prefix)).unwrap_or(&host);
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => address,
        Some((address, port)) if is_port(port.strip_prefix(':')) => address,
        Some(_) => return false,
        None => match host.split_once(':') {
            Some((name, port)) if is_port(Some(port)) => name,
            Some(_) => return false,
            None => host,
        },
    };
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn is_port(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_hosts_of_open_mode() {
        let good = "127.0.0.1 127.0.0.1:4586 localhost LOCALHOST:1 stream-127.0.0.1:80 streaming-localhost \
                    [::1] [::1]:4586 logs.localhost 127.8.9.1";
        for host in good.split_whitespace() {
            assert!(is_loopback_host(host), "{host}");
        }
        let bad = "example.org 10.0.0.1 127.0.0.1.example.org localhost.example.org stream-example.org \
                   [::1]x [::2] 127.0.0.1:x 127.0.0.1:99999 evil@localhost 0.0.0.0 streamlocalhost";
        for host in bad.split_whitespace().chain([""]) {
            assert!(!is_loopback_host(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_refused_with_keys_too() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let parse = |(name, value): &(&'static str, &'static str)| {
                (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap())
            };
            pairs.iter().map(parse).collect::<HeaderMap>()
        };
        let page = headers(&[("host", "localhost"), ("origin", "http://localhost:3000")]);
        assert!(check_browser(&page, true).is_err() && check_browser(&page, false).is_err());
        assert!(check_browser(&headers(&[("host", "example.org")]), true).is_err());
        assert!(check_browser(&headers(&[("host", "example.org")]), false).is_ok());
        assert!(check_browser(&headers(&[]), true).is_err());
        assert!(check_browser(&headers(&[("host", "localhost:4586")]), true).is_ok());
    }

    #[test]
    fn a_listener_on_the_network_needs_keys_and_has_no_test_switches() {
        let mut config = Config { listen: "0.0.0.0:0".to_owned(), ..Config::default() };
        assert!(check_listener(&config, false).unwrap_err().contains("LOGBOOM_KEYS"));
        let file = "[[keys]]\nid = 'a'\nsecret = 'b'";
        config.keys = toml::from_str::<Config>(file).unwrap().keys;
        assert_eq!(check_listener(&config, false), Ok(()));
        assert!(check_listener(&config, true).unwrap_err().contains("--clock virtual"));
        config.allow_reset = true;
        assert!(check_listener(&config, false).unwrap_err().contains("--allow-reset"));
        config.listen = "localhost:0".to_owned();
        assert_eq!(check_listener(&config, true), Ok(()));
        config.listen = "nonsense".to_owned();
        assert!(check_listener(&config, false).is_err());
    }
}
