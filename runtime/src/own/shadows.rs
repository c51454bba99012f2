//! Owns `/_logboom/functions/NAME/shadow`: `GET` the comparison, `PUT {"version": V}` to begin one, `DELETE` to end
//! it. Refuses to compare. A request is signed like one of Lambda, and its key needs what reading or configuring
//! the function needs.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Fault, Service};

use super::caller;
use crate::app::App;
use crate::functions::shadow;

/// The body of `PUT`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    version: String,
}

pub(super) async fn perform(app: &Arc<App>, head: &Parts, body: &Bytes, name: &str) -> Result<Value, Fault> {
    let operation = match head.method {
        Method::GET => "GetFunctionConfiguration",
        Method::PUT | Method::DELETE => "UpdateFunctionConfiguration",
        _ => return Err(caller::no_method(head)),
    };
    let scope =
        caller::admit(app, head, body, (Service::Lambda, operation), &json!({ "FunctionName": name }))?;
    if head.method == Method::DELETE {
        shadow::end(app, &scope, name).await?;
        return Ok(json!({}));
    }
    if head.method == Method::PUT {
        let put: Put = serde_json::from_slice(body).map_err(|error| {
            let text = format!("{error}; expected {{\"version\": \"NUMBER or $LATEST\"}}");
            Fault::new("InvalidParameterValueException", text)
        })?;
        shadow::begin(app, &scope, name, &put.version).await?;
    }
    shadow::shown(app, &scope, name)
}
