//! Owns one call from its place in the queue to its lines in the log: what is run, under which bounds, and
//! what becomes of its effects. Refuses to know worlds (`wasm`) and who calls.

use std::sync::Arc;

use bytes::Bytes;
use metrics::point::EventReference;
use store::Held;
use wasm::{
    AlarmEvent, BatchContext, Call, Counted, EventCounts, Extracted, InvokeError, Invoked, LedgerKey,
    LogEvent, Outcome, Scalar, Services, Stdout, Tick, Verdict,
};

use super::once::Once;
use super::services::ForGuest;
use super::settle::{Attempt, Settled};
use super::shadow;
use super::{NotReady, PURE_TIMEOUT_MS, QUERY_TIMEOUT_MS, Ready, attach, ledger, output, place};
use crate::app::App;

/// How often a call is run again because another one changed the state it had read.
const CONFLICTS_MAX: u32 = 3;

/// Why a function is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    /// Id in the START and END lines.
    pub(crate) request_id: String,
    /// Stable over retries of the same work.
    pub(crate) delivery_id: String,
    /// Deliveries between the first cause and this call.
    pub(crate) hop: u8,
    /// Log groups whose events are handed in.
    pub(crate) sources: Vec<String>,
    /// How many events are handed in.
    pub(crate) events: usize,
    /// How it is remembered that the call was made.
    pub(crate) once: Once,
    /// The newest event that is handed in, with the digest of the module as its source.
    pub(crate) newest: Option<EventReference>,
}

