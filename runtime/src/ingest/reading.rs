//! Owns reading the log by position: what has to come from the disk, off the threads that answer. Refuses to know who
//! reads.

use std::sync::Arc;

use store::{GroupId, Page, PageLimit, Position, Unread};

use crate::app::App;
use crate::records::gaps::Gap;

/// Events of `groups` from `next` to `end` (excluded), in the order of arrival; a page that lies in memory may be shorter
/// than it has to be.
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
    store.follow();
    if let Some(page) = store.scan_memory_by_position(Position::at(next), end, limit, Some(&groups)) {
        return Ok(page);
    }
    whole(app, next, end, limit, groups).await
}

/// As [`page`], but never shorter than its limit or its end: what lies in memory is no end of it.
///
/// # Errors
/// As [`page`].
pub(crate) async fn whole(
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

/// What a reader that began at `from` misses where stored events cannot be read; at most so many events.
pub(crate) fn missed(unread: &Unread, from: u64, at_ms: i64) -> Gap {
    let (first, last) = (unread.first.seq.max(from), unread.last.seq);
    let events = unread.events.min((last + 1).saturating_sub(first));
    Gap { events, first, last, reason: format!("they cannot be read: {unread}"), at_ms }
}

#[cfg(test)]
mod tests {
    use store::{ReadError, SegmentId};

    use super::*;

    #[test]
    fn a_reader_misses_no_more_than_what_lies_behind_its_beginning() {
        let error = ReadError::Corrupt { segment: SegmentId(7), what: "chunk checksum" };
        let unread = Unread { error, events: 10, first: Position::at(100), last: Position::at(199) };
        let of = |from| {
            let gap = missed(&unread, from, 5);
            (gap.events, gap.first, gap.last)
        };
        assert_eq!(of(0), (10, 100, 199));
        assert_eq!(of(195), (5, 195, 199));
        let reason = missed(&unread, 0, 5).reason;
        assert!(reason.contains("segment 7") && reason.contains("chunk checksum"), "{reason}");
    }
}
