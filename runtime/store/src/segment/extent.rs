//! Owns one extent: bytes that are read together, compressed if that helps, then sealed.
//! Refuses to know what is in it and where it stands.

use std::cell::RefCell;
use std::io;

use crate::block::BlockMeta;
use crate::cipher::{Cipher, NONCE_RANDOM_BYTES, TAG_BYTES, nonce};
use crate::codec::Malformed;
use crate::id::{GroupId, StreamId};

// A stored extent is `raw + 16` bytes when compression did not help: the raw bytes, sealed. Otherwise it is
// shorter: a zstd frame, sealed. Sealing is AES-256-GCM with the segment key of the group:
//   nonce            8 random bytes of the block (in the directory), u32 extent number
//   associated data  1 byte format version (2), u64 group, u64 stream, u32 extent number
//   tag              16 bytes, behind the ciphertext
// An extent of no raw bytes is not stored at all.

/// Measured on log lines: level 3 is slower and not smaller.
const LEVEL: i32 = 1;
/// Less than this is not worth a frame's header.
const COMPRESS_BYTES_MIN: usize = 48;
/// No extent is larger, compressed or not; a size beyond it is damage.
pub(crate) const EXTENT_BYTES_MAX: u32 = 1 << 28;
/// The version in the associated data.
const VERSION: u8 = 2;

thread_local! {
    // A decompression context is 150 KiB: one for each thread that reads, not one for each block.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The sizes of an extent, before and after compression and sealing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) raw: u32,
    pub(crate) stored: u32,
}

impl Extent {
    pub(crate) fn check(self) -> Result<Self, Malformed> {
        let longest = u64::from(self.raw) + TAG_BYTES as u64;
        let nothing = self.raw == 0 && self.stored == 0;
        let something = self.raw > 0 && self.stored as usize > TAG_BYTES && u64::from(self.stored) <= longest;
        if (nothing || something) && self.raw <= EXTENT_BYTES_MAX {
            Ok(self)
        } else {
            Err(Malformed("extent size"))
        }
    }
}

/// What all extents of one block are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) group: GroupId,
    pub(crate) stream: StreamId,
    pub(crate) random: [u8; NONCE_RANDOM_BYTES],
}

impl Seal {
    pub(crate) fn of(meta: &BlockMeta, random: [u8; NONCE_RANDOM_BYTES]) -> Self {
        Self { group: meta.group, stream: meta.stream, random }
    }

    fn aad(&self, number: u32) -> [u8; 21] {
        let mut aad = [VERSION; 21];
        aad[1..9].copy_from_slice(&self.group.0.to_le_bytes());
        aad[9..17].copy_from_slice(&self.stream.0.to_le_bytes());
        aad[17..].copy_from_slice(&number.to_le_bytes());
        aad
    }

    /// Opens a stored extent.
    pub(crate) fn open(
        &self,
        cipher: &Cipher,
        number: u32,
        extent: Extent,
        mut stored: Vec<u8>,
    ) -> Result<Vec<u8>, Malformed> {
        if extent.raw == 0 {
            return Ok(Vec::new());
        }
        let opened = cipher.open(nonce(self.random, number), &self.aad(number), &mut stored);
        opened.map_err(|_| Malformed("block seal"))?;
        if stored.len() == extent.raw as usize {
            return Ok(stored);
        }
        decompress(&stored, extent.raw as usize)
    }
}

/// A zstd frame that must hold exactly this many bytes.
pub(crate) fn decompress(stored: &[u8], raw: usize) -> Result<Vec<u8>, Malformed> {
    let bytes = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(stored, raw)
    });
    let bytes = bytes.map_err(|_| Malformed("block compression"))?;
    if bytes.len() == raw { Ok(bytes) } else { Err(Malformed("block size")) }
}

/// Compresses and seals extents, reusing its context.
pub(crate) struct Sealer {
    compressor: zstd::bulk::Compressor<'static>,
}

impl Sealer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(LEVEL)? })
    }

    /// Appends an extent.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        (cipher, seal, number): (&Cipher, &Seal, u32),
        raw: &[u8],
        compress: bool,
    ) -> io::Result<Extent> {
        if raw.is_empty() {
            return Ok(Extent::default());
        }
        let start = out.len();
        let mut done = false;
        if compress && raw.len() >= COMPRESS_BYTES_MIN {
            out.resize(start + zstd::zstd_safe::compress_bound(raw.len()), 0);
            let stored = self.compressor.compress_to_buffer(raw, &mut out[start..])?;
            out.truncate(start + stored);
            done = stored < raw.len();
        }
        if !done {
            out.truncate(start);
            out.extend_from_slice(raw);
        }
        cipher.seal(nonce(seal.random, number), &seal.aad(number), out, start);
        Ok(Extent { raw: raw.len() as u32, stored: (out.len() - start) as u32 })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cipher::{Ciphers, Purpose};
    use crate::keys::MemoryKeys;

    #[test]
    fn extents_read_back_and_sizes_that_cannot_be_are_refused() {
        let ciphers = Ciphers::new(Arc::new(MemoryKeys::new(1)));
        let cipher = ciphers.group(Purpose::Segment, GroupId(1)).unwrap().unwrap();
        let seal = Seal { group: GroupId(1), stream: StreamId(2), random: ciphers.random() };
        let mut sealer = Sealer::new().unwrap();
        for raw in [Vec::new(), b"a".to_vec(), vec![7; 1000], (0..=255).collect()] {
            for compress in [false, true] {
                let mut out = Vec::new();
                let extent = sealer.put(&mut out, (&cipher, &seal, 5), &raw, compress).unwrap();
                assert_eq!((extent.check(), extent.stored as usize), (Ok(extent), out.len()));
                assert_eq!(seal.open(&cipher, 5, extent, out.clone()), Ok(raw.clone()));
                if !raw.is_empty() {
                    assert!(seal.open(&cipher, 6, extent, out.clone()).is_err(), "another extent");
                    let other = Seal { stream: StreamId(3), ..seal };
                    assert!(other.open(&cipher, 5, extent, out).is_err(), "another stream");
                }
            }
        }
        for (raw, stored) in [(0, 17), (1, 16), (1, 18), (EXTENT_BYTES_MAX + 1, 100)] {
            assert!(Extent { raw, stored }.check().is_err(), "{raw} {stored}");
        }
    }
}
