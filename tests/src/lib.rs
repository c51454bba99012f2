//! Harness of the acceptance tests: starts the real binary on a free port with a folder of its own, speaks raw HTTP to
//! it, ends it by its pid. Knows nothing of the product's inside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary under test: `LOGBOOM_BIN`, or the debug build.
///
/// # Panics
/// Where it has not been built, with the command that builds it.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("LOGBOOM_BIN").map(PathBuf::from);
    let path = path.unwrap_or_else(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        target.unwrap_or_else(|| repository().join("target")).join("debug/logboom")
    });
    assert!(path.exists(), "{} is missing: run `cargo build -p logboom` (./run test does)", path.display());
    path
}

/// A running `logboom serve`; killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

/// A raw answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header block as received, without the status line.
    pub headers: String,
    /// Body as text.
    pub body: String,
}

impl Server {
    /// Starts a server with these flags.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start(flags: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("its first line");
        let address = line.trim().strip_prefix("listening on http://").expect("the address it listens on");
        Server { address: address.to_owned(), process, _folder: folder }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends bytes as they are on a new connection and reads the answer to its end.
    ///
    /// # Panics
    /// Where the server cannot be reached or the answer is no HTTP.
    pub fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("the server accepts");
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the answer is read");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
        let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = status.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Answer { status, headers: headers.to_owned(), body: body.to_owned() }
    }

    /// Posts a body to a path with the open mode's credentials for a service, and extra header lines.
    pub fn post(&self, service: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask("POST", service, path, headers, body)
    }

    /// [`Server::post`] with any method.
    pub fn ask(
        &self,
        method: &str,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\nx-amz-date: 20260101T000000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}\r\n",
            self.address,
            body.len(),
            "0".repeat(64)
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.raw(&format!("{request}\r\n{body}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
