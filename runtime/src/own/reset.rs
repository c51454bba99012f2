//! Owns `POST /_logboom/reset`: everything is gone, for other people's test suites. It exists only under
//! `serve --allow-reset`, which needs a loopback address. Refuses to forget ids: none is used twice, so what
//! a reader or a page token still remembers finds nothing.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;
use store::GroupId;

use super::Answer;
use crate::app::App;
use crate::meta::MetaError;
use crate::records::groups;

/// Tables that are not emptied: ids, where readers stand in the log, and what the store needs to read its
/// own files (which deleting the groups empties).
const KEPT: &[&str] = &["ids", "cursors", "system_key", "store_segments", "store_sealed", "store_swept"];

pub(super) async fn run(app: &Arc<App>) -> Answer {
    if !app.config.allow_reset {
        return Err((StatusCode::NOT_FOUND, "reset exists only under --allow-reset".to_owned()));
    }
    let emptied = app.meta.change(|tx| {
        let groups = groups::every(tx)?;
        tx.clear_except(KEPT)?;
        Ok::<_, MetaError>(groups)
    });
    let groups = emptied.await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    app.keyring.forget_all();
    groups.iter().for_each(|group| app.makers.forget(group.id));
    let (store, deleted) = (Arc::clone(&app.store), groups.len());
    App::blocking(move || groups.iter().for_each(|group| store.delete_group(GroupId(group.id)))).await;
    app.queries.clear();
    app.followers.wake();
    app.fan_out.definitions_changed();
    app.schedules.changed_all();
    app.functions.shadows.clear();
    Ok(json!({ "deleted_log_groups": deleted }))
}
