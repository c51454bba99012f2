//! Owns which servers the command line trusts over https. Refuses to know requests.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::Endpoint;

/// A connector that trusts the endpoint's file, else `AWS_CA_BUNDLE`'s, else the public authorities.
///
/// # Errors
/// A sentence that names the file.
pub(super) fn connector(endpoint: &Endpoint) -> Result<HttpsConnector<HttpConnector>, String> {
    let bundle = || std::env::var_os("AWS_CA_BUNDLE").filter(|file| !file.is_empty()).map(PathBuf::from);
    // A file that is not needed is not read.
    let file =
        if endpoint.endpoint.starts_with("https:") { endpoint.ca_file.clone().or_else(bundle) } else { None };
    let mut roots = RootCertStore::empty();
    match file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let failed = |reason: &dyn std::fmt::Display| {
                format!("cannot use {} as the certificates to trust: {reason}", file.display())
            };
            let text = std::fs::read(&file).map_err(|error| failed(&error))?;
            let certificates: Result<Vec<CertificateDer<'_>>, _> =
                CertificateDer::pem_slice_iter(&text).collect();
            let certificates = certificates.map_err(|error| failed(&error))?;
            if certificates.is_empty() {
                return Err(failed(&"it holds none (PEM)"));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
}

/// What to say where a call failed because of TLS.
pub(super) fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    match cause(error)? {
        rustls::Error::InvalidCertificate(reason) => Some(format!(
            "the server's certificate is not trusted ({reason}); --ca-file names the authority to trust \
             (`logboom serve --tls-self-signed` prints where its own is)"
        )),
        rustls::Error::InvalidMessage(_) => {
            Some("the server does not speak TLS; is it an http:// address?".to_owned())
        }
        other => Some(format!("TLS failed: {other}")),
    }
}

/// The TLS error among the causes. An I/O error that wraps another counts that one's causes, not itself, among its own.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.and_then(|inner| cause(inner)).or_else(|| cause(error.source()?))
}
