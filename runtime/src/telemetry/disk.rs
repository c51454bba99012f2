//! Owns how long the disk takes to make log data durable: a disk that measures the one it stands in front of.
//! Refuses to know what is written.

use std::io;
use std::sync::Arc;

use store::{Disk, DiskFile};

use super::exposition::{Kind, Page};
use super::histogram::Histogram;
use crate::app::App;
use crate::clock::Clock;

/// What is measured of a disk.
#[derive(Default)]
pub(crate) struct Syncs {
    took: Histogram,
}

/// A disk whose fsyncs of files are timed.
pub(crate) struct Timed<D> {
    inner: D,
    clock: Clock,
    syncs: Arc<Syncs>,
}

impl<D: Disk> Timed<D> {
    pub(crate) fn new(inner: D, clock: &Clock, syncs: &Arc<Syncs>) -> Timed<D> {
        Timed { inner, clock: clock.clone(), syncs: Arc::clone(syncs) }
    }

    fn file(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(TimedFile { inner, clock: self.clock.clone(), syncs: Arc::clone(&self.syncs) })
    }
}

impl<D: Disk> Disk for Timed<D> {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.inner.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(self.inner.open(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }
}

struct TimedFile {
    inner: Box<dyn DiskFile>,
    clock: Clock,
    syncs: Arc<Syncs>,
}

impl DiskFile for TimedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let began_us = self.clock.monotonic_us();
        let outcome = self.inner.sync();
        self.syncs.took.record_us(self.clock.monotonic_us().saturating_sub(began_us));
        outcome
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buffer)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.inner.truncate(size)
    }
}

pub(super) fn families(app: &App, page: &mut Page) {
    let help = "fsyncs of files of log data: commits of the intake log, room behind it and new segments.";
    let took = &app.telemetry.syncs.took;
    page.family("logboom_fsync_duration_seconds", Kind::Histogram, help).histogram(&[], took);
}
