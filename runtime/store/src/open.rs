//! Owns opening the folder: sweep strays, read the manifest, replay the intake log, and write its newest
//! file anew, so that everything readable is durable whatever happened to the last fsync before.
//! Refuses to start threads (see `store`).

use std::collections::HashMap;
use std::sync::Arc;

use crate::cipher::{Ciphers, Purpose};
use crate::disk::{Disk, DiskFile};
use crate::engine::Parts;
use crate::error::OpenError;
use crate::id::{GroupId, SegmentId, StreamId};
use crate::intake::{self, replay};
use crate::manifest::{Manifest, SegmentRecord};
use crate::memtable::Generation;
use crate::segment::{Backing, Segment, SegmentError, layout};
use crate::view::View;

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Segments that are open.
    pub segments: usize,
    /// Acknowledged events read back from the intake log.
    pub replayed_events: u64,
    /// Bytes of an unfinished commit that were cut off; normal after a crash.
    pub torn_bytes: u64,
    /// Files of unfinished work that were removed; normal after a crash.
    pub removed_files: u64,
    /// Damage to the intake log that may have cost acknowledged events. Not normal.
    pub damaged_intake: Vec<String>,
    /// Segments that cannot be read, and why. Their files are kept. Not normal.
    pub damaged_segments: Vec<(SegmentId, String)>,
}

/// Everything the store starts from.
pub(crate) struct Opened {
    pub(crate) view: View,
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) file_bytes: u64,
    pub(crate) next_seq: u64,
    pub(crate) next_segment: u64,
    pub(crate) report: OpenReport,
}

const PARTIAL: &str = ".tmp";

/// The newest file is written anew in pieces of about this size.
const FRESH_BYTES: usize = 1 << 20;

pub(crate) fn open(parts: &Parts) -> Result<Opened, OpenError> {
    let (disk, manifest) = (&*parts.disk, &*parts.manifest);
    let records = manifest.segments()?;
    let sealed_seq = manifest.sealed()?.seq;
    let names = disk.list()?;
    let blob_names = parts.backing.blobs.list()?;
    let mut report = OpenReport::default();
    let known = |id: SegmentId| records.iter().any(|record| record.id == id);
    let strays: Vec<&String> =
        blob_names.iter().filter(|name| layout::parse_name(name).is_some_and(|id| !known(id))).collect();
    check_manifest(&records, sealed_seq, &names, strays.len())?;
    let highest =
        blob_names.iter().filter_map(|name| layout::parse_name(name)).chain(records.iter().map(|it| it.id));
    let next_segment = highest.map(|id| id.0 + 1).max().unwrap_or(1).max(manifest.next_segment()?);

    for name in names.iter().filter(|name| name.ends_with(PARTIAL)) {
        report.removed_files += u64::from(disk.remove(name).is_ok());
    }
    let mut replayed = replay::replay(disk, &names, sealed_seq, &parts.backing.ciphers)?;
    for name in strays {
        report.removed_files += u64::from(parts.backing.blobs.delete(name).is_ok());
    }
    let active = take_active(&mut replayed);
    let (file, file_bytes) = fresh_file(disk, &active, &parts.backing.ciphers)?;
    let stale = replayed.newest_file.iter().filter(|name| Some(*name) != active.files.first());
    for name in replayed.obsolete.iter().chain(stale) {
        report.removed_files += u64::from(disk.remove(name).is_ok());
    }
    report.replayed_events = replayed.events;
    report.torn_bytes = replayed.torn_bytes;
    report.damaged_intake = std::mem::take(&mut replayed.damaged);

    let mut view =
        View { active, sealing: replayed.generations.into_iter().map(Arc::new).collect(), ..View::default() };
    open_segments(&mut view, records, &parts.backing, &mut report)?;
    for record in manifest.swept()? {
        view.hidden.swept.insert(record.group, record.marks);
    }
    hide_dead(&mut view, manifest);
    view.rebuild_stats();
    Ok(Opened { view, file, file_bytes, next_seq: replayed.end_seq, next_segment, report })
}

/// A manifest without any memory next to files that a manifest once knew is the wrong one. The first intake file stays
/// until the first segment is published: with it, anything else may be of a first crash, and nothing is lost.
fn check_manifest(
    records: &[SegmentRecord],
    sealed_seq: u64,
    names: &[String],
    strays: usize,
) -> Result<(), OpenError> {
    let new = records.is_empty() && sealed_seq == 0;
    let intake: Vec<u64> = names.iter().filter_map(|name| intake::parse_name(name)).collect();
    if new && strays + intake.len() > 0 && !intake.contains(&0) {
        return Err(OpenError::ManifestMissing { segments: strays, intake_files: intake.len() });
    }
    Ok(())
}

