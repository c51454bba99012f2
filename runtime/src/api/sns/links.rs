//! Owns what subscribers fetch without credentials: the links in messages that confirm or end a subscription,
//! and the certificate of the signing key. Refuses everything else: a request that carries credentials is an
//! operation like any other.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::shape::sns::{ConfirmSubscriptionInput, ConfirmSubscriptionResponse, UnsubscribeInput};
use wire::{Fault, Target};

use super::{confirm, subscribe};
use crate::api;
use crate::app::App;
use crate::server::{Body, plain, respond};

/// Answers a request that needs no credentials; `None` for every other.
pub(crate) async fn answer(app: &Arc<App>, head: &Parts) -> Option<Response<Body>> {
    if head.method != Method::GET {
        return None;
    }
    let path = head.uri.path();
    if path.starts_with("/SimpleNotificationService-") {
        return Some(match app.outbox.signing.certificate_at(path).await {
            Some(pem) => respond(StatusCode::OK, "application/x-pem-file", Bytes::from(pem)),
            None => plain(StatusCode::NOT_FOUND, "this is not the certificate of this server"),
        });
    }
    let query = head.uri.query().unwrap_or_default();
    let is_signed = head.headers.contains_key(AUTHORIZATION) || query.contains("X-Amz-Signature=");
    let names = |action: &str| query.split('&').any(|pair| pair == action);
    let is_link = names("Action=ConfirmSubscription") || names("Action=Unsubscribe");
    if path != "/" || is_signed || !is_link {
        return None;
    }
    let request = api::into_wire(head, Bytes::new());
    let target = match wire::identify(&request) {
        Ok(target) => target,
        Err(fault) => return Some(api::into_hyper(wire::refuse(&request, &app.clock.uuid(), &fault))),
    };
    let visit = Visit { app, head, request, target };
    Some(if names("Action=ConfirmSubscription") { visit.confirm().await } else { visit.unsubscribe().await })
}

/// A link at work.
struct Visit<'a> {
    app: &'a Arc<App>,
    head: &'a Parts,
    request: wire::Request,
    target: Target,
}

impl Visit<'_> {
    async fn confirm(&self) -> Response<Body> {
        let done = match self.input::<ConfirmSubscriptionInput>() {
            Ok(input) => confirm::finish(self.app, input, false).await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        let page = |answer: &ConfirmSubscriptionResponse| {
            let arn = answer.subscription_arn.as_deref().unwrap_or_default();
            ("Subscription confirmed", format!("The subscription is confirmed. Its id is {arn}"))
        };
        self.show(done.map(|arn| ConfirmSubscriptionResponse { subscription_arn: Some(arn) }), page)
    }

    async fn unsubscribe(&self) -> Response<Body> {
        let done = match self.input::<UnsubscribeInput>() {
            Ok(input) => subscribe::end_by_link(self.app, input.subscription_arn).await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        let page = |_: &()| ("Unsubscribed", "The subscription has ended.".to_owned());
        self.show(done, page)
    }

    fn input<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let input = wire::decode(&self.target, &self.request)?;
        serde_json::from_value(input)
            .map_err(|error| Fault::new("InvalidParameter", format!("Invalid parameter: {error}")))
    }

    /// People who click get a page, programs get AWS's XML.
    fn show<T: Serialize>(
        &self,
        done: Result<T, Fault>,
        page: impl Fn(&T) -> (&'static str, String),
    ) -> Response<Body> {
        let accept = self.head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("text/html")) {
            let (status, (title, text)) = match &done {
                Ok(answer) => (StatusCode::OK, page(answer)),
                Err(fault) => {
                    (StatusCode::BAD_REQUEST, ("This link does not work", fault.message().to_owned()))
                }
            };
            return respond(status, "text/html; charset=utf-8", Bytes::from(html(title, &text)));
        }
        let request_id = self.app.clock.uuid();
        api::into_hyper(match done {
            Ok(_) if size_of::<T>() == 0 => {
                wire::encode(&self.target, &request_id, Ok(serde_json::Value::Object(serde_json::Map::new())))
            }
            Ok(answer) => wire::encode_typed(&self.target, &request_id, &answer),
            Err(fault) => wire::encode(&self.target, &request_id, Err(fault)),
        })
    }
}

fn html(title: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_no_markup_of_others() {
        assert!(html("t", "<script>&").contains("<p>&lt;script&gt;&amp;</p>"));
    }
}
