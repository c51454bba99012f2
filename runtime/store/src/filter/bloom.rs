//! Owns the split-block bloom filter: a set of hashes that never forgets one, and sometimes claims one too many.
//! Refuses to know what the hashes stand for.

use super::words;

// Layout: blocks of 256 bits, each eight little-endian u32. A hash selects the block `(hash >> 32) * blocks >> 32`
// and, by its low half times eight odd constants, one bit (the upper five bits of the product) of each u32.

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 32;
/// Bits per key; 10 give about 1.2 % false positives.
const BITS_PER_KEY: usize = 10;
/// A filter never grows over this many blocks (2 MiB).
pub(crate) const MAX_BLOCKS: usize = 1 << 16;

const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The distinct hashes seen so far: open addressing, at most half full, 0 = free.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    table: Vec<u64>,
    used: usize,
}

impl Hashes {
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64) {
        let hash = hash.max(1);
        if self.used * 2 >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.table[at] {
                0 => break,
                same if same == hash => return,
                _ => at = (at + 1) & mask,
            }
        }
        self.table[at] = hash;
        self.used += 1;
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.table);
        self.table = vec![0; (old.len() * 4).max(256)];
        let mask = self.table.len() - 1;
        for hash in old.into_iter().filter(|&hash| hash != 0) {
            let mut at = hash as usize & mask;
            while self.table[at] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = hash;
        }
    }

    /// The blocks of a filter over the hashes; empty without hashes.
    pub(crate) fn blocks(&self) -> Vec<u8> {
        let blocks = (self.used * BITS_PER_KEY).div_ceil(8 * BLOCK_BYTES).min(MAX_BLOCKS);
        let mut bits = vec![[0_u32; 8]; blocks];
        for &hash in self.table.iter().filter(|&&hash| hash != 0) {
            for (word, mask) in bits[block_of(hash, blocks)].iter_mut().zip(masks(hash)) {
                *word |= mask;
            }
        }
        bits.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }
}

fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

fn masks(hash: u64) -> [u32; 8] {
    SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

/// True when the filter may have been made with the word.
pub(crate) fn may_contain(blocks: &[u8], word: &[u8]) -> bool {
    Probe::of(word).may_be_in(blocks)
}

/// A word that is looked up in many filters.
pub(super) struct Probe {
    hash: u64,
    masks: [u32; 8],
}

impl Probe {
    pub(super) fn of(word: &[u8]) -> Self {
        let hash = words::hash(word).max(1);
        Self { hash, masks: masks(hash) }
    }

    #[inline]
    pub(super) fn may_be_in(&self, blocks: &[u8]) -> bool {
        let count = blocks.len() / BLOCK_BYTES;
        if count == 0 {
            return false;
        }
        let start = block_of(self.hash, count) * BLOCK_BYTES;
        let block = &blocks[start..start + BLOCK_BYTES];
        // All of it without a branch, so that the processor fetches the next filter meanwhile.
        let missing = |(mask, word): (&u32, &[u8; 4])| mask & !u32::from_le_bytes(*word);
        self.masks.iter().zip(block.as_chunks::<4>().0).map(missing).fold(0, |all, one| all | one) == 0
    }
}
