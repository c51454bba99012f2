//! Owns CreateLogStream and DeleteLogStream. Refuses to know listing and events.

use std::sync::Arc;

use store::StreamId;
use wire::Fault;
use wire::shape::logs::{CreateLogStreamRequest, DeleteLogStreamRequest};

use super::lookup;
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::records::streams;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Logs::CreateLogStream => create), operation!(Logs::DeleteLogStream => delete)];

async fn create(app: &Arc<App>, caller: &Caller, request: CreateLogStreamRequest) -> Result<(), Fault> {
    let (scope, now_ms) = (caller.scope(), app.clock.now_ms());
    app.meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &request.log_group_name)?;
            if streams::find(tx, group.id, &request.log_stream_name)?.is_some() {
                return Err(Fault::new(
                    "ResourceAlreadyExistsException",
                    "The specified log stream already exists",
                ));
            }
            streams::insert(tx, group.id, &request.log_stream_name, now_ms)?;
            Ok(())
        })
        .await
}

async fn delete(app: &Arc<App>, caller: &Caller, request: DeleteLogStreamRequest) -> Result<(), Fault> {
    let scope = caller.scope();
    let stream = app
        .meta
        .change(move |tx| {
            let group = lookup::group(tx, &scope, &request.log_group_name)?;
            let stream = lookup::stream(tx, &group, &request.log_stream_name)?;
            streams::remove(tx, group.id, &stream)?;
            Ok::<_, Fault>(stream.id)
        })
        .await?;
    // Should the process end here: at the next start the store asks which streams there are.
    let store = Arc::clone(&app.store);
    App::blocking(move || store.delete_stream(StreamId(stream))).await;
    Ok(())
}
