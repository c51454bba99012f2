//! Owns record pointers (`@ptr`): which event of which stream of which group. Refuses to know who may follow one.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use store::{EventId, GroupId, StreamId};

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
    /// As it is shown.
    pub(super) fn text(&self) -> String {
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
