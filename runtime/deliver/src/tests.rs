//! Owns what the tests of this room share: a labelled key, a topic, rounds.

use std::sync::OnceLock;

use proptest::test_runner::Config;

use crate::signature::SigningKey;
use crate::topic::TopicRecord;

/// Not a secret: made for these tests and used nowhere else.
pub(crate) const KEY_PEM: &str = include_str!("test_only_key.pem");

pub(crate) fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::from_pem(KEY_PEM).unwrap())
}

/// `LOGBOOM_LONG=1` multiplies the rounds.
pub(crate) fn rounds(cases: u32) -> Config {
    let long = std::env::var_os("LOGBOOM_LONG").is_some();
    Config { cases: if long { cases * 64 } else { cases }, failure_persistence: None, ..Config::default() }
}

pub(crate) fn topic(name: &str) -> TopicRecord {
    TopicRecord {
        id: 1,
        account: "111111111111".to_owned(),
        region: "us-east-1".to_owned(),
        name: name.to_owned(),
        arn: format!("arn:aws:sns:us-east-1:111111111111:{name}"),
        attributes: Default::default(),
        tags: Default::default(),
        created_ms: 0,
        subscriptions_deleted: 0,
    }
}

pub(crate) mod inbox {
    //! Owns two tiny servers on 127.0.0.1:0: one takes HTTP posts, one mail.

    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsAcceptor;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::Incoming;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    /// A received post.
    #[derive(Debug, Clone)]
    pub(crate) struct Post {
        pub(crate) path: String,
        pub(crate) headers: hyper::HeaderMap,
        pub(crate) body: String,
    }

    impl Post {
        pub(crate) fn header(&self, name: &str) -> &str {
            self.headers.get(name).map_or("", |v| v.to_str().unwrap())
        }
    }

    pub(crate) struct HttpInbox {
        pub(crate) address: SocketAddr,
        pub(crate) posts: Arc<Mutex<Vec<Post>>>,
    }

    /// The root that vouches for the servers below; made for these tests and used nowhere else.
    pub(crate) const CA_PEM: &str = include_str!("test_only_tls/ca.pem");

    fn acceptor() -> TlsAcceptor {
        let leaf = CertificateDer::from_pem_slice(include_bytes!("test_only_tls/leaf.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("test_only_tls/key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Answers by the last path segment: a number is the status, `slow` never answers, `wait` is a 429
    /// with Retry-After, `away` redirects to `/200`; anything else is 200.
    pub(crate) async fn http() -> HttpInbox {
        serve_http(None).await
    }

    pub(crate) async fn https() -> HttpInbox {
        serve_http(Some(acceptor())).await
    }

    async fn serve_http(tls: Option<TlsAcceptor>) -> HttpInbox {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let posts = Arc::new(Mutex::new(Vec::new()));
        let kept = posts.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_http_one(stream, tls.clone(), kept.clone()));
            }
        });
        HttpInbox { address, posts }
    }

    async fn serve_http_one(stream: TcpStream, tls: Option<TlsAcceptor>, kept: Arc<Mutex<Vec<Post>>>) {
        let service = hyper::service::service_fn(move |request| answer(request, kept.clone()));
        let http = hyper::server::conn::http1::Builder::new();
        // A client that goes away is its own affair.
        let _ = match tls {
            None => http.serve_connection(TokioIo::new(stream), service).await,
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                Err(_) => Ok(()),
            },
        };
    }

    async fn answer(
        request: Request<Incoming>,
        posts: Arc<Mutex<Vec<Post>>>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
        let body = request.into_body().collect().await?.to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        posts.lock().unwrap().push(Post { path: path.clone(), headers, body });
        let mut response = Response::new(Full::new(Bytes::from_static(b"said\r\nthe server")));
        match path.rsplit('/').next().unwrap() {
            "slow" => std::future::pending().await,
            "wait" => {
                *response.status_mut() = hyper::StatusCode::TOO_MANY_REQUESTS;
                response.headers_mut().insert("retry-after", "2.5".parse().unwrap());
            }
            "away" => {
                *response.status_mut() = hyper::StatusCode::FOUND;
                response.headers_mut().insert("location", "/200".parse().unwrap());
            }
            "endless" => *response.body_mut() = Full::new(Bytes::from(vec![b'x'; 10 << 20])),
            other => {
                if let Ok(status) = other.parse::<u16>() {
                    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
                }
            }
        }
        Ok(response)
    }

    pub(crate) struct MailInbox {
        pub(crate) address: SocketAddr,
        /// Envelope recipient and raw text of each mail.
        pub(crate) mails: Arc<Mutex<Vec<(String, String)>>>,
    }

    type Mails = Arc<Mutex<Vec<(String, String)>>>;

    /// Speaks just enough SMTP. A recipient `NNN@...` is answered with that code.
    pub(crate) async fn mail() -> MailInbox {
        serve_mail(None).await
    }

    pub(crate) async fn mail_tls() -> MailInbox {
        serve_mail(Some(acceptor())).await
    }

    async fn serve_mail(tls: Option<TlsAcceptor>) -> MailInbox {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Mails::default();
        let kept = mails.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => converse(stream, &kept).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            converse(stream, &kept).await;
                        }
                    }
                }
            }
        });
        MailInbox { address, mails }
    }

    async fn converse(stream: impl AsyncRead + AsyncWrite, kept: &Mails) {
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        let _ = write.write_all(b"220 inbox\r\n").await;
        let mut to = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let reply = match verb.as_str() {
                "EHLO" => "250-inbox\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n".to_owned(),
                "AUTH" if line != "AUTH PLAIN AHUAcA==" => "535 not you\r\n".to_owned(),
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap().to_owned();
                    match to.split('@').next().unwrap().parse::<u16>() {
                        Ok(code) => format!("{code} as asked\r\n"),
                        Err(_) => "250 ok\r\n".to_owned(),
                    }
                }
                "DATA" => {
                    let _ = write.write_all(b"354 go on\r\n").await;
                    let mut text = String::new();
                    while let Ok(Some(line)) = lines.next_line().await {
                        if line == "." {
                            break;
                        }
                        text.push_str(line.strip_prefix('.').unwrap_or(&line));
                        text.push('\n');
                    }
                    kept.lock().unwrap().push((to.clone(), text));
                    "250 kept\r\n".to_owned()
                }
                "QUIT" => "221 bye\r\n".to_owned(),
                "AUTH" => "235 welcome\r\n".to_owned(),
                _ => "250 ok\r\n".to_owned(),
            };
            if write.write_all(reply.as_bytes()).await.is_err() || verb == "QUIT" {
                break;
            }
        }
    }

    /// Undoes quoted-printable and base64 bodies, as a mail program does.
    pub(crate) fn body_of(mail: &str) -> String {
        let (head, body) = mail.split_once("\n\n").unwrap();
        let head = head.to_ascii_lowercase();
        if head.contains("content-transfer-encoding: base64") {
            use base64::Engine as _;
            let packed: String = body.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(packed).unwrap();
            return String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
        }
        if !head.contains("content-transfer-encoding: quoted-printable") {
            return body.to_owned();
        }
        let joined = body.replace("=\n", "");
        let mut bytes = Vec::new();
        let mut rest = joined.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            if *first == b'=' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
