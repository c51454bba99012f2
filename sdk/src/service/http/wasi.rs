//! A request over `wasi:http/outgoing-handler@0.2`: the URL taken apart, the body sent in pieces, the answer read to
//! its end.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

use super::{ANSWER_BYTES_MAX, HttpError, Request, Response};

/// What `blocking-write-and-flush` takes at most.
const PIECE_BYTES: usize = 4096;

pub(super) fn send(request: &Request) -> Result<Response, HttpError> {
    let outgoing = head(request)?;
    let body = outgoing.body().map_err(|()| failed("the request has no body"))?;
    let answer = outgoing_handler::handle(outgoing, None).map_err(refused)?;
    if !request.body.is_empty() {
        let stream = body.write().map_err(|()| failed("the body cannot be written"))?;
        for piece in request.body.chunks(PIECE_BYTES) {
            stream.blocking_write_and_flush(piece).map_err(|error| failed(&format!("{error:?}")))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(refused)?;
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(response))) => read(&response),
        Some(Ok(Err(code))) => Err(refused(code)),
        Some(Err(())) | None => Err(failed("the answer was lost")),
    }
}

fn head(request: &Request) -> Result<OutgoingRequest, HttpError> {
    let url = &request.url;
    let invalid = |what: &str| HttpError::Invalid(format!("{what}: {url}"));
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| invalid("a URL begins with http:// or https://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A fragment never leaves the client.
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(invalid("only http and https are there")),
    };
    let headers: Vec<(String, Vec<u8>)> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let headers = Fields::from_list(&headers).map_err(|error| HttpError::Invalid(format!("{error:?}")))?;
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&method(&request.method)).map_err(|()| invalid("not a method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("not a scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| invalid("not a host"))?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| invalid("not a path"))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn read(response: &IncomingResponse) -> Result<Response, HttpError> {
    let headers = response.headers().entries().into_iter();
    let headers = headers
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let mut body = Vec::new();
    let incoming = response.consume().map_err(|()| failed("the answer has no body"))?;
    let stream = incoming.stream().map_err(|()| failed("the answer cannot be read"))?;
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(piece) => body.extend_from_slice(&piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(failed(&error.to_debug_string())),
        }
        if body.len() > ANSWER_BYTES_MAX {
            return Err(failed(&format!("the answer is larger than {ANSWER_BYTES_MAX} bytes")));
        }
    }
    Ok(Response { status: response.status(), headers, body })
}

fn refused(code: ErrorCode) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            HttpError::NotAllowed(format!("{code:?}"))
        }
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => {
            HttpError::Invalid(format!("{code:?}"))
        }
        _ => HttpError::Failed(format!("{code:?}")),
    }
}

fn failed(what: &str) -> HttpError {
    HttpError::Failed(what.to_owned())
}
