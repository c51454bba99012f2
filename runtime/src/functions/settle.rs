//! Owns one attempt at a call, on the threads of guests from its first instruction to its last line in the log: what a
//! guest leaves behind may be as much as it likes to make it, and is no work for a thread that answers requests. Refuses
//! to know whose turn it is and how often it is tried.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use wasm::{Call, InvokeError, Invoked, end_line, report_line, start_line};

use super::effects::{self, Uncommitted};
use super::owned::Owned;
use super::run::{Answer, Booked, Cause, Rows, Work, error_line, map};
use super::services::ForGuest;
use super::shadow::Served;
use super::{Place, Ready, output};
use crate::app::App;

/// A call that is to be made.
pub(super) struct Attempt {
    pub(super) app: Arc<App>,
    pub(super) ready: Ready,
    pub(super) cause: Cause,
    pub(super) guest: Arc<ForGuest>,
    pub(super) booked: Arc<Booked>,
    pub(super) place: Arc<Place>,
    pub(super) pure: bool,
    /// Whether a shadow is to see what it does.
    pub(super) is_watched: bool,
    /// Whether a conflict with other calls is its end.
    pub(super) is_last: bool,
}

/// A call that was made; its effects are durable and its lines stored.
pub(super) struct Settled {
    pub(super) result: Result<Answer, InvokeError>,
    /// For a shadow.
    pub(super) served: Option<Served>,
    /// Its lines as they are in the log group.
    pub(super) lines: Vec<String>,
}

impl Attempt {
    /// Makes the call. `None`: another one changed the state that it had read, and it is to be made again.
    // Boxed: what it stores may go through a transformer, which is a call like this one.
    pub(super) fn make<'a>(self, call: Call, work: &'a Work<'a>) -> BoxFuture<'a, Option<Settled>> {
        Box::pin(self.made(call, work))
    }

    async fn made(self, call: Call, work: &Work<'_>) -> Option<Settled> {
        let (app, started_ms) = (Arc::clone(&self.app), self.app.clock.now_ms());
        let work = match Owned::of(work) {
            Ok(work) => work,
            // A query waits on a thread of its own, and its rows are many: its calls stay there.
            Err(Rows { name, columns, count, now_ms }) => {
                let (host, module) = (&app.functions.host, &self.ready.module);
                let evaluated = host.evaluate(module, &call, name, columns, *count, *now_ms).await;
                return self.settle(map(evaluated, Answer::Values), started_ms).await;
            }
        };
        let made = app.functions.crew.run(async move {
            let invoked = work.make(&self.app.functions.host, &self.ready.module, &call).await;
            self.settle(invoked, started_ms).await
        });
        let stopped = || Settled { result: Err(InvokeError::Stopped), served: None, lines: Vec::new() };
        made.await.unwrap_or_else(|| Some(stopped()))
    }

    async fn settle(self, mut invoked: Invoked<Answer>, started_ms: i64) -> Option<Settled> {
        let Attempt { app, ready, cause, guest, .. } = &self;
        let seen = self.is_watched.then(|| Served::of(app, (ready, cause), &invoked, guest));
        if let Ok(answer) = &invoked.result
            && !self.pure
        {
            let (effects, again) = (std::mem::take(&mut invoked.effects), answer.again());
            match effects::commit(app, ready, cause, effects, again).await {
                Ok(()) => {}
                Err(Uncommitted::Conflict) if !self.is_last => return None,
                Err(error) => invoked.result = Err(error.into()),
            }
        }
        self.booked.end(ready, &invoked);
        self.place.ended(&invoked);
        let lines = self.lines(&invoked, started_ms);
        let shown = lines.iter().map(|(_, line)| line.clone()).collect();
        output::append(app, ready, cause.hop, lines).await;
        Some(Settled { result: invoked.result, served: seen.flatten(), lines: shown })
    }

    /// What is written to the function's log group: times and lines. A pure call is as frequent as the events it
    /// judges, so it leaves lines only when it wrote some or failed.
    fn lines(&self, invoked: &Invoked<Answer>, started_ms: i64) -> Vec<(i64, String)> {
        let record = &self.ready.record;
        let (mut lines, now_ms, id) =
            (self.guest.lines(), self.app.clock.now_ms(), self.cause.request_id.as_str());
        if let Err(error) = &invoked.result {
            lines.push((now_ms, error_line(id, error)));
        }
        if !self.pure {
            lines.insert(0, (started_ms, start_line(id, &record.version, self.ready.module.digest())));
            lines.push((now_ms, end_line(id)));
            lines.push((now_ms, report_line(id, &invoked.report, record.memory_mb)));
        }
        lines
    }
}
