//! Owns the inline transformer of a log group: a filter function that every batch goes through before it is
//! stored, named by tags of the group. Refuses to know what it does to events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use store::{Events, batch};
use wasm::{LogEvent, Verdict};

use super::accept::AcceptError;
use crate::app::App;
use crate::functions::attach::{self, Purpose, Unusable};
use crate::functions::{OUTPUT_PREFIX, Ready, events, registry};
use crate::meta::Tx;
use crate::records::Scope;
use crate::records::groups::GroupRecord;
use crate::records::makers::Maker;

/// The tag that names the function.
const FUNCTION: &str = "logboom:transformer";

/// The tag that says what becomes of a batch when it fails.
const ON_ERROR: &str = "logboom:transformer-on-error";

/// What becomes of a batch when the transformer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnError {
    /// It is stored as it came.
    Keep,
    /// It is not stored, and the client is not told.
    Drop,
    /// It is not stored, and the client is told.
    Fail,
}

impl OnError {
    fn parse(text: &str) -> Option<OnError> {
        match text {
            "keep" => Some(OnError::Keep),
            "drop" => Some(OnError::Drop),
            "fail" => Some(OnError::Fail),
            _ => None,
        }
    }
}

/// The transformer of a group.
#[derive(Debug)]
pub(crate) struct Transformer<'a> {
    function: &'a str,
    on_error: OnError,
}

impl Transformer<'_> {
    /// What the tags of a group say; they were checked when they were set.
    pub(crate) fn of(group: &GroupRecord) -> Option<Transformer<'_>> {
        let function = group.tags.get(FUNCTION)?;
        // Without the second tag nothing may leak: that is what `fail` means.
        let on_error =
            group.tags.get(ON_ERROR).and_then(|text| OnError::parse(text)).unwrap_or(OnError::Fail);
        Some(Transformer { function, on_error })
    }

    /// The function, with a qualifier if one was given.
    pub(crate) fn function(&self) -> &str {
        self.function
    }
}

