//! Owns reading the intake log back at open: which frames count, what was torn, what is damaged.
//! Refuses to change any file; the caller acts on what is found.

use std::io;
use std::sync::Arc;

use crate::cipher::Ciphers;
use crate::codec::Malformed;
use crate::disk::Disk;
use crate::error::OpenError;
use crate::intake::{self, Frame, HEADER_BYTES, Header, Unread};
use crate::memtable::{Chunk, Generation};

/// What the intake log held.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// One for each file with frames behind the sealed position, oldest first.
    pub(crate) generations: Vec<Generation>,
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
pub(crate) fn replay(
    disk: &dyn Disk,
    names: &[String],
    sealed_seq: u64,
    ciphers: &Ciphers,
) -> Result<Replayed, OpenError> {
    let mut files: Vec<(u64, &String)> =
        names.iter().filter_map(|name| Some((intake::parse_name(name)?, name))).collect();
    files.sort_unstable();
    let mut replayed = Replayed { end_seq: sealed_seq, ..Replayed::default() };
    let last = files.len().saturating_sub(1);
    for (index, &(first_seq, name)) in files.iter().enumerate() {
        // All of it is in segments, and some of it may be gone: it was being removed.
        if files.get(index + 1).is_some_and(|(next, _)| *next <= sealed_seq) {
            replayed.obsolete.push(name.clone());
            continue;
        }
        let bytes = read_all(disk, name)?;
        let newest = index == last;
        // A file is begun behind all that was acknowledged before it.
        if index > 0 && first_seq > replayed.end_seq {
            replayed.damaged.push(format!("events {}..{first_seq} are missing", replayed.end_seq));
            replayed.end_seq = first_seq;
        }
        let clear = check_header(name, first_seq, &bytes, newest, &mut replayed)?;
        let mut generation = Generation::new(first_seq, name.clone());
        let pieces = pieces(name, &bytes, clear, ciphers)?;
        take_pieces(pieces, written(&bytes), newest, sealed_seq, &mut generation, &mut replayed);
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

/// Whether frames in clear may follow, as versions before sealing wrote them. A damaged header costs nothing: the
/// frames say themselves what they are.
fn check_header(
    name: &str,
    first_seq: u64,
    bytes: &[u8],
    newest: bool,
    replayed: &mut Replayed,
) -> Result<bool, OpenError> {
    let header = intake::read_header(bytes);
    match header {
        Header::Version(version) => return Err(OpenError::Version { name: name.to_owned(), version }),
        Header::Good { first_seq: found, .. } if found == first_seq => {}
        // A file that was being made when the power went holds nothing yet.
        Header::Good { .. } | Header::Damaged if newest || bytes.len() <= HEADER_BYTES => {}
        Header::Good { .. } | Header::Damaged => replayed.damaged.push(format!("{name}: header")),
    }
    Ok(!matches!(header, Header::Good { clear: false, .. }))
}

/// What is left without the zeros at the end. Of a whole frame that may be its last bytes, so this is no end of it.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

enum Piece {
    Frame(Frame),
    /// Bytes that are no frame start here.
    Hole {
        at: usize,
        what: Malformed,
    },
}

fn pieces(name: &str, bytes: &[u8], clear: bool, ciphers: &Ciphers) -> Result<Vec<Piece>, OpenError> {
    let (mut pieces, mut at) = (Vec::new(), HEADER_BYTES);
    while at < bytes.len() {
        match intake::read_frame(&bytes[at..], clear, ciphers) {
            Ok(frame) => {
                at += frame.size;
                pieces.push(Piece::Frame(frame));
            }
            // These events were acknowledged: without their key they can neither be read nor left behind.
            Err(Unread::Key(error)) => return Err(OpenError::Key { name: name.to_owned(), error }),
            // Room for the next commits.
            Err(Unread::Malformed(_)) if bytes[at..].iter().all(|byte| *byte == 0) => break,
            Err(Unread::Malformed(what)) => {
                pieces.push(Piece::Hole { at, what });
                match intake::find_frame(bytes, at + 1, clear) {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
    }
    Ok(pieces)
}

fn take_pieces(
    pieces: Vec<Piece>,
    written: usize,
    newest: bool,
    sealed_seq: u64,
    generation: &mut Generation,
    replayed: &mut Replayed,
) {
    let commit = |piece: &Piece| match piece {
        Piece::Frame(frame) => Some(frame.seqs.commit),
        Piece::Hole { .. } => None,
    };
    // An older file was durable as a whole before the next one was begun; in the newest one, everything
    // before its last commit was.
    let durable_seq = if newest { pieces.iter().filter_map(commit).max().unwrap_or(0) } else { u64::MAX };
    for piece in pieces {
        match piece {
            Piece::Frame(frame) => keep(frame, sealed_seq, generation, replayed),
            Piece::Hole { at, .. } if replayed.end_seq >= durable_seq => {
                // Nothing from here on was acknowledged, and the rest of a commit without its beginning
                // would leave a gap.
                replayed.torn_bytes += (written - at) as u64;
                return;
            }
            Piece::Hole { at, what } => {
                let name = generation.files.first().map_or("", String::as_str);
                replayed.damaged.push(format!("{name}: byte {at}: {}", what.0));
            }
        }
    }
}

fn keep(frame: Frame, sealed_seq: u64, generation: &mut Generation, replayed: &mut Replayed) {
    let first_seq = frame.seqs.first;
    if first_seq < sealed_seq {
        return;
    }
    if first_seq < replayed.end_seq {
        replayed.damaged.push(format!("seq {first_seq} appears twice"));
        return;
    }
    if first_seq > replayed.end_seq {
        replayed.damaged.push(format!("events {}..{first_seq} are missing", replayed.end_seq));
    }
    replayed.end_seq = frame.end_seq();
    replayed.events += frame.batch.events.len() as u64;
    generation.insert(Arc::new(Chunk { first_seq, batch: frame.batch }));
}
