//! Owns metadata at rest: every value is sealed on its way to the backend and opened on its way back, under keys
//! that follow from the master key. Refuses to know records.
//!
//! A stored value is a version byte, 3, then the sealed value (`keyring/sealing.rs`); its place is the table's
//! name, a zero byte and the stored key. What is sealed is the value; in tables whose keys are blinded
//! (`blinded.rs`), the length of the true key (u32, little-endian), the key, and the value.
//!
//! The table `sealing` has one row, `master`, that is not sealed as a whole: version (1), the id of the master key
//! (8 bytes), and a known text sealed with it, by which a wrong key is told at start.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::backend::{Backend, Bounds, Overlay, Row, Rows, Snapshot};
use super::blinded;
use super::error::MetaError;
use crate::clock::Clock;
use crate::keyring::master::hex;
use crate::keyring::sealing::{Blinds, Sealer, Secret};

const SEALED: u8 = 3;

const CHECK_TABLE: &str = "sealing";
const CHECK_KEY: &[u8] = b"master";
const CHECK_VERSION: u8 = 1;
const CHECK_TEXT: &[u8] = b"metadata of logboom";

/// The keys of metadata.
pub(super) struct Cipher {
    id: [u8; 8],
    sealer: Sealer,
    blinds: Blinds,
}

/// What a backend holds, as far as it can be told without a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing was ever written.
    Nothing,
    /// Rows of a version that did not seal.
    Unsealed,
    /// Rows sealed under the master key with this id.
    Sealed([u8; 8]),
}

/// Looks at what a backend holds.
pub(super) fn look(backend: &dyn Backend) -> Result<Found, MetaError> {
    let snapshot = backend.snapshot()?;
    match snapshot.get(CHECK_TABLE, CHECK_KEY)? {
        Some(row) => match row.get(1..9).and_then(|id| <[u8; 8]>::try_from(id).ok()) {
            Some(id) if row[0] == CHECK_VERSION => Ok(Found::Sealed(id)),
            _ => Err(MetaError::corrupt(CHECK_TABLE, "the row about the master key is not understood")),
        },
        None if snapshot.tables()?.is_empty() => Ok(Found::Nothing),
        None => Ok(Found::Unsealed),
    }
}

impl Cipher {
    pub(super) fn new(master: &Secret, clock: &Clock) -> Cipher {
        Cipher {
            id: master.id(),
            sealer: Sealer::new(&master.derive("metadata"), clock),
            blinds: Blinds::new(&master.derive("metadata keys")),
        }
    }

    /// Writes the row by which the key is known again.
    pub(super) fn mark(&self, backend: &dyn Backend) -> Result<(), MetaError> {
        let mut row = vec![CHECK_VERSION];
        row.extend_from_slice(&self.id);
        self.sealer.seal_into(CHECK_KEY, &[CHECK_TEXT], &mut row);
        let mut overlay = Overlay::default();
        overlay.set(CHECK_TABLE, CHECK_KEY.to_vec(), Some(row));
        backend.commit(&overlay)
    }

    /// Checks that this is the key that `backend` was sealed with.
    pub(super) fn check(&self, backend: &dyn Backend) -> Result<(), MetaError> {
        let Found::Sealed(id) = look(backend)? else { return Err(MetaError::storage("it is not sealed")) };
        if id != self.id {
            return Err(MetaError::WrongKey { wanted: hex(&id).into(), given: hex(&self.id).into() });
        }
        let row = backend.snapshot()?.get(CHECK_TABLE, CHECK_KEY)?.unwrap_or_default();
        match self.sealer.open(CHECK_KEY, row.get(9..).unwrap_or_default()) {
            Ok(text) if text == CHECK_TEXT => Ok(()),
            _ => Err(MetaError::corrupt(CHECK_TABLE, "the row about the master key is damaged")),
        }
    }

