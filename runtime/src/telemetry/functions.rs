//! Owns what is shown of guests at work. Refuses to count it: the ledger does.

use std::collections::HashMap;

use wasm::LedgerRow;

use super::exposition::{Kind, Page};
use crate::app::App;
use crate::meta::{MetaError, every_function};

/// Functions shown by name: those with the most calls. The others are one row.
const SHOWN_MAX: usize = 200;

/// The row of the others. No function has such a name.
const OTHERS: &str = "(others)";

/// Name, what it counts, where it stands in the ledger.
type Line = (&'static str, &'static str, fn(&LedgerRow) -> f64);

const LINES: &[Line] = &[
    ("logboom_function_calls_total", "Calls of functions.", |row| row.calls as f64),
    ("logboom_function_errors_total", "Calls that gave no answer.", |row| row.errors as f64),
    ("logboom_function_traps_total", "Of these: the guest trapped or was refused memory.", |row| {
        row.traps as f64
    }),
    ("logboom_function_timeouts_total", "Of these: took too long.", |row| row.timeouts as f64),
    ("logboom_function_throttles_total", "Calls not made: the function had spent its budget.", |row| {
        row.throttles as f64
    }),
    ("logboom_function_seconds_total", "Time from call to answer.", |row| row.duration_us as f64 / 1e6),
    ("logboom_function_cpu_seconds_total", "CPU time.", |row| row.cpu_us as f64 / 1e6),
];

pub(super) fn families(app: &App, page: &mut Page) {
    circuits(app, page);
    let mut rows: Vec<(u64, LedgerRow)> = app.functions.ledger.by_function().into_iter().collect();
    rows.sort_by_key(|(id, row)| (std::cmp::Reverse(row.calls), *id));
    let names = if rows.is_empty() { HashMap::new() } else { names(app).unwrap_or_default() };
    let none = (String::new(), OTHERS.to_owned());
    for (name, help, read) in LINES {
        let mut family = page.family(name, Kind::Counter, help);
        let mut others = 0.0;
        for (at, (id, row)) in rows.iter().enumerate() {
            match names.get(id).filter(|_| at < SHOWN_MAX) {
                Some((account, function)) => {
                    family.sample(&[("account", account), ("function", function)], read(row));
                }
                None => others += read(row),
            }
        }
        if others > 0.0 {
            family.sample(&[("account", &none.0), ("function", &none.1)], others);
        }
    }
}

/// Functions that rest after failing batch after batch.
fn circuits(app: &App, page: &mut Page) {
    let help = "Functions that failed batch after batch and rest.";
    page.single(
        "logboom_function_circuits_open",
        Kind::Gauge,
        help,
        app.functions.breakers.open().len() as u64,
    );
}

/// Account and name of each function, by id.
fn names(app: &App) -> Result<HashMap<u64, (String, String)>, MetaError> {
    let all = app.meta.read(|tx| every_function(tx))?;
    Ok(all.into_iter().map(|(account, _, record)| (record.id, (account, record.name))).collect())
}
