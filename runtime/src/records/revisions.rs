//! Owns definitions that decide (metric filters, subscription filters, ...): append-only revisions, each
//! valid from a time, and a pointer to the current one. Refuses to know what they say.
//!
//! Nothing is overwritten: evidence, back-tests and "what was in force then" read old revisions.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::meta::{Key, MetaError, Span, Table, Tx};

/// A kind of definition: names are unique within an owner (a log group's id, say).
pub(crate) struct Definitions<V> {
    /// (owner, name) -> the current revision's number.
    current: Table<Pointer>,
    /// (owner, name, number) -> revision.
    history: Table<Revision<V>>,
}

#[derive(Serialize, Deserialize)]
struct Pointer {
    number: u64,
    id: u64,
    /// `false` once removed; the pointer stays, so that numbers go on.
    live: bool,
}

/// One state of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revision<V> {
    /// Id of the definition: new whenever it is made anew, kept when it is changed.
    pub(crate) id: u64,
    /// 1, 2, 3, ... per name.
    pub(crate) number: u64,
    /// Name of the definition.
    pub(crate) name: String,
    /// From when it holds, epoch milliseconds.
    pub(crate) valid_from_ms: i64,
    /// When the definition was made (not this revision), epoch milliseconds.
    pub(crate) created_ms: i64,
    /// What it says; `None` from when it was removed.
    pub(crate) body: Option<V>,
}

impl<V: Serialize + DeserializeOwned> Definitions<V> {
    /// Declares the two tables of a kind; their names are on disk.
    pub(crate) const fn new(current: &'static str, history: &'static str) -> Definitions<V> {
        Definitions { current: Table::new(current), history: Table::new(history) }
    }

    /// Makes the definition or changes it, from now on.
    ///
    /// # Errors
    /// Storage failures, as everywhere below.
    pub(crate) fn put(
        &self,
        tx: &mut Tx<'_>,
        owner: u64,
        name: &str,
        body: V,
        now_ms: i64,
    ) -> Result<Revision<V>, MetaError> {
        let before = self.current(tx, owner, name)?;
        let (id, created_ms) = match &before {
            Some(before) => (before.id, before.created_ms),
            None => (tx.next_id("definition")?, now_ms),
        };
        self.append(tx, owner, name, id, created_ms, Some(body), now_ms)
    }

    /// Ends the definition, from now on; `None` when there is none.
    pub(crate) fn remove(
        &self,
        tx: &mut Tx<'_>,
        owner: u64,
        name: &str,
        now_ms: i64,
    ) -> Result<Option<Revision<V>>, MetaError> {
        let Some(before) = self.current(tx, owner, name)? else { return Ok(None) };
        self.append(tx, owner, name, before.id, before.created_ms, None, now_ms)?;
        Ok(Some(before))
    }

