//! Lambda's routes and bindings.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::target::{Protocol, identify};

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Request {
    Request {
        method: method.into(),
        uri: uri.into(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Bytes::from_static(body),
    }
}

#[test]
fn routes_find_their_operations() {
    for (method, uri, operation) in [
        ("POST", "/2015-03-31/functions", "CreateFunction"),
        ("GET", "/2015-03-31/functions/", "ListFunctions"),
        ("GET", "/2015-03-31/functions?MaxItems=1", "ListFunctions"),
        ("GET", "/2015-03-31/functions/f", "GetFunction"),
        ("GET", "/2015-03-31/functions/f/configuration", "GetFunctionConfiguration"),
        ("PUT", "/2015-03-31/functions/f/code", "UpdateFunctionCode"),
        ("POST", "/2015-03-31/functions/f/invocations", "Invoke"),
        ("DELETE", "/2015-03-31/functions/f/policy/sid", "RemovePermission"),
        ("GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Ax", "ListTags"),
        ("GET", "/2018-10-31/layers?find=LayerVersion&Arn=x", "GetLayerVersionByArn"),
        ("GET", "/2018-10-31/layers", "ListLayers"),
    ] {
        assert_eq!(
            super::operation(Service::Lambda, &request(method, uri, &[], b"")).unwrap(),
            operation,
            "{uri}"
        );
        assert_eq!(identify(&request(method, uri, &[], b"")).unwrap().protocol, Protocol::RestJson);
    }
    for (method, uri) in [
        ("PATCH", "/2015-03-31/functions"),
        ("POST", "/2015-03-31/functions//invocations"),
        ("GET", "/2015-03-31/nothing"),
        ("GET", "/2015-03-31/functions/f/code/x/y"),
    ] {
        let fault = super::operation(Service::Lambda, &request(method, uri, &[], b"")).unwrap_err();
        assert_eq!(
            (fault.code(), fault.explicit_status()),
            ("UnknownOperationException", Some(404)),
            "{uri}"
        );
    }
}

#[test]
fn every_route_of_the_model_is_found() {
    let routes = |service: Service| service.model().routes.iter().map(move |route| (service, route));
    for (service, (method, uri, operation)) in
        [Service::Lambda, Service::Scheduler].into_iter().flat_map(routes)
    {
        let path: String = uri
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let found = super::operation(service, &request(method, &path, &[], b"")).unwrap();
        assert_eq!(found, *operation, "{uri}");
        assert_eq!(super::service(&path, Some(service)), Some(service), "{uri}");
    }
}

fn decoded(request: &Request) -> Value {
    let target = identify(request).unwrap();
    crate::decode(&target, request).unwrap()
}

#[test]
fn labels_parameters_headers_and_payloads() {
    let arn = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
    let invoke = request(
        "POST",
        &format!("{arn}/invocations?Qualifier=%24LATEST"),
        &[("x-amz-invocation-type", "Event")],
        b"\x00raw",
    );
    assert_eq!(
        decoded(&invoke),
        json!({"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f", "Qualifier": "$LATEST",
               "InvocationType": "Event", "Payload": STANDARD.encode(b"\x00raw")})
    );
    let empty = request("POST", "/2015-03-31/functions/f/invocations", &[], b"");
    assert_eq!(decoded(&empty), json!({"FunctionName": "f"}));
    let list = request("GET", "/2015-03-31/functions?MaxItems=7&Marker=a+b", &[], b"");
    assert_eq!(decoded(&list), json!({"MaxItems": 7, "Marker": "a b"}));
    // The body does not rename the function of the path.
    let update =
        request("PUT", "/2015-03-31/functions/f/configuration", &[], br#"{"FunctionName":"g","Timeout":3}"#);
    assert_eq!(decoded(&update), json!({"FunctionName": "f", "Timeout": 3}));
}

#[test]
fn outputs_bind_status_headers_and_payload() {
    let model = Service::Lambda.model();
    let output = json!({"StatusCode": 202, "FunctionError": "Unhandled\r\nX: y", "Payload": STANDARD.encode(b"\x01\x02")});
    let (status, headers, body) = encode(model.operation("Invoke").unwrap(), &output);
    assert_eq!((status, body), (202, Bytes::from_static(b"\x01\x02")));
    assert_eq!(headers, [("X-Amz-Function-Error".to_owned(), "Unhandled  X: y".to_owned())]);
    let (status, _, body) = encode(model.operation("CreateFunction").unwrap(), &json!({"FunctionName": "f"}));
    assert_eq!((status, body), (201, Bytes::from_static(br#"{"FunctionName":"f"}"#)));
    let (status, _, body) = encode(model.operation("DeleteFunction").unwrap(), &json!({"StatusCode": 204}));
    assert_eq!((status, body.len()), (204, 0));
    let (status, _, body) = encode(model.operation("RemovePermission").unwrap(), &json!({}));
    assert_eq!((status, body.len()), (204, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("LOGBOOM_LONG").is_some() { 50_000 } else { 300 }))]

    #[test]
    fn no_path_or_body_panics(
        path in "(/|2015-03-31|functions|f|%|%F|%ff|\\?|&|=|invocations|policy|code|é){0,12}",
        method in "GET|POST|PUT|DELETE",
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let request = Request { method, uri: format!("/2015-03-31/{path}"), body: body.into(), ..Request::default() };
        if let Ok(target) = identify(&request) {
            let _ = crate::decode(&target, &request);
        }
    }
}
