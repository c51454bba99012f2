//! Owns reserved concurrency: how many calls of a function may be at work at once, and who is turned away. Refuses
//! to know what is run, and the places of the host (`run`): what was admitted may still wait for one of these.
//!
//! A reservation counts calls with effects. Pure calls (filters, extractors, transformers) have bounds of their
//! own, because a call that stores events may wait for itself as their transformer; a reservation of 0, which is
//! how a function is switched off, stops them too.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use wasm::InvokeError;

use super::run::{self, Cause, Ran, Work};
use super::{Place, Ready, lock};
use crate::app::App;

/// What one function has at work.
#[derive(Default)]
pub(super) struct Admission {
    running: Mutex<u32>,
    freed: Notify,
}

/// A call that may be made; its end makes room for the next one.
struct Admitted(Arc<Place>);

impl Drop for Admitted {
    fn drop(&mut self) {
        let Admission { running, freed } = &self.0.admission;
        *lock(running) -= 1;
        freed.notify_waiters();
    }
}

/// A function's reservation is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throttled;

fn try_admit(place: &Arc<Place>, reserved: Option<u32>) -> Result<Admitted, Throttled> {
    let mut running = lock(&place.admission.running);
    if reserved.is_some_and(|reserved| *running >= reserved) {
        return Err(Throttled);
    }
    *running += 1;
    Ok(Admitted(Arc::clone(place)))
}

/// Waits until there is room; with a reservation of 0 there never is.
async fn admit(place: &Arc<Place>, reserved: Option<u32>) -> Result<Admitted, Throttled> {
    if reserved == Some(0) {
        return Err(Throttled);
    }
    loop {
        let mut freed = std::pin::pin!(place.admission.freed.notified());
        // Before looking: what ends between the look and the wait is not missed.
        freed.as_mut().enable();
        if let Ok(admitted) = try_admit(place, reserved) {
            return Ok(admitted);
        }
        freed.await;
    }
}

/// Runs a function to its end: its effects are durable and its lines stored when this returns. Waits while its
/// reserved concurrency is used up; where none is reserved at all, the call is to be made again later.
pub(crate) async fn run(app: &Arc<App>, ready: &Ready, cause: &Cause, work: Work<'_>) -> Ran {
    let place = app.functions.place(ready.record.id);
    let reserved = ready.record.reserved_concurrency;
    let admitted = if work.is_pure() {
        if reserved == Some(0) { Err(Throttled) } else { Ok(None) }
    } else {
        admit(&place, reserved).await.map(Some)
    };
    match admitted {
        Ok(_admitted) => run::run(app, ready, cause, work).await,
        Err(Throttled) => {
            let message = "its reserved concurrency is 0: it is switched off".to_owned();
            Ran { result: Err(InvokeError::Handler { message, retry: true, after_ms: 0 }), lines: Vec::new() }
        }
    }
}

/// As [`run`], but turned away at once while the reserved concurrency is used up.
///
/// # Errors
/// [`Throttled`]; the function was not run.
pub(crate) async fn try_run(
    app: &Arc<App>,
    ready: &Ready,
    cause: &Cause,
    work: Work<'_>,
) -> Result<Ran, Throttled> {
    let place = app.functions.place(ready.record.id);
    let _admitted = try_admit(&place, ready.record.reserved_concurrency)?;
    Ok(run::run(app, ready, cause, work).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reservation_turns_away_or_lets_wait() {
        let place = Arc::new(Place::of(1));
        let one = try_admit(&place, Some(1)).unwrap();
        assert!(matches!(try_admit(&place, Some(1)), Err(Throttled)));
        assert!(matches!(admit(&place, Some(0)).await, Err(Throttled)));
        let unreserved = try_admit(&place, None).unwrap();
        drop(unreserved);
        let waiting = tokio::spawn({
            let place = Arc::clone(&place);
            async move { admit(&place, Some(1)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(one);
        assert!(waiting.await.unwrap());
        assert!(try_admit(&place, Some(1)).is_ok(), "an end makes room");
    }
}
