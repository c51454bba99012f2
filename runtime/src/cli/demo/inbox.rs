//! The demo's webhook inbox: an HTTP server on loopback that keeps what is posted to it.
//!
//! Owns one listener for the life of the demo. Refuses to know what a message means.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A message larger than this is none of ours.
const BODY_BYTES_MAX: usize = 1 << 20;
const KEPT_MAX: usize = 64;

/// A running inbox.
pub(super) struct Inbox {
    /// Where webhooks are to be posted.
    pub(super) url: String,
    messages: mpsc::Receiver<String>,
}

impl Inbox {
    /// Starts listening on a free port of 127.0.0.1.
    pub(super) async fn open() -> std::io::Result<Inbox> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}/inbox", listener.local_addr()?);
        let (sender, messages) = mpsc::channel(KEPT_MAX);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request| keep(request, sender.clone()));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Inbox { url, messages })
    }

    /// The next message, or nothing after `seconds`.
    pub(super) async fn next(&mut self, seconds: u64) -> Option<String> {
        tokio::time::timeout(Duration::from_secs(seconds), self.messages.recv()).await.ok().flatten()
    }
}

async fn keep(
    request: Request<Incoming>,
    sender: mpsc::Sender<String>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    if let Ok(body) = body {
        // Nobody waits any more once the story is told: then the message is dropped.
        let _ = sender.try_send(String::from_utf8_lossy(&body.to_bytes()).into_owned());
    }
    Ok(Response::new(Full::new(Bytes::new())))
}
