//! Owns the functions that deployed modules offer to queries: which name means which, and calls of them on the threads
//! of a query. Refuses to know the language (`insights` converts and checks values by their types) and guests.
//!
//! What a module offers was written down when it was compiled, so a query is planned without calling anything. A call
//! is a fresh instance for up to [`ROWS_MAX`] rows: nothing is left from one batch to the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, Weak};

use insights::{Functions, Guest, Resolution, Signature, Type, Value};
use tokio::runtime::Handle;
use wasm::{FunctionRecord, InvokeError, Records as _, Role, Scalar, State};

use super::lock;
use crate::app::App;
use crate::functions::{Answer, Cause, Ready, Rows, Work, attach, registry, run};
use crate::meta::{MetaError, Tx};
use crate::records::Scope;
use crate::records::query_functions::{self, Described, Kind};

/// Rows of one call, and bytes of their texts: a guest holds them and its answer at once.
const ROWS_MAX: usize = 4_096;
const BYTES_MAX: usize = 1 << 20;

/// Functions read at once.
const PAGE: usize = 500;

/// What the modules of a scope offer, while one query is compiled.
pub(crate) struct Offered<'a> {
    app: &'a Arc<App>,
    scope: &'a Scope,
    now_ms: i64,
    /// Read when the first name is asked for that the language does not have.
    known: RefCell<Option<Known>>,
    /// What the query calls.
    called: RefCell<Vec<Arc<Called>>>,
}

#[derive(Default)]
struct Known {
    /// By name in lower case: who offers it.
    offers: BTreeMap<String, Vec<(FunctionRecord, Described)>>,
    /// Functions that may offer more when they are compiled.
    pending: Vec<String>,
    /// Why the others are not known.
    broken: Option<MetaError>,
}

impl<'a> Offered<'a> {
    /// Nothing is read yet. `now_ms` is the clock of the query.
    pub(crate) fn new(app: &'a Arc<App>, scope: &'a Scope, now_ms: i64) -> Offered<'a> {
        Offered { app, scope, now_ms, known: RefCell::default(), called: RefCell::default() }
    }

    /// What the compiled query calls, and a sentence for whoever misses a function, if there is something to say.
    pub(crate) fn into_called(self) -> (Vec<Arc<Called>>, Option<String>) {
        let known = self.known.into_inner().unwrap_or_default();
        let said = match (&known.broken, &known.pending[..]) {
            (Some(error), _) => Some(format!("the functions of this account cannot be read: {error}")),
            (None, []) => None,
            (None, names) => Some(format!("still being compiled: {}", names.join(", "))),
        };
        (self.called.into_inner(), said)
    }

    fn with<T>(&self, ask: impl FnOnce(&Known) -> T) -> T {
        let mut known = self.known.borrow_mut();
        let known = known.get_or_insert_with(|| {
            self.app.meta.read(|tx| read(tx, self.scope)).unwrap_or_else(|error| {
                tracing::error!(%error, "query functions cannot be read");
                Known { broken: Some(error), ..Known::default() }
            })
        });
        ask(known)
    }
}

fn read(tx: &mut Tx<'_>, scope: &Scope) -> Result<Known, MetaError> {
    let (mut known, mut after) = (Known::default(), None::<String>);
    loop {
        let page = tx.functions(&scope.account, &scope.region, after.as_deref(), PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|record| record.name.clone());
        for record in page {
            if record.state == State::Pending || record.staged.is_some() {
                known.pending.push(record.name.clone());
            }
            if record.state != State::Active || !attach::has(&record, Role::QueryFunctions) {
                continue;
            }
            for one in query_functions::of(tx, &record.digest)?.unwrap_or_default() {
                known.offers.entry(one.name.to_ascii_lowercase()).or_default().push((record.clone(), one));
            }
        }
        if is_last {
            return Ok(known);
        }
    }
}

