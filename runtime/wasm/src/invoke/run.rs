//! One call from a free place to the report, whatever world it is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, watch};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use super::World;
use crate::guest::Guest;
use crate::host::Host;
use crate::meter::CpuTime;
use crate::module::{Code, Module};
use crate::output::Written;
use crate::pure::Pure;
use crate::trap::classify;
use crate::{Call, InvokeError, Invoked, Report};

/// A call that runs: the store, and what is needed for the report.
pub(super) struct Run {
    pub(super) store: Store<Guest>,
    cpu: CpuTime,
    stopping: watch::Receiver<bool>,
    timeout_ms: u64,
    started_us: u64,
    bytes_in: usize,
    _place: Option<OwnedSemaphorePermit>,
}

/// How a call ended, before the world's own rules were applied.
pub(super) type Ended<T> = Result<wasmtime::Result<T>, Cut>;

/// What ends a call from outside.
#[derive(Debug)]
pub(super) enum Cut {
    /// Its time is over.
    TimedOut,
    /// The host stops.
    Stopped,
}

/// What bounds a call from outside.
pub(super) struct Limit {
    cpu: CpuTime,
    timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Run {
    /// Waits for a place and makes a store under the call's limits.
    pub(super) async fn new(
        host: &Host,
        call: &Call,
        pure: Option<Pure>,
        stdin: Bytes,
        answer_limit: Option<usize>,
        bytes_in: usize,
    ) -> Self {
        // The semaphore is never closed; without a place the call would only run unqueued.
        let place = Arc::clone(host.places()).acquire_owned().await.ok();
        let guest = Guest::new(call, host.shared_limits(), host.clock(), pure, stdin, answer_limit);
        let mut store = Store::new(host.engine(), guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(host.limits().transfer_bytes);
        store.set_max_component_handles(host.limits().handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        // The engine was made with or without it; there is enough of it for any call.
        let _counts = store.set_fuel(u64::MAX);
        let started_us = host.clock().monotonic_us();
        let timeout_ms = call.timeout_ms.max(1);
        let (cpu, stopping) = (CpuTime::default(), host.stopping());
        Self { store, cpu, stopping, timeout_ms, started_us, bytes_in, _place: place }
    }

    /// The limiter for a future that borrows the store.
    pub(super) fn limit(&self) -> Limit {
        let timeout = Duration::from_millis(self.timeout_ms);
        Limit { cpu: self.cpu.clone(), timeout, stopping: self.stopping.clone() }
    }

    /// Closes the books. `convert` applies the world's rules to an answer and counts its bytes.
    pub(super) fn finish<T, U>(
        mut self,
        ended: Ended<T>,
        convert: impl FnOnce(T, &mut Written) -> Result<(U, usize), InvokeError>,
    ) -> Invoked<U> {
        let clock = Arc::clone(&self.store.data().clock);
        let fuel = self.store.get_fuel().map_or(0, |left| u64::MAX - left);
        let guest = self.store.data_mut();
        let mut written = guest.output.finish();
        let effects = std::mem::take(&mut guest.effects);
        let result = match ended {
            Err(Cut::TimedOut) => Err(InvokeError::Timeout { limit_ms: self.timeout_ms }),
            Err(Cut::Stopped) => Err(InvokeError::Stopped),
            Ok(Err(error)) => Err(classify(&error, &guest.memory, &written.stderr_tail)),
            Ok(Ok(answer)) => convert(answer, &mut written),
        };
        let report = Report {
            duration_us: clock.monotonic_us().saturating_sub(self.started_us),
            cpu_us: self.cpu.micros(),
            fuel,
            memory_peak_bytes: guest.memory.peak(),
            bytes_in: self.bytes_in,
            bytes_out: result.as_ref().map_or(0, |(_, bytes)| *bytes),
            log_lines: written.lines,
            log_truncated: written.truncated,
            stderr_tail: written.stderr_tail,
        };
        let effects = if result.is_ok() { effects.finish() } else { crate::Effects::default() };
        Invoked { result: result.map(|(answer, _)| answer), effects, report }
    }
}

/// Runs a future until the call's time is over or the host stops, counting its CPU time. A busy guest yields
/// at every tick of the epoch clock, so both are looked at at least that often.
pub(super) async fn limited<T>(
    limit: Limit,
    future: impl Future<Output = wasmtime::Result<T>> + Send,
) -> Ended<T> {
    let Limit { cpu, timeout, mut stopping } = limit;
    tokio::select! {
        biased;
        // Its sender lives as long as the host.
        Ok(_) = stopping.wait_for(|stopping| *stopping) => Err(Cut::Stopped),
        ended = tokio::time::timeout(timeout, cpu.metered(future)) => ended.map_err(|_| Cut::TimedOut),
    }
}

/// A call of an exported function of one of our worlds.
pub(super) struct Export<'a> {
    pub(super) module: &'a Module,
    pub(super) call: &'a Call,
    pub(super) pure: Option<Pure>,
    pub(super) world: &'static World,
    pub(super) function: &'static str,
    pub(super) bytes_in: usize,
}

impl Host {
    /// Runs an exported function in a fresh instance and applies the world's rules to its answer.
    pub(super) async fn export<P, R, U>(
        &self,
        export: Export<'_>,
        params: P,
        convert: impl FnOnce(R) -> Result<(U, usize), InvokeError>,
    ) -> Invoked<U>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let Export { module, call, pure, world, function, bytes_in } = export;
        let Code::Component { pre, exports } = &module.0.code else { return lacking(module, world) };
        let Some(index) = exports.get(&(world.interface, function)) else { return lacking(module, world) };
        let mut run = Run::new(self, call, pure, Bytes::new(), None, bytes_in).await;
        let limit = run.limit();
        let store = &mut run.store;
        let ended = limited(limit, async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            let function = instance.get_typed_func::<P, R>(&mut *store, index)?;
            function.call_async(&mut *store, params).await
        })
        .await;
        let answer_limit = self.limits().answer_bytes;
        run.finish(ended, |answer, _| bounded(convert(answer)?, answer_limit))
    }
}

/// Refuses an answer that is larger than it may be.
pub(super) fn bounded<U>((answer, bytes): (U, usize), limit_bytes: usize) -> Result<(U, usize), InvokeError> {
    if bytes > limit_bytes {
        return Err(InvokeError::OutputTooLarge { bytes, limit_bytes });
    }
    Ok((answer, bytes))
}

/// The answer to a call of a world the module does not have.
fn lacking<U>(module: &Module, world: &World) -> Invoked<U> {
    refused(format!("The function is no {}; it is: {}.", world.role.name(), roles(module)))
}

pub(super) fn roles(module: &Module) -> String {
    module.roles().iter().map(|r| r.name()).collect::<Vec<_>>().join(", ")
}

pub(super) fn refused<U>(message: String) -> Invoked<U> {
    Invoked::refused(InvokeError::Refused(message))
}