    /// The key that a row has on disk.
    fn stored_key(&self, table: &str, key: &[u8]) -> Vec<u8> {
        match blinded::clear_part_of(table) {
            None => key.to_vec(),
            Some(clear_part) => [&key[..clear_part(key)], &self.blinds.of(table, key)].concat(),
        }
    }

    fn seal(&self, table: &str, key: &[u8], stored: &[u8], value: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + value.len() + crate::keyring::sealing::OVERHEAD_BYTES);
        out.push(SEALED);
        let place = place(table, stored);
        if blinded::clear_part_of(table).is_some() {
            let length = (key.len() as u32).to_le_bytes();
            self.sealer.seal_into(&place, &[&length, key, value], &mut out);
        } else {
            self.sealer.seal_into(&place, &[value], &mut out);
        }
        out
    }

    /// The row as it was written.
    fn open(&self, table: &str, (stored, sealed): Row) -> Result<Row, MetaError> {
        let damaged = |what: &dyn std::fmt::Display| MetaError::corrupt(table.to_owned(), what);
        let Some((&SEALED, rest)) = sealed.split_first() else {
            return Err(damaged(&"the value is not sealed"));
        };
        let plain = self.sealer.open(&place(table, &stored), rest).map_err(|error| damaged(&error))?;
        if blinded::clear_part_of(table).is_none() {
            return Ok((stored, plain));
        }
        let cut = plain.split_first_chunk::<4>().and_then(|(length, rest)| {
            let (key, value) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((key.to_vec(), value.to_vec()))
        });
        cut.ok_or_else(|| damaged(&"the key within the value ends early"))
    }
}

fn place(table: &str, stored: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], stored].concat()
}

/// A backend whose rows are sealed.
pub(super) struct Sealed<B> {
    backend: B,
    cipher: Arc<Cipher>,
}

impl<B: Backend> Sealed<B> {
    /// Seals what goes to `backend`, which holds nothing or what this cipher sealed.
    pub(super) fn new(backend: B, cipher: Cipher) -> Result<Sealed<B>, MetaError> {
        if look(&backend)? == Found::Nothing {
            cipher.mark(&backend)?;
        }
        cipher.check(&backend)?;
        Ok(Sealed { backend, cipher: Arc::new(cipher) })
    }
}

impl<B> Sealed<B> {
    /// What lies below.
    pub(super) fn into_backend(self) -> B {
        self.backend
    }
}

impl<B: Backend> Backend for Sealed<B> {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, MetaError> {
        Ok(Box::new(View { stored: self.backend.snapshot()?, cipher: Arc::clone(&self.cipher) }))
    }

    fn commit(&self, writes: &Overlay) -> Result<(), MetaError> {
        let mut sealed = Overlay::default();
        for (table, rows) in writes.tables() {
            for (key, value) in rows {
                let stored = self.cipher.stored_key(table, key);
                let value = value.as_deref().map(|value| self.cipher.seal(table, key, &stored, value));
                sealed.set(table.to_owned(), stored, value);
            }
        }
        self.backend.commit(&sealed)
    }
}

struct View {
    stored: Box<dyn Snapshot>,
    cipher: Arc<Cipher>,
}

impl Snapshot for View {
    fn tables(&self) -> Result<Vec<String>, MetaError> {
        let mut tables = self.stored.tables()?;
        tables.retain(|table| table != CHECK_TABLE);
        Ok(tables)
    }

    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        let stored = self.cipher.stored_key(table, key);
        let Some(value) = self.stored.get(table, &stored)? else { return Ok(None) };
        self.cipher.open(table, (stored, value)).map(|(_, value)| Some(value))
    }

    fn range(&self, table: &str, bounds: Bounds<'_>, reverse: bool) -> Result<Rows<'_>, MetaError> {
        let name = table.to_owned();
        let Some(clear_part) = blinded::clear_part_of(table) else {
            let rows = self.stored.range(table, bounds, reverse)?;
            return Ok(Box::new(rows.map(move |row| self.cipher.open(&name, row?))));
        };
        let (low, high) = widened(bounds, clear_part);
        let stored = self.stored.range(
            table,
            (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice)),
            reverse,
        )?;
        Ok(Box::new(Blinded {
            view: self,
            table: name,
            bounds: (bounds.0.map(<[u8]>::to_vec), bounds.1.map(<[u8]>::to_vec)),
            reverse,
            stored: stored.peekable(),
            neighbours: VecDeque::new(),
            failed: false,
        }))
    }
}