impl Functions for Offered<'_> {
    fn resolve(&self, name: &str) -> Resolution {
        let name = name.to_ascii_lowercase();
        let offers = self.with(|known| known.offers.get(&name).cloned().unwrap_or_default());
        match &offers[..] {
            [] => Resolution::Unknown,
            [(record, described)] => {
                let mut called = self.called.borrow_mut();
                let same = called.iter().find(|one| one.described.name == described.name);
                let found = same.cloned().unwrap_or_else(|| {
                    let fresh = Arc::new(Called::new(self.app, record, described, self.now_ms));
                    called.push(Arc::clone(&fresh));
                    fresh
                });
                Resolution::Found(found)
            }
            several => {
                let names: Vec<&str> = several.iter().map(|(record, _)| record.name.as_str()).collect();
                Resolution::Ambiguous(format!("the modules {}", names.join(" and ")))
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.with(|known| {
            known.offers.values().flatten().map(|(_, described)| described.name.clone()).collect()
        })
    }
}

/// A function of a module in one query.
pub(crate) struct Called {
    app: Weak<App>,
    runtime: Handle,
    /// The module's name and code, as they were when the query was compiled.
    function: String,
    digest: String,
    described: Described,
    signature: Signature,
    now_ms: i64,
    /// The compiled module, from [`Called::prepare`] to [`Called::release`].
    ready: Mutex<Option<Ready>>,
}

impl Called {
    fn new(app: &Arc<App>, record: &FunctionRecord, described: &Described, now_ms: i64) -> Called {
        let signature = Signature {
            name: described.name.clone(),
            parameters: described.parameters.iter().copied().map(kind).collect(),
            variadic: described.variadic,
            returns: kind(described.returns),
            help: described.help.clone(),
        };
        Called {
            app: Arc::downgrade(app),
            runtime: Handle::current(),
            function: record.name.clone(),
            digest: record.digest.clone(),
            described: described.clone(),
            signature,
            now_ms,
            ready: Mutex::default(),
        }
    }

    /// Makes the module ready: the query runs with this code to its end, whatever is deployed meanwhile.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn prepare(&self, app: &Arc<App>, scope: &Scope) -> Result<(), String> {
        let name = format!("the function '{}' of the module {}", self.described.name, self.function);
        let ready = registry::ready(app, scope, &self.function, &self.digest).await;
        let ready = ready.map_err(|reason| format!("{name} cannot be called: {reason}"))?;
        if ready.record.digest != self.digest {
            return Err(format!("{name} was deployed anew at this moment: start the query again"));
        }
        *lock(&self.ready) = Some(ready);
        Ok(())
    }

    /// The query has ended: a session that is kept for its rows keeps no module.
    pub(crate) fn release(&self) {
        *lock(&self.ready) = None;
    }

    fn batch(
        &self,
        app: &Arc<App>,
        ready: &Ready,
        columns: &[Vec<Scalar>],
        count: u32,
    ) -> Result<Vec<Scalar>, String> {
        let name = &self.described.name;
        let cause =
            Cause { request_id: app.clock.uuid(), delivery_id: format!("query/{name}"), ..Cause::default() };
        let rows = Rows { name, columns, count, now_ms: self.now_ms };
        let once = || self.runtime.block_on(Box::pin(run(app, ready, &cause, Work::Evaluate(&rows)))).result;
        let result = match once() {
            // The limit is on the clock of the wall: on a machine that was busy for so long a second try is quick, and
            // a pure call may be repeated.
            Err(InvokeError::Timeout { .. }) => once(),
            result => result,
        };
        match result {
            Ok(Answer::Values(values)) => Ok(values),
            Ok(_) => Err(format!("the module {} gave no values", self.function)),
            Err(error) => Err(format!("the module {} failed: {error}", self.function)),
        }
    }
}

impl Guest for Called {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn evaluate(&self, columns: &[Vec<Value>], rows: usize) -> Result<Vec<Value>, String> {
        let app = self.app.upgrade().ok_or("Logboom is stopping")?;
        let ready = lock(&self.ready).clone().ok_or("the query has ended")?;
        let mut values = Vec::with_capacity(rows);
        let mut from = 0;
        while from < rows {
            let part = batch(columns, from, rows);
            from = part.end;
            // At most ROWS_MAX.
            let count = u32::try_from(part.len()).unwrap_or(0);
            let given: Vec<Vec<Scalar>> =
                columns.iter().map(|column| column[part.clone()].iter().map(scalar).collect()).collect();
            values.extend(self.batch(&app, &ready, &given, count)?.into_iter().map(value));
        }
        Ok(values)
    }
}

/// The rows of the next call: at least one.
fn batch(columns: &[Vec<Value>], from: usize, rows: usize) -> Range<usize> {
    let bytes = |row: usize| {
        let of = |value: &Value| if let Value::Text(text) = value { text.len() } else { 0 };
        columns.iter().map(|column| of(&column[row])).sum::<usize>()
    };
    let (mut to, mut sum) = (from, 0);
    while to < rows && to - from < ROWS_MAX {
        sum += bytes(to);
        if sum > BYTES_MAX && to > from {
            break;
        }
        to += 1;
    }
    from..to
}

fn scalar(value: &Value) -> Scalar {
    match value {
        Value::Bool(flag) => Scalar::Boolean(*flag),
        Value::Int(whole) | Value::Time(whole) => Scalar::Integer(*whole),
        Value::Float(number) => Scalar::Number(*number),
        Value::Text(text) => Scalar::Text(text.to_string()),
        // Lists and maps arrive as text.
        Value::Null | Value::List(_) | Value::Map(_) => Scalar::Null,
    }
}

fn value(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Boolean(flag) => Value::Bool(flag),
        Scalar::Integer(whole) => Value::Int(whole),
        Scalar::Number(number) if number.is_finite() => Value::Float(number),
        Scalar::Text(text) => Value::Text(text.into()),
        Scalar::Number(_) | Scalar::Null => Value::Null,
    }
}

fn kind(kind: Kind) -> Type {
    match kind {
        Kind::Any => Type::Any,
        Kind::Boolean => Type::Boolean,
        Kind::Integer => Type::Integer,
        Kind::Number => Type::Number,
        Kind::Text => Type::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_rows_and_in_bytes_and_leave_no_row_out() {
        let text = |bytes: usize| Value::Text("x".repeat(bytes).into());
        let ranges = |column: &[Value]| {
            let (columns, mut from, mut found) = ([column.to_vec()], 0, Vec::new());
            while from < column.len() {
                let part = batch(&columns, from, column.len());
                from = part.end;
                found.push(part);
            }
            found
        };
        assert_eq!(ranges(&vec![Value::Null; 10_000]), [0..4_096, 4_096..8_192, 8_192..10_000]);
        assert_eq!(ranges(&[text(2 << 20), text(1), text(600 << 10), text(600 << 10)]), [0..1, 1..3, 3..4]);
        assert_eq!(batch(&[], 0, 5_000), 0..4_096);
    }

    #[test]
    fn values_come_back_as_they_went() {
        for one in
            [Value::Null, Value::Bool(true), Value::Int(-1), Value::Float(0.5), Value::Text("t".into())]
        {
            assert_eq!(value(scalar(&one)), one);
        }
        assert_eq!(value(Scalar::Number(f64::NAN)), Value::Null);
    }
}
