//! Owns the work of one query: blocks to threads, partial results together, the end. Refuses to know the language.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use insights::{Control, Execution, Limits, Literal, LiteralKind, Needs, Order};
use store::{BlockHandle, Clue, Containing, GroupId, ReadError, Selection, StreamId};

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
            State::Failed(why.into())
        }
    }
}

fn scan(app: &App, session: &Session) -> Result<insights::Output, Broken> {
    let query = &session.asked.query;
    let window = query.window();
    let groups = session.asked.groups.iter().map(|group| GroupId(group.id)).collect();
    let selection = Selection { groups, streams: named_streams(&app.meta, session)? };
    let (from_ms, to_ms) = (window.start_ms, window.end_ms);
    let mut handles = app.store.blocks_with(&selection, from_ms, to_ms, None, clues(query.needs()));
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
    // A thread that failed has stopped the others: what it says is why there is no answer.
    let failed =
        |part: &Result<Execution, Broken>| part.as_ref().is_err_and(|why| !matches!(why, Broken::Stopped));
    if let Some(at) = parts.iter().position(failed) {
        parts.swap(0, at);
    }
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
    let may_contain = |clue: &Clue| handle.may_contain(&clue.text, clue.how);
    let may_hold = clues(query.needs()).iter().all(|list| list.iter().any(may_contain));
    if !may_hold || !may_match(query.needs(), handle, "", "000000000000:logs") {
        return Ok(());
    }
    let block = handle.open().map_err(|error| error.to_string())?;
    let lent = Lent::new(&block, "", "000000000000:logs").map_err(|error| error.to_string())?;
    let pushed = execution.push(&lent);
    lent.check().map_err(|error| error.to_string())?;
    pushed.map(drop).map_err(|error| error.to_string())
}

/// Fields that say where an event is, not what is in it.
const PLACES: [&str; 3] = ["@logStream", "@log", "@aws.account"];

fn is_place(literal: &Literal) -> bool {
    PLACES.contains(&literal.field.as_str())
}

/// Texts of which a matching event has one of every list.
fn lists(needs: &Needs) -> impl Iterator<Item = &[Literal]> {
    needs.literals.iter().map(std::slice::from_ref).chain(needs.any_of.iter().map(Vec::as_slice))
}

/// What the store is asked to find: the lists of texts in messages.
fn clues(needs: &Needs) -> Vec<Vec<Clue>> {
    let clue = |literal: &Literal| {
        let how = match (literal.field.as_str(), literal.kind) {
            ("@message", _) => Containing::Raw,
            (_, LiteralKind::Contains) => Containing::Decoded,
            (_, LiteralKind::Equals) => Containing::WholeDecoded,
        };
        Clue { text: literal.text.as_bytes().to_vec(), how }
    };
    let in_messages = lists(needs).filter(|list| !list.iter().any(is_place));
    in_messages.map(|list| list.iter().map(clue).collect()).collect()
}

/// The streams that the query names, if it names all that it wants.
fn named_streams(meta: &Meta, session: &Session) -> Result<Option<Vec<StreamId>>, MetaError> {
    let is_name = |literal: &Literal| literal.field == "@logStream" && literal.kind == LiteralKind::Equals;
    let Some(names) = lists(session.asked.query.needs()).find(|list| list.iter().all(is_name)) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    meta.read(|tx| {
        for group in &session.asked.groups {
            for name in names {
                found.extend(streams::find(tx, group.id, &name.text)?.map(|stream| StreamId(stream.id)));
            }
        }
        Ok::<_, MetaError>(Some(found))
    })
}

/// Whether the place of the block and, where the store did not know at once, its words leave room for a match.
fn may_match(needs: &Needs, handle: &BlockHandle, stream: &str, log: &str) -> bool {
    let may_have = |literal: &Literal| !is_place(literal) || is_at(literal, stream, log);
    lists(needs).all(|list| list.iter().any(may_have)) && handle.may_hold()
}

fn is_at(Literal { field, text, kind }: &Literal, stream: &str, log: &str) -> bool {
    let name = match field.as_str() {
        "@logStream" => stream,
        "@log" => log,
        _ => log.split(':').next().unwrap_or(""),
    };
    match kind {
        LiteralKind::Contains => name.contains(text.as_str()),
        LiteralKind::Equals => name == text,
    }
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
        let needs = session.asked.query.needs();
        let asked = lists(needs).flatten().any(|literal| literal.field == "@logStream");
        let streams = meta.read(|tx| {
            let mut names = HashMap::new();
            // Looking up the name of every stream takes longer than a small query.
            for handle in handles.iter().filter(|_| asked || needs.stream) {
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
