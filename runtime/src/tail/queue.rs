//! Owns the bounded queue between a tail and its connection. Refuses to know what the bytes mean.
//!
//! The tail never waits inside: it asks whether there is room, or lets the oldest go. The connection takes what
//! there is; when it stops reading, `server` cuts it off, and the tail learns of it when the body is dropped.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::time::Sleep;

use crate::clock::Nudge;
use crate::server::Body;

/// The tail's end of the queue. When it is dropped, the answer ends.
pub(super) struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Nudged when there is room again, and when the connection is gone.
    tail: Nudge,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    parts: VecDeque<Part>,
    bytes: usize,
    /// The tail found no room and waits for some.
    is_awaited: bool,
    has_ended: bool,
    is_gone: bool,
    connection: Option<Waker>,
}

struct Part {
    bytes: Bytes,
    may_go: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection sends when there is nothing to send.
pub(super) struct Heartbeat {
    pub(super) every: Duration,
    pub(super) bytes: Bytes,
}

impl Queue {
    /// A queue of so many bytes (one part may go beyond), and the body that empties it.
    pub(super) fn new(tail: Nudge, bytes_max: usize, heartbeat: Option<Heartbeat>) -> (Queue, Body) {
        let shared = Arc::new(Shared { state: Mutex::default(), tail, bytes_max: bytes_max.max(1) });
        let beat = heartbeat
            .map(|heartbeat| Beat { sleep: Box::pin(tokio::time::sleep(heartbeat.every)), heartbeat });
        let body = TailBody { shared: Arc::clone(&shared), beat };
        (Queue { shared }, body.boxed())
    }

    /// Whether something may be pushed now. If not, the tail is nudged when it may.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.shared.lock();
        let has_room = state.bytes < self.shared.bytes_max;
        state.is_awaited = !has_room;
        has_room
    }

    /// The connection is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.shared.lock().is_gone
    }

    /// Adds a part, room or not: the caller has asked, or it is the last one.
    pub(super) fn push(&self, bytes: impl Into<Bytes>) {
        self.add(bytes.into(), false);
    }

    /// Adds a part and lets the oldest parts that were added so go until there are at most `parts_max` and the
    /// bytes fit; tells how many went.
    pub(super) fn push_over(&self, bytes: impl Into<Bytes>, parts_max: usize) -> usize {
        self.add(bytes.into(), true);
        let mut state = self.shared.lock();
        let mut gone = 0;
        while state.parts.len() > 1
            && (state.parts.iter().filter(|part| part.may_go).count() > parts_max
                || state.bytes > self.shared.bytes_max)
        {
            let newest = state.parts.len() - 1;
            let Some(oldest) = state.parts.iter().position(|part| part.may_go).filter(|at| *at < newest)
            else {
                break;
            };
            if let Some(part) = state.parts.remove(oldest) {
                state.bytes -= part.bytes.len();
                gone += 1;
            }
        }
        gone
    }

    fn add(&self, bytes: Bytes, may_go: bool) {
        let mut state = self.shared.lock();
        if state.is_gone || bytes.is_empty() {
            return;
        }
        state.bytes += bytes.len();
        state.parts.push_back(Part { bytes, may_go });
        wake(state);
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.connection.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.has_ended = true;
        wake(state);
    }
}

/// The connection's end of the queue.
struct TailBody {
    shared: Arc<Shared>,
    beat: Option<Beat>,
}

struct Beat {
    heartbeat: Heartbeat,
    sleep: Pin<Box<Sleep>>,
}

impl Beat {
    fn start_over(&mut self) {
        // A new timer: only `clock.rs` may ask what time it is to move an old one.
        self.sleep.set(tokio::time::sleep(self.heartbeat.every));
    }
}

impl hyper::body::Body for TailBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if let Some(part) = state.parts.pop_front() {
            state.bytes -= part.bytes.len();
            let has_room = state.is_awaited && state.bytes < shared.bytes_max;
            state.is_awaited &= !has_room;
            drop(state);
            if has_room {
                shared.tail.nudge();
            }
            if let Some(beat) = &mut self.beat {
                beat.start_over();
            }
            return Poll::Ready(Some(Ok(Frame::data(part.bytes))));
        }
        if state.has_ended {
            return Poll::Ready(None);
        }
        state.connection = Some(context.waker().clone());
        drop(state);
        let Some(beat) = &mut self.beat else { return Poll::Pending };
        if beat.sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        beat.start_over();
        // The next poll, which follows a frame at once, leaves the wakers where they belong.
        Poll::Ready(Some(Ok(Frame::data(beat.heartbeat.bytes.clone()))))
    }
}

impl Drop for TailBody {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_gone = true;
        state.parts.clear();
        state.bytes = 0;
        drop(state);
        self.shared.tail.nudge();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    async fn next(body: &mut Body) -> Option<Bytes> {
        body.frame().await.map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn what_does_not_fit_makes_the_oldest_go_but_never_the_newest_or_what_must_stay() {
        let clock = Clock::real();
        let worker = clock.worker("a tail");
        let (queue, mut body) = Queue::new(worker.nudge_handle(), 10, None);
        queue.push("start");
        let gone: Vec<usize> = ["a", "b", "c", "d"].iter().map(|part| queue.push_over(*part, 2)).collect();
        assert_eq!(gone, [0, 0, 1, 1]);
        assert_eq!(queue.push_over("longer than ten", 2), 2, "the bytes count too");
        drop(queue);
        assert_eq!(next(&mut body).await.unwrap(), "start");
        assert_eq!(next(&mut body).await.unwrap(), "longer than ten");
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_tail_without_room_is_nudged_when_there_is_some_and_told_when_nobody_reads() {
        let clock = Clock::real();
        let mut worker = clock.worker("a tail");
        let (queue, mut body) = Queue::new(worker.nudge_handle(), 4, None);
        assert!(queue.has_room());
        queue.push("12345");
        assert!(!queue.has_room());
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, worker.rest(None)).await.is_err(), "no room yet");
        assert_eq!(next(&mut body).await.unwrap(), "12345");
        worker.rest(None).await;
        assert!(queue.has_room());
        drop(body);
        worker.rest(None).await;
        assert!(queue.is_gone());
    }

    #[tokio::test]
    async fn silence_is_broken_by_heartbeats() {
        let clock = Clock::real();
        let worker = clock.worker("a tail");
        let heartbeat = Heartbeat { every: Duration::from_millis(5), bytes: Bytes::from_static(b"beat") };
        let (queue, mut body) = Queue::new(worker.nudge_handle(), 4, Some(heartbeat));
        assert_eq!(next(&mut body).await.unwrap(), "beat");
        queue.push("data");
        assert_eq!(next(&mut body).await.unwrap(), "data");
        assert_eq!(next(&mut body).await.unwrap(), "beat");
    }
}
