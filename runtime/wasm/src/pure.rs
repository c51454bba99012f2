//! What makes a pure world pure: a clock that stands still and randomness that repeats.

use std::convert::Infallible;
use std::time::Duration;

use rand_core::TryRng;
use sha2::{Digest, Sha256};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Fixes time and randomness of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pure {
    /// Milliseconds since the Unix epoch: the newest ingestion time of the batch.
    pub(crate) now_ms: i64,
    /// From the delivery id.
    pub(crate) seed: u64,
}

impl Pure {
    /// Time and seed of one delivery.
    pub(crate) fn new(now_ms: i64, delivery_id: &str) -> Self {
        let digest = Sha256::digest(delivery_id.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self { now_ms, seed: u64::from_le_bytes(first) }
    }
}

/// A clock that stands still.
pub(crate) struct Still(pub(crate) i64);

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// splitmix64: repeatable, well mixed, not for secrets (a pure world keeps none).
pub(crate) struct Repeatable(pub(crate) u64);

impl TryRng for Repeatable {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}
