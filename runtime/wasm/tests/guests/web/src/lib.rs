//! A web handler. The body of a request (a JSON string, or the text alone) says what to do, in words:
//!   `status CODE`            answers so
//!   `fetch METHOD URL [TEXT]` sends a request; answers with its status and body, or the error
//!   `secret NAME URL`        sends a request with the placeholder of a secret in header, path and body
//!   `many COUNT URL`         sends so many requests; answers with how many got an answer
//!   `silent`, `keep`, `trap`, `loop`, `endless`  does not answer, or not to the end
//! Anything else is answered with what came in.
#![allow(clippy::unwrap_used, reason = "a panic of this guest is an answer too")]

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};

struct Web;

wasip2::http::proxy::export!(Web);

impl Guest for Web {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let header = |name: &str| {
            let value = request.headers().get(name).into_iter().next().unwrap_or_default();
            String::from_utf8(value).unwrap()
        };
        let (delivery, attempt) = (header("x-logboom-delivery-id"), header("x-logboom-attempt"));
        let path = request.path_with_query().unwrap_or_default();
        let body = read(&request.consume().unwrap());
        let words: Vec<&str> = body.trim_matches('"').split(' ').collect();
        match words.as_slice() {
            ["status", code] => answer(out, code.parse().unwrap(), "as you like"),
            ["fetch", method, url] => answer(out, 200, &shown(send(method, url, None, ""))),
            ["fetch", method, url, text] => answer(out, 200, &shown(send(method, url, None, text))),
            ["secret", name, url] => {
                let placeholder = logboom_sdk::secrets::placeholder(name).unwrap();
                let url = format!("{url}/{placeholder}");
                answer(out, 200, &shown(send("POST", &url, Some(&placeholder), &format!("x{placeholder}y"))));
            }
            ["many", count, url] => {
                let answered = (0..count.parse().unwrap()).filter(|_| send("GET", url, None, "").is_ok());
                answer(out, 200, &answered.count().to_string());
            }
            ["silent"] => drop(out),
            ["keep"] => std::mem::forget(out),
            ["trap"] => panic!("no such page"),
            ["loop"] => loop {
                std::hint::black_box(0);
            },
            ["endless"] => {
                let response = OutgoingResponse::new(Fields::new());
                let stream = response.body().unwrap();
                ResponseOutparam::set(out, Ok(response));
                let write = stream.write().unwrap();
                let chunk = vec![b'x'; 4096];
                while write.blocking_write_and_flush(&chunk).is_ok() {}
            }
            _ => answer(out, 200, &format!("{path} {delivery} {attempt} {body}")),
        }
    }
}

fn read(body: &IncomingBody) -> String {
    let stream = body.stream().unwrap();
    let mut all = Vec::new();
    while let Ok(chunk) = stream.blocking_read(64 << 10) {
        all.extend_from_slice(&chunk);
    }
    String::from_utf8(all).unwrap()
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    text.as_bytes().chunks(4096).for_each(|chunk| stream.blocking_write_and_flush(chunk).unwrap());
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

fn shown(sent: Result<(u16, String), String>) -> String {
    match sent {
        Ok((status, body)) => format!("{status} {body}"),
        Err(error) => error,
    }
}

fn send(method: &str, url: &str, secret: Option<&str>, text: &str) -> Result<(u16, String), String> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let headers = Fields::new();
    if let Some(secret) = secret {
        headers.append("authorization", format!("Bearer {secret}").as_bytes()).unwrap();
    }
    let request = OutgoingRequest::new(headers);
    request.set_method(&Method::Other(method.to_owned())).unwrap();
    request.set_scheme(Some(&if scheme == "http" { Scheme::Http } else { Scheme::Https })).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    let body = request.body().unwrap();
    let answer = outgoing_handler::handle(request, None).map_err(|error| error.to_string())?;
    let stream = body.write().unwrap();
    let written = stream.blocking_write_and_flush(text.as_bytes());
    drop(stream);
    if written.is_ok() {
        let _closed = OutgoingBody::finish(body, None);
    }
    answer.subscribe().block();
    let answer = answer.get().unwrap().unwrap().map_err(|error| error.to_string())?;
    let status = answer.status();
    Ok((status, read(&answer.consume().unwrap())))
}
