//! Owns a search through a pattern that names guests: they are asked in batches, and only about events that the
//! rest of the pattern leaves open. Refuses to know guests.
//!
//! What a pure guest draws comes from the id of its delivery, which comes from the events of its batch. So batches are
//! cut by the events that are asked about alone, not by how they are stored: the same search gives the same answer
//! before and after they are sealed or merged.

use std::sync::Arc;

use pattern::{Document, Pattern};
use store::{Event, EventId, EventRef, ScanRequest};
use tokio::runtime::Handle;
use wire::Fault;

use super::{Bounds, Found, SCANNED_BYTES_MAX, failed};
use crate::app::App;
use crate::ingest::guests::{Asker, Batch, texts};
use crate::ingest::matching::matching;
use crate::records::groups::GroupRecord;
use crate::utf8::repaired;

/// Events that are judged together.
const BATCH: usize = 1_000;

/// Bytes of their messages, so that a batch of large ones is no larger than a page.
const BATCH_BYTES: usize = 4 << 20;

/// The first matches of a scan that fit a page. Runs on a thread that may block.
pub(super) fn search(
    app: &Arc<App>,
    runtime: &Handle,
    group: &GroupRecord,
    scan: &ScanRequest,
    pattern: &Pattern,
    bounds: Bounds,
) -> Result<Found, Fault> {
    let judge = Judge { app, runtime, group, source: format!("search-{}", group.id), pattern };
    let mut page = Page { bounds, events: Vec::new(), bytes: 0, last: None };
    let (mut open, mut open_bytes, mut scanned) = (Vec::new(), 0, 0);
    let mut scan = app.store.scan(scan);
    loop {
        let spent = scan.searched_bytes() > SCANNED_BYTES_MAX || scanned > SCANNED_BYTES_MAX;
        let next = if spent { None } else { scan.next() };
        let Some(run) = next else {
            let full = page.take(&judge.keeps(&open)?, open);
            let more = if full { page.last } else { scan.reached().filter(|_| spent) };
            return Ok(Found { events: page.events, more });
        };
        for event in run.map_err(failed)?.events() {
            scanned += event.message.len() as u64;
            if !is_open(pattern, &event) {
                continue;
            }
            open_bytes += event.message.len();
            open.push(event.to_event());
            if open.len() == BATCH || open_bytes > BATCH_BYTES {
                if page.take(&judge.keeps(&open)?, std::mem::take(&mut open)) {
                    return Ok(Found { events: page.events, more: page.last });
                }
                open_bytes = 0;
            }
        }
    }
}

/// Whether the pattern matches if its guests say so.
fn is_open(pattern: &Pattern, event: &EventRef<'_>) -> bool {
    let text = repaired(event.message);
    pattern.may_match(&Document::new(&text))
}

/// Whoever asks, and what for.
struct Judge<'a> {
    app: &'a Arc<App>,
    runtime: &'a Handle,
    group: &'a GroupRecord,
    source: String,
    pattern: &'a Pattern,
}

impl Judge<'_> {
    /// Indexes of the events that match, rising.
    fn keeps(&self, open: &[Event]) -> Result<Vec<usize>, Fault> {
        let lent: Vec<&Event> = open.iter().collect();
        let texts = texts(&lent);
        let asker = Asker {
            scope: &self.group.scope,
            function: "",
            group: &self.group.name,
            stream: "",
            filter: "FilterLogEvents",
            source: &self.source,
            attempt: 1,
        };
        let batch = Batch { asker, events: &lent, texts: &texts };
        let matched = self.runtime.block_on(matching(self.app, self.pattern, &batch));
        let refused = |reason| Fault::new("InvalidParameterException", reason);
        let matched = matched.map_err(refused)?;
        // An answer that leaves out what could not be judged would be a wrong one.
        matched.reason.map_or(Ok(matched.yes), |reason| Err(refused(reason)))
    }
}

/// What goes into the answer.
struct Page {
    bounds: Bounds,
    events: Vec<Event>,
    bytes: u64,
    /// The last event that was judged and has its place, or needs none.
    last: Option<EventId>,
}

impl Page {
    /// Takes what was kept of a batch, as far as it fits; whether the page is full.
    fn take(&mut self, kept: &[usize], open: Vec<Event>) -> bool {
        let mut kept = kept.iter().copied().peekable();
        for (index, event) in open.into_iter().enumerate() {
            let id = event.id();
            if kept.next_if_eq(&index).is_some() {
                self.bytes += event.message.len() as u64 + store::EVENT_OVERHEAD_BYTES;
                let is_over = self.bytes > self.bounds.bytes && !self.events.is_empty();
                if self.events.len() == self.bounds.events || is_over {
                    return true;
                }
                self.events.push(event);
            }
            self.last = Some(id);
        }
        false
    }
}
