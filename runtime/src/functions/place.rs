//! Owns whose turn it is: how many calls of a function, and of all, run at once. A function that burdens the machine call
//! after call runs one at a time until a call of it ends well. Refuses to run anything.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use wasm::{InvokeError, Invoked, Report};

use super::{Functions, Work, admit};

/// Burdensome calls in a row after which a function runs one call at a time.
const BURDENS_MAX: u32 = 3;

/// What the calls of one function share.
pub(super) struct Place {
    effectful: Calls,
    /// Apart, so that a call that stores events never waits for itself as their transformer.
    pure: Calls,
    /// Burdensome calls in a row.
    burdens: AtomicU32,
    pub(super) admission: admit::Admission,
}

/// Calls that run at once.
struct Calls {
    places: Semaphore,
    /// The one place while the function is a burden.
    alone: Semaphore,
}

impl Calls {
    fn of(at_once: usize) -> Calls {
        Calls { places: Semaphore::new(at_once), alone: Semaphore::new(1) }
    }

    /// Neither semaphore is ever closed. What was waited for may have changed whether the function is a burden.
    async fn turn(&self, is_burden: impl Fn() -> bool) -> [Option<SemaphorePermit<'_>>; 2] {
        loop {
            let alone = if is_burden() { self.alone.acquire().await.ok() } else { None };
            let alone = alone.filter(|_| is_burden());
            let place = self.places.acquire().await.ok();
            if alone.is_some() || !is_burden() {
                return [alone, place];
            }
        }
    }
}

impl Place {
    pub(super) fn of(at_once: usize) -> Place {
        Place {
            effectful: Calls::of(at_once),
            pure: Calls::of(at_once),
            burdens: AtomicU32::new(0),
            admission: admit::Admission::default(),
        }
    }

    /// A call ended.
    pub(super) fn ended<T>(&self, invoked: &Invoked<T>) {
        if is_burden(invoked.result.as_ref().err(), &invoked.report) {
            self.burdens.fetch_add(1, Ordering::Relaxed);
        } else {
            self.burdens.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn is_burden(&self) -> bool {
        self.burdens.load(Ordering::Relaxed) >= BURDENS_MAX
    }
}

/// Whether a call took what it may at most of memory, output or the processor, or died. Waiting is no burden.
fn is_burden(error: Option<&InvokeError>, report: &Report) -> bool {
    match error {
        Some(
            InvokeError::Trap { .. } | InvokeError::OutOfMemory { .. } | InvokeError::OutputTooLarge { .. },
        ) => true,
        Some(InvokeError::Timeout { .. }) => report.cpu_us >= report.duration_us / 4,
        _ => report.log_truncated,
    }
}

/// Permits that are held while a call runs.
pub(super) type Turn<'a> = ([Option<SemaphorePermit<'a>>; 2], Option<SemaphorePermit<'a>>);

/// Waits for a place of the function, then for one among all calls. Requests and readers wait for pure calls, so those
/// give up after the time they may take; a query waits as long as it likes.
pub(super) async fn turn<'a>(
    functions: &'a Functions,
    place: &'a Place,
    work: &Work<'_>,
    timeout_ms: u64,
) -> Result<Turn<'a>, InvokeError> {
    if let Work::Evaluate(_) = work {
        return Ok(([None, None], functions.queries.acquire().await.ok()));
    }
    let is_burden = || place.is_burden();
    if !work.is_pure() {
        return Ok((place.effectful.turn(is_burden).await, functions.effectful.acquire().await.ok()));
    }
    let both = async { (place.pure.turn(is_burden).await, functions.pure.acquire().await.ok()) };
    // In real time on every clock: what is waited for is work.
    tokio::time::timeout(Duration::from_millis(timeout_ms), both).await.map_err(|_| {
        let message = format!("too many calls run: there was no place for this one in {timeout_ms} ms");
        InvokeError::Handler { message, retry: true, after_ms: 0 }
    })
}

#[cfg(test)]
mod tests {
    use wasm::BatchContext;

    use super::super::{Rows, compiled};
    use super::*;
    use crate::clock::Clock;

    fn functions(folder: &std::path::Path) -> Functions {
        let (compiled, way_out) = (compiled::tests::compiled(folder), compiled::tests::way_out());
        Functions::new(&Clock::standing_at(0, 0), compiled, way_out, 1).unwrap()
    }

    #[tokio::test]
    async fn a_pure_call_waits_for_a_place_only_so_long() {
        let folder = tempfile::tempdir().unwrap();
        let functions = functions(folder.path());
        let place = functions.place(1);
        let (context, rows) =
            (BatchContext::default(), Rows { name: "f", columns: &[], count: 0, now_ms: 0 });
        let (pure, effectful) = (Work::Filter(&context, &[]), Work::Lambda(b"{}"));
        let mut taken = Vec::new();
        for _ in 0..functions.at_once {
            taken.push(turn(&functions, &place, &pure, 1_000).await.unwrap());
        }
        let late = turn(&functions, &place, &pure, 20).await.unwrap_err();
        assert!(late.may_retry() && late.to_string().contains("no place"), "{late}");
        turn(&functions, &place, &effectful, 0).await.unwrap();
        turn(&functions, &functions.place(2), &pure, 1_000).await.unwrap();
        turn(&functions, &place, &Work::Evaluate(&rows), 0).await.unwrap();
        taken.pop();
        turn(&functions, &place, &pure, 1_000).await.unwrap();
    }

    #[tokio::test]
    async fn a_burden_runs_alone_until_a_call_ends_well() {
        let folder = tempfile::tempdir().unwrap();
        let functions = functions(folder.path());
        let (place, context) = (functions.place(1), BatchContext::default());
        let (pure, effectful) = (Work::Filter(&context, &[]), Work::Lambda(b"{}"));
        let ended = |result, report| Invoked {
            report,
            ..Invoked { result, ..Invoked::refused(InvokeError::Stopped) }
        };
        let trap = || ended(Err(InvokeError::OutOfMemory { limit_bytes: 1 }), Report::default());
        let well = || ended(Ok(()), Report::default());
        let wait = std::time::Duration::from_millis(20);
        for _ in 0..BURDENS_MAX {
            let _two = (
                turn(&functions, &place, &effectful, 0).await.unwrap(),
                turn(&functions, &place, &effectful, 0).await.unwrap(),
            );
            place.ended(&trap());
        }
        let first = turn(&functions, &place, &effectful, 0).await.unwrap();
        assert!(tokio::time::timeout(wait, turn(&functions, &place, &effectful, 0)).await.is_err());
        // What it stores may go through itself.
        turn(&functions, &place, &pure, 1_000).await.unwrap();
        drop(first);
        let first = turn(&functions, &place, &effectful, 0).await.unwrap();
        place.ended(&well());
        turn(&functions, &place, &effectful, 0).await.unwrap();
        drop(first);
    }

    #[test]
    fn what_burdens_the_machine() {
        let report =
            |cpu_us, log_truncated| Report { duration_us: 1_000, cpu_us, log_truncated, ..Report::default() };
        let timeout = InvokeError::Timeout { limit_ms: 1 };
        assert!(is_burden(Some(&timeout), &report(900, false)));
        assert!(!is_burden(Some(&timeout), &report(10, false)), "it waited");
        assert!(is_burden(None, &report(10, true)) && !is_burden(None, &report(900, false)));
        let handler = InvokeError::Handler { message: String::new(), retry: true, after_ms: 0 };
        assert!(!is_burden(Some(&handler), &report(900, false)));
    }
}
