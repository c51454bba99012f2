//! Owns our own certificate authority in the data directory and the server certificate that it vouches for.
//! Refuses to know connections.
//!
//! `ca-key.pem` and `ca.pem` are made once and stay: clients keep `ca.pem`. `server.pem` (key and certificate, so that
//! the two cannot be of different age) is made again whenever it does not hold for all names for a month to come.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::{Identity, files, provider};
use crate::data_dir;

const DAY_MS: i64 = 86_400_000;
/// How long the authority holds.
const AUTHORITY_DAYS: i64 = 3_650;
/// How long a server certificate holds: no more than clients take (398 days).
const SERVER_DAYS: i64 = 397;
/// A server certificate that ends sooner is made again.
const RENEW_DAYS: i64 = 30;
/// Certificates hold from a day before they were made: clocks differ.
const EARLY_DAYS: i64 = 1;
/// What SDKs put before the host of a streaming operation.
const STREAMING: [&str; 2] = ["stream-", "streaming-"];

/// The file that clients are to trust.
pub(super) fn certificate_file(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// The names the server is reached by: this machine, the address it listens on, and `more`.
pub(super) fn names(listen: &str, more: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let listened = crate::doors::listen_address(listen).ok().map(|address| address.ip());
    names.extend(listened.filter(|address| !address.is_unspecified()).map(|address| address.to_string()));
    names.extend(more.iter().cloned());
    let hosts: Vec<String> = names.iter().filter(|name| name.parse::<IpAddr>().is_err()).cloned().collect();
    let streaming = |host: &String| STREAMING.map(|prefix| format!("{prefix}{host}"));
    names.extend(hosts.iter().filter(|host| !host.starts_with('*')).flat_map(streaming));
    names.sort();
    names.dedup();
    names
}

/// The server's certificate for these names, from the folder or new.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn identity(folder: &Path, names: &[String], now_ms: i64) -> Result<Identity, String> {
    data_dir::make_private(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let authority = Authority::load_or_make(folder, now_ms)?;
    let path = folder.join("server.pem");
    if let Some(identity) = authority.usable(&path, names, now_ms)? {
        return Ok(identity);
    }
    let pem = authority.issue(names, now_ms).map_err(|error| unusable_name(names, &error))?;
    write(&path, &pem, 0o600)?;
    if let Some(made) = authority.usable(&path, names, now_ms)? {
        return Ok(made);
    }
    let refused =
        |name: &&String| matches!(authority.usable(&path, std::slice::from_ref(*name), now_ms), Ok(None));
    let refused: Vec<&str> = names.iter().filter(refused).map(String::as_str).collect();
    // Where it holds for some of the names, the others are none that a client takes a certificate for.
    if refused.len() < names.len() {
        let wanted = "a name is a host name, an IP address, or `*.` before a domain of two labels or more";
        return Err(format!("no client takes a certificate for {}: {wanted}", refused.join(", ")));
    }
    let (certificate, key) = (certificate_file(folder), key_file(folder));
    Err(format!("{} is not the certificate of the key in {}", certificate.display(), key.display()))
}

/// A name as a client asks for it: under a wildcard, one that the wildcard stands for.
fn asked(name: &str) -> String {
    name.strip_prefix("*.").map_or_else(|| name.to_owned(), |domain| format!("any.{domain}"))
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("ca-key.pem")
}

fn unusable_name(names: &[String], error: &rcgen::Error) -> String {
    format!("no certificate can be made for {}: {error}", names.join(", "))
}

/// The authority: its certificate as clients have it, and its key.
struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    fn load_or_make(folder: &Path, now_ms: i64) -> Result<Authority, String> {
        let (key_path, path) = (key_file(folder), certificate_file(folder));
        let key = match read(&key_path)? {
            Some(text) => KeyPair::from_pem(&text)
                .map_err(|error| format!("{} is not a private key: {error}", key_path.display()))?,
            None if path.exists() => {
                return Err(format!(
                    "{} is missing and {} is there: put the key back, or remove the certificate too for a new \
                     authority, which every client must then be given",
                    key_path.display(),
                    path.display()
                ));
            }
            None => {
                let key = KeyPair::generate().map_err(|error| format!("no key can be made: {error}"))?;
                write(&key_path, &key.serialize_pem(), 0o600)?;
                key
            }
        };
        let pem = match read(&path)? {
            Some(text) => text,
            None => {
                let made = authority_params(&key, now_ms).self_signed(&key);
                let made = made.map_err(|error| format!("no authority can be made: {error}"))?.pem();
                write(&path, &made, 0o644)?;
                made
            }
        };
        let certificate = files::chain(&path, pem.as_bytes())?.swap_remove(0);
        Ok(Authority { certificate, key })
    }

    /// The identity in a file, if there is one that clients of this authority will take under each of the names, now
    /// and for a while.
    fn usable(&self, path: &Path, names: &[String], now_ms: i64) -> Result<Option<Identity>, String> {
        let Some(text) = read(path)? else { return Ok(None) };
        let parsed = (files::chain(path, text.as_bytes()), PrivateKeyDer::from_pem_slice(text.as_bytes()));
        // What cannot be read is made again: it is ours, and holds nothing else.
        let (Ok(chain), Ok(key)) = parsed else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        let holds = roots.add(self.certificate.clone()).is_ok() && {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok();
            let times = [now_ms, now_ms + RENEW_DAYS * DAY_MS].map(at);
            verifier.is_some_and(|verifier| {
                names.iter().all(|name| {
                    let Ok(name) = ServerName::try_from(asked(name)) else { return false };
                    times.iter().all(|time| {
                        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], *time).is_ok()
                    })
                })
            })
        };
        Ok(holds.then_some(Identity { chain, key }))
    }

    /// A key and a certificate for these names, PEM.
    fn issue(&self, names: &[String], now_ms: i64) -> Result<String, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        hold(&mut params, now_ms, SERVER_DAYS);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Logboom");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority_params(&self.key, now_ms), &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }
}

/// What an authority's certificate says. All but the dates follows from its key, so that the file need not be parsed
/// to sign in its name.
fn authority_params(key: &KeyPair, now_ms: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    hold(&mut params, now_ms, AUTHORITY_DAYS);
    let digest = Sha256::digest(key.subject_public_key_info());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Logboom local CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn at(ms: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// Sets how long a certificate holds, in whole days.
fn hold(params: &mut CertificateParams, now_ms: i64, days: i64) {
    let day = |ms| {
        let date = DateTime::from_timestamp_millis(ms).unwrap_or_default();
        let part = |number: u32| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(date.year(), part(date.month()), part(date.day()))
    };
    params.not_before = day(now_ms - EARLY_DAYS * DAY_MS);
    params.not_after = day(now_ms + days * DAY_MS);
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    data_dir::keep(path, text.as_bytes(), mode)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