/// What a function is given.
pub(crate) enum Work<'a> {
    /// Events to handle.
    Subscription(&'a BatchContext, &'a [LogEvent<'a>]),
    /// A change of an alarm.
    Alarm(&'a AlarmEvent),
    /// A run of a schedule.
    Scheduled(&'a Tick),
    /// JSON in, JSON out.
    Lambda(&'a [u8]),
    /// JSON on standard input.
    Command(Bytes, Stdout),
    /// JSON that is POSTed, and the number of the attempt.
    Http(Bytes, u32),
    /// Events to judge: keep, drop or replace. Pure.
    Filter(&'a BatchContext, &'a [LogEvent<'a>]),
    /// Events to keep or to drop. Pure.
    Keep(&'a BatchContext, &'a [LogEvent<'a>]),
    /// The same, of events that stay where they are.
    KeepHeld(&'a BatchContext, &'a [Held]),
    /// Events to measure. Pure.
    Extract(&'a BatchContext, &'a [LogEvent<'a>]),
    /// Rows of a query, `columns[parameter][row]`. Pure.
    Evaluate(&'a Rows<'a>),
}

/// Rows of a query, for one of its functions.
pub(crate) struct Rows<'a> {
    /// The name in queries.
    pub(crate) name: &'a str,
    /// One per parameter.
    pub(crate) columns: &'a [Vec<Scalar>],
    /// Values of each column.
    pub(crate) count: u32,
    /// The clock of the query, epoch milliseconds.
    pub(crate) now_ms: i64,
}

impl Work<'_> {
    pub(super) fn is_pure(&self) -> bool {
        let filters = matches!(self, Work::Filter(..) | Work::Keep(..) | Work::KeepHeld(..));
        filters || matches!(self, Work::Extract(..) | Work::Evaluate(_))
    }

    /// The longest it may take, whatever the function's timeout says.
    fn timeout_ms_max(&self) -> u64 {
        match self {
            Work::Evaluate(_) => QUERY_TIMEOUT_MS,
            _ if self.is_pure() => PURE_TIMEOUT_MS,
            _ => u64::MAX,
        }
    }
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing but success.
    Done,
    /// Of a subscription.
    Outcome(Outcome),
    /// Of `Lambda`, `Command` and `Http`.
    Bytes(Vec<u8>),
    /// Of `Filter`: one per event.
    Verdicts(Vec<Verdict>),
    /// Of `Keep` and `KeepHeld`, and of `Filter` where the module can do no more: whether to keep each event.
    Kept(Vec<bool>),
    /// Of `Extract`.
    Extracted(Vec<Extracted>),
    /// Of `Evaluate`: one per row.
    Values(Vec<Scalar>),
}

impl Answer {
    /// Indexes of the events that the function wants again.
    pub(super) fn again(&self) -> &[u32] {
        match self {
            Answer::Outcome(outcome) => &outcome.failed,
            Answer::Done
            | Answer::Bytes(_)
            | Answer::Verdicts(_)
            | Answer::Kept(_)
            | Answer::Extracted(_)
            | Answer::Values(_) => &[],
        }
    }
}

/// A call that was made.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The answer, or why there is none.
    pub(crate) result: Result<Answer, InvokeError>,
    /// Its lines as they are in the log group.
    pub(crate) lines: Vec<String>,
}

/// Runs a call that was admitted: its effects are durable and its lines stored when this returns.
pub(super) async fn run(app: &Arc<App>, ready: &Ready, cause: &Cause, work: Work<'_>) -> Ran {
    let _busy = app.clock.busy();
    let functions = &app.functions;
    let pure = work.is_pure();
    match cause.once.is_made(app) {
        Ok(false) => {}
        // Its effects were written before a crash; nobody waits for its answer.
        Ok(true) => return Ran { result: Ok(Answer::Done), lines: Vec::new() },
        Err(error) => return Ran { result: Err(unreadable(&error)), lines: Vec::new() },
    }
    let place = functions.place(ready.record.id);
    let timeout_ms = timeout_ms(ready, &work);
    let _turn = match place::turn(functions, &place, &work, timeout_ms).await {
        Ok(turn) => turn,
        Err(error) => return Ran { result: Err(error), lines: Vec::new() },
    };
    let grants = match attach::grants(&ready.record) {
        Ok(grants) => Arc::new(grants),
        Err(reason) => return Ran { result: Err(InvokeError::Refused(reason)), lines: Vec::new() },
    };
    let booked = match Booked::begin(app, ready, cause) {
        Ok(booked) => Arc::new(booked),
        Err(error) => return refused(app, ready, cause, pure, error).await,
    };
    let watching = functions.shadows.watch(ready, cause, &work);
    let mut conflicts = 0;
    loop {
        let guest = ForGuest::new(app, ready, cause.hop);
        let guest = Arc::new(if watching.is_some() { guest.remembering() } else { guest });
        let call = call(ready, cause, timeout_ms, Arc::clone(&grants), guest.clone());
        let attempt = Attempt {
            app: Arc::clone(app),
            ready: ready.clone(),
            cause: cause.clone(),
            guest,
            booked: Arc::clone(&booked),
            place: Arc::clone(&place),
            pure,
            is_watched: watching.is_some(),
            is_last: conflicts == CONFLICTS_MAX,
        };
        let Some(Settled { result, served, lines }) = attempt.make(call, &work).await else {
            conflicts += 1;
            continue;
        };
        if let (Some(watching), Some(served)) = (watching, served) {
            shadow::show(app, watching, served, (ready, cause), &work);
        }
        return Ran { result, lines };
    }
}

/// A call that was not made is said in the function's log; pure ones are as frequent as events, and their caller
/// says it.
async fn refused(app: &Arc<App>, ready: &Ready, cause: &Cause, pure: bool, error: InvokeError) -> Ran {
    let lines: Vec<_> =
        (!pure).then(|| (app.clock.now_ms(), error_line(&cause.request_id, &error))).into_iter().collect();
    let shown = lines.iter().map(|(_, line)| line.clone()).collect();
    output::append(app, ready, cause.hop, lines).await;
    Ran { result: Err(error), lines: shown }
}

/// A call in the books: one that is dropped on the way is not running any more either.
pub(super) struct Booked {
    app: Arc<App>,
    key: LedgerKey,
    given: usize,
}

impl Booked {
    fn begin(app: &Arc<App>, ready: &Ready, cause: &Cause) -> Result<Booked, InvokeError> {
        let key = LedgerKey {
            function: ready.record.id,
            version: ready.record.version.clone(),
            group: cause.sources.first().cloned().unwrap_or_default(),
        };
        let budget_ms = ledger::budget_ms(&ready.record).map_err(InvokeError::Refused)?;
        app.functions.ledger.begin(&key, budget_ms, app.clock.now_ms())?;
        Ok(Booked { app: Arc::clone(app), key, given: cause.events })
    }

    pub(super) fn end(&self, ready: &Ready, invoked: &Invoked<Answer>) {
        let counted = Counted {
            digest: ready.module.digest(),
            error: invoked.result.as_ref().err(),
            report: &invoked.report,
            events: events(self.given as u64, &invoked.result),
            now_ms: self.app.clock.now_ms(),
        };
        self.app.functions.ledger.end(&self.key, &counted);
    }
}

impl Drop for Booked {
    fn drop(&mut self) {
        self.app.functions.ledger.leave(self.key.function);
    }
}

/// What became of the events of a call.
fn events(given: u64, result: &Result<Answer, InvokeError>) -> EventCounts {
    let judged = |dropped: usize| {
        let dropped = dropped as u64;
        EventCounts { given, kept: given.saturating_sub(dropped), dropped, failed: 0 }
    };
    let failed = match result {
        Ok(Answer::Verdicts(verdicts)) => {
            return judged(verdicts.iter().filter(|verdict| **verdict == Verdict::Drop).count());
        }
        Ok(Answer::Kept(kept)) => return judged(kept.iter().filter(|kept| !**kept).count()),
        Ok(Answer::Outcome(outcome)) => outcome.failed.len() as u64,
        Ok(Answer::Done | Answer::Bytes(_) | Answer::Extracted(_) | Answer::Values(_)) => 0,
        Err(_) => given,
    };
    EventCounts { given, kept: given.saturating_sub(failed), dropped: 0, failed }
}

fn unreadable(error: &NotReady) -> InvokeError {
    InvokeError::Handler { message: error.to_string(), retry: true, after_ms: 0 }
}

pub(super) fn timeout_ms(ready: &Ready, work: &Work<'_>) -> u64 {
    (u64::from(ready.record.timeout_s) * 1_000).min(work.timeout_ms_max())
}

pub(super) fn call(
    ready: &Ready,
    cause: &Cause,
    timeout_ms: u64,
    grants: Arc<wasm::Grants>,
    services: Arc<dyn Services>,
) -> Call {
    let record = &ready.record;
    Call {
        request_id: cause.request_id.clone(),
        delivery_id: cause.delivery_id.clone(),
        function_name: record.name.clone(),
        version: record.version.clone(),
        account: ready.scope.account.clone(),
        region: ready.scope.region.clone(),
        timeout_ms,
        memory_bytes: (record.memory_mb as usize) << 20,
        config: Arc::new(record.environment.clone()),
        grants,
        services,
        sources: cause.sources.clone(),
    }
}

pub(super) fn map<T>(invoked: Invoked<T>, answer: impl FnOnce(T) -> Answer) -> Invoked<Answer> {
    let Invoked { result, effects, report } = invoked;
    Invoked { result: result.map(answer), effects, report }
}

pub(super) fn error_line(request_id: &str, error: &InvokeError) -> String {
    let mut line = format!("[ERROR] RequestId: {request_id} {}: {error}", error.error_type());
    if let InvokeError::Trap { backtrace, .. } = error
        && !backtrace.is_empty()
    {
        line.push('\n');
        line.push_str(backtrace);
    }
    line
}
