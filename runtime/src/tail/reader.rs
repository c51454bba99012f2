//! Owns which events a tail shows: of which groups and streams, matching which pattern, from which position
//! on. Refuses to know how they are shown.

use std::collections::HashMap;
use std::sync::Arc;

use pattern::Pattern;
use store::{Event, GroupId, PageLimit, Position, StreamId};

use crate::app::App;
use crate::ingest::guests::{Asker, Batch, texts};
use crate::ingest::matching::matching;
use crate::ingest::reading;
use crate::meta::MetaError;
use crate::records::groups::GroupRecord;
use crate::records::{Scope, streams};

/// Names of streams that are kept at hand.
const NAMES_MAX: usize = 10_000;

/// Streams of a tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// All, and those to come.
    All,
    /// These.
    Named(Vec<String>),
    /// Those whose names begin with one of these, and those to come.
    Prefixed(Vec<String>),
}

impl Streams {
    fn take(&self, name: &str) -> bool {
        match self {
            Streams::All => true,
            Streams::Named(names) => names.iter().any(|one| one == name),
            Streams::Prefixed(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())),
        }
    }
}

/// What a tail follows.
pub(crate) struct Wanted {
    /// Account and region of the groups.
    pub(crate) scope: Scope,
    /// The groups, each once.
    pub(crate) groups: Vec<GroupRecord>,
    /// Their streams.
    pub(crate) streams: Streams,
    /// What an event must match.
    pub(crate) pattern: Pattern,
    /// Id of the session, unique.
    pub(crate) id: String,
}

/// An event that a tail shows.
pub(super) struct Seen {
    /// Index in [`Wanted::groups`].
    pub(super) group: usize,
    pub(super) stream: Arc<str>,
    pub(super) event: Event,
}

/// What was read.
#[derive(Default)]
pub(super) struct Found {
    pub(super) events: Vec<Seen>,
    /// Why some could not be read.
    pub(super) damage: Option<String>,
}

/// Reads for one tail.
pub(super) struct Reader {
    pub(super) app: Arc<App>,
    pub(super) wanted: Wanted,
    /// The first position that was not looked at.
    pub(super) next: u64,
    /// Streams by id; `None` for those that are not followed.
    names: HashMap<StreamId, Option<Arc<str>>>,
}

impl Reader {
    /// A reader of what is stored from now on.
    pub(super) fn new(app: Arc<App>, wanted: Wanted) -> Reader {
        let next = app.store.durable_position().seq;
        Reader { app, wanted, next, names: HashMap::new() }
    }

    /// The end of what can be read now.
    pub(super) fn end(&self) -> Position {
        self.app.store.durable_position()
    }

    /// Goes on by one page.
    ///
    /// # Errors
    /// A sentence, when the storage fails or a function that the pattern names cannot be asked.
    pub(super) async fn page(&mut self, end: Position, limit: PageLimit) -> Result<Found, String> {
        let groups = self.wanted.groups.iter().map(|group| GroupId(group.id)).collect();
        let page = reading::page(&self.app, self.next, end, limit, groups).await?;
        let damage = page.damaged.first().map(ToString::to_string);
        let events = self.keep(page.events()).await?;
        // A page always goes on; should one not, the rest of the log is not worth an endless loop.
        self.next = if page.next.seq > self.next { page.next.seq } else { end.seq };
        Ok(Found { events, damage })
    }

    /// Those of the events that the tail shows, in their order.
    ///
    /// # Errors
    /// See [`Reader::page`].
    pub(super) async fn keep(&mut self, events: Vec<Event>) -> Result<Vec<Seen>, String> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.learn_names(&events).map_err(|error| error.to_string())?;
        let index_of = |event: &Event| self.wanted.groups.iter().position(|group| group.id == event.group.0);
        let seen = events.into_iter().filter_map(|event| {
            let stream = Arc::clone(self.names.get(&event.stream)?.as_ref()?);
            Some(Seen { group: index_of(&event)?, stream, event })
        });
        let seen: Vec<Seen> = seen.collect();
        if self.wanted.pattern.kind() == pattern::Kind::Everything {
            return Ok(seen);
        }
        let mut shown = vec![false; seen.len()];
        for (index, group) in self.wanted.groups.iter().enumerate() {
            let places: Vec<usize> = (0..seen.len()).filter(|&place| seen[place].group == index).collect();
            let lent: Vec<&Event> = places.iter().map(|&place| &seen[place].event).collect();
            if lent.is_empty() {
                continue;
            }
            let texts = texts(&lent);
            let asker = Asker {
                scope: &self.wanted.scope,
                function: "",
                group: &group.name,
                stream: "",
                filter: "StartLiveTail",
                source: &self.wanted.id,
                attempt: 1,
            };
            let batch = Batch { asker, events: &lent, texts: &texts };
            let matched = matching(&self.app, &self.wanted.pattern, &batch).await?;
            // What a function fails on is shown: a tail that hides it would be a wrong one.
            for place in matched.yes.into_iter().chain(matched.unknown) {
                shown[places[place]] = true;
            }
        }
        let few = shown.iter().filter(|shown| **shown).count() * 4 < seen.len();
        let kept = |one: Seen| if few { Seen { event: one.event.apart(), ..one } } else { one };
        Ok(seen.into_iter().zip(shown).filter_map(|(one, shown)| shown.then(|| kept(one))).collect())
    }

    fn learn_names(&mut self, events: &[Event]) -> Result<(), MetaError> {
        let mut missing: Vec<StreamId> =
            events.iter().map(|event| event.stream).filter(|id| !self.names.contains_key(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        if self.names.len() + missing.len() > NAMES_MAX {
            self.names.clear();
            missing = events.iter().map(|event| event.stream).collect();
        }
        let wanted = &self.wanted.streams;
        let found = self.app.meta.read(|tx| -> Result<Vec<_>, MetaError> {
            let name_of = |id: &StreamId| Ok((*id, streams::by_id(tx, id.0)?.map(|(_, stream)| stream.name)));
            missing.iter().map(name_of).collect()
        })?;
        let known = |name: Option<String>| name.filter(|name| wanted.take(name)).map(Arc::from);
        self.names.extend(found.into_iter().map(|(id, name)| (id, known(name))));
        Ok(())
    }

    /// Ids of the followed streams that exist now; `None` for all.
    pub(super) fn stream_ids(&self) -> Result<Option<Vec<StreamId>>, MetaError> {
        if self.wanted.streams == Streams::All {
            return Ok(None);
        }
        self.app.meta.read(|tx| {
            let mut ids = Vec::new();
            for group in &self.wanted.groups {
                match &self.wanted.streams {
                    Streams::All => {}
                    Streams::Named(names) => {
                        for name in names {
                            ids.extend(streams::find(tx, group.id, name)?.map(|stream| StreamId(stream.id)));
                        }
                    }
                    Streams::Prefixed(prefixes) => {
                        for prefix in prefixes {
                            let found = streams::list(tx, group.id, prefix, None, false, usize::MAX)?;
                            ids.extend(found.into_iter().map(|stream| StreamId(stream.id)));
                        }
                    }
                }
            }
            ids.sort_unstable();
            ids.dedup();
            Ok(Some(ids))
        })
    }
}
