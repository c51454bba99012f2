//! The `store` room. Owns log data: the intake log, the memtable, sealed segments, retention and deletion.
//! It refuses to know AWS's wire, names of groups and streams, the clock, and who reads its events.
//!
//! The promise: an acknowledged event survives `kill -9` and a power cut and is readable right after the
//! acknowledgement; a batch that was not acknowledged is wholly there or wholly absent; after a failed fsync
//! the intake refuses every write until the store is opened again.
//!
//! Start reading at [`Store`]; then `intake` (the log and its commit), `memtable`, `segment` (sealed files),
//! `view` (what is readable now), `scan` (by time) and `follow` (by position), `seal` and `sweep`.

pub mod batch;
mod blobs;
mod block;
mod cache;
mod cipher;
mod codec;
mod column;
mod column_block;
mod compact;
mod containing;
mod disk;
mod engine;
mod error;
mod events;
pub mod faulty;
mod filter;
mod follow;
mod frame;
mod held;
mod id;
mod intake;
mod keys;
mod lend;
mod limits;
mod manifest;
#[doc(hidden)]
pub mod measure;
mod memtable;
mod message;
mod open;
mod recent;
mod scan;
mod seal;
mod segment;
mod stats;
mod store;
mod sweep;
mod view;

pub use blobs::{Blobs, DiskBlobs};
pub use block::{Block, BlockHandle, BlockMeta, Event, EventRef};
pub use cache::CacheCounters;
pub use column::{ByteSet, Codes, Column, Facts, Kind, Numbers, Style, Variable};
pub use column_block::ColumnBlock;
pub use containing::{Clue, Containing};
pub use disk::{Disk, DiskFile, FsDisk};
pub use engine::OnAdvance;
pub use error::{AppendError, OpenError, ReadError, SealError, Unread};
pub use events::{Batch, Events};
pub use follow::{Page, PageLimit};
pub use held::{Held, part};
pub use id::{EventId, GroupId, NotAnEventId, Position, SegmentId, StreamId};
pub use intake::queue::{Ack, OnDurable};
pub use keys::{KeyError, Keys, MemoryKeys, Secret};
pub use lend::{Borrower, Lent, LentTo};
pub use limits::{EVENT_OVERHEAD_BYTES, Limits};
pub use manifest::{Change, Manifest, ManifestError, MemoryManifest, SegmentRecord, Swept, SweptRecord};
pub use message::Template;
pub use open::OpenReport;
pub use scan::{Choose, Direction, Needle, Run, Scan, ScanRequest};
pub use stats::{GroupStats, StreamStats};
pub use store::{Counters, Options, Store};
pub use sweep::{Freed, LostRange};
pub use view::Selection;
