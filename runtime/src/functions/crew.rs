//! Owns the threads that guests run and are compiled on, with what belongs to them (readers of subscriptions, uploads):
//! as many as there are cores, apart from those that answer requests, behind them in the eyes of the system and off some
//! cores (`limits.request_cores`): the system shares out what is left among them. A busy guest lets go only at the next tick
//! of the epoch clock; on a thread of its own it holds up what else lives there until then, and no request. Refuses to know
//! what it runs.

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::scheduling;

/// The threads; they end with it.
#[derive(Debug)]
pub(super) struct Crew {
    /// Taken at the end.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Crew {
    /// Starts the threads. They keep off as many cores as are `left` to others.
    ///
    /// # Errors
    /// A sentence, when the system has none.
    pub(super) fn new(threads: usize, left: usize) -> Result<Crew, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("guests")
            .on_thread_start(scheduling::behind(left))
            // Each turn of a busy guest lasts a tick: after every one of them timers, sockets and newcomers are looked at.
            .event_interval(1)
            .global_queue_interval(1)
            .enable_all()
            .build()
            .map_err(|error| format!("there are no threads for guests: {error}"))?;
        Ok(Crew { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a future there; it ends with the one that waits for it. `None` when the process is at its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = Ending(self.handle.spawn(work));
        done((&mut task.0).await)
    }

    /// Starts a task there that nobody waits for.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Runs there what takes long and waits for nothing. `None` as above.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        done(self.handle.spawn_blocking(work).await)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Nobody waits for what still runs; a runtime must not be waited for on a thread of another one.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// A panic of the work goes on here.
fn done<T>(ended: Result<T, tokio::task::JoinError>) -> Option<T> {
    match ended {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Ends a task with the one that waits for it.
struct Ending<T>(JoinHandle<T>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn work_is_done_on_other_threads_and_ends_with_who_waits_for_it() {
        let crew = Crew::new(1, 1).unwrap();
        let here = std::thread::current().id();
        let there = crew.run(async { std::thread::current().id() }).await.unwrap();
        assert_ne!(here, there);
        assert_eq!(crew.blocking(|| 7).await, Some(7));
        struct Told(Arc<AtomicBool>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let ended = Arc::new(AtomicBool::new(false));
        let told = Told(Arc::clone(&ended));
        let endless = crew.run(async move {
            let _told = told;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), endless).await.is_err());
        while !ended.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_stand_behind() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let own = niceness();
        let crew = Crew::new(1, 1).unwrap();
        let started_there = async move { tokio::task::spawn_blocking(niceness).await.unwrap() };
        let theirs = [
            crew.run(async move { niceness() }).await,
            crew.run(started_there).await,
            crew.blocking(niceness).await,
        ];
        // 19 is as far as the system goes.
        assert_eq!(theirs, [Some((own + scheduling::BEHIND).min(19)); 3]);
        assert_eq!(niceness(), own);
        let cores = || rustix::thread::sched_getaffinity(None).unwrap().count();
        let fewer = (cores() - 1).max(1);
        assert_eq!([crew.run(async move { cores() }).await, crew.blocking(cores).await], [Some(fewer); 2]);
    }
}
