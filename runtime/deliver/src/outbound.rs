//! Owns one request of somebody else's making (a guest's): sent through the gate, answered whole or not at all.
//! Refuses to know who may send what where: only which addresses nobody may reach. Redirects are not followed;
//! they are answers like any other.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response};

use crate::egress::{Denied, Gate};
use crate::http::{GatedClient, cause, client};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// Every address of the target is one that must not be reached.
    Denied(Denied),
    /// The answer has more bytes than were wanted.
    TooLarge {
        /// How many were.
        limit: usize,
    },
    /// Anything else, in words; never the URL.
    Failed(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::Denied(denied) => denied.fmt(f),
            Unanswered::TooLarge { limit } => write!(f, "the answer has more than {limit} bytes"),
            Unanswered::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Unanswered {}

/// Sends requests. Every connection passes the gate, and each request has its own.
#[derive(Clone)]
pub struct Requests {
    client: GatedClient,
}

impl Requests {
    /// Requests through a gate; `extra_roots` are trusted besides the public roots (PEM).
    ///
    /// # Errors
    /// Which part of the TLS set-up failed.
    pub fn new(gate: Gate, extra_roots: &[String]) -> Result<Self, String> {
        Ok(Self { client: client(gate, extra_roots)? })
    }

    /// The answer to a request whose URI is absolute; its body has at most `limit` bytes. It takes as long as it
    /// takes: whoever waits drops it.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub async fn send(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, Unanswered> {
        let answer = self.client.request(request.map(Full::new)).await;
        let answer = answer.map_err(|error| match cause(&error) {
            Ok(denied) => Unanswered::Denied(denied),
            Err(last) => Unanswered::Failed(last),
        })?;
        let (head, mut body) = answer.into_parts();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Unanswered::Failed(error.to_string()))?;
            let Some(data) = frame.data_ref() else { continue };
            if read.len() + data.len() > limit {
                return Err(Unanswered::TooLarge { limit });
            }
            read.extend_from_slice(data);
        }
        Ok(Response::from_parts(head, Bytes::from(read)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::egress::{Rules, System};
    use crate::tests::inbox;

    fn requests(allow_loopback: bool) -> Requests {
        let rules = Arc::new(Rules { allow_loopback, listed: Vec::new() });
        Requests::new(Gate::new(rules, Arc::new(System), Arc::new(System)), &[]).unwrap()
    }

    fn post(url: &str) -> Request<Bytes> {
        Request::post(url).body(Bytes::from_static(b"body")).unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_whole_whatever_its_status() {
        let inbox = inbox::http().await;
        for status in [200, 404, 500] {
            let url = format!("http://127.0.0.1:{}/{status}", inbox.address.port());
            let answer = requests(true).send(post(&url), 1000).await.unwrap();
            assert_eq!(answer.status(), status);
        }
        let url = format!("http://127.0.0.1:{}/500", inbox.address.port());
        let small = requests(true).send(post(&url), 3).await;
        assert_eq!(small.unwrap_err(), Unanswered::TooLarge { limit: 3 });
        let url = format!("http://127.0.0.1:{}/endless", inbox.address.port());
        assert_eq!(
            requests(true).send(post(&url), 100_000).await.unwrap_err(),
            Unanswered::TooLarge { limit: 100_000 }
        );
    }

    #[tokio::test]
    async fn the_gate_holds() {
        let inbox = inbox::http().await;
        for url in
            [format!("http://127.0.0.1:{}/200", inbox.address.port()), "http://169.254.169.254/".to_owned()]
        {
            let refused = requests(false).send(post(&url), 1000).await.unwrap_err();
            assert!(matches!(&refused, Unanswered::Denied(_)), "{refused:?}");
        }
        assert!(inbox.posts.lock().unwrap().is_empty());
    }
}
