//! Owns what one transaction sees and writes. Refuses to know durability: the writer commits.

use std::borrow::Cow;
use std::iter::Peekable;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::{Overlay, Snapshot};
use super::codec::{self, Packed};
use super::error::MetaError;
use super::key::{Key, Span};
use super::table::{Blob, Packs, Table};

/// One transaction over all tables: a committed snapshot, under the changes of the same commit that came
/// before, under its own writes. The rooms' verbs traits are implemented for it (`verbs/`).
pub(crate) struct Tx<'a> {
    committed: &'a dyn Snapshot,
    earlier: Option<&'a Overlay>,
    own: Overlay,
}

impl<'a> Tx<'a> {
    pub(super) fn reading(committed: &'a dyn Snapshot) -> Tx<'a> {
        Tx { committed, earlier: None, own: Overlay::default() }
    }

    pub(super) fn writing(committed: &'a dyn Snapshot, earlier: &'a Overlay) -> Tx<'a> {
        Tx { committed, earlier: Some(earlier), own: Overlay::default() }
    }

    pub(super) fn into_writes(self) -> Overlay {
        self.own
    }

    /// The record at `key`.
    ///
    /// # Errors
    /// Storage failures, and a row that does not decode.
    pub(crate) fn get<V: DeserializeOwned>(
        &self,
        table: &Table<V>,
        key: &Key,
    ) -> Result<Option<V>, MetaError> {
        self.stored(table.name, key)?.map(|bytes| codec::decode(table.name, &bytes)).transpose()
    }

    /// The packed record at `key`.
    ///
    /// # Errors
    /// As [`Tx::get`].
    pub(crate) fn get_packed<V: Packed>(
        &self,
        table: &Table<Packs<V>>,
        key: &Key,
    ) -> Result<Option<V>, MetaError> {
        self.stored(table.name, key)?.map(|bytes| codec::decode_packed(table.name, &bytes)).transpose()
    }

