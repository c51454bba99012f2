//! Owns a search through a pattern that names guests: they are asked in batches, and only about events that the
//! rest of the pattern leaves open. Refuses to know guests.

use std::sync::Arc;

use pattern::Pattern;
use store::{Event, ScanRequest};
use tokio::runtime::Handle;
use wire::Fault;

use super::{Bounds, Found, SCANNED_BYTES_MAX, failed};
use crate::app::App;
use crate::ingest::guests::Batch;
use crate::ingest::matching::matching;
use crate::records::groups::GroupRecord;

/// Events that are judged together.
const BATCH: usize = 1_000;

/// The first matches of a scan that fit a page. Runs on a thread that may block.
pub(super) fn search(
    app: &Arc<App>,
    runtime: &Handle,
    (group, source): (&GroupRecord, &str),
    scan: &ScanRequest,
    pattern: &Pattern,
    bounds: Bounds,
) -> Result<Found, Fault> {
    let mut events = Vec::new();
    let (mut bytes, mut scanned, mut last) = (0, 0, None);
    let mut scan = app.store.scan(scan);
    loop {
        if scan.searched_bytes() > SCANNED_BYTES_MAX {
            return Ok(Found { events, more: scan.reached() });
        }
        let Some(run) = scan.next() else { break };
        let run = run.map_err(failed)?;
        let run: Vec<Event> = run.events().map(|event| event.to_event()).collect();
        for chunk in run.chunks(BATCH) {
            if scanned > SCANNED_BYTES_MAX {
                return Ok(Found { events, more: last });
            }
            let lent: Vec<&Event> = chunk.iter().collect();
            let batch = Batch {
                scope: &group.scope,
                function: "",
                group: &group.name,
                stream: "",
                filter: "FilterLogEvents",
                source,
                attempt: 1,
                events: &lent,
            };
            let matched = runtime.block_on(matching(app, pattern, &batch));
            let refused = |reason| Fault::new("InvalidParameterException", reason);
            let matched = matched.map_err(refused)?;
            // An answer that leaves out what could not be judged would be a wrong one.
            if let Some(reason) = matched.reason {
                return Err(refused(reason));
            }
            let mut matched = matched.yes.into_iter().peekable();
            for (index, event) in chunk.iter().enumerate() {
                scanned += event.message.len() as u64;
                if matched.next_if_eq(&index).is_some() {
                    bytes += event.message.len() as u64 + store::EVENT_OVERHEAD_BYTES;
                    if events.len() == bounds.events || bytes > bounds.bytes && !events.is_empty() {
                        return Ok(Found { events, more: last });
                    }
                    events.push(event.clone());
                }
                last = Some(event.id());
            }
        }
    }
    Ok(Found { events, more: None })
}
