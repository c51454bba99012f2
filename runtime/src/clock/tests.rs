//! Tests of the virtual clock: order, rest between steps, and ids that repeat.

use std::sync::{Arc, Mutex};

use super::*;

const MINUTE_MS: i64 = 60_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// A loop that notes the time every `period_ms`, slowly.
fn ticker(clock: &Clock, name: &'static str, period_ms: i64, notes: &Arc<Mutex<Vec<(i64, &'static str)>>>) {
    let (clock, notes) = (clock.clone(), Arc::clone(notes));
    let mut worker = clock.worker(name);
    tokio::spawn(async move {
        loop {
            let due_ms = clock.now_ms() + period_ms;
            worker.rest(Some(due_ms)).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
            notes.lock().unwrap().push((clock.now_ms(), worker.name()));
        }
    });
}

#[test]
fn an_advance_runs_everything_due_in_order_and_waits_for_it() {
    runtime().block_on(async {
        let clock = Clock::standing_at(0, 1);
        let notes = Arc::default();
        ticker(&clock, "minute", MINUTE_MS, &notes);
        ticker(&clock, "forty", 40_000, &notes);
        let done = clock.advance(120_000).await.unwrap();
        assert_eq!(done, Advanced { now_ms: 120_000, woken: 5, settled: true });
        let mut seen = notes.lock().unwrap().clone();
        let last = seen.split_off(3);
        assert_eq!(seen, [(40_000, "forty"), (60_000, "minute"), (80_000, "forty")]);
        assert!(last.iter().all(|(at, _)| *at == 120_000) && last.len() == 2, "{last:?}");
    });
}

#[test]
fn a_nudge_is_work_that_an_advance_waits_for_even_through_a_chain() {
    runtime().block_on(async {
        let clock = Clock::standing_at(0, 1);
        let done = Arc::new(Mutex::new(0));
        let mut second = clock.worker("second");
        let pass_on = second.nudge_handle();
        let count = Arc::clone(&done);
        tokio::spawn(async move {
            loop {
                second.rest(None).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                *count.lock().unwrap() += 1;
            }
        });
        let mut first = clock.worker("first");
        let start = first.nudge_handle();
        tokio::spawn(async move {
            loop {
                first.rest(None).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                pass_on.nudge();
            }
        });
        for round in 1..=20 {
            assert!(clock.settle().await);
            start.nudge();
            clock.advance(1).await.unwrap();
            assert_eq!(*done.lock().unwrap(), round);
        }
    });
}

#[test]
fn a_worker_that_is_gone_holds_nothing_up() {
    runtime().block_on(async {
        let clock = Clock::standing_at(0, 1);
        let worker = clock.worker("gone");
        let nudge = worker.nudge_handle();
        drop(worker);
        nudge.nudge();
        assert!(clock.advance(1).await.unwrap().settled);
    });
}

#[test]
fn a_sleep_ends_when_its_time_comes_and_not_before() {
    runtime().block_on(async {
        let clock = Clock::standing_at(1_000, 1);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep(500).await;
                clock.now_ms()
            }
        });
        while clock.advance(499).await.unwrap().now_ms < 1_499 {}
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!sleeper.is_finished());
        // The sleeper may have entered late (it is not a worker): go far enough for any start.
        clock.advance(1_000).await.unwrap();
        assert!((1_500..=2_499).contains(&sleeper.await.unwrap()));
    });
}

#[test]
fn time_does_not_go_back_and_the_real_clock_does_not_obey() {
    runtime().block_on(async {
        let clock = Clock::standing_at(1_000, 1);
        assert_eq!(clock.advance_until(999).await, Err(AdvanceError::Backwards));
        assert_eq!(clock.advance_until(5_000).await.unwrap().now_ms, 5_000);
        assert_eq!(Clock::real().advance(1).await, Err(AdvanceError::Real));
    });
}

#[test]
fn a_real_worker_rests_until_due_or_nudged() {
    runtime().block_on(async {
        let clock = Clock::real();
        let mut worker = clock.worker("real");
        let due_ms = clock.now_ms() + 20;
        worker.rest(Some(due_ms)).await;
        assert!(clock.now_ms() >= due_ms);
        worker.nudge_handle().nudge();
        worker.rest(None).await;
        assert!(tokio::time::timeout(Duration::from_millis(20), worker.rest(None)).await.is_err());
    });
}

#[test]
fn ids_repeat_from_a_seed_and_are_version_four() {
    let ids = |seed| {
        let clock = Clock::standing_at(0, seed);
        [clock.uuid(), clock.uuid()]
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
    let [first, second] = ids(7);
    assert_ne!(first, second);
    let shape: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!((shape.as_slice(), &first[14..15]), ([8, 4, 4, 4, 12].as_slice(), "4"));
    assert_ne!(Clock::real().uuid(), Clock::real().uuid());
}
