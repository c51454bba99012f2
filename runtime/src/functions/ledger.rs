//! Owns the books of functions on disk: rows of the ledger are kept once a minute and at the end, read back at the
//! start, and go with their function or after ninety days without a call. Refuses to count (`wasm::Ledger` does).

use std::collections::BTreeSet;
use std::sync::Arc;

use wasm::{FunctionRecord, LedgerKey, LedgerRow};

use crate::app::App;
use crate::meta::{Key, MetaError, Span, Table, Tx, every_function};

/// (function id, version, log group) -> its counters.
const ROWS: Table<LedgerRow> = Table::new("function_ledger");

/// A row nobody added to for so long goes.
const LIFE_MS: i64 = 90 * 86_400_000;

/// The tag that bounds what a function may spend.
pub(crate) const BUDGET: &str = "logboom:budget-cpu-ms-per-minute";

/// Milliseconds of CPU time a function may spend in a minute; `None` if nobody said.
///
/// # Errors
/// A sentence, when the tag is no number.
pub(crate) fn budget_ms(record: &FunctionRecord) -> Result<Option<u64>, String> {
    let Some(text) = record.tags.get(BUDGET) else { return Ok(None) };
    match text.parse() {
        Ok(budget @ 1..) => Ok(Some(budget)),
        _ => Err(format!("The tag {BUDGET} must be a number of milliseconds, not {text}.")),
    }
}

fn key(row: &LedgerKey) -> Key {
    Key::of((row.function, row.version.as_str(), row.group.as_str()))
}

/// Reads the books of earlier starts.
///
/// # Errors
/// Storage failures, as everywhere below.
pub(crate) fn restore(app: &App) -> Result<(), MetaError> {
    let rows = app.meta.read(|tx| every(tx))?;
    app.functions.ledger.restore(rows);
    Ok(())
}

/// Keeps rows that changed since the last time (`wasm::Ledger::take_changed`), in a change of the caller's.
pub(crate) fn keep(tx: &mut Tx<'_>, changed: &[(LedgerKey, LedgerRow)]) -> Result<(), MetaError> {
    if changed.is_empty() {
        return Ok(());
    }
    let living: BTreeSet<u64> = every_function(tx)?.into_iter().map(|(_, _, record)| record.id).collect();
    let living = changed.iter().filter(|(row, _)| living.contains(&row.function));
    living.into_iter().try_for_each(|(row, counters)| tx.put(&ROWS, &key(row), counters))
}

/// Removes rows nobody added to for long.
///
/// # Errors
/// A sentence for the log.
pub(crate) async fn sweep(app: Arc<App>) -> Result<(), String> {
    let before_ms = app.clock.now_ms().saturating_sub(LIFE_MS);
    let swept = app.meta.change(move |tx| {
        for (row, _) in every(tx)?.iter().filter(|(_, counters)| counters.last_ms < before_ms) {
            tx.delete(&ROWS, &key(row))?;
        }
        Ok::<_, MetaError>(())
    });
    swept.await.map_err(|error| error.to_string())
}

/// Removes the rows of a function that is gone.
pub(super) fn remove_all(tx: &mut Tx<'_>, function: u64) -> Result<(), MetaError> {
    let gone = tx.scan(&ROWS, &Span::prefix(&Key::of(function)))?;
    let gone: Vec<Key> = gone.map(|row| Ok(row?.0)).collect::<Result<_, MetaError>>()?;
    gone.iter().try_for_each(|key| tx.delete(&ROWS, key))
}

fn every(tx: &Tx<'_>) -> Result<Vec<(LedgerKey, LedgerRow)>, MetaError> {
    let rows = tx.scan(&ROWS, &Span::all())?.map(|row| {
        let (key, counters) = row?;
        let mut parts = key.reader();
        let row = LedgerKey { function: parts.u64()?, version: parts.text()?, group: parts.text()? };
        Ok((row, counters))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Meta;

    #[test]
    fn rows_read_back_and_go_with_their_function() {
        let meta = Meta::in_memory();
        let row = |function, group: &str| LedgerKey {
            function,
            version: "$LATEST".to_owned(),
            group: group.to_owned(),
        };
        let counters = LedgerRow { calls: 3, ..LedgerRow::default() };
        let kept = [row(1, "/a"), row(1, "/b"), row(2, "")];
        let (rows, written) = (kept.clone(), counters.clone());
        meta.change_blocking(move |tx| rows.iter().try_for_each(|row| tx.put(&ROWS, &key(row), &written)))
            .unwrap();
        let read = meta.read(|tx| every(tx)).unwrap();
        assert_eq!(read, kept.map(|row| (row, counters.clone())));
        meta.change_blocking(|tx| remove_all(tx, 1)).unwrap();
        assert_eq!(meta.read(|tx| every(tx)).unwrap().len(), 1);
    }

    #[test]
    fn a_budget_is_a_number_of_milliseconds() {
        let with = |text: &str| FunctionRecord {
            tags: [(BUDGET.to_owned(), text.to_owned())].into(),
            ..FunctionRecord::default()
        };
        assert_eq!(budget_ms(&FunctionRecord::default()), Ok(None));
        assert_eq!(budget_ms(&with("500")), Ok(Some(500)));
        for wrong in ["", "0", "-1", "many"] {
            assert!(budget_ms(&with(wrong)).is_err_and(|error| error.contains(BUDGET)), "{wrong}");
        }
    }
}
