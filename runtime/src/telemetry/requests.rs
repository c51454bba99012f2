//! Owns what is counted of AWS's operations: how many, how they ended, how long they took. Refuses to know what they
//! do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::exposition::{Kind, Page};
use super::histogram::Histogram;
use crate::app::App;

/// Service and operation. Both come from tables, so that their number is bounded.
pub(crate) type Name = (&'static str, &'static str);

/// What is no operation that is served.
pub(crate) const UNSERVED: &str = "unserved";

/// One operation.
#[derive(Default)]
struct Operation {
    took: Histogram,
    /// By HTTP status.
    ended: Mutex<BTreeMap<u16, u64>>,
}

/// All operations that were asked for.
#[derive(Default)]
pub(crate) struct Requests {
    operations: RwLock<BTreeMap<Name, Arc<Operation>>>,
}

impl Requests {
    /// Counts one that was answered.
    pub(crate) fn answered(&self, name: Name, status: u16, took_us: u64) {
        let operation = self.operation(name);
        operation.took.record_us(took_us);
        *lock(&operation.ended).entry(status).or_default() += 1;
    }

    fn operation(&self, name: Name) -> Arc<Operation> {
        if let Some(found) = self.operations.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Arc::clone(found);
        }
        let mut operations = self.operations.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(operations.entry(name).or_default())
    }

    fn all(&self) -> Vec<(Name, Arc<Operation>)> {
        let operations = self.operations.read().unwrap_or_else(PoisonError::into_inner);
        operations.iter().map(|(name, one)| (*name, Arc::clone(one))).collect()
    }
}

/// An operation's counts are never held for more than an addition.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn families(app: &App, page: &mut Page) {
    let all = app.telemetry.requests.all();
    let help = "Requests for AWS operations by the HTTP status of their answer.";
    let mut family = page.family("logboom_requests_total", Kind::Counter, help);
    for ((service, operation), counts) in &all {
        for (status, count) in lock(&counts.ended).iter() {
            let code = status.to_string();
            family.sample(&[("service", service), ("operation", operation), ("code", &code)], *count);
        }
    }
    let help = "From the whole request to the answer.";
    let mut family = page.family("logboom_request_duration_seconds", Kind::Histogram, help);
    for ((service, operation), counts) in &all {
        family.histogram(&[("service", service), ("operation", operation)], &counts.took);
    }
}
