//! Owns the choice of the log events that stand behind a breach. Refuses to read them.

use crate::alarm::missing::Decision;
use crate::alarm::window::Slot;
use crate::point::EventReference;

/// The most events one transition refers to.
pub const EVENTS_MAX: usize = 50;

/// Chooses from the counted breaching datapoints: the newest datapoints first, and each as many as is fair, so
/// that one noisy minute does not hide the others; within a datapoint the newest events.
pub fn choose(slots: &[Slot], decision: &Decision) -> Vec<EventReference> {
    let sources: Vec<&[EventReference]> = decision
        .counted
        .iter()
        .filter_map(|index| slots[*index].datapoint.as_ref())
        .filter(|datapoint| datapoint.breaching)
        .map(|datapoint| &datapoint.point.events[..])
        .collect();
    let mut shares = vec![0; sources.len()];
    let mut left = EVENTS_MAX;
    while left > 0 {
        let mut given = 0;
        for (share, source) in shares.iter_mut().zip(&sources) {
            if left > given && *share < source.len() {
                *share += 1;
                given += 1;
            }
        }
        if given == 0 {
            break;
        }
        left -= given;
    }
    let mut chosen = Vec::new();
    for (share, source) in shares.into_iter().zip(sources) {
        for event in &source[..share] {
            if !chosen.contains(event) {
                chosen.push(event.clone());
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::missing::Rule;
    use crate::alarm::window::Datapoint;
    use crate::distribution::Distribution;
    use crate::point::Point;
    use crate::point::tests::event;
    use proptest::prelude::*;

    fn slot(index: usize, breaching: bool, events: usize) -> Slot {
        let start_ms = -(index as i64) * 60_000;
        let events = (0..events).map(|i| event(start_ms + i as i64, (index * 1000 + i) as u64)).collect();
        let point = Point::with_events(Distribution::value(1.0), events);
        Slot { start_ms, datapoint: Some(Datapoint { value: 1.0, sample_count: 1.0, breaching, point }) }
    }

    fn chosen(shape: &[(bool, usize)]) -> Vec<usize> {
        let slots: Vec<_> = shape.iter().enumerate().map(|(i, (b, n))| slot(i, *b, *n)).collect();
        let decision = Decision {
            state: None,
            rule: Rule::EnoughDatapoints,
            counted: (0..slots.len()).collect(),
            filled: 0,
        };
        let mut per_slot = vec![0; shape.len()];
        for event in choose(&slots, &decision) {
            per_slot[(event.position / 1000) as usize] += 1;
        }
        per_slot
    }

    #[test]
    fn shares_fairly() {
        assert_eq!(chosen(&[(true, 6)]), [6]);
        assert_eq!(chosen(&[(true, 50), (true, 50)]), [25, 25]);
        assert_eq!(chosen(&[(true, 50), (true, 3), (false, 9)]), [47, 3, 0]);
        assert_eq!(chosen(&[(true, 50), (true, 50), (true, 50)]), [17, 17, 16]);
        assert_eq!(chosen(&[]), [0; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn takes_all_or_fifty(shape in proptest::collection::vec((any::<bool>(), 0..60usize), 0..70)) {
            let per_slot = chosen(&shape);
            let there: usize = shape.iter().filter(|(b, _)| *b).map(|(_, n)| (*n).min(50)).sum();
            prop_assert_eq!(per_slot.iter().sum::<usize>(), there.min(EVENTS_MAX));
        }
    }
}
