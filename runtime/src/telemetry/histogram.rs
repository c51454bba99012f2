//! Owns durations counted by size, without locks. Refuses to know what took so long.

use crate::ingest::activity::Count;

/// Upper ends of the buckets, in microseconds and as the page writes them in seconds; one more takes the rest.
const BUCKETS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Durations by size.
#[derive(Default)]
pub(crate) struct Histogram {
    counts: [Count; BUCKETS.len() + 1],
    sum_us: Count,
}

impl Histogram {
    /// Counts one.
    pub(crate) fn record_us(&self, us: u64) {
        let at = BUCKETS.partition_point(|(end, _)| *end < us);
        self.counts[at].add(1);
        self.sum_us.add(us);
    }

    /// How many fell into each bucket alone, with its upper end in seconds.
    pub(super) fn counts(&self) -> [(&'static str, u64); BUCKETS.len() + 1] {
        std::array::from_fn(|at| {
            (BUCKETS.get(at).map_or("+Inf", |(_, seconds)| seconds), self.counts[at].get())
        })
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        self.sum_us.get() as f64 / 1e6
    }
}
