//! Owns the listener, connections, body limits and the graceful end. Refuses to know operations: `doors`
//! decides who comes in, `own` and `api` answer.

mod body;
mod stall;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::app::App;
use crate::tls::Opened;
use crate::{api, doors, own, telemetry};
use body::Bodies;
pub(crate) use body::Taken;
use stall::Stalling;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head, which is also the largest buffer of a connection.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long a request may go on arriving, or its answer leaving, once the server is stopping.
const END_GRACE: Duration = Duration::from_secs(3);

/// Pause after the system refused a connection (out of descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every answer's body is.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A bound listener that is not accepting yet.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    app: Arc<App>,
    bodies: Bodies,
}

impl Server {
    /// Binds the configured address; port 0 takes a free one.
    ///
    /// # Errors
    /// A sentence that names the address.
    pub(crate) async fn bind(app: Arc<App>) -> Result<Server, String> {
        let listen = &app.config.listen;
        let wanted = doors::listen_address(listen)?;
        let failed = |error: std::io::Error| format!("cannot listen on {listen}: {error}");
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        app.outbox.listening_on(address);
        let bodies = Bodies::new(&app.limits.sizes);
        Ok(Server { listener, address, shared: Arc::new(Shared { app, bodies }) })
    }

    /// The address that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stopping`, then returns when all requests in flight are answered.
    pub(crate) async fn run(self, mut stopping: watch::Receiver<bool>) {
        let places = usize::try_from(self.shared.app.limits.sizes.connections).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        // Each connection holds a sender; `recv` ends when the last one is gone.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        loop {
            let accepted = tokio::select! {
                _ = stopping.changed() => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some((stream, peer, place)) = accepted else { continue };
            let (shared, stopping, alive) = (Arc::clone(&self.shared), stopping.clone(), alive.clone());
            let connected = self.shared.app.telemetry.connections.enter();
            tokio::spawn(async move {
                serve_connection(stream, peer, shared, stopping).await;
                drop((place, alive, connected));
            });
        }
        drop((alive, self.listener));
        // Nothing is ever sent: this waits for the last connection to end.
        let _none = all_gone.recv().await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers must not wait for more to send; a socket that refuses is about to fail anyway.
    let _unset = stream.set_nodelay(true);
    let Some(tls) = &shared.app.tls else {
        let client = Client { peer, misdirected: false };
        return serve_http(stream, client, Arc::clone(&shared), stopping).await;
    };
    let opened = tokio::select! {
        opened = tls.open(stream) => opened,
        _ = stopping.changed() => return,
    };
    match opened {
        Ok(Opened::Secure(stream)) => {
            let client = Client { peer, misdirected: false };
            Box::pin(serve_http(*stream, client, Arc::clone(&shared), stopping)).await;
        }
        Ok(Opened::Plain(stream)) => {
            let client = Client { peer, misdirected: true };
            Box::pin(serve_http(stream, client, Arc::clone(&shared), stopping)).await;
        }
        Err(reason) => {
            shared.app.telemetry.connections.refused.add(1);
            tracing::debug!(%peer, reason, "a TLS connection was not made");
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
struct Client {
    peer: SocketAddr,
    /// It speaks plain HTTP to a port that serves HTTPS.
    misdirected: bool,
}

async fn serve_http<S>(stream: S, client: Client, shared: Arc<Shared>, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = Duration::from_secs(shared.app.limits.sizes.stalled_reader_seconds.max(1));
    let stream = Stalling::new(stream, patience);
    let working = Arc::new(AtomicBool::new(false));
    let at_work = Arc::clone(&working);
    let service = service_fn(move |request| {
        let (shared, working) = (Arc::clone(&shared), Arc::clone(&at_work));
        async move { Ok::<_, Infallible>(answer(&shared, client, &working, request).await) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            // What is being worked on is finished; a client that only holds the connection is not waited for.
            loop {
                match tokio::time::timeout(END_GRACE, connection.as_mut()).await {
                    Ok(ended) => break ended,
                    Err(_) if working.load(Ordering::Relaxed) => {}
                    Err(_) => break Ok(()),
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %client.peer, %error, "a connection ended early");
    }
}

/// `working` tells whether a whole request is being worked on.
async fn answer(
    shared: &Shared,
    client: Client,
    working: &AtomicBool,
    request: Request<Incoming>,
) -> Response<Body> {
    let app = &shared.app;
    let (mut head, incoming) = request.into_parts();
    head.extensions.insert(client.peer);
    if let Err(reason) = doors::check_browser(&head.headers, app.is_open()) {
        return plain(StatusCode::FORBIDDEN, reason);
    }
    if client.misdirected && head.uri.path() != own::HEALTH {
        return misdirected(shared, &head, incoming).await;
    }
    if let Some(answer) = api::sns::links::answer(app, &head).await {
        return answer;
    }
    let path = head.uri.path();
    let body = match shared.bodies.read(path, incoming).await {
        Ok(body) => body,
        Err(refused) => {
            let told = (refused.status(), refused.code());
            return api::refuse_body(app, &head, told, refused.to_string());
        }
    };
    working.store(true, Ordering::Relaxed);
    let answer = if path == telemetry::PATH {
        telemetry::answer(app, &head).await
    } else if path.starts_with(own::PREFIX) {
        own::answer(app, &head, &body.bytes).await
    } else {
        api::answer(app, client.peer, &head, body).await
    };
    working.store(false, Ordering::Relaxed);
    answer
}

/// Answers plain HTTP on a port that serves HTTPS: in the caller's protocol where it is an operation of AWS's.
async fn misdirected(shared: &Shared, head: &Parts, incoming: Incoming) -> Response<Body> {
    const TEXT: &str = "this port serves HTTPS: begin the URL with https://";
    // Read, so that the sender is there to be told.
    let _unused = shared.bodies.read(head.uri.path(), incoming).await;
    let mut answer = if head.headers.contains_key(AUTHORIZATION) {
        let told = (StatusCode::BAD_REQUEST, "InvalidRequestException");
        api::refuse_body(&shared.app, head, told, TEXT.to_owned())
    } else {
        plain(StatusCode::BAD_REQUEST, TEXT)
    };
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// An answer in plain text, for what is not an AWS operation.
pub(crate) fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut text = text.into();
    text.push('\n');
    respond(status, "text/plain; charset=utf-8", Bytes::from(text))
}

/// An answer with a whole body.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
