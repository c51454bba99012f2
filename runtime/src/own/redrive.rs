//! Owns `POST /_logboom/dead-letters/redrive`: `{"id": N}`, `{"function": NAME}` or `{"subscription": NAME or ARN}`
//! hands dead letters over again, and removes what was taken. Refuses to know what they hold.
//!
//! Events are handed to their function before this answers; what waits in the outbox is only put there again, under
//! a new id.

use std::sync::Arc;

use bytes::Bytes;
use deliver::outbox::{self, Payload};
use deliver::{DeadLetterRecord, Records};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::app::App;
use crate::ingest::subscriptions::redrive;
use crate::meta::{MetaError, Tx};
use crate::outbox::Refused;
use crate::records::deliveries::{self, DeadLetter};

/// Letters of one request; the answer says whether there are more.
const LETTERS_MAX: usize = 100;

/// What the key of a call says behind that of the call that failed.
const AGAIN: &str = "/redrive-";

/// Which letters are wanted: those of which everything holds that is said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    id: Option<u64>,
    function: Option<String>,
    subscription: Option<String>,
    log_group: Option<String>,
    /// Only letters after this one.
    after: Option<u64>,
}

impl Wanted {
    fn read(body: &Bytes) -> Result<Wanted, (StatusCode, String)> {
        let wanted: Wanted = serde_json::from_slice(body).map_err(|error| {
            let text = format!(
                "{error}; expected {{\"id\": N}}, {{\"function\": NAME}} or {{\"subscription\": NAME}}"
            );
            (StatusCode::BAD_REQUEST, text)
        })?;
        if wanted.id.is_none() && wanted.function.is_none() && wanted.subscription.is_none() {
            let text = "say which dead letters: id, function or subscription".to_owned();
            return Err((StatusCode::BAD_REQUEST, text));
        }
        Ok(wanted)
    }

    fn events(&self, letter: &DeadLetter) -> bool {
        self.said(letter.id)
            && self.function.as_ref().is_none_or(|name| *name == letter.function)
            && self.subscription.as_ref().is_none_or(|name| *name == letter.filter)
            && self.log_group.as_ref().is_none_or(|name| *name == letter.group)
    }

    fn sent(&self, letter: &DeadLetterRecord) -> bool {
        let function = match &letter.record.payload {
            Payload::Notification(n) => n.endpoint.as_str(),
            Payload::Invoke(call) => call.function_arn.as_str(),
            Payload::Handshake(_) | Payload::Append(_) => "",
        };
        let is_of = |name: &String| {
            let of = function.split_once(":function:").map(|(_, of)| of.split(':').next().unwrap_or(of));
            of == Some(name.as_str())
        };
        self.said(letter.record.id)
            && self.log_group.is_none()
            && self.function.as_ref().is_none_or(is_of)
            && self
                .subscription
                .as_ref()
                .is_none_or(|arn| letter.record.subscription_arn() == Some(arn.as_str()))
    }

    fn said(&self, id: u64) -> bool {
        self.id.is_none_or(|wanted| wanted == id) && self.after.is_none_or(|after| id > after)
    }
}

