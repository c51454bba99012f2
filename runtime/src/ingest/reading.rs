//! Owns reading a page of the log by position off the request threads. Refuses to know who reads.

use std::sync::Arc;

use store::{GroupId, Page, PageLimit, Position};

use crate::app::App;

/// Events of `groups` from `next` to `end` (excluded), in the order of arrival.
///
/// # Errors
/// A sentence, when the storage fails.
pub(crate) async fn page(
    app: &Arc<App>,
    next: u64,
    end: Position,
    limit: PageLimit,
    groups: Vec<GroupId>,
) -> Result<Page, String> {
    let store = Arc::clone(&app.store);
    let read = move || store.scan_by_position(Position::at(next), end, limit, Some(&groups));
    App::blocking(read).await.map_err(|error| error.to_string())
}
