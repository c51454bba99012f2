//! The HTTP request and answer as this room sees them: bytes already read, names in lower case. Knows no
//! socket and no HTTP library.

use std::io::Read as _;

use bytes::Bytes;

use crate::fault::Fault;

/// The largest body after decompression, in bytes.
pub const MAX_INFLATED_BYTES: usize = 10 * 1024 * 1024;

/// A request whose body has been read whole.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method as sent, such as `POST`.
    pub method: String,
    /// Path and query as sent, still percent-encoded.
    pub uri: String,
    /// Headers in the order received, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as received (compressed if the client compressed it).
    pub body: Bytes,
}

impl Request {
    /// The first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.uri.split_once('?').map_or(self.uri.as_str(), |(path, _)| path)
    }

    /// The query string, without `?`; empty where there is none.
    pub fn query(&self) -> &str {
        self.uri.split_once('?').map_or("", |(_, query)| query)
    }
}

/// An answer, ready to be written.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers without `Content-Length`, which the HTTP library sets.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// The first header called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The body with `Content-Encoding: gzip` undone; at most [`MAX_INFLATED_BYTES`].
///
/// # Errors
/// 413 for a body that inflates past the bound, 400 for damaged gzip, 415 for any other encoding.
pub fn body(request: &Request) -> Result<Bytes, Fault> {
    match request.header("content-encoding").map(str::trim) {
        None | Some("" | "identity") => Ok(request.body.clone()),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => inflate(&request.body),
        Some(encoding) => {
            let message = format!("Content-Encoding {encoding} is not supported: send gzip or no encoding.");
            Err(Fault::new("UnsupportedMediaTypeException", message).status(415))
        }
    }
}

fn inflate(compressed: &[u8]) -> Result<Bytes, Fault> {
    let mut inflated = Vec::new();
    let bound = MAX_INFLATED_BYTES as u64 + 1;
    match flate2::read::MultiGzDecoder::new(compressed).take(bound).read_to_end(&mut inflated) {
        Err(_) => Err(Fault::new("SerializationException", "The gzip body is damaged.")),
        Ok(_) if inflated.len() > MAX_INFLATED_BYTES => Err(too_large()),
        Ok(_) => Ok(inflated.into()),
    }
}

fn too_large() -> Fault {
    let message = format!("The body inflates to more than {MAX_INFLATED_BYTES} bytes.");
    Fault::new("RequestEntityTooLargeException", message).status(413)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    fn compressed(body: Bytes) -> Request {
        Request { headers: vec![("content-encoding".into(), "gzip".into())], body, ..Request::default() }
    }

    #[test]
    fn gzip_is_undone_and_bounded() {
        assert_eq!(body(&compressed(gzip(b"hello"))).unwrap(), "hello");
        assert_eq!(body(&compressed(gzip(&vec![0; MAX_INFLATED_BYTES]))).unwrap().len(), MAX_INFLATED_BYTES);
        let bomb = body(&compressed(gzip(&vec![0; MAX_INFLATED_BYTES + 1]))).unwrap_err();
        assert_eq!(bomb.code(), "RequestEntityTooLargeException");
        assert_eq!(body(&compressed("nonsense".into())).unwrap_err().code(), "SerializationException");
        let mut cut = gzip(b"hello hello hello").to_vec();
        cut.truncate(12);
        assert_eq!(body(&compressed(cut.into())).unwrap_err().code(), "SerializationException");
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let mut request = compressed(Bytes::new());
        request.headers[0].1 = "br".into();
        assert!(body(&request).unwrap_err().message().contains("br"));
    }
}
