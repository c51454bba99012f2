//! Owns the work of one query: blocks to threads, partial results together, the end. Refuses to know the language.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use insights::{Control, Execution, Limits, Literal, LiteralKind, Needs, Order};
use store::{BlockHandle, Containing, GroupId, ReadError, Selection, StreamId};

use super::lent::Lent;
use super::{Session, State};
use crate::app::App;
use crate::clock::Clock;
use crate::meta::{Meta, MetaError};
use crate::records::streams;

/// AWS ends a query after 60 minutes.
const RUN_US_MAX: u64 = 60 * 60 * 1_000_000;
/// Bytes of rows that one thread of a query holds at most.
const ROW_BYTES_MAX: usize = 128 << 20;
/// Threads of one query at most.
const THREADS_MAX: usize = 8;

/// What a finished query found.
pub(crate) struct Outcome {
    /// Rows and counts.
    pub(crate) output: insights::Output,
    /// Bytes that the rows hold, for the bound over all sessions.
    pub(crate) row_bytes: usize,
}

/// Why a query ended without rows.
enum Broken {
    Stopped,
    Slow,
    Failed(String),
}

impl From<insights::Error> for Broken {
    fn from(error: insights::Error) -> Broken {
        Broken::Failed(error.to_string())
    }
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Broken {
        Broken::Failed(error.to_string())
    }
}

impl From<MetaError> for Broken {
    fn from(error: MetaError) -> Broken {
        Broken::Failed(error.to_string())
    }
}

/// Runs the session's query; gives the state it ends in.
pub(super) async fn run(app: &Arc<App>, session: &Arc<Session>) -> State {
    let (held, shared) = (Arc::clone(app), Arc::clone(session));
    match App::blocking(move || scan(&held, &shared)).await {
        Ok(output) => {
            let cells = output.rows.iter().flatten();
            let row_bytes = cells.map(|(name, value)| name.len() + value.len() + 48).sum();
            State::Complete(Arc::new(Outcome { output, row_bytes }))
        }
        Err(Broken::Stopped) => State::Cancelled,
        Err(Broken::Slow) => State::Timeout,
        Err(Broken::Failed(why)) => {
            tracing::warn!(query = session.id, why, "a query failed");
            State::Failed
        }
    }
}

fn scan(app: &App, session: &Session) -> Result<insights::Output, Broken> {
    let query = &session.asked.query;
    let window = query.window();
    let groups = session.asked.groups.iter().map(|group| GroupId(group.id)).collect();
    let selection = Selection { groups, streams: None };
    let mut handles = app.store.blocks(&selection, window.start_ms, window.end_ms, None);
    match query.needs().order {
        Order::NewestFirst => handles.sort_by_key(|handle| std::cmp::Reverse(handle.meta().max_ms)),
        Order::OldestFirst => handles.sort_by_key(|handle| handle.meta().min_ms),
        Order::Any => {}
    }
    let names = Names::of(&app.meta, session, &handles)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS_MAX).min(handles.len()).max(1);
    let work = Work {
        session,
        handles: &handles,
        names: &names,
        clock: &app.clock,
        next: AtomicUsize::new(0),
        broken: AtomicBool::new(false),
        began_us: app.clock.monotonic_us(),
    };
    let mut parts = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| work.part())).collect();
        let mut parts = vec![work.part()];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts
    });
    // There is always the part of this thread.
    let mut whole = parts.remove(0)?;
    for part in parts {
        whole.merge(part?)?;
    }
    Ok(whole.finish()?)
}

/// What the threads of one query share.
struct Work<'a> {
    session: &'a Session,
    handles: &'a [BlockHandle],
    names: &'a Names,
    clock: &'a Clock,
    next: AtomicUsize,
    broken: AtomicBool,
    began_us: u64,
}

