//! Poison isolation: when a batch kills its guest, finds the events that do it and lets the rest
//! pass. A pure driver over a call of a range of the batch.

use std::future::Future;
use std::ops::Range;

use crate::InvokeError;

/// One event that cannot be handled, alone in its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Its index in the batch.
    pub index: usize,
    /// What it does to the guest.
    pub error: InvokeError,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Bisected<T> {
    /// Ranges that passed, ascending, each with its answer.
    pub done: Vec<(Range<usize>, T)>,
    /// Events to quarantine, ascending.
    pub poison: Vec<Poison>,
    /// Where and why it stopped early: these events are neither done nor poison. An error that is
    /// no event's fault, or more poison than `max_poison`: then the module is broken, not the events.
    pub stopped: Option<(Range<usize>, InvokeError)>,
}

/// Calls the whole batch, and on an error that an event may be to blame for, its halves, down to
/// single events. With k bad events among n it takes about 2 k log2(n) calls; `max_poison` bounds k.
pub async fn bisect<T, F, Fut>(count: usize, max_poison: usize, mut call: F) -> Bisected<T>
where
    F: FnMut(Range<usize>) -> Fut,
    Fut: Future<Output = Result<T, InvokeError>>,
{
    let mut bisected = Bisected { done: Vec::new(), poison: Vec::new(), stopped: None };
    // The last range is the next one to try, so that events are handled in order.
    let mut open: Vec<Range<usize>> = std::iter::once(0..count).collect();
    while let Some(range) = open.pop().filter(|range| !range.is_empty()) {
        match call(range.clone()).await {
            Ok(answer) => bisected.done.push((range, answer)),
            Err(error)
                if !error.may_be_poison() || (range.len() == 1 && bisected.poison.len() == max_poison) =>
            {
                bisected.stopped = Some((range.start..count, error));
                break;
            }
            Err(error) if range.len() == 1 => bisected.poison.push(Poison { index: range.start, error }),
            Err(_) => {
                let middle = range.start + range.len() / 2;
                open.push(middle..range.end);
                open.push(range.start..middle);
            }
        }
    }
    bisected
}

#[cfg(test)]
mod tests;
