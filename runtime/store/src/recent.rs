//! Owns the memtables that were sealed last, for readers close behind the newest events: what lies in memory is lent to
//! them as it is, a sealed block has to be put together again. Refuses to know what of it may be seen, and by whom.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::memtable::Generation;

/// Memtables that are sealed already, by rising seq.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    generations: VecDeque<Arc<Generation>>,
    bytes: u64,
}

impl Recent {
    /// Takes a memtable in. Gives the oldest ones, which have to go so that no more than `bytes_max` are kept.
    #[must_use = "they are dropped when nobody waits for it"]
    pub(crate) fn keep(&mut self, generation: Arc<Generation>, bytes_max: u64) -> Vec<Arc<Generation>> {
        self.bytes += generation.cost;
        self.generations.push_back(generation);
        let mut gone = Vec::new();
        while self.bytes > bytes_max {
            let Some(oldest) = self.generations.pop_front() else { break };
            self.bytes -= oldest.cost;
            gone.push(oldest);
        }
        gone
    }

    /// The memtable in whose range a seq lies.
    pub(crate) fn around(&self, seq: u64) -> Option<&Generation> {
        let at = self.generations.partition_point(|generation| generation.end_seq <= seq);
        self.generations.get(at).map(Arc::as_ref).filter(|generation| generation.first_seq <= seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(first_seq: u64, end_seq: u64, cost: u64) -> Arc<Generation> {
        Arc::new(Generation { end_seq, cost, ..Generation::new(first_seq, String::new()) })
    }

    #[test]
    fn the_oldest_go_first() {
        let mut recent = Recent::default();
        let found = |recent: &Recent, seq| recent.around(seq).map(|generation| generation.first_seq);
        let keep = |recent: &mut Recent, generation| recent.keep(generation, 100).len();
        assert_eq!(keep(&mut recent, generation(10, 20, 30)), 0);
        assert_eq!(keep(&mut recent, generation(20, 30, 60)), 0);
        assert_eq!(
            [9, 10, 19, 20, 29, 30].map(|seq| found(&recent, seq)),
            [None, Some(10), Some(10), Some(20), Some(20), None]
        );
        assert_eq!(keep(&mut recent, generation(30, 40, 40)), 1);
        assert_eq!([10, 20, 30].map(|seq| found(&recent, seq)), [None, Some(20), Some(30)]);
        assert_eq!(keep(&mut recent, generation(40, 50, 101)), 3);
        assert_eq!((found(&recent, 40), recent.bytes), (None, 0), "one that is too large is not kept");
        assert_eq!(keep(&mut recent, generation(50, 60, 10)), 0);
        assert_eq!(found(&recent, 50), Some(50));
    }
}