impl Work<'_> {
    /// One thread's share: block after block until there is none.
    fn part(&self) -> Result<Execution, Broken> {
        let limits = Limits { row_bytes: ROW_BYTES_MAX, ..Limits::default() };
        let mut execution = Execution::with_limits(&self.session.asked.query, limits);
        let done = self.fill(&mut execution);
        if done.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        done.map(|()| execution)
    }

    fn fill(&self, execution: &mut Execution) -> Result<(), Broken> {
        while let Some(handle) = self.handles.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.session.cancelled.load(Ordering::Relaxed) || self.broken.load(Ordering::Relaxed) {
                return Err(Broken::Stopped);
            }
            if self.clock.monotonic_us() - self.began_us > RUN_US_MAX {
                return Err(Broken::Slow);
            }
            let meta = handle.meta();
            if !execution.wants(meta.min_ms, meta.max_ms) {
                continue;
            }
            let (stream, log) = self.names.of_block(meta.group, meta.stream);
            if !may_match(self.session.asked.query.needs(), handle, stream, log) {
                continue;
            }
            let block = handle.open()?;
            let lent = Lent::new(&block, stream, log)?;
            let pushed = execution.push(&lent);
            lent.check()?;
            if pushed? == Control::Stop {
                break;
            }
        }
        Ok(())
    }
}

/// Runs a query on one block, without the name of its stream.
#[cfg(test)]
pub(crate) fn push(
    query: &insights::Query,
    execution: &mut Execution,
    handle: &BlockHandle,
) -> Result<(), String> {
    if !may_match(query.needs(), handle, "", "000000000000:logs") {
        return Ok(());
    }
    let block = handle.open().map_err(|error| error.to_string())?;
    let lent = Lent::new(&block, "", "000000000000:logs").map_err(|error| error.to_string())?;
    let pushed = execution.push(&lent);
    lent.check().map_err(|error| error.to_string())?;
    pushed.map(drop).map_err(|error| error.to_string())
}

/// Whether an event of the block can have the texts that a matching one has.
fn may_match(needs: &Needs, handle: &BlockHandle, stream: &str, log: &str) -> bool {
    let may_have = |literal: &Literal| may_have(literal, handle, stream, log);
    needs.literals.iter().all(may_have) && needs.any_of.iter().all(|list| list.iter().any(may_have))
}

fn may_have(Literal { field, text, kind }: &Literal, handle: &BlockHandle, stream: &str, log: &str) -> bool {
    let in_name = |name: &str| match kind {
        LiteralKind::Contains => name.contains(text.as_str()),
        LiteralKind::Equals => name == text,
    };
    let how = match (field.as_str(), kind) {
        ("@logStream", _) => return in_name(stream),
        ("@log", _) => return in_name(log),
        ("@aws.account", _) => return in_name(log.split(':').next().unwrap_or("")),
        ("@message", _) => Containing::Raw,
        (_, LiteralKind::Contains) => Containing::Decoded,
        (_, LiteralKind::Equals) => Containing::WholeDecoded,
    };
    handle.may_contain(text.as_bytes(), how)
}

/// The names behind the ids of the blocks.
struct Names {
    streams: HashMap<StreamId, String>,
    groups: HashMap<GroupId, String>,
}

impl Names {
    fn of(meta: &Meta, session: &Session, handles: &[BlockHandle]) -> Result<Names, MetaError> {
        let account = &session.asked.scope.account;
        let groups = session.asked.groups.iter();
        let groups = groups.map(|group| (GroupId(group.id), format!("{account}:{}", group.name))).collect();
        let streams = meta.read(|tx| {
            let mut names = HashMap::new();
            for handle in handles {
                let id = handle.meta().stream;
                if let Entry::Vacant(place) = names.entry(id) {
                    let found = streams::by_id(tx, id.0)?;
                    place.insert(found.map_or_else(String::new, |(_, stream)| stream.name));
                }
            }
            Ok::<_, MetaError>(names)
        })?;
        Ok(Names { streams, groups })
    }

    fn of_block(&self, group: GroupId, stream: StreamId) -> (&str, &str) {
        fn name(found: Option<&String>) -> &str {
            found.map_or("", String::as_str)
        }
        (name(self.streams.get(&stream)), name(self.groups.get(&group)))
    }
}
