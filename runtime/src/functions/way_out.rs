//! Owns HTTP requests of functions on their way out: through the same gate as webhooks, one hop further, with the
//! configured secrets at hand. Refuses to know what a function was granted (`wasm`) and how connections are made
//! (`deliver`).

use std::sync::Arc;

use bytes::Bytes;
use deliver::egress::{Gate, Rules, System};
use deliver::outbound::{Requests, Unanswered as Failure};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response};
use wasm::{BoxFuture, Egress, Secret, Unanswered};

use super::HOPS_MAX;
use super::secrets::Secrets;
use crate::config::Config;

/// The header that counts deliveries between the first cause and a request.
pub(crate) const HOP: &str = "x-logboom-hop";

/// What all functions share on their way out.
pub(crate) struct WayOut {
    requests: Requests,
    secrets: Secrets,
}

impl WayOut {
    /// Requests under `rules`, with the secrets of the configuration.
    ///
    /// # Errors
    /// A sentence that names the secret that cannot be had.
    pub(crate) fn new(config: &Config, rules: &Arc<Rules>) -> Result<WayOut, String> {
        let gate = Gate::new(Arc::clone(rules), Arc::new(System), Arc::new(System));
        Ok(WayOut { requests: Requests::new(gate, &[])?, secrets: Secrets::load(&config.secrets)? })
    }
}

/// The way out of one call.
pub(super) struct ForCall {
    /// What is shared.
    pub(super) way: Arc<WayOut>,
    /// Deliveries between the first cause and the call.
    pub(super) hop: u8,
}

impl Egress for ForCall {
    fn send(
        &self,
        mut request: Request<Bytes>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Response<Bytes>, Unanswered>> {
        let hop = self.hop.saturating_add(1);
        if hop > HOPS_MAX {
            let reason = format!("what caused this call came through {HOPS_MAX} deliveries in a row: a loop");
            return Box::pin(async { Err(Unanswered::Prohibited(reason)) });
        }
        request.headers_mut().insert(HeaderName::from_static(HOP), HeaderValue::from(u16::from(hop)));
        let requests = self.way.requests.clone();
        Box::pin(async move {
            requests.send(request, limit).await.map_err(|failure| match failure {
                Failure::Denied(denied) => Unanswered::Prohibited(denied.to_string()),
                Failure::TooLarge { .. } => Unanswered::TooLarge,
                Failure::Failed(reason) => Unanswered::Failed(reason),
            })
        })
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.way.secrets.get(name).cloned()
    }
}

/// The hop that a request came with; one that cannot be read is a client's own affair.
pub(crate) fn hop_of(header: Option<&str>) -> u8 {
    header.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::Mutex;

    use deliver::egress::{Dial, Resolve};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_request_at_the_end_of_too_many_deliveries_is_not_sent() {
        let way = WayOut::new(&Config::default(), &Arc::default()).unwrap();
        let last = ForCall { way: Arc::new(way), hop: HOPS_MAX };
        let request = Request::post("http://192.0.2.1/").body(Bytes::new()).unwrap();
        let refused = last.send(request, 100).await.unwrap_err();
        assert!(
            matches!(&refused, Unanswered::Prohibited(reason) if reason.contains("a loop")),
            "{refused:?}"
        );
        let first = ForCall { way: Arc::clone(&last.way), hop: 0 };
        let request = Request::post("http://169.254.169.254/").body(Bytes::new()).unwrap();
        let refused = first.send(request, 100).await.unwrap_err();
        assert!(
            matches!(&refused, Unanswered::Prohibited(reason) if reason.contains("link-local")),
            "{refused:?}"
        );
    }

    /// Every name has one address.
    struct Names(&'static str);

    impl Resolve for Names {
        fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let address = SocketAddr::new(self.0.parse().unwrap(), port);
            Box::pin(async move { Ok(vec![address]) })
        }
    }

    /// Remembers what was dialled, and connects to a server of its own that sends everybody away.
    struct Recorder(Mutex<Vec<String>>);

    impl Dial for Recorder {
        fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
            self.0.lock().unwrap().push(address.to_string());
            Box::pin(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let here = listener.local_addr()?;
                tokio::spawn(async move {
                    let (mut stream, _) = listener.accept().await?;
                    let mut read = [0; 4096];
                    let _request = stream.read(&mut read).await?;
                    let away = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(away.as_bytes()).await
                });
                TcpStream::connect(here).await
            })
        }
    }

    #[tokio::test]
    async fn private_places_are_not_dialled_by_number_by_name_or_by_redirect() {
        for (url, address, dialled) in [
            ("http://169.254.169.254/latest", "8.8.8.8", &[][..]),
            ("http://[fe80::1]/", "8.8.8.8", &[]),
            ("http://metadata.example/", "169.254.169.254", &[]),
            ("http://inside.example/", "10.1.2.3", &[]),
            ("http://here.example/", "127.0.0.1", &[]),
            ("http://away.example/", "8.8.8.8", &["8.8.8.8:80"]),
        ] {
            let recorder = Arc::new(Recorder(Mutex::default()));
            let gate = Gate::new(Arc::default(), Arc::new(Names(address)), recorder.clone());
            let way = WayOut { requests: Requests::new(gate, &[]).unwrap(), secrets: Secrets::default() };
            let call = ForCall { way: Arc::new(way), hop: 0 };
            let answer = call.send(Request::get(url).body(Bytes::new()).unwrap(), 1000).await;
            assert_eq!(*recorder.0.lock().unwrap(), dialled, "{url}");
            match answer {
                Ok(answer) => assert_eq!(answer.status(), 302, "a redirect is an answer"),
                Err(refused) => assert!(matches!(refused, Unanswered::Prohibited(_)), "{url}: {refused:?}"),
            }
        }
    }

    #[test]
    fn a_hop_is_a_small_number() {
        assert_eq!(
            [Some("3"), Some(" 2 "), Some("-1"), Some("x"), Some("999"), None].map(hop_of),
            [3, 2, 0, 0, 0, 0]
        );
    }
}
