//! Owns turning memtables into segments: write, fsync, publish, swap, then remove the intake file.
//! Refuses to decide when: the intake thread, `seal_now` and `close` do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::SealError;
use crate::id::Position;
use crate::manifest::Change;
use crate::memtable::Generation;
use crate::segment::write::{Finished, Writer};
use crate::segment::{Segment, layout};

/// How long the sealer waits after a failure before it writes a fresh file again.
const RETRY: Duration = Duration::from_secs(5);

/// The sealer thread's body.
pub(crate) fn run(engine: &Engine) {
    let mut retry = None;
    while engine.await_work(retry) {
        let outcome = engine.work();
        retry = outcome.is_err().then_some(RETRY);
        // Closing interrupts a merge; what it wrote is swept at the next open.
        if let Err(error) = outcome.or_else(|error| if engine.is_stopping() { Ok(()) } else { Err(error) }) {
            tracing::error!(%error, "sealing failed; it will be tried again with a new file");
        }
    }
}

impl Engine {
    fn work(&self) -> Result<(), SealError> {
        self.seal_waiting()?;
        self.reclaim()?;
        self.merge_all()
    }

    /// Seals every memtable that waits.
    pub(crate) fn seal_waiting(&self) -> Result<(), SealError> {
        let _maintenance = self.maintain();
        loop {
            let Some(generation) = self.view().sealing.front().cloned() else { return Ok(()) };
            let outcome = self.seal(&generation);
            if outcome.is_err() {
                self.counters.failed_seals.fetch_add(1, Ordering::Relaxed);
            }
            self.sealer_progress(outcome.is_err());
            outcome?;
        }
    }

    fn seal(&self, generation: &Arc<Generation>) -> Result<(), SealError> {
        let finished = self.write_generation(generation)?;
        let mut change = Change { sealed: Some(Position::at(generation.end_seq)), ..Change::default() };
        change.new.extend(finished.iter().map(|finished| finished.record.clone()));
        change.next_segment = finished.as_ref().map(|finished| finished.record.id.0 + 1);
        self.manifest.publish(change)?;
        let segment = finished.map(|finished| self.opened(finished));
        let (mut is_suspect, mut gone) = (false, Vec::new());
        {
            let mut view = self.view_mut();
            // Invariant: only this function, under the maintenance lock, takes from the front.
            view.sealing.pop_front();
            if self.is_followed() {
                gone = view.recent.keep(Arc::clone(generation), self.limits.recent_bytes);
            }
            if let Some(segment) = segment {
                let left_out = segment.record.events < generation.events();
                is_suspect = view.insert_segment(segment);
                if left_out {
                    view.rebuild_stats();
                }
                self.counters.sealed_segments.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(gone);
        if is_suspect {
            self.call_sealer();
        }
        // What stays is below the sealed position and removed at the next open.
        for file in &generation.files {
            // Once nothing more is written nobody waits, and the newest file must not be half there.
            if !self.queue.is_closed() {
                let _ = self.shrink(file);
            }
            let _ = self.disk.remove(file);
        }
        Ok(())
    }

    /// Empties an intake file bit by bit: file systems make whoever writes another file durable wait until a large one is
    /// gone (Linux ext4, 50 MB: 15 ms).
    fn shrink(&self, name: &str) -> io::Result<()> {
        let (file, step) = (self.disk.open(name)?, self.limits.discard_bytes.max(1));
        let mut left = file.size()?;
        while left > step {
            left = (left - 1) / step * step;
            file.truncate(left)?;
        }
        Ok(())
    }

    fn write_generation(&self, generation: &Generation) -> Result<Option<Finished>, SealError> {
        let streams = self.view().live_streams(generation);
        let mut writer = Writer::new(self.new_segment_id(), &self.ciphers, &self.limits)?;
        for stream in &streams {
            writer.add_stream(stream, &self.limits)?;
        }
        let finished = writer.finish(generation.first_seq, generation.end_seq)?;
        if let Some(finished) = &finished {
            self.store_segment(finished)?;
        }
        Ok(finished)
    }

    /// Makes a segment file durable.
    pub(crate) fn store_segment(&self, finished: &Finished) -> Result<(), SealError> {
        Ok(self.backing.blobs.put_durable(&layout::file_name(finished.record.id), &finished.bytes)?)
    }

    /// A segment that was just written, open for reading.
    pub(crate) fn opened(&self, finished: Finished) -> Arc<Segment> {
        Arc::new(Segment::new(finished.record, finished.entries, &self.backing))
    }
}