/// The memtable that goes on: that of the newest file, if it holds anything.
fn take_active(replayed: &mut replay::Replayed) -> Generation {
    let newest = replayed.newest_file.as_ref();
    match replayed.generations.pop_if(|last| last.files.first() == newest) {
        Some(active) => active,
        None => Generation::new(replayed.end_seq, intake::file_name(replayed.end_seq)),
    }
}

/// Writes the newest file anew from what was read. The old one may hold pages that an earlier fsync failed
/// to write and the kernel has forgotten: syncing it again could not be trusted. Cuts off a torn tail too, and
/// seals anew: numbers of frames that were cut off do not come again.
fn fresh_file(
    disk: &dyn Disk,
    active: &Generation,
    ciphers: &Ciphers,
) -> Result<(Box<dyn DiskFile>, u64), OpenError> {
    let name = intake::file_name(active.first_seq);
    let partial = format!("{name}{PARTIAL}");
    let file = disk.create(&partial)?;
    let header = intake::header(active.first_seq);
    let mut bytes = header.to_vec();
    let mut written = 0;
    let mut nonces = intake::Nonces::new(ciphers);
    for chunk in &active.chunks {
        let group = chunk.batch.group;
        let cipher = ciphers.group(Purpose::Intake, group);
        let cipher = cipher.map_err(|error| OpenError::Key { name: name.clone(), error })?;
        // All of the file is durable before it has its name, so each frame says that what is before it was.
        let seqs = intake::Seqs { first: chunk.first_seq, commit: chunk.first_seq };
        intake::put_frame(&mut bytes, &chunk.batch, seqs, cipher.as_deref(), (&mut nonces, ciphers));
        if bytes.len() >= FRESH_BYTES {
            file.append(&bytes)?;
            written += bytes.len() as u64;
            bytes.clear();
        }
    }
    file.append(&bytes)?;
    written += bytes.len() as u64;
    file.sync()?;
    disk.rename(&partial, &name)?;
    disk.sync_dir()?;
    Ok((file, written))
}

/// Threads that read directories: opening waits mostly for the disk.
const READERS_MAX: usize = 8;

fn open_segments(
    view: &mut View,
    records: Vec<SegmentRecord>,
    backing: &Backing,
    report: &mut OpenReport,
) -> Result<(), OpenError> {
    let readers = records.len().div_ceil(4).clamp(1, READERS_MAX);
    let share = records.len().div_ceil(readers).max(1);
    let read = |records: &[SegmentRecord]| -> Vec<Result<Segment, SegmentError>> {
        records.iter().map(|record| Segment::open(record.clone(), backing)).collect()
    };
    let opened: Vec<Result<Segment, SegmentError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = records.chunks(share).map(|part| scope.spawn(move || read(part))).collect();
        let failed = || SegmentError::Disk(std::io::Error::other("a reader of directories panicked"));
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|_| vec![Err(failed())])).collect()
    });
    for (record, opened) in records.into_iter().zip(opened) {
        let id = record.id;
        match opened {
            Ok(segment) => {
                view.suspects.insert(id);
                view.segments.insert((record.first_seq, id), Arc::new(segment));
            }
            Err(SegmentError::Disk(error)) => return Err(error.into()),
            Err(SegmentError::Version(version)) => {
                return Err(OpenError::Version { name: layout::file_name(id), version });
            }
            Err(SegmentError::WrongKey) => return Err(OpenError::WrongKey { name: layout::file_name(id) }),
            Err(SegmentError::Corrupt(what)) => {
                report.damaged_segments.push((id, what.to_owned()));
                view.damaged.push(record);
            }
        }
    }
    report.segments = view.segments.len();
    Ok(())
}

/// Hides what the metadata no longer knows.
fn hide_dead(view: &mut View, manifest: &dyn Manifest) {
    let mut asked: HashMap<(GroupId, StreamId), bool> = HashMap::new();
    let sealed = view.segments.values().flat_map(|segment| &segment.entries);
    let pairs = sealed.map(|entry| (entry.meta.group, entry.meta.stream));
    let memory = view.generations().flat_map(|generation| generation.streams.keys().copied());
    for (group, stream) in pairs.chain(memory) {
        asked.entry((group, stream)).or_insert_with(|| manifest.is_live(group, stream));
    }
    let dead = asked.into_iter().filter(|(_, live)| !live).map(|((_, stream), _)| stream);
    view.hidden.streams = dead.collect();
}
