//! Owns `GET /_logboom/transformers?group=NAME`: which modules the stored events of a log group went through, by
//! position, and with `&event=ID` of one event. Refuses to know what they did. Where access keys are configured, the
//! request is signed like one of Logs and its key needs DescribeTransformers on the group.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};
use store::EventId;
use wire::{Fault, Service};

use super::caller;
use super::tail::unescape;
use crate::app::App;
use crate::meta::MetaError;
use crate::records::groups;
use crate::records::makers::{self, Made, Maker};
use crate::server::Body;

pub(super) fn answer(app: &Arc<App>, head: &Parts) -> Response<Body> {
    caller::json(read(app, head))
}

fn read(app: &Arc<App>, head: &Parts) -> Result<Value, Fault> {
    if head.method != Method::GET {
        let text = format!("{} is not a method of transformers", head.method);
        return Err(Fault::new("MethodNotAllowed", text).status(405));
    }
    let (name, event) = asked(head.uri.query().unwrap_or_default()).map_err(refusal)?;
    let (operation, input) = ((Service::Logs, "DescribeTransformers"), json!({ "logGroupName": name }));
    let scope = caller::admit(app, head, &Bytes::new(), operation, &input)?;
    let found = app.meta.read(|tx| -> Result<_, MetaError> {
        let Some(group) = groups::find(tx, &scope, &name)? else { return Ok(None) };
        makers::of(tx, group.id).map(Some)
    });
    let Some(rows) = found? else {
        let text = format!("The specified log group does not exist: {name}");
        return Err(Fault::new("ResourceNotFoundException", text).status(404));
    };
    if let Some(event) = event {
        let row = rows.iter().rev().find(|(from, _)| *from <= event.position.seq);
        let by: Vec<Value> = row.into_iter().flat_map(|(_, made)| &made.by).map(shown).collect();
        return Ok(json!({ "logGroup": name, "event": event.to_string(), "by": by }));
    }
    let ends = rows.iter().skip(1).map(|(from, _)| Some(*from)).chain([None]);
    let spans = rows.iter().zip(ends).map(|((from, Made { since_ms, by }), to)| {
        let by: Vec<Value> = by.iter().map(shown).collect();
        json!({ "from": from, "to": to, "sinceMs": since_ms, "by": by })
    });
    Ok(json!({ "logGroup": name, "spans": spans.collect::<Vec<_>>() }))
}

fn shown(maker: &Maker) -> Value {
    let Maker { function, version, digest, failed } = maker;
    let outcome = match (function.is_empty(), failed) {
        (true, _) => "no transformer",
        (false, true) => "failed, stored as it came",
        (false, false) => "transformed",
    };
    json!({ "function": function, "version": version, "digest": digest, "outcome": outcome })
}

fn refusal(text: String) -> Fault {
    Fault::new("InvalidParameterException", text)
}

fn asked(query: &str) -> Result<(String, Option<EventId>), String> {
    let (mut group, mut event) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-")) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = unescape(value)?;
        match name {
            "group" => group = Some(value),
            "event" => {
                event = Some(value.parse::<EventId>().map_err(|error| format!("event={value}: {error}"))?);
            }
            _ => return Err(format!("{name} is not understood: group and event are")),
        }
    }
    Ok((group.ok_or("group=NAME is missing")?, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Position;

    #[test]
    fn a_group_is_asked_for_and_perhaps_an_event() {
        let id = EventId::new(5, Position::at(7));
        assert_eq!(asked("group=%2Fa").unwrap(), ("/a".to_owned(), None));
        assert_eq!(asked(&format!("event={id}&group=/a")).unwrap(), ("/a".to_owned(), Some(id)));
        for (bad, why) in [("", "missing"), ("group=/a&event=7", "56 digits"), ("group=/a&x=1", "x is not")] {
            assert!(asked(bad).unwrap_err().contains(why), "{bad}");
        }
    }
}