/// The range of stored keys that holds every true key between `bounds`.
fn widened(bounds: Bounds<'_>, clear_part: blinded::ClearPart) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let low = match bounds.0 {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(low) | Bound::Excluded(low) => Bound::Included(low[..clear_part(low)].to_vec()),
    };
    let high = match bounds.1 {
        Bound::Unbounded => Bound::Unbounded,
        // What begins with such a bound is not below it.
        Bound::Excluded(high) if clear_part(high) == high.len() && !high.is_empty() => {
            Bound::Excluded(high.to_vec())
        }
        Bound::Included(high) | Bound::Excluded(high) => match blinded::above(&high[..clear_part(high)]) {
            Some(above) => Bound::Excluded(above.into_owned()),
            None => Bound::Unbounded,
        },
    };
    (low, high)
}

/// Rows of a table with blinded keys in the order of their true keys. Of rows with the same clear part, all keys
/// are held at once and the values are read as they are pulled.
struct Blinded<'a> {
    view: &'a View,
    table: String,
    bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    reverse: bool,
    stored: std::iter::Peekable<Rows<'a>>,
    /// True key and stored key, in order.
    neighbours: VecDeque<(Vec<u8>, Vec<u8>)>,
    failed: bool,
}

/// Bytes of the stand-in at the end of a stored key.
const BLIND_BYTES: usize = 16;

impl Blinded<'_> {
    fn clear(stored: &[u8]) -> &[u8] {
        &stored[..stored.len().saturating_sub(BLIND_BYTES)]
    }

    /// Takes the rows with the next clear part; `false` at the end.
    fn take_neighbours(&mut self) -> Result<bool, MetaError> {
        let Some(first) = self.stored.next() else { return Ok(false) };
        let mut row = first?;
        let clear = Self::clear(&row.0).to_vec();
        loop {
            let stored = row.0.clone();
            let (key, _) = self.view.cipher.open(&self.table, row)?;
            let (low, high) = &self.bounds;
            let bounds: (Bound<&Vec<u8>>, Bound<&Vec<u8>>) = (low.as_ref(), high.as_ref());
            if RangeBounds::<Vec<u8>>::contains(&bounds, &key) {
                self.neighbours.push_back((key, stored));
            }
            let is_neighbour = |row: &Result<Row, MetaError>| match row {
                Ok((stored, _)) => Self::clear(stored) == clear,
                Err(_) => true,
            };
            match self.stored.next_if(is_neighbour) {
                Some(next) => row = next?,
                None => break,
            }
        }
        let neighbours = self.neighbours.make_contiguous();
        neighbours.sort_unstable();
        if self.reverse {
            neighbours.reverse();
        }
        Ok(true)
    }

    fn pull(&mut self) -> Result<Option<Row>, MetaError> {
        loop {
            if let Some((key, stored)) = self.neighbours.pop_front() {
                let Some(value) = self.view.stored.get(&self.table, &stored)? else {
                    return Err(MetaError::corrupt(self.table.clone(), "a row went while it was read"));
                };
                let (_, value) = self.view.cipher.open(&self.table, (stored, value))?;
                return Ok(Some((key, value)));
            }
            if !self.take_neighbours()? {
                return Ok(None);
            }
        }
    }
}

impl Iterator for Blinded<'_> {
    type Item = Result<Row, MetaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let pulled = self.pull();
        self.failed = pulled.is_err();
        pulled.transpose()
    }
}
