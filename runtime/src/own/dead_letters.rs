//! Owns `GET /_logboom/dead-letters`: what could not be delivered, messages and calls as well as events that
//! subscriptions gave up, oldest first, page by page (`?after=ID&limit=N`). Refuses to know why a delivery fails.
//!
//! Messages are private: where access keys are configured, the request is signed like one of SNS.

use bytes::Bytes;
use deliver::outbox::Payload;
use deliver::{DeadLetterRecord, Records};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use wire::{Credential, Protocol, Service, Target};

use super::Answer;
use crate::app::App;
use crate::meta::MetaError;
use crate::records::deliveries::{self, DeadLetter};
use crate::{api, doors};

const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

pub(super) fn read(app: &App, head: &Parts) -> Answer {
    check_door(app, head, &Bytes::new(), Service::Sns, "ListDeadLetters")?;
    let (after, limit) = page(head.uri.query().unwrap_or_default())?;
    let letters = app.meta.read(|tx| -> Result<_, MetaError> {
        let sent = tx.dead_letters_after(after, limit)?;
        let events = deliveries::every(tx, |letter| after.is_none_or(|after| letter.id > after))?;
        Ok((sent, events))
    });
    let (sent, events) = letters.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let sent = sent.iter().map(|letter| (letter.record.id, shown(letter)));
    // Their ids are of one sequence.
    let mut letters: Vec<(u64, Value)> = events.iter().map(|letter| (letter.id, given_up(letter))).collect();
    letters.extend(sent);
    letters.sort_by_key(|(id, _)| *id);
    letters.truncate(limit);
    let next = letters.last().filter(|_| letters.len() == limit).map(|(id, _)| *id);
    let letters: Vec<Value> = letters.into_iter().map(|(_, shown)| shown).collect();
    Ok(json!({ "deadLetters": letters, "next": next }))
}

/// Events that a subscription gave up.
fn given_up(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "kind": "events",
        "account": letter.scope.as_ref().map(|scope| &scope.account),
        "region": letter.scope.as_ref().map(|scope| &scope.region),
        "key": letter.delivery,
        "function": letter.function,
        "version": letter.version,
        "digest": letter.digest,
        "subscription": letter.filter,
        "logGroup": letter.group,
        "logStream": letter.stream,
        "events": letter.events,
        "messages": letter.messages,
        "error": letter.reason,
        "errorType": letter.error_type,
        "panic": letter.panic,
        "attempts": letter.attempts,
        "redriven": letter.redriven,
        "redriving": letter.redriving,
        "diedMs": letter.at_ms,
    })
}

/// Refuses a request that is not signed for `service` by a key without policies, where access keys are
/// configured: what is shown here is of every account.
pub(crate) fn check_door(
    app: &App,
    head: &Parts,
    body: &Bytes,
    service: Service,
    operation: &str,
) -> Result<(), (StatusCode, String)> {
    if app.is_open() {
        return Ok(());
    }
    let request = api::into_wire(head, body.clone());
    let target = Target {
        service,
        protocol: Protocol::Query,
        operation: operation.to_owned(),
        query_mode: false,
        credential: Credential::of(&request),
    };
    let admitted = doors::admit(app, &target, &request);
    let admitted = admitted.map_err(|fault| (StatusCode::FORBIDDEN, fault.message().to_owned()))?;
    if admitted.identity.policies.is_empty() {
        return Ok(());
    }
    let reason =
        format!("{} may not use Logboom's own operations: its key has policies", admitted.identity.arn);
    Err((StatusCode::FORBIDDEN, reason))
}

fn page(query: &str) -> Result<(Option<u64>, usize), (StatusCode, String)> {
    let (mut after, mut limit) = (None, PAGE);
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-")) {
        let read = match pair.split_once('=') {
            Some(("after", id)) => id.parse().map(|id| after = Some(id)).is_ok(),
            Some(("limit", count)) => count.parse().map(|count| limit = count).is_ok() && limit > 0,
            _ => false,
        };
        if !read {
            let text = format!("{pair:?} is not understood: after=ID and limit=N (up to {PAGE_MAX}) are");
            return Err((StatusCode::BAD_REQUEST, text));
        }
    }
    Ok((after, limit.min(PAGE_MAX)))
}

fn shown(letter: &DeadLetterRecord) -> Value {
    let record = &letter.record;
    let mut shown = json!({
        "id": record.id,
        "account": record.account,
        "region": record.region,
        "key": record.key,
        "error": letter.error,
        "attempts": record.attempt,
        "createdMs": record.created_ms,
        "diedMs": letter.died_ms,
    });
    let more = match &record.payload {
        Payload::Notification(n) => json!({
            "kind": "notification",
            "topicArn": n.message.topic_arn,
            "subscriptionArn": n.subscription_arn,
            "protocol": n.protocol.as_str(),
            "endpoint": n.endpoint,
            "messageId": n.message.id,
            "subject": n.message.subject,
            "message": n.message.body,
        }),
        Payload::Handshake(h) => json!({
            "kind": if h.leaving { "farewell" } else { "handshake" },
            "topicArn": h.topic_arn,
            "subscriptionArn": h.subscription_arn,
            "protocol": h.protocol.as_str(),
            "endpoint": h.endpoint,
            "messageId": h.message_id,
        }),
        Payload::Invoke(call) => json!({
            "kind": "invoke",
            "functionArn": call.function_arn,
            "sourceArn": call.source_arn,
            "payload": call.payload,
        }),
        Payload::Append(line) => json!({
            "kind": "append",
            "logGroupArn": line.log_group_arn,
            "logStream": line.log_stream,
            "message": line.message,
        }),
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_by_name() {
        assert_eq!(page("").unwrap(), (None, PAGE));
        assert_eq!(page("after=7&limit=5").unwrap(), (Some(7), 5));
        assert_eq!(page("limit=99999").unwrap(), (None, PAGE_MAX));
        for bad in ["limit=0", "after=x", "what=1", "limit"] {
            assert_eq!(page(bad).unwrap_err().0, StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}
