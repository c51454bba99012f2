//! A web handler (`wasi:http/incoming-handler`): an event is POSTed to `/` as JSON; 2xx is done, 429 and 5xx are
//! tried again, anything else failed. The body is the answer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::Resource;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};

use super::failed;
use super::run::{Run, bounded, limited, refused, roles};
use crate::compile::HTTP_HANDLER;
use crate::guest::Guest;
use crate::host::Host;
use crate::module::Code;
use crate::{Call, InvokeError, Invoked, Module, Role};

/// What the handler sees as the host it was called by.
const AUTHORITY: &str = "logboom.internal";

/// Characters of a failed answer that are shown.
const SHOWN: usize = 200;

type Answered = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// An answer with its body read, unless that is longer than it may be.
struct Read {
    status: StatusCode,
    after_ms: u32,
    body: Option<Bytes>,
}

impl Host {
    /// POSTs a payload to a web handler, with the id of the delivery and the number of the attempt (from 1).
    pub async fn http(&self, module: &Module, call: &Call, payload: Bytes, attempt: u32) -> Invoked<Vec<u8>> {
        let answer_limit = self.limits().answer_bytes;
        let bytes_in = payload.len();
        let Code::Component { pre, exports } = &module.0.code else { return lacking(module) };
        let Some(index) = exports.get(&(HTTP_HANDLER, "handle")) else { return lacking(module) };
        let request = request(call, payload, attempt);
        let mut run = Run::new(self, call, None, Bytes::new(), None, bytes_in).await;
        let limit = run.limit();
        let store = &mut run.store;
        let ended = limited(limit, async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            let handle = instance
                .get_typed_func::<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>), ()>(
                    &mut *store,
                    index,
                )?;
            let (answer, answered) = oneshot::channel();
            let answer = Arc::new(Mutex::new(Some(answer)));
            let params = hand_in(store, request, Arc::clone(&answer))?;
            let handling = async {
                let handled = handle.call_async(&mut *store, params).await;
                // A handler that kept what it should have answered through does not answer any more.
                answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                handled
            };
            // The handler may go on after it began to answer: its body is read meanwhile.
            tokio::try_join!(handling, read(answered, answer_limit)).map(|((), read)| read)
        })
        .await;
        run.finish(ended, |read, _| judge(read, answer_limit))
    }
}

fn lacking(module: &Module) -> Invoked<Vec<u8>> {
    refused(format!("The function is no {}; it is: {}.", Role::Http.name(), roles(module)))
}

fn request(call: &Call, payload: Bytes, attempt: u32) -> Request<Full<Bytes>> {
    let length = payload.len();
    let mut request = Request::post("/").body(Full::new(payload)).unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static(AUTHORITY));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(hyper::header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(HeaderName::from_static("x-logboom-attempt"), HeaderValue::from(attempt));
    let texts = [
        ("x-logboom-delivery-id", &call.delivery_id),
        ("x-logboom-request-id", &call.request_id),
        ("x-logboom-function", &call.function_name),
    ];
    for (name, text) in texts {
        // An id that is no header value cannot be made by the product; a caller's own is left out.
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    request
}

fn hand_in(
    store: &mut Store<Guest>,
    request: Request<Full<Bytes>>,
    answer: Arc<Mutex<Option<oneshot::Sender<Answered>>>>,
) -> wasmtime::Result<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>)> {
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request)?;
    let outparam = http.new_response_outparam_from_callback(move |answered| {
        let waiting = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nobody waits when the call is over.
        let _gone = waiting.is_some_and(|waiting| waiting.send(answered).is_ok());
    })?;
    Ok((request, outparam))
}

async fn read(answered: oneshot::Receiver<Answered>, limit: usize) -> wasmtime::Result<Read> {
    let answer = match answered.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(code)) => {
            return Err(wasmtime::Error::msg(format!("the handler answered with an error: {code}")));
        }
        Err(_) => return Err(wasmtime::Error::msg("the handler returned without an answer")),
    };
    let status = answer.status();
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after_ms = after.map_or(0, |seconds: u32| seconds.saturating_mul(1000));
    let body = match Limited::new(answer.into_body(), limit).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(error) => return Err(wasmtime::Error::msg(format!("the answer broke off: {error}"))),
    };
    Ok(Read { status, after_ms, body })
}

/// What the status says.
fn judge(read: Read, limit_bytes: usize) -> Result<(Vec<u8>, usize), InvokeError> {
    let Read { status, after_ms, body } = read;
    let Some(body) = body else {
        return Err(InvokeError::OutputTooLarge { bytes: limit_bytes + 1, limit_bytes });
    };
    if status.is_success() {
        let bytes = body.len();
        return bounded((body.into(), bytes), limit_bytes);
    }
    let text: String = String::from_utf8_lossy(&body).trim().chars().take(SHOWN).collect();
    let message =
        format!("the handler answered {}{}{text}", status.as_u16(), if text.is_empty() { "" } else { ": " });
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Err(InvokeError::Handler { message, retry: true, after_ms });
    }
    Err(failed(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_outcome() {
        let read = |status, body: &'static str| Read {
            status: StatusCode::from_u16(status).expect("a status"),
            after_ms: 5_000,
            body: Some(Bytes::from_static(body.as_bytes())),
        };
        assert_eq!(judge(read(201, "ok"), 10), Ok((b"ok".to_vec(), 2)));
        for (status, retry) in
            [(302, false), (400, false), (404, false), (429, true), (500, true), (503, true)]
        {
            let error = judge(read(status, "no such user"), 100).expect_err("an error");
            let InvokeError::Handler { message, retry: again, after_ms } = error else { panic!("{error:?}") };
            assert_eq!((again, after_ms), (retry, if retry { 5_000 } else { 0 }), "{status}");
            assert_eq!(message, format!("the handler answered {status}: no such user"));
        }
        let long = Read { body: None, ..read(200, "") };
        assert_eq!(judge(long, 10), Err(InvokeError::OutputTooLarge { bytes: 11, limit_bytes: 10 }));
    }
}
