//! The driver against a model: events that kill, and a host that fails for other reasons.

use std::cell::Cell;
use std::future::ready;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::{Bisected, bisect};
use crate::InvokeError;

fn trap() -> InvokeError {
    InvokeError::Trap { message: "x".to_owned(), panic: None, backtrace: String::new() }
}

fn busy() -> InvokeError {
    InvokeError::Handler { message: "later".to_owned(), retry: true, after_ms: 0 }
}

/// Runs the driver; `bad` kill, and every call after `budget` fails for a reason of its own.
fn run(count: usize, bad: &[usize], max_poison: usize, budget: usize) -> (Bisected<usize>, usize) {
    let calls = Cell::new(0);
    let mut future = std::pin::pin!(bisect(count, max_poison, |range| {
        calls.set(calls.get() + 1);
        ready(if calls.get() > budget {
            Err(busy())
        } else if bad.iter().any(|b| range.contains(b)) {
            Err(trap())
        } else {
            Ok(range.len())
        })
    }));
    let Poll::Ready(found) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the model never waits");
    };
    (found, calls.get())
}

use std::future::Future;

proptest! {
    #[test]
    fn every_event_is_done_or_poison(count in 1usize..200, bad in proptest::collection::btree_set(0usize..200, 0..6)) {
        let bad: Vec<usize> = bad.into_iter().filter(|b| *b < count).collect();
        let (found, calls) = run(count, &bad, 10, usize::MAX);
        prop_assert!(found.stopped.is_none());
        prop_assert_eq!(found.poison.iter().map(|p| p.index).collect::<Vec<_>>(), bad.clone());
        let mut done: Vec<usize> = found.done.iter().flat_map(|(range, _)| range.clone()).collect();
        prop_assert!(done.is_sorted());
        done.extend(&bad);
        done.sort_unstable();
        prop_assert_eq!(done, (0..count).collect::<Vec<_>>());
        prop_assert!(calls <= 1 + bad.len() * 2 * 9, "{} calls", calls);
    }
}

#[test]
fn an_error_of_its_own_stops_and_says_where() {
    let (found, calls) = run(8, &[5], 10, 2);
    assert_eq!(calls, 3);
    assert_eq!(found.done, [(0..4, 4)]);
    assert_eq!(found.stopped, Some((4..8, busy())));
}

#[test]
fn a_module_that_always_dies_is_not_blamed_on_a_thousand_events() {
    let all: Vec<usize> = (0..1000).collect();
    let (found, calls) = run(1000, &all, 4, usize::MAX);
    assert_eq!(found.poison.len(), 4);
    assert_eq!(found.stopped.map(|(range, _)| range), Some(4..1000));
    assert!(calls < 40);
}

#[test]
fn an_empty_batch_needs_no_call() {
    assert_eq!(run(0, &[], 1, usize::MAX).1, 0);
}
