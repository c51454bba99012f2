//! Owns the adapter from stored blocks to what a query reads, and the record pointers (`@ptr`). No work per row is
//! done here that the query does not ask for.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use store::{EventId, GroupId, StreamId};

/// A loaded block with the names that its ids stand for.
pub(super) struct Lent {
    block: store::Block,
    stream: String,
    log: String,
    /// Messages of a block that is not UTF-8 throughout, which the API does not let in.
    repaired: Option<Vec<String>>,
}

impl Lent {
    /// Lends `block`; `log` is `account:group`.
    pub(super) fn new(block: store::Block, stream: String, log: String) -> Lent {
        let whole = std::str::from_utf8(block.text()).is_ok();
        let text = |row: usize| String::from_utf8_lossy(block.message(row)).into_owned();
        let repaired = (!whole).then(|| (0..block.len()).map(text).collect());
        Lent { block, stream, log, repaired }
    }
}

impl insights::Block for Lent {
    fn len(&self) -> usize {
        self.block.len()
    }

    fn timestamps(&self) -> &[i64] {
        self.block.timestamps()
    }

    fn ingestion_times(&self) -> &[i64] {
        self.block.ingestion_times()
    }

    fn message(&self, row: usize) -> &str {
        match &self.repaired {
            Some(texts) => &texts[row],
            None => std::str::from_utf8(self.block.message(row)).unwrap_or_default(),
        }
    }

    fn stream_name(&self, _row: usize) -> &str {
        &self.stream
    }

    fn log_identifier(&self) -> &str {
        &self.log
    }

    fn pointer(&self, row: usize) -> String {
        let id = self.block.event(row).id();
        Pointer { group: self.block.group(), stream: self.block.stream(), id }.text()
    }

    fn position(&self, row: usize) -> (u32, u64) {
        (0, self.block.seqs()[row])
    }

    fn bytes(&self) -> u64 {
        let offsets = self.block.offsets();
        match (offsets.first(), offsets.last()) {
            (Some(first), Some(last)) => u64::from(last - first),
            _ => 0,
        }
    }
}

/// Where one event is: what `@ptr` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// Its group.
    pub(crate) group: GroupId,
    /// Its stream.
    pub(crate) stream: StreamId,
    /// Its id.
    pub(crate) id: EventId,
}

impl Pointer {
    fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}/{}/{}", self.group.0, self.stream.0, self.id))
    }
}

/// Reads a pointer that a query gave; `None` for any other text.
pub(crate) fn pointer(text: &str) -> Option<Pointer> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.split('/');
    let group = GroupId(parts.next()?.parse().ok()?);
    let stream = StreamId(parts.next()?.parse().ok()?);
    let id: EventId = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(Pointer { group, stream, id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Position;

    #[test]
    fn a_pointer_leads_back_and_nothing_else_is_one() {
        let one = Pointer { group: GroupId(3), stream: StreamId(9), id: EventId::new(-5, Position::at(77)) };
        assert_eq!(pointer(&one.text()), Some(one));
        for bad in ["", "x", "????", "MS8yLzM"] {
            assert_eq!(pointer(bad), None, "{bad}");
        }
    }
}
