//! Owns tags of alarms, by ARN. Refuses other resources of CloudWatch: there are none here.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::Scope;
use metrics::records::{AlarmRecord, Reads};
use wire::Fault;
use wire::shape::cloudwatch::{
    ListTagsForResourceInput, ListTagsForResourceOutput, Tag, TagResourceInput, TagResourceOutput,
    UntagResourceInput, UntagResourceOutput,
};

use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::meta::Tx;
use crate::records::alarm_tags;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(CloudWatch::TagResource => tag),
    operation!(CloudWatch::UntagResource => untag),
    operation!(CloudWatch::ListTagsForResource => list),
];

type Tags = BTreeMap<String, String>;

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new("InvalidParameterValue", message)
}

/// The tags of a request, each key once.
///
/// # Errors
/// A key twice or one that AWS keeps for itself, and more than `count_max`.
pub(super) fn checked(given: Vec<Tag>, count_max: u64) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for Tag { key, value } in given {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Tag keys that begin with aws: are reserved: {key}")));
        }
        if tags.contains_key(&key) {
            return Err(invalid(format!("The tag key {key} is given more than once.")));
        }
        tags.insert(key, value);
    }
    check_count(&tags, count_max)?;
    Ok(tags)
}

fn check_count(tags: &Tags, count_max: u64) -> Result<(), Fault> {
    if tags.len() as u64 > count_max {
        return Err(invalid(format!("A resource can have no more than {count_max} tags.")));
    }
    Ok(())
}

/// The alarm that an ARN of the caller's names.
fn alarm_of(tx: &mut Tx<'_>, scope: &Scope, arn: &str) -> Result<AlarmRecord, Fault> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let ["arn", _, "cloudwatch", region, account, kind, name] = parts[..] else {
        return Err(invalid(format!("Invalid ARN: {arn}")));
    };
    let unknown = || {
        Fault::new("ResourceNotFoundException", format!("Unknown: {arn}"))
            .status(404)
            .field("ResourceType", "Alarm")
            .field("ResourceId", name)
    };
    if kind != "alarm" {
        return Err(invalid(format!("Logboom keeps tags of alarms only, and this is a {kind}: {arn}")));
    }
    if region != scope.region || account != scope.account {
        return Err(unknown());
    }
    tx.alarm(scope, name)?.ok_or_else(unknown)
}

async fn tag(app: &Arc<App>, caller: &Caller, request: TagResourceInput) -> Result<TagResourceOutput, Fault> {
    let count_max = app.limits.sizes.tags_per_resource;
    let new = checked(request.tags, count_max)?;
    let scope = Scope::from(&caller.scope());
    let work = move |tx: &mut Tx<'_>| -> Result<(), Fault> {
        let alarm = alarm_of(tx, &scope, &request.resource_arn)?;
        let mut tags = alarm_tags::of(tx, alarm.id)?;
        tags.extend(new);
        check_count(&tags, count_max)?;
        Ok(alarm_tags::put(tx, alarm.id, &tags)?)
    };
    app.meta.change(work).await?;
    Ok(TagResourceOutput {})
}

async fn untag(
    app: &Arc<App>,
    caller: &Caller,
    request: UntagResourceInput,
) -> Result<UntagResourceOutput, Fault> {
    let scope = Scope::from(&caller.scope());
    let work = move |tx: &mut Tx<'_>| -> Result<(), Fault> {
        let alarm = alarm_of(tx, &scope, &request.resource_arn)?;
        let mut tags = alarm_tags::of(tx, alarm.id)?;
        tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(alarm_tags::put(tx, alarm.id, &tags)?)
    };
    app.meta.change(work).await?;
    Ok(UntagResourceOutput {})
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Fault> {
    let scope = Scope::from(&caller.scope());
    let tags = app.meta.read(|tx| -> Result<Tags, Fault> {
        let alarm = alarm_of(tx, &scope, &request.resource_arn)?;
        Ok(alarm_tags::of(tx, alarm.id)?)
    })?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceOutput { tags: Some(tags) })
}
