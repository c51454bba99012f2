//! Owns the question whether a block can hold a text, answered without reading its messages.
//! Refuses to give certainty: a yes is a perhaps.

use crate::block::{BlockHandle, Source};

/// How a text has to occur in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containing {
    /// As it stands in the message.
    Raw,
    /// Inside a JSON string of the message, once its escapes are decoded.
    Decoded,
    /// As a whole scalar of the message (a string without its quotes, once its escapes are decoded).
    WholeDecoded,
}

impl BlockHandle {
    /// False only when no message of the block contains the text in this way. What cannot be read, and what is
    /// still in memory, is not excluded.
    #[must_use]
    pub fn may_contain(&self, text: &[u8], how: Containing) -> bool {
        let Source::Sealed { segment, index } = &self.source else { return true };
        if how != Containing::Raw && segment.may_hold_escapes(*index) {
            return true;
        }
        let filter = segment.filter_of(*index);
        filter.is_none_or(|filter| filter.may_contain(text, how == Containing::WholeDecoded))
    }
}
