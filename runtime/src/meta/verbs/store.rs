//! Owns the manifest of log data: sealed segments, the sealed position, retention marks. Refuses to know
//! what is in a segment.

use serde::de::DeserializeOwned;
use store::{Change, GroupId, Manifest, ManifestError, Position, SegmentRecord, StreamId, SweptRecord};

use crate::meta::{Key, Meta, MetaError, Span, Table};
use crate::records::{groups, streams};

/// segment id -> segment.
const SEGMENTS: Table<SegmentRecord> = Table::new("store_segments");

/// () -> up to where the intake is sealed.
const SEALED: Table<Position> = Table::new("store_sealed");

/// () -> the number no segment has reached yet.
const NEXT_SEGMENT: Table<u64> = Table::new("store_next_segment");

/// group id -> what retention has taken.
const SWEPT: Table<SweptRecord> = Table::new("store_swept");

/// The manifest over metadata. `publish` is one durable change.
pub(crate) struct StoreManifest(pub(crate) Meta);

#[allow(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn failed(error: MetaError) -> ManifestError {
    ManifestError(error.to_string())
}

impl StoreManifest {
    fn rows<V: DeserializeOwned>(&self, table: &Table<V>) -> Result<Vec<V>, ManifestError> {
        let rows = self.0.read(|tx| tx.scan(table, &Span::all())?.map(|row| Ok(row?.1)).collect());
        rows.map_err(failed)
    }
}

impl Manifest for StoreManifest {
    fn segments(&self) -> Result<Vec<SegmentRecord>, ManifestError> {
        self.rows(&SEGMENTS)
    }

    fn sealed(&self) -> Result<Position, ManifestError> {
        let sealed = self.0.read(|tx| tx.get(&SEALED, &Key::of(())));
        sealed.map(Option::unwrap_or_default).map_err(failed)
    }

    fn next_segment(&self) -> Result<u64, ManifestError> {
        let next = self.0.read(|tx| tx.get(&NEXT_SEGMENT, &Key::of(())));
        next.map(Option::unwrap_or_default).map_err(failed)
    }

    fn swept(&self) -> Result<Vec<SweptRecord>, ManifestError> {
        self.rows(&SWEPT)
    }

    fn publish(&self, change: Change) -> Result<(), ManifestError> {
        let published = self.0.change_blocking(move |tx| {
            for id in change.dropped {
                tx.delete(&SEGMENTS, &Key::of(id.0))?;
            }
            for record in change.new {
                tx.put(&SEGMENTS, &Key::of(record.id.0), &record)?;
            }
            if let Some(sealed) = change.sealed {
                tx.put(&SEALED, &Key::of(()), &sealed)?;
            }
            if let Some(next) = change.next_segment {
                tx.put(&NEXT_SEGMENT, &Key::of(()), &next)?;
            }
            for record in change.swept {
                let key = Key::of(record.group.0);
                if record.marks.is_empty() {
                    tx.delete(&SWEPT, &key)?;
                } else {
                    tx.put(&SWEPT, &key, &record)?;
                }
            }
            Ok(())
        });
        published.map_err(failed)
    }

    fn is_live(&self, group: GroupId, stream: StreamId) -> bool {
        let found = self.0.read(|tx| {
            let owner = streams::by_id(tx, stream.0)?.map(|(owner, _)| owner);
            Ok::<_, MetaError>(owner == Some(group.0) && groups::by_id(tx, group.0)?.is_some())
        });
        // What cannot be read is kept: hiding log data for ever must not come from a passing failure.
        found.unwrap_or_else(|error| {
            tracing::error!(%error, "whether a stream still exists could not be read");
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use store::{SegmentId, Swept};

    use super::*;

    fn segment(id: u64) -> SegmentRecord {
        SegmentRecord {
            id: SegmentId(id),
            first_seq: id,
            end_seq: id + 1,
            min_ms: 0,
            max_ms: 9,
            bytes: 7,
            events: 1,
        }
    }

    #[test]
    fn a_published_change_reads_back() {
        let manifest = StoreManifest(Meta::in_memory());
        assert_eq!(manifest.sealed().unwrap(), Position::default());
        let marks = vec![Swept { before_ms: 5, upto_seq: 6 }];
        let swept = SweptRecord { group: GroupId(3), marks };
        let change = Change {
            new: vec![segment(2), segment(1)],
            sealed: Some(Position::at(4)),
            swept: vec![swept.clone()],
            next_segment: Some(3),
            ..Change::default()
        };
        manifest.publish(change).unwrap();
        assert_eq!(manifest.segments().unwrap(), [segment(1), segment(2)]);
        assert_eq!(manifest.next_segment().unwrap(), 3);
        assert_eq!((manifest.sealed().unwrap(), manifest.swept().unwrap()), (Position::at(4), vec![swept]));
        let emptied = SweptRecord { group: GroupId(3), marks: Vec::new() };
        let change = Change { dropped: vec![SegmentId(1)], swept: vec![emptied], ..Change::default() };
        manifest.publish(change).unwrap();
        assert_eq!(manifest.segments().unwrap(), [segment(2)]);
        assert!(manifest.swept().unwrap().is_empty());
        assert!(!manifest.is_live(GroupId(1), StreamId(1)));
    }
}
