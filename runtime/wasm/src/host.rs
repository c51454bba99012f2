//! The engine and what all calls share: linkers, the epoch clock, the places for calls.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use wasmtime::component::HasSelf;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::compiled::engine_name;
use crate::guest::Guest;
use crate::{Clock, CompiledKey, Limits};

/// Shares of the pool per call that runs: components have few memories and tables, but some
/// (Python) have dozens of core instances. Address space is reserved for memories only.
const MEMORIES: u32 = 4;
const TABLES: u32 = 8;
const CORE_INSTANCES: u32 = 100;

/// Memory that stays resident in a pool slot, so that the next instance does not fault it in. Guests put their stack
/// below their data, so what they touch begins at a MiB: where the system tells which pages were written, those
/// are put back; where it does not, all of this would be, and so it is little.
const KEEP_MEMORY: usize = 2 << 20;
const KEEP_MEMORY_BLINDLY: usize = 64 << 10;
const KEEP_TABLE: usize = 8 << 10;

/// How a host is made.
pub struct HostOptions {
    /// All bounds.
    pub limits: Limits,
    /// The root's clock.
    pub clock: Arc<dyn Clock>,
    /// Says which compiled code was made here.
    pub compiled_key: CompiledKey,
}

/// Runs guests. One per process; share it in an `Arc`.
pub struct Host {
    engine: Engine,
    components: wasmtime::component::Linker<Guest>,
    modules: wasmtime::Linker<Guest>,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
    compiled_key: CompiledKey,
    engine_name: String,
    places: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    /// Dropping it ends the epoch thread.
    _ticker: Sender<()>,
}

impl Host {
    /// Starts the engine and its epoch thread.
    ///
    /// # Errors
    /// A sentence: the engine cannot be made on this machine.
    pub fn new(options: HostOptions) -> Result<Self, String> {
        let HostOptions { limits, clock, compiled_key } = options;
        let engine = Engine::new(&config(&limits, Some(pool(&limits)))).or_else(|error| {
            tracing::warn!(%error, "no room for a pool of instances; each call allocates its own");
            Engine::new(&config(&limits, None))
        });
        let engine = engine.map_err(|e| format!("the WebAssembly engine does not start: {e:#}"))?;
        let (components, modules) =
            linkers(&engine).map_err(|e| format!("the host interfaces do not link: {e:#}"))?;
        let places = Arc::new(Semaphore::new(limits.concurrent_calls.max(1)));
        let ticker = tick(&engine, &limits, &places)?;
        let engine_name = engine_name(&engine);
        Ok(Self {
            engine,
            components,
            modules,
            limits: Arc::new(limits),
            clock,
            compiled_key,
            engine_name,
            places,
            stopping: watch::Sender::new(false),
            _ticker: ticker,
        })
    }

    /// The bounds it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Ends every call that runs, within a tick, and every one to come: [`crate::InvokeError::Stopped`].
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(crate) fn shared_limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn engine_name(&self) -> &str {
        &self.engine_name
    }

    pub(crate) fn compiled_key(&self) -> &CompiledKey {
        &self.compiled_key
    }

    pub(crate) fn places(&self) -> &Arc<Semaphore> {
        &self.places
    }

    pub(crate) fn component_linker(&self) -> &wasmtime::component::Linker<Guest> {
        &self.components
    }

    pub(crate) fn core_linker(&self) -> &wasmtime::Linker<Guest> {
        &self.modules
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({:?})", self.limits)
    }
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let calls = u32::try_from(limits.concurrent_calls.clamp(1, 1000)).unwrap_or(1000);
    let mut pool = PoolingAllocationConfig::new();
    let keep = if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Auto);
        KEEP_MEMORY
    } else {
        KEEP_MEMORY_BLINDLY
    };
    pool.total_component_instances(calls)
        .total_core_instances(calls * CORE_INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(calls * MEMORIES)
        .max_memories_per_component(MEMORIES)
        .total_tables(calls * TABLES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(limits.table_elements)
        .total_stacks(calls)
        .max_memory_size(limits.memory_bytes)
        .linear_memory_keep_resident(keep)
        .table_keep_resident(KEEP_TABLE);
    pool
}

fn config(limits: &Limits, pool: Option<PoolingAllocationConfig>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(limits.counts_fuel)
        .wasm_component_model(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

type Linkers = (wasmtime::component::Linker<Guest>, wasmtime::Linker<Guest>);

fn linkers(engine: &Engine) -> wasmtime::Result<Linkers> {
    let mut components = wasmtime::component::Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut components)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut components)?;
    crate::bindings::Services::add_to_linker::<_, HasSelf<_>>(&mut components, |guest| guest)?;
    let mut modules = wasmtime::Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut modules, Guest::preview1)?;
    Ok((components, modules))
}

/// How often the epoch thread looks whether a guest runs while none does.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// The epoch thread: it only counts, often while there are guests that run, and ends when the host is dropped.
fn tick(engine: &Engine, limits: &Limits, places: &Arc<Semaphore>) -> Result<Sender<()>, String> {
    let (stop, stopped) = channel::<()>();
    let (engine, places) = (engine.clone(), Arc::clone(places));
    let (every, all) = (Duration::from_millis(limits.tick_ms.max(1)), limits.concurrent_calls.max(1));
    let run = move || {
        let wait = || if places.available_permits() < all { every } else { IDLE_TICK.max(every) };
        while stopped.recv_timeout(wait()) == Err(RecvTimeoutError::Timeout) {
            engine.increment_epoch();
        }
    };
    std::thread::Builder::new()
        .name("wasm-epoch".to_owned())
        .spawn(run)
        .map_err(|e| format!("no thread: {e}"))?;
    Ok(stop)
}