/// Checks the tags of a group after a change.
///
/// # Errors
/// A sentence, when the change makes a transformer that cannot work.
pub(crate) fn check(
    tx: &mut Tx<'_>,
    scope: &Scope,
    group: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<(), String> {
    if [FUNCTION, ON_ERROR].iter().all(|tag| before.get(*tag) == after.get(*tag)) {
        return Ok(());
    }
    let (name, on_error) = match (after.get(FUNCTION), after.get(ON_ERROR)) {
        (None, None) => return Ok(()),
        (Some(name), Some(on_error)) => (name, on_error),
        _ => return Err(format!("The tags {FUNCTION} and {ON_ERROR} are set and removed together.")),
    };
    if OnError::parse(on_error).is_none() {
        return Err(format!("The tag {ON_ERROR} is keep, drop or fail, not {on_error}."));
    }
    if group.starts_with(OUTPUT_PREFIX) {
        return Err(format!("{group} holds the output of a function, which goes through no transformer."));
    }
    attach::check_in(tx, scope, name, Purpose::Filter).map_err(|unusable| match unusable {
        Unusable::Missing => format!("The tag {FUNCTION} cannot be set: there is no function {name}."),
        Unusable::Unfit(reason) => format!("The tag {FUNCTION} cannot be set: {reason}."),
    })
}

/// What is to be stored in place of `events`, which came over `hop` deliveries, and who made it.
///
/// # Errors
/// [`AcceptError::Transform`] when the transformer fails and the group says `fail`.
pub(super) async fn transform(
    app: &Arc<App>,
    group: &GroupRecord,
    stream: &str,
    transformer: &Transformer<'_>,
    (hop, events): (u8, Events),
) -> Result<(Events, Maker), AcceptError> {
    let (name, function) = (&group.name, transformer.function);
    let delivery_id = format!("transform-{}", app.clock.uuid());
    let mut maker = Maker { function: function.to_owned(), ..Maker::default() };
    let asked = match registry::ready(app, &group.scope, function, &delivery_id).await {
        Ok(ready) => {
            ready.record.version.clone_into(&mut maker.version);
            ready.module.digest().clone_into(&mut maker.digest);
            ask(app, &ready, (group, stream), &delivery_id, (hop, &events)).await
        }
        Err(error) => Err(error.to_string()),
    };
    let failed = match asked {
        Ok(transformed) => return Ok((transformed, maker)),
        Err(reason) => reason,
    };
    maker.failed = true;
    match transformer.on_error {
        OnError::Fail => Err(AcceptError::Transform { function: function.to_owned(), reason: failed }),
        OnError::Keep => {
            tracing::warn!(group = name, function, reason = failed, "a batch was stored as it came");
            Ok((events, maker))
        }
        OnError::Drop => {
            let count = events.len();
            tracing::warn!(group = name, function, reason = failed, count, "a batch was dropped");
            Ok((Events::with_capacity(0, 0), maker))
        }
    }
}

async fn ask(
    app: &Arc<App>,
    ready: &Ready,
    (group, stream): (&GroupRecord, &str),
    delivery_id: &str,
    (hop, events): (u8, &Events),
) -> Result<Events, String> {
    let now_ms = app.clock.now_ms();
    // They came in as text.
    let texts: Vec<(i64, Cow<'_, str>)> =
        events.iter().map(|(timestamp, message)| (timestamp, crate::utf8::repaired(message))).collect();
    let given: Vec<events::Given<'_>> = texts
        .iter()
        .map(|(timestamp, message)| {
            let event = LogEvent { timestamp: *timestamp, ingestion_time: now_ms, message };
            // Positions are given when events are stored.
            events::Given { event, sequence: 0, hop }
        })
        .collect();
    let origin = events::Origin {
        group: group.name.clone(),
        stream: stream.to_owned(),
        filter: "transformer".to_owned(),
        attempt: 1,
        group_id: 0,
    };
    let verdicts = events::verdicts(app, ready, &origin, delivery_id, &given).await;
    let verdicts = verdicts.map_err(|error| error.to_string())?;
    let mut stored = Events::with_capacity(events.len(), 0);
    let mut sizes = Vec::with_capacity(events.len());
    for ((timestamp_ms, message), verdict) in texts.iter().zip(&verdicts) {
        let message = match verdict {
            Verdict::Keep => &**message,
            Verdict::Drop => continue,
            Verdict::Replace(text) if text.is_empty() => {
                return Err("it replaced a message by nothing".to_owned());
            }
            Verdict::Replace(text) => text,
        };
        sizes.push((*timestamp_ms, message.len()));
        stored.push(*timestamp_ms, message);
    }
    if !sizes.is_empty() {
        let checked = batch::check(now_ms, group.retention_days, sizes);
        checked.map_err(|error| format!("what it made of the batch is refused: {error}"))?;
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use wasm::{FunctionRecord, Records as _, Role, State};

    use super::*;
    use crate::meta::{Meta, MetaError};

    #[test]
    fn the_tags_are_checked_when_they_are_set() {
        let meta = Meta::in_memory();
        let function = |name: &str, role: Role, state| FunctionRecord {
            name: name.to_owned(),
            roles: if state == State::Active { vec![role.name().to_owned()] } else { Vec::new() },
            state,
            ..FunctionRecord::default()
        };
        let functions = [
            function("redact", Role::Filter, State::Active),
            function("digest", Role::Subscription, State::Active),
            function("new", Role::Filter, State::Pending),
            function("broken", Role::Filter, State::Failed),
        ];
        let put = move |tx: &mut Tx<'_>| functions.iter().try_for_each(|one| tx.put_function("1", "r", one));
        meta.change_blocking(put).unwrap();
        let scope = Scope { account: "1".into(), region: "r".into() };
        let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let checked = |group: &str, before: &[(&str, &str)], after: &[(&str, &str)]| {
            meta.read(|tx| Ok::<_, MetaError>(check(tx, &scope, group, &tags(before), &tags(after)))).unwrap()
        };
        let with = |name| checked("/a", &[], &[(FUNCTION, name), (ON_ERROR, "fail")]);
        assert_eq!((with("redact"), with("new")), (Ok(()), Ok(())));
        assert!(with("digest").unwrap_err().contains("exports subscription"));
        assert!(with("broken").unwrap_err().contains("has failed"));
        assert!(with("none").unwrap_err().contains("no function none"));
        assert!(checked("/a", &[], &[(FUNCTION, "redact")]).unwrap_err().contains("together"));
        assert!(
            checked("/a", &[], &[(FUNCTION, "redact"), (ON_ERROR, "hide")]).unwrap_err().contains("hide")
        );
        let own = checked("/aws/lambda/redact", &[], &[(FUNCTION, "redact"), (ON_ERROR, "keep")]);
        assert!(own.unwrap_err().contains("output of a function"));
        let both = [(FUNCTION, "redact"), (ON_ERROR, "keep")];
        assert!(checked("/a", &both, &[(ON_ERROR, "keep")]).is_err());
        assert_eq!(checked("/a", &both, &[]), Ok(()));
    }
}
