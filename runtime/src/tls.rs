//! Owns the TLS side of the listener: which certificate is shown, how long a handshake may take, and reading the
//! files anew. Refuses to know HTTP.
//!
//! With TLS on, the one port takes TLS connections; a plain one is recognised by its first byte, so that it can be
//! told what is wrong in words.

mod authority;
mod files;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::clock::Clock;
use crate::config::Config;

/// How long a client may take from connecting to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The first byte of a TLS connection: a record that carries a handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// A certificate with those that vouch for it, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Where the identity comes from.
enum Origin {
    /// Files of the user.
    Given { certificate: PathBuf, key: PathBuf },
    /// Our own authority in this folder, for these names.
    Own { folder: PathBuf, names: Vec<String> },
}

/// The TLS side of the listener.
pub(crate) struct Tls {
    origin: Origin,
    clock: Clock,
    current: RwLock<Arc<ServerConfig>>,
}

/// A connection after its first bytes.
pub(crate) enum Opened {
    /// The handshake succeeded.
    Secure(Box<TlsStream<TcpStream>>),
    /// The client does not speak TLS.
    Plain(TcpStream),
}

impl Tls {
    /// Reads or makes what the configuration asks for; `None` when it asks for no TLS. `folder` is where our own
    /// authority is kept.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub(crate) fn new(config: &Config, clock: &Clock, folder: &Path) -> Result<Option<Tls>, String> {
        let tls = &config.tls;
        let origin = match (&tls.cert, &tls.key) {
            (Some(certificate), Some(key)) => {
                Origin::Given { certificate: certificate.clone(), key: key.clone() }
            }
            _ if tls.self_signed => {
                let names = authority::names(&config.listen, &tls.names);
                Origin::Own { folder: folder.to_owned(), names }
            }
            _ => return Ok(None),
        };
        let current = RwLock::new(server_config(&origin, clock)?);
        Ok(Some(Tls { origin, clock: clock.clone(), current }))
    }

    /// Reads the files again; connections from now on get what they hold. Our own certificate is renewed when it is
    /// near its end.
    ///
    /// # Errors
    /// A sentence; the certificate that was shown before is shown further.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let fresh = server_config(&self.origin, &self.clock)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The file of our own authority's certificate, which clients are to trust.
    pub(crate) fn authority_file(&self) -> Option<PathBuf> {
        match &self.origin {
            Origin::Given { .. } => None,
            Origin::Own { folder, .. } => {
                let file = authority::certificate_file(folder);
                Some(std::path::absolute(&file).unwrap_or(file))
            }
        }
    }

    /// Takes a connection in: the handshake, or the finding that the client does not begin one.
    ///
    /// # Errors
    /// A sentence for the trace; the connection is over.
    pub(crate) async fn open(&self, stream: TcpStream) -> Result<Opened, String> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let opening = async {
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1) if first[0] != HANDSHAKE_RECORD => return Ok(Opened::Plain(stream)),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
            let secure = TlsAcceptor::from(config).accept(stream).await;
            secure.map(|stream| Opened::Secure(Box::new(stream))).map_err(|error| error.to_string())
        };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, Box::pin(opening)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no handshake within {} s", HANDSHAKE_TIMEOUT.as_secs())),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server_config(origin: &Origin, clock: &Clock) -> Result<Arc<ServerConfig>, String> {
    match origin {
        Origin::Given { certificate, key } => {
            let identity = files::read(certificate, key)?;
            configured(identity).map_err(|error| refused(certificate, key, &error))
        }
        Origin::Own { folder, names } => {
            let identity = authority::identity(folder, names, clock.outside_ms())?;
            configured(identity).map_err(|error| format!("the certificate made for this server: {error}"))
        }
    }
}

fn configured(identity: Identity) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(identity.chain, identity.key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Shippers connect often: a resumed session spares both sides the signature.
    config.ticketer = ring::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// Says which of two given files is wrong.
fn refused(certificate: &Path, key: &Path, error: &Error) -> String {
    let (certificate, key) = (certificate.display(), key.display());
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("the key in {key} is not the key of the certificate in {certificate}")
        }
        Error::General(reason) => format!("the private key in {key} cannot be used: {reason}"),
        Error::InvalidCertificate(reason) => {
            format!("the first certificate in {certificate} cannot be used: {reason}")
        }
        other => format!("the certificate in {certificate} and the key in {key} cannot be used: {other}"),
    }
}

#[cfg(test)]
mod tests;
