//! Owns `POST /_logboom/functions/NAME/promote` (`{"version": V, "alias": A, "dryRun": true}`, all of it optional) and
//! `/rollback` (`{"alias": A, "dryRun": true}`). Refuses to know what a promotion is. A request is signed like one of
//! Lambda; its key needs what moving an alias and changing code need.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Fault, Service};

use super::caller;
use crate::app::App;
use crate::functions::promote::{self, Wanted};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Promote,
    RollBack,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Post {
    version: Option<String>,
    alias: Option<String>,
    dry_run: bool,
}

pub(super) async fn perform(
    app: &Arc<App>,
    head: &Parts,
    body: &Bytes,
    (name, way): (&str, Way),
) -> Result<Value, Fault> {
    if head.method != Method::POST {
        return Err(caller::no_method(head));
    }
    let of = json!({ "FunctionName": name });
    let scope = caller::admit(app, head, body, (Service::Lambda, "UpdateAlias"), &of)?;
    caller::admit(app, head, body, (Service::Lambda, "UpdateFunctionCode"), &of)?;
    let refuse = |text| Fault::new("InvalidParameterValueException", text);
    let post = if body.is_empty() { Ok(Post::default()) } else { serde_json::from_slice::<Post>(body) };
    let Post { version, alias, dry_run } =
        post.map_err(|error| refuse(format!("{error}; version, alias and dryRun are understood")))?;
    if way == Way::RollBack && version.is_some() {
        return Err(refuse(
            "a rollback goes to the version that served before: it takes no version".to_owned(),
        ));
    }
    let wanted = Wanted { name: name.to_owned(), version, alias };
    let plan = match (way, dry_run) {
        (Way::Promote, true) => promote::plan_promotion(app, &scope, &wanted)?,
        (Way::Promote, false) => promote::promote(app, &scope, wanted).await?,
        (Way::RollBack, true) => promote::plan_rollback(app, &scope, &wanted)?,
        (Way::RollBack, false) => promote::roll_back(app, &scope, wanted).await?,
    };
    Ok(plan.shown())
}
