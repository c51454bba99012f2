//! Tells which service, operation and protocol a request is for. Knows the marks each client leaves
//! (target header, path, form, credential scope); refuses to decide who may call.

use crate::fault::Fault;
use crate::form::Form;
use crate::model::Service;
use crate::request::{self, Request};
use crate::rest;
use crate::sign::Credential;

/// How a request and its answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// awsJson1_0.
    Json10,
    /// awsJson1_1.
    Json11,
    /// Form in, XML out.
    Query,
    /// Smithy RPC v2 CBOR.
    Cbor,
    /// rest-json.
    RestJson,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The service.
    pub service: Service,
    /// The protocol to read and to answer in.
    pub protocol: Protocol,
    /// An operation name of the service's model, served or not.
    pub operation: String,
    /// Whether the client asked for query error codes (`x-amzn-query-mode: true`).
    pub query_mode: bool,
    /// The credential scope, from the Authorization header or a presigned URL, where one parses.
    pub credential: Option<Credential>,
}

const CBOR_PREFIX: &str = "/service/";

/// Finds the target of a request.
///
/// # Errors
/// An operation that the model does not know, or a request that carries no mark of any service: answer
/// with [`crate::refuse`], which guesses the protocol.
pub fn identify(request: &Request) -> Result<Target, Fault> {
    let credential = Credential::of(request);
    let scope = credential.as_ref().and_then(|credential| Service::from_signing_name(&credential.service));
    let (service, protocol, operation) = if let Some(target) = request.header("x-amz-target") {
        json_target(request, target)?
    } else if request.path().starts_with(CBOR_PREFIX) {
        cbor_target(request)?
    } else if let Some(service) = rest::service(request.path(), scope) {
        (service, Protocol::RestJson, rest::operation(service, request)?.to_owned())
    } else {
        query_target(request, scope)?
    };
    if !service.operations().contains(&operation.as_str()) {
        return Err(Fault::unknown_operation(service, &operation));
    }
    let query_mode =
        request.header("x-amzn-query-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
    Ok(Target { service, protocol, operation, query_mode, credential })
}

fn json_target(request: &Request, target: &str) -> Result<(Service, Protocol, String), Fault> {
    let (prefix, operation) = target.rsplit_once('.').unwrap_or(("", target));
    let service = [Service::Logs, Service::CloudWatch]
        .into_iter()
        .find(|service| service.model().target_prefix == prefix)
        .ok_or_else(|| Fault::new("UnknownOperationException", format!("Unknown target {target}")))?;
    if request.method != "POST" || !matches!(request.path(), "" | "/") {
        return Err(wrong_door(request));
    }
    let named = request.header("content-type").unwrap_or_default();
    let protocol = if named.contains("json-1.1") || (service == Service::Logs && !named.contains("json-1.0"))
    {
        Protocol::Json11
    } else {
        Protocol::Json10
    };
    Ok((service, protocol, operation.to_owned()))
}

fn cbor_target(request: &Request) -> Result<(Service, Protocol, String), Fault> {
    let mut parts = request.path()[CBOR_PREFIX.len()..].split('/');
    let (prefix, word, operation, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    let known = prefix == Some(Service::CloudWatch.model().target_prefix);
    match (known, word, operation, rest) {
        (true, Some("operation"), Some(operation), None) if request.method == "POST" => {
            Ok((Service::CloudWatch, Protocol::Cbor, operation.to_owned()))
        }
        _ => Err(wrong_door(request)),
    }
}

fn query_target(request: &Request, scope: Option<Service>) -> Result<(Service, Protocol, String), Fault> {
    if !matches!(request.path(), "" | "/") {
        return Err(wrong_door(request));
    }
    let body = if request.method == "GET" {
        request.query().as_bytes().to_vec().into()
    } else {
        request::body(request)?
    };
    let form = Form::parse(&body)?;
    let speaks_query = |service: &Service| !service.model().namespace.is_empty();
    let version = form.get("Version");
    let by_version = Service::ALL
        .into_iter()
        .filter(speaks_query)
        .find(|service| Some(service.model().version) == version);
    let Some(service) = scope.filter(speaks_query).or(by_version).or_else(|| link_target(&form)) else {
        return Err(match scope {
            Some(service) => {
                Fault::new("UnknownOperationException", format!("No operation is named for {service:?}."))
            }
            None => wrong_door(request),
        });
    };
    match form.get("Action") {
        Some(action) if version.is_none_or(|version| version == service.model().version) => {
            Ok((service, Protocol::Query, action.to_owned()))
        }
        Some(action) => {
            let message =
                format!("Could not find operation {action} for version {}", version.unwrap_or_default());
            Err(Fault::new("InvalidAction", message))
        }
        None => Err(Fault::new("MissingAction", "The request must contain the parameter Action.")),
    }
}

/// The links in SNS messages name an action and nothing else.
fn link_target(form: &Form<'_>) -> Option<Service> {
    let is_link = matches!(form.get("Action"), Some("ConfirmSubscription" | "Unsubscribe"));
    (is_link && form.get("Version").is_none()).then_some(Service::Sns)
}

fn wrong_door(request: &Request) -> Fault {
    let message = format!("No AWS operation is at {} {}.", request.method, request.path());
    Fault::new("UnknownOperationException", message).status(404)
}

/// The protocol in which to refuse a request that could not be identified: SNS and STS clients fail on
/// anything but XML, so the credential scope counts before the path.
pub(crate) fn guess(request: &Request) -> (Service, Protocol) {
    let scope =
        Credential::of(request).and_then(|credential| Service::from_signing_name(&credential.service));
    let content_type = request.header("content-type").unwrap_or_default();
    let target = request.header("x-amz-target").unwrap_or_default();
    if request.header("smithy-protocol") == Some("rpc-v2-cbor") || request.path().starts_with(CBOR_PREFIX) {
        return (Service::CloudWatch, Protocol::Cbor);
    }
    if target.starts_with(Service::CloudWatch.model().target_prefix) {
        return (Service::CloudWatch, Protocol::Json10);
    }
    let form =
        content_type.starts_with("application/x-www-form-urlencoded") || request.query().contains("Action=");
    match scope {
        Some(service @ (Service::Sns | Service::Sts)) => (service, Protocol::Query),
        Some(Service::CloudWatch) if content_type.contains("json") => (Service::CloudWatch, Protocol::Json10),
        Some(Service::CloudWatch) => (Service::CloudWatch, Protocol::Query),
        Some(service @ (Service::Lambda | Service::Scheduler)) => (service, Protocol::RestJson),
        Some(Service::Logs) => (Service::Logs, Protocol::Json11),
        None => match rest::service(request.path(), None) {
            Some(service) => (service, Protocol::RestJson),
            None if form => (Service::Sns, Protocol::Query),
            None => (Service::Logs, Protocol::Json11),
        },
    }
}
