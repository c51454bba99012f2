//! Owns choosing a few of many events, evenly, in one pass and bounded memory. Refuses to know why.

/// What is kept of a stretch of events.
pub(super) struct Sample<T> {
    kept: Vec<T>,
    /// Every so many are kept.
    stride: u64,
    seen: u64,
    bytes: u64,
    events_max: usize,
    bytes_max: u64,
}

impl<T> Sample<T> {
    /// At most so many, with at most so many bytes (one alone may have more).
    pub(super) fn new(events_max: usize, bytes_max: u64) -> Sample<T> {
        Sample { kept: Vec::new(), stride: 1, seen: 0, bytes: 0, events_max, bytes_max }
    }

    pub(super) fn add(&mut self, one: T, bytes_of: impl Fn(&T) -> u64) {
        self.seen += 1;
        if !(self.seen - 1).is_multiple_of(self.stride) {
            return;
        }
        self.bytes += bytes_of(&one);
        self.kept.push(one);
        while self.kept.len() > 1 && (self.kept.len() > 2 * self.events_max || self.bytes > self.bytes_max) {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.bytes = self.kept.iter().map(&bytes_of).sum();
            self.stride = self.stride.saturating_mul(2);
        }
    }

    /// The sample in order, and whether anything is missing.
    pub(super) fn finish(self) -> (Vec<T>, bool) {
        let (have, want) = (self.kept.len(), self.events_max);
        let mut kept = self.kept;
        if have > want {
            let mut index = 0;
            // The i-th of `want` is the (i * have / want)-th of `have`.
            kept.retain(|_| {
                index += 1;
                index * want / have != (index - 1) * want / have
            });
        }
        let is_sampled = self.seen > kept.len() as u64;
        (kept, is_sampled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(count: u64, events_max: usize, bytes_max: u64, size: u64) -> (Vec<u64>, bool) {
        let mut sample = Sample::new(events_max, bytes_max);
        (0..count).for_each(|one| sample.add(one, |_| size));
        sample.finish()
    }

    #[test]
    fn a_few_are_kept_whole_and_many_are_thinned_evenly() {
        assert_eq!(sampled(0, 5, 100, 1), (vec![], false));
        assert_eq!(sampled(5, 5, 100, 1), ((0..5).collect(), false));
        for count in [6, 10, 11, 99, 100, 1_000, 54_321] {
            let (kept, is_sampled) = sampled(count, 5, 100, 1);
            assert!(is_sampled && kept.len() == 5, "{count}: {kept:?}");
            assert!(kept.is_sorted() && *kept.last().unwrap() >= count / 2, "{count}: {kept:?}");
        }
        let (kept, is_sampled) = sampled(500, 500, 1_000, 10);
        assert!(is_sampled && kept.len() <= 100 && kept.len() > 30, "the bytes count too: {}", kept.len());
        assert_eq!(sampled(3, 5, 1, 10).0.len(), 1, "one alone may have more");
    }
}