pub(super) async fn run(app: &Arc<App>, body: &Bytes) -> Answer {
    let wanted = Wanted::read(body)?;
    let read = app.meta.read(|tx| {
        let mut events = deliveries::every(tx, |letter| wanted.events(letter))?;
        events.sort_by_key(|letter| letter.id);
        let mut sent = tx.dead_letters_after(wanted.after, usize::MAX)?;
        sent.retain(|letter| wanted.sent(letter));
        Ok::<_, MetaError>((events, sent))
    });
    let (mut events, mut sent) = read.map_err(|error| unavailable(&error))?;
    if events.is_empty() && sent.is_empty() && wanted.after.is_none() {
        return Err((StatusCode::NOT_FOUND, "there is no such dead letter".to_owned()));
    }
    // The first of both kinds together, so that what comes after the last of them is not done yet.
    let mut ids: Vec<u64> = events.iter().map(|letter| letter.id).collect();
    ids.extend(sent.iter().map(|letter| letter.record.id));
    ids.sort_unstable();
    let more = ids.len() > LETTERS_MAX;
    if let Some(&beyond) = ids.get(LETTERS_MAX) {
        events.retain(|letter| letter.id < beyond);
        sent.retain(|letter| letter.record.id < beyond);
    }
    let mut answer = Vec::with_capacity(events.len() + sent.len());
    for letter in &sent {
        answer.extend(send_again(app, letter).await?);
    }
    if !sent.is_empty() {
        app.outbox.nudge();
    }
    for letter in &events {
        match redrive::redrive(app, letter).await {
            Ok(None) => {}
            Ok(Some(done)) => answer.push(json!({
                "id": done.letter.id,
                "kind": "events",
                "function": done.letter.function,
                "subscription": done.letter.filter,
                "deliveryId": done.letter.consumer(),
                "handled": done.handled,
                "left": done.left,
                "error": done.error,
            })),
            Err(error) => return Err((StatusCode::SERVICE_UNAVAILABLE, error)),
        }
    }
    Ok(json!({ "redriven": answer, "more": more }))
}

/// Moves a letter back into the outbox, in one change: it is there or here. `None`: it was neither.
async fn send_again(
    app: &Arc<App>,
    letter: &DeadLetterRecord,
) -> Result<Option<Value>, (StatusCode, String)> {
    let (outbox, old, now_ms) = (Arc::clone(&app.outbox), letter.record.id, app.clock.now_ms());
    let moved = app.meta.change(move |tx: &mut Tx<'_>| -> Result<_, Refused> {
        let found = tx.dead_letters_after(old.checked_sub(1), 1)?.pop();
        let Some(letter) = found.filter(|letter| letter.record.id == old) else { return Ok(None) };
        outbox.check_room(tx)?;
        let mut record = outbox::redrive(letter, tx.next_id("outbox")?, now_ms);
        if let Payload::Invoke(_) = record.payload {
            // A message keeps its key, which its receiver may know; a call is another delivery.
            let first = record.key.split(AGAIN).next().unwrap_or_default();
            record.key = format!("{first}{AGAIN}{old}");
        }
        tx.dead_letter_delete(old)?;
        tx.outbox_put(&record)?;
        Ok(Some((record.id, record.key)))
    });
    match moved.await {
        Ok(moved) => {
            Ok(moved.map(|(new, key)| json!({ "id": old, "kind": "outbox", "newId": new, "key": key })))
        }
        Err(refused) => Err((StatusCode::SERVICE_UNAVAILABLE, refused.to_string())),
    }
}

fn unavailable(error: &MetaError) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_said_by_name() {
        let read = |body: &'static str| Wanted::read(&Bytes::from_static(body.as_bytes()));
        for bad in ["", "{}", "[]", r#"{"what": 1}"#, r#"{"logGroup": "/a"}"#, r#"{"id": "x"}"#] {
            assert_eq!(read(bad).unwrap_err().0, StatusCode::BAD_REQUEST, "{bad}");
        }
        let letter = DeadLetter {
            id: 7,
            function: "f".into(),
            filter: "s".into(),
            group: "/a".into(),
            ..DeadLetter::default()
        };
        let takes = |body| read(body).unwrap().events(&letter);
        assert!(takes(r#"{"id": 7}"#) && takes(r#"{"function": "f"}"#) && takes(r#"{"subscription": "s"}"#));
        assert!(takes(r#"{"subscription": "s", "logGroup": "/a", "after": 6}"#));
        for other in [
            r#"{"id": 8}"#,
            r#"{"function": "g"}"#,
            r#"{"id": 7, "logGroup": "/b"}"#,
            r#"{"function": "f", "after": 7}"#,
        ] {
            assert!(!takes(other), "{other}");
        }
    }
}
