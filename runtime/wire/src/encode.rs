//! From an output or a fault to the bytes of an answer, in the protocol of the request. Every answer
//! carries `x-amzn-RequestId`, without which some clients take a 200 as a failure.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::model::{ErrorShape, Service};
use crate::request::{Request, Response};
use crate::target::{self, Protocol, Target};
use crate::{cbor, event_stream, rest, xml};

/// Writes the answer to a served operation. `request_id` is a UUID made by the caller.
pub fn encode(target: &Target, request_id: &str, result: Result<Value, Fault>) -> Response {
    match result {
        Ok(output) => success(target, request_id, &output),
        Err(fault) => failure(target.service, target.protocol, request_id, &fault),
    }
}

/// As [`encode`] for a success, without the detour over a neutral value where the protocol is JSON.
pub fn encode_typed<T: Serialize>(target: &Target, request_id: &str, output: &T) -> Response {
    let result = match target.protocol {
        Protocol::Json10 | Protocol::Json11 => serde_json::to_vec(output)
            .map(|body| answer(200, json_type(target.protocol), request_id, body.into())),
        Protocol::Query | Protocol::Cbor | Protocol::RestJson => {
            serde_json::to_value(output).map(|value| success(target, request_id, &value))
        }
    };
    result.unwrap_or_else(|_| {
        let fault = Fault::internal("The answer could not be written.");
        failure(target.service, target.protocol, request_id, &fault)
    })
}

/// The head of an answer that is a stream of events; its body is written message by message with
/// [`crate::event_stream`].
pub fn encode_stream(request_id: &str) -> Response {
    let mut head = answer(200, event_stream::CONTENT_TYPE, request_id, Bytes::new());
    head.headers.push(("Content-Type".to_owned(), event_stream::CONTENT_TYPE.to_owned()));
    head
}

/// Answers a request that [`crate::identify`] could not place, in the protocol it most likely speaks.
pub fn refuse(request: &Request, request_id: &str, fault: &Fault) -> Response {
    let (service, protocol) = target::guess(request);
    failure(service, protocol, request_id, fault)
}

fn success(target: &Target, request_id: &str, output: &Value) -> Response {
    let operation = target.service.model().operation(&target.operation);
    let shape = operation.and_then(|operation| operation.output);
    match target.protocol {
        Protocol::Json10 | Protocol::Json11 => {
            // Operations without an output answer with an empty body.
            let body =
                if shape.is_some() || has_members(output) { output.to_string() } else { String::new() };
            answer(200, json_type(target.protocol), request_id, body.into())
        }
        Protocol::Cbor => {
            let body = shape.map(|shape| cbor::encode(Some(shape), &object(output))).unwrap_or_default();
            let mut response = answer(200, "application/cbor", request_id, body.into());
            response.headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
            response
        }
        Protocol::Query => {
            answer(200, "text/xml", request_id, query_success(target, request_id, output).into())
        }
        Protocol::RestJson => {
            let Some(operation) = operation else {
                let fault = Fault::not_served(target.service, &target.operation);
                return failure(target.service, target.protocol, request_id, &fault);
            };
            let (status, headers, body) = rest::encode(operation, output);
            let mut response = answer(status, "application/json", request_id, body);
            response.headers.extend(headers);
            response
        }
    }
}

fn has_members(output: &Value) -> bool {
    output.as_object().is_some_and(|object| !object.is_empty())
}

fn object(output: &Value) -> Value {
    if output.is_object() { output.clone() } else { Value::Object(Map::new()) }
}

fn query_success(target: &Target, request_id: &str, output: &Value) -> String {
    let model = target.service.model();
    let name = &target.operation;
    let mut out = format!("<{name}Response xmlns=\"{}\">", model.namespace);
    if let Some(shape) = model.operation(name).and_then(|operation| operation.output) {
        xml::open(&mut out, &format!("{name}Result"));
        xml::members(&mut out, shape, output);
        xml::close(&mut out, &format!("{name}Result"));
    }
    xml::open(&mut out, "ResponseMetadata");
    xml::text(&mut out, "RequestId", request_id);
    xml::close(&mut out, "ResponseMetadata");
    xml::close(&mut out, &format!("{name}Response"));
    out
}

fn failure(service: Service, protocol: Protocol, request_id: &str, fault: &Fault) -> Response {
    let known = service.model().error(fault.code());
    let receiver = fault.is_receiver_fault() || known.is_some_and(|error| error.fault);
    let status = fault.explicit_status().or_else(|| known.map(|error| error.status)).unwrap_or(if receiver {
        500
    } else {
        400
    });
    let shape = known.map_or(fault.code(), |error| error.shape);
    let code = match fault.code() {
        "UnknownOperationException" if protocol == Protocol::Query => "InvalidAction",
        code => known.map_or(code, |error| error.code),
    };
    let blame = if receiver { "Receiver" } else { "Sender" };
    match protocol {
        Protocol::Query => {
            let body = query_failure(service, request_id, code, blame, fault.message());
            answer(status, "text/xml", request_id, body.into())
        }
        Protocol::RestJson => {
            let mut body = error_members(known, fault);
            body.entry("Type").or_insert_with(|| if receiver { "Service" } else { "User" }.into());
            let mut response =
                answer(status, "application/json", request_id, Value::Object(body).to_string().into());
            response.headers.push(("x-amzn-errortype".into(), shape.into()));
            response
        }
        Protocol::Json10 | Protocol::Json11 | Protocol::Cbor => {
            let mut body = error_members(known, fault);
            body.insert("__type".into(), shape.into());
            let body = Value::Object(body);
            let mut response = if protocol == Protocol::Cbor {
                let mut response =
                    answer(status, "application/cbor", request_id, cbor::encode(None, &body).into());
                response.headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
                response
            } else {
                answer(status, json_type(protocol), request_id, body.to_string().into())
            };
            if service == Service::CloudWatch {
                response.headers.push(("x-amzn-query-error".into(), format!("{code};{blame}")));
            }
            response
        }
    }
}

fn error_members(known: Option<&ErrorShape>, fault: &Fault) -> Map<String, Value> {
    let mut body = fault.fields().clone();
    let name = known.map_or("message", |error| error.message);
    body.insert(name.into(), fault.message().into());
    body
}

fn query_failure(service: Service, request_id: &str, code: &str, blame: &str, message: &str) -> String {
    let mut out = format!("<ErrorResponse xmlns=\"{}\"><Error>", service.model().namespace);
    xml::text(&mut out, "Type", blame);
    xml::text(&mut out, "Code", code);
    xml::text(&mut out, "Message", message);
    out.push_str("</Error>");
    xml::text(&mut out, "RequestId", request_id);
    out.push_str("</ErrorResponse>");
    out
}

fn json_type(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Json10 { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" }
}

fn answer(status: u16, content_type: &str, request_id: &str, body: Bytes) -> Response {
    let mut headers = vec![("x-amzn-RequestId".to_owned(), request_id.to_owned())];
    if !body.is_empty() {
        headers.push(("Content-Type".to_owned(), content_type.to_owned()));
    }
    Response { status, headers, body }
}

#[cfg(test)]
mod tests;
