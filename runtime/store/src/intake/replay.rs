//! Owns reading the intake log back at open: which frames count, what was torn, what is damaged.
//! Refuses to change any file; the caller acts on what is found.

use std::io;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::intake::{self, Frame, HEADER_BYTES, Header};
use crate::memtable::{Chunk, Generation};

/// What the intake log held.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// One for each file with frames behind the sealed position, oldest first.
    pub(crate) generations: Vec<Generation>,
    /// The bytes of the good frames of the newest file, without its header.
    pub(crate) newest_frames: Vec<u8>,
    /// The newest file, if there is any.
    pub(crate) newest_file: Option<String>,
    /// Files with nothing behind the sealed position.
    pub(crate) obsolete: Vec<String>,
    pub(crate) events: u64,
    /// Bytes of an unfinished commit at the end of the newest file.
    pub(crate) torn_bytes: u64,
    /// Places that are damaged although their events may have been acknowledged.
    pub(crate) damaged: Vec<String>,
    /// One past the last seq found.
    pub(crate) end_seq: u64,
}

/// Reads all intake files; frames below `sealed_seq` are in segments already.
pub(crate) fn replay(disk: &dyn Disk, names: &[String], sealed_seq: u64) -> Result<Replayed, OpenError> {
    let mut files: Vec<(u64, &String)> =
        names.iter().filter_map(|name| Some((intake::parse_name(name)?, name))).collect();
    files.sort_unstable();
    let mut replayed = Replayed { end_seq: sealed_seq, ..Replayed::default() };
    let last = files.len().saturating_sub(1);
    for (index, (first_seq, name)) in files.into_iter().enumerate() {
        let bytes = read_all(disk, name)?;
        let newest = index == last;
        check_header(name, first_seq, &bytes, newest, &mut replayed)?;
        let mut generation = Generation::new(first_seq, name.clone());
        read_frames(&bytes, newest, sealed_seq, &mut generation, &mut replayed);
        if newest {
            replayed.newest_file = Some(name.clone());
        }
        if !generation.is_empty() {
            replayed.generations.push(generation);
        } else if !newest {
            replayed.obsolete.push(name.clone());
        }
    }
    Ok(replayed)
}

fn read_all(disk: &dyn Disk, name: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(name)?;
    let mut bytes = vec![0; file.size()? as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// A damaged header costs nothing: the frames say themselves what they are.
fn check_header(
    name: &str,
    first_seq: u64,
    bytes: &[u8],
    newest: bool,
    replayed: &mut Replayed,
) -> Result<(), OpenError> {
    match intake::read_header(bytes) {
        Header::Version(version) => return Err(OpenError::Version { name: name.to_owned(), version }),
        Header::Good { first_seq: found } if found == first_seq => {}
        // A file that was being made when the power went holds nothing yet.
        Header::Good { .. } | Header::Damaged if newest || bytes.len() <= HEADER_BYTES => {}
        Header::Good { .. } | Header::Damaged => replayed.damaged.push(format!("{name}: header")),
    }
    Ok(())
}

enum Piece {
    Frame {
        frame: Frame,
        at: usize,
    },
    /// Bytes that are no frame start here.
    Hole {
        at: usize,
    },
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let (mut pieces, mut at) = (Vec::new(), HEADER_BYTES);
    while at < bytes.len() {
        if let Ok(frame) = intake::read_frame(&bytes[at..]) {
            let size = frame.size;
            pieces.push(Piece::Frame { frame, at });
            at += size;
            continue;
        }
        pieces.push(Piece::Hole { at });
        match intake::find_frame(bytes, at + 1) {
            Some(next) => at = next,
            None => break,
        }
    }
    pieces
}

fn read_frames(
    bytes: &[u8],
    newest: bool,
    sealed_seq: u64,
    generation: &mut Generation,
    replayed: &mut Replayed,
) {
    let pieces = pieces(bytes);
    let commit = |piece: &Piece| match piece {
        Piece::Frame { frame, .. } => Some(frame.commit_seq),
        Piece::Hole { .. } => None,
    };
    // An older file was durable as a whole before the next one was begun; in the newest one, everything
    // before its last commit was.
    let durable_seq = if newest { pieces.iter().filter_map(commit).max().unwrap_or(0) } else { u64::MAX };
    for piece in pieces {
        match piece {
            Piece::Frame { frame, at } => {
                let end = at + frame.size;
                keep(frame, &bytes[at..end], newest, sealed_seq, generation, replayed);
            }
            Piece::Hole { at } if replayed.end_seq >= durable_seq => {
                // Nothing from here on was acknowledged, and the rest of a commit without its beginning
                // would leave a gap.
                replayed.torn_bytes += (bytes.len() - at) as u64;
                return;
            }
            Piece::Hole { at } => {
                let name = generation.files.first().map_or("", String::as_str);
                replayed.damaged.push(format!("{name}: byte {at}"));
            }
        }
    }
}

fn keep(
    frame: Frame,
    bytes: &[u8],
    newest: bool,
    sealed_seq: u64,
    generation: &mut Generation,
    replayed: &mut Replayed,
) {
    if frame.seq < sealed_seq {
        return;
    }
    if frame.seq < replayed.end_seq {
        replayed.damaged.push(format!("seq {} appears twice", frame.seq));
        return;
    }
    if frame.seq > replayed.end_seq {
        replayed.damaged.push(format!("events {}..{} are missing", replayed.end_seq, frame.seq));
    }
    replayed.end_seq = frame.end_seq();
    replayed.events += frame.batch.events.len() as u64;
    if newest {
        replayed.newest_frames.extend_from_slice(bytes);
    }
    generation.insert(Arc::new(Chunk { first_seq: frame.seq, batch: frame.batch }));
}