    /// Ends all definitions of an owner that is going away.
    pub(crate) fn remove_all(&self, tx: &mut Tx<'_>, owner: u64, now_ms: i64) -> Result<(), MetaError> {
        for revision in self.list(tx, owner)? {
            self.remove(tx, owner, &revision.name, now_ms)?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of one row")]
    fn append(
        &self,
        tx: &mut Tx<'_>,
        owner: u64,
        name: &str,
        id: u64,
        created_ms: i64,
        body: Option<V>,
        now_ms: i64,
    ) -> Result<Revision<V>, MetaError> {
        let key = Key::of((owner, name));
        let number = tx.get(&self.current, &key)?.map_or(0, |pointer| pointer.number) + 1;
        tx.put(&self.current, &key, &Pointer { number, id, live: body.is_some() })?;
        let revision =
            Revision { id, number, name: name.to_owned(), valid_from_ms: now_ms, created_ms, body };
        tx.put(&self.history, &Key::of((owner, name, number)), &revision)?;
        Ok(revision)
    }

    /// The definition as it is now; its body is there.
    pub(crate) fn current(
        &self,
        tx: &Tx<'_>,
        owner: u64,
        name: &str,
    ) -> Result<Option<Revision<V>>, MetaError> {
        match tx.get(&self.current, &Key::of((owner, name)))? {
            Some(Pointer { number, live: true, .. }) => {
                tx.get(&self.history, &Key::of((owner, name, number)))
            }
            _ => Ok(None),
        }
    }

    /// The revision of the same definition before this one, if there is one.
    pub(crate) fn before(
        &self,
        tx: &Tx<'_>,
        owner: u64,
        revision: &Revision<V>,
    ) -> Result<Option<Revision<V>>, MetaError> {
        let Some(number) = revision.number.checked_sub(1) else { return Ok(None) };
        let found = tx.get(&self.history, &Key::of((owner, &revision.name, number)))?;
        Ok(found.filter(|before: &Revision<V>| before.id == revision.id && before.body.is_some()))
    }

    /// All current definitions of an owner, by name.
    pub(crate) fn list(&self, tx: &Tx<'_>, owner: u64) -> Result<Vec<Revision<V>>, MetaError> {
        self.pointed(tx, &Span::prefix(&Key::of(owner)))
            .map(|found| found.into_iter().map(|(_, row)| row).collect())
    }

    /// All current definitions with their owners.
    pub(crate) fn every(&self, tx: &Tx<'_>) -> Result<Vec<(u64, Revision<V>)>, MetaError> {
        self.pointed(tx, &Span::all())
    }

    fn pointed(&self, tx: &Tx<'_>, span: &Span) -> Result<Vec<(u64, Revision<V>)>, MetaError> {
        let mut found = Vec::new();
        for row in tx.scan(&self.current, span)? {
            let (key, pointer) = row?;
            if !pointer.live {
                continue;
            }
            let mut parts = key.reader();
            let (owner, name) = (parts.u64()?, parts.text()?);
            found.extend(
                tx.get(&self.history, &Key::of((owner, &name, pointer.number)))?.map(|row| (owner, row)),
            );
        }
        Ok(found)
    }

    /// What was in force at `at_ms`; `None` before it was made and while it was removed.
    #[cfg_attr(not(test), expect(dead_code, reason = "what back-tests will ask; tests hold it until then"))]
    pub(crate) fn in_force(
        &self,
        tx: &Tx<'_>,
        owner: u64,
        name: &str,
        at_ms: i64,
    ) -> Result<Option<Revision<V>>, MetaError> {
        let span = Span::prefix(&Key::of((owner, name))).backwards();
        for row in tx.scan(&self.history, &span)? {
            let (_, revision) = row?;
            if revision.valid_from_ms <= at_ms {
                return Ok(revision.body.is_some().then_some(revision));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    const RULES: Definitions<String> = Definitions::new("rules", "rule_revisions");

    #[test]
    fn revisions_are_kept_and_the_pointer_says_which_holds() {
        let meta = Meta::in_memory();
        let put = |name: &'static str, body: &str, now_ms| {
            let body = body.to_owned();
            meta.change_blocking(move |tx| RULES.put(tx, 1, name, body, now_ms)).unwrap()
        };
        let first = put("a", "one", 10);
        let second = put("a", "two", 20);
        assert_eq!((first.id, first.number, second.id, second.number), (second.id, 1, first.id, 2));
        assert_eq!(second.created_ms, 10);
        put("b", "other", 15);
        let removed = meta.change_blocking(|tx| RULES.remove(tx, 1, "a", 30)).unwrap();
        assert_eq!(removed.unwrap().number, 2);
        let again = put("a", "three", 40);
        assert!(again.id != first.id && again.number == 4 && again.created_ms == 40);
        meta.read(|tx| -> Result<(), MetaError> {
            let names = RULES.list(tx, 1)?.into_iter().map(|row| row.name).collect::<Vec<_>>();
            assert_eq!(names, ["a", "b"]);
            let at = |at_ms| Ok::<_, MetaError>(RULES.in_force(tx, 1, "a", at_ms)?.and_then(|row| row.body));
            let seen = [at(9)?, at(10)?, at(25)?, at(30)?, at(41)?];
            assert_eq!(seen, [None, Some("one".into()), Some("two".into()), None, Some("three".into())]);
            Ok(())
        })
        .unwrap();
        meta.change_blocking(|tx| RULES.remove_all(tx, 1, 50)).unwrap();
        assert!(meta.read(|tx| RULES.every(tx)).unwrap().is_empty());
    }
}
