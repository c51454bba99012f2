//! Owns zstd frames in memory: one compressor and one decompressor for each thread.
//! Refuses to know what is in them.

use std::cell::RefCell;

use crate::codec::Malformed;

const LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A frame of the text, when that is shorter.
pub(crate) fn pack(text: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        slot.as_mut()?.compress(text).ok().filter(|packed| packed.len() < text.len())
    })
}

/// The text of a frame that has this length.
pub(crate) fn unpack(frame: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    // What the frame itself says bounds what is allocated, before it is believed.
    if !matches!(zstd::zstd_safe::get_frame_content_size(frame), Ok(Some(size)) if size == length as u64) {
        return Err(Malformed("frame of another length"));
    }
    let text = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Decompressor::new().ok();
        }
        slot.as_mut()?.decompress(frame, length).ok()
    });
    text.filter(|text| text.len() == length).ok_or(Malformed("frame does not unpack"))
}
