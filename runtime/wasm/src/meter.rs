//! CPU time of a call: a future that counts the thread's CPU clock around each poll, so that
//! waiting costs nothing and moving between worker threads is no error. And where a busy guest lets others come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use rustix::time::{ClockId, clock_gettime};

/// Microseconds of CPU, readable while (and after) the future runs or is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTime(Arc<AtomicU64>);

impl CpuTime {
    pub(crate) fn micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1000
    }

    /// Wraps a future; its polls are counted here.
    pub(crate) fn metered<'a, T: 'a>(
        &self,
        inner: impl Future<Output = T> + Send + 'a,
    ) -> impl Future<Output = T> + Send + 'a {
        Metered { inner: Box::pin(inner), nanos: Arc::clone(&self.0) }
    }
}

/// A turn so long was most likely ended by the epoch clock, not by waiting. Threads that wait for this core come now: the
/// system itself looks at them only at its own tick (Linux: 4 ms).
const LONG_NS: u64 = 500_000;

struct Metered<'a, T> {
    inner: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
    nanos: Arc<AtomicU64>,
}

impl<T> Future for Metered<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let before = thread_nanos();
        let polled = self.inner.as_mut().poll(context);
        let nanos = thread_nanos().saturating_sub(before);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        if polled.is_pending() && nanos >= LONG_NS {
            std::thread::yield_now();
        }
        polled
    }
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
