//! `list<u8>` of bytes that do not lie together: the engine would want a copy of them that does.

use wasmtime::Result;
use wasmtime::component::__internal::{InterfaceType, LowerContext};

use super::lower_as_slice;

/// Bytes in pieces, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces<'a>(pub &'a [&'a [u8]]);

impl Pieces<'_> {
    /// Bytes of all of them.
    pub(crate) fn bytes(self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// Where the list is, and how long it is.
    fn store<T: 'static>(self, cx: &mut LowerContext<'_, T>, _: InterfaceType) -> Result<(u32, u32)> {
        let bytes = self.bytes();
        let list = cx.realloc(0, 0, 1, bytes)?;
        // That all of it is inside was looked at by `realloc`.
        let mut room = &mut cx.as_slice_mut()[list..][..bytes];
        for piece in self.0 {
            let (to, behind) = room.split_at_mut(piece.len());
            to.copy_from_slice(piece);
            room = behind;
        }
        Ok((u32::try_from(list)?, u32::try_from(bytes)?))
    }
}

lower_as_slice!(Pieces<'_>, u8);