    /// The row at `key` as it is kept.
    fn stored(&self, table: &str, key: &Key) -> Result<Option<Cow<'_, [u8]>>, MetaError> {
        let written = self.own.get(table, key.bytes());
        match written.or_else(|| self.earlier?.get(table, key.bytes())) {
            Some(value) => Ok(value.as_deref().map(Cow::Borrowed)),
            None => Ok(self.committed.get(table, key.bytes())?.map(Cow::Owned)),
        }
    }

    /// Whether there is a row at `key`.
    ///
    /// # Errors
    /// Storage failures.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a verb of every transaction; the conformance suite holds it")
    )]
    pub(crate) fn contains<V>(&self, table: &Table<V>, key: &Key) -> Result<bool, MetaError> {
        Ok(self.stored(table.name, key)?.is_some())
    }

    /// Writes the record at `key`, over the one that may be there.
    ///
    /// # Errors
    /// [`MetaError::ReadOnly`] inside a read.
    pub(crate) fn put<V: Serialize>(
        &mut self,
        table: &Table<V>,
        key: &Key,
        record: &V,
    ) -> Result<(), MetaError> {
        self.write(table.name, key, Some(codec::encode(table.name, record)?))
    }

    /// As [`Tx::put`], for a packed record.
    ///
    /// # Errors
    /// [`MetaError::ReadOnly`] inside a read.
    pub(crate) fn put_packed<V: Packed>(
        &mut self,
        table: &Table<Packs<V>>,
        key: &Key,
        record: &V,
    ) -> Result<(), MetaError> {
        self.write(table.name, key, Some(codec::encode_packed(record)))
    }

    /// The bytes at `key`.
    ///
    /// # Errors
    /// Storage failures, and a row that is not a blob.
    pub(crate) fn get_bytes(&self, table: &Table<Blob>, key: &Key) -> Result<Option<Vec<u8>>, MetaError> {
        let stored = self.stored(table.name, key)?.map(Cow::into_owned);
        stored.map(|bytes| codec::decode_bytes(table.name, bytes)).transpose()
    }

    /// Writes bytes at `key`. Megabytes hold up the other changes of the same commit: for what is rare.
    ///
    /// # Errors
    /// [`MetaError::ReadOnly`] inside a read.
    pub(crate) fn put_bytes(
        &mut self,
        table: &Table<Blob>,
        key: &Key,
        bytes: &[u8],
    ) -> Result<(), MetaError> {
        self.write(table.name, key, Some(codec::encode_bytes(bytes)))
    }

    /// Removes the row at `key`, if there is one.
    ///
    /// # Errors
    /// [`MetaError::ReadOnly`] inside a read.
    pub(crate) fn delete<V>(&mut self, table: &Table<V>, key: &Key) -> Result<(), MetaError> {
        self.write(table.name, key, None)
    }

    fn write(&mut self, table: &'static str, key: &Key, value: Option<Vec<u8>>) -> Result<(), MetaError> {
        if self.earlier.is_none() {
            return Err(MetaError::ReadOnly);
        }
        self.own.set(table, key.bytes().to_vec(), value);
        Ok(())
    }

    /// Rows of `span` in its order, read as they are pulled (so `.take(n)` costs n rows).
    ///
    /// # Errors
    /// Storage failures; each item may fail to decode.
    pub(crate) fn scan<'s, V: DeserializeOwned>(
        &'s self,
        table: &Table<V>,
        span: &Span,
    ) -> Result<impl Iterator<Item = Result<(Key, V), MetaError>> + use<'s, 'a, V>, MetaError> {
        let name = table.name;
        let rows = self.merged(name, span)?;
        Ok(rows.map(move |row| {
            let (key, bytes) = row?;
            Ok((Key::from_stored(key), codec::decode(name, &bytes)?))
        }))
    }

    /// As [`Tx::scan`], for packed records.
    ///
    /// # Errors
    /// As [`Tx::scan`].
    pub(crate) fn scan_packed<'s, V: Packed>(
        &'s self,
        table: &Table<Packs<V>>,
        span: &Span,
    ) -> Result<impl Iterator<Item = Result<(Key, V), MetaError>> + use<'s, 'a, V>, MetaError> {
        let name = table.name;
        let rows = self.merged(name, span)?;
        Ok(rows.map(move |row| {
            let (key, bytes) = row?;
            Ok((Key::from_stored(key), codec::decode_packed(name, &bytes)?))
        }))
    }

    /// Removes every row of `span` and says how many there were.
    ///
    /// # Errors
    /// As [`Tx::scan`] and [`Tx::delete`].
    pub(crate) fn delete_span<V>(&mut self, table: &Table<V>, span: &Span) -> Result<usize, MetaError> {
        let keys = self.merged(table.name, span)?.map(|row| row.map(|(key, _)| Key::from_stored(key)));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        for key in &keys {
            self.write(table.name, key, None)?;
        }
        Ok(keys.len())
    }

    /// Removes every row of every table but those named.
    ///
    /// # Errors
    /// As [`Tx::delete_span`].
    pub(crate) fn clear_except(&mut self, kept: &[&str]) -> Result<(), MetaError> {
        let earlier = self.earlier.ok_or(MetaError::ReadOnly)?;
        let mut tables = self.committed.tables()?;
        tables.extend(earlier.tables().chain(self.own.tables()).map(|(name, _)| name.to_owned()));
        for table in tables.into_iter().filter(|table| !kept.contains(&table.as_str())) {
            let keys = self.merged(&table, &Span::all())?.map(|row| row.map(|(key, _)| key));
            for key in keys.collect::<Result<Vec<_>, _>>()? {
                self.own.set(table.clone(), key, None);
            }
        }
        Ok(())
    }

    fn merged(&self, table: &str, span: &Span) -> Result<Merge<'_>, MetaError> {
        let mut layers = Vec::with_capacity(3);
        if let Some(bounds) = span.bounds() {
            for overlay in [Some(&self.own), self.earlier].into_iter().flatten() {
                let rows = overlay.range(table, bounds, span.reverse);
                let rows: Layer<'_> = Box::new(rows.map(|(key, value)| Ok((key.clone(), value.clone()))));
                layers.push(rows.peekable());
            }
            let rows = self.committed.range(table, bounds, span.reverse)?;
            let rows: Layer<'_> = Box::new(rows.map(|row| row.map(|(key, value)| (key, Some(value)))));
            layers.push(rows.peekable());
        }
        Ok(Merge { layers, reverse: span.reverse })
    }
}

type Written = (Vec<u8>, Option<Vec<u8>>);
type Layer<'a> = Box<dyn Iterator<Item = Result<Written, MetaError>> + 'a>;

/// Ordered layers, newest first, read as one: for a key in several, the newest decides.
struct Merge<'a> {
    layers: Vec<Peekable<Layer<'a>>>,
    reverse: bool,
}

impl Merge<'_> {
    fn next_key(&mut self) -> Option<Result<Vec<u8>, MetaError>> {
        let mut best: Option<&Vec<u8>> = None;
        for layer in &mut self.layers {
            let key = match layer.peek() {
                None => continue,
                Some(Err(error)) => return Some(Err(error.clone())),
                Some(Ok((key, _))) => key,
            };
            let better = best.is_none_or(|best| if self.reverse { key > best } else { key < best });
            if better {
                best = Some(key);
            }
        }
        best.map(|key| Ok(key.clone()))
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), MetaError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = match self.next_key()? {
                Ok(key) => key,
                Err(error) => {
                    // An error ends the scan: going on would pass over rows.
                    self.layers.clear();
                    return Some(Err(error));
                }
            };
            let mut newest = None;
            for layer in &mut self.layers {
                let row = layer.next_if(|row| matches!(row, Ok((candidate, _)) if *candidate == key));
                if let Some(Ok((_, value))) = row {
                    newest.get_or_insert(value);
                }
            }
            if let Some(Some(value)) = newest {
                return Some(Ok((key, value)));
            }
        }
    }
}
