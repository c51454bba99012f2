//! Owns reading certificates and keys from PEM files. Refuses to know who gave them.

use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Identity;

/// A file that is larger is not a certificate.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a chain, the server's own certificate first, and its key.
///
/// # Errors
/// A sentence that names the file and what is wrong with it.
pub(super) fn read(certificate: &Path, key: &Path) -> Result<Identity, String> {
    let chain = chain(certificate, &contents(certificate, "certificate")?)?;
    let text = contents(key, "private key")?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(&text) => {
            format!("the private key in {} is encrypted; logboom asks for no passphrase", key.display())
        }
        pem::Error::NoItemsFound => {
            format!("{} holds no private key (PEM: PKCS#8, PKCS#1 or SEC1)", key.display())
        }
        error => format!("{} is not a PEM file: {error}", key.display()),
    })?;
    Ok(Identity { chain, key })
}

/// The certificates of a PEM text, at least one.
pub(super) fn chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(format!("{} holds no certificate (PEM)", path.display())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("{} is not a PEM file: {error}", path.display())),
    }
}

fn contents(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    let failed =
        |error: std::io::Error| format!("cannot read the TLS {what} file {}: {error}", path.display());
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(format!("the TLS {what} file {} is larger than {FILE_BYTES_MAX} bytes", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}
