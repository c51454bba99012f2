//! The host's side of one running instance: what wasmtime keeps in the store. Lives for one call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::effect::Pending;
use crate::egress::Hooks;
use crate::memory::MemoryMeter;
use crate::output::Output;
use crate::pure::{Pure, Repeatable, Still};
use crate::{Call, Clock, Limits};

/// Random bytes one call of `wasi:random` gives at most.
const RANDOM_BYTES: u64 = 1 << 20;

/// Everything a host function can reach.
pub(crate) struct Guest {
    wasi: WasiP1Ctx,
    pub(crate) memory: MemoryMeter,
    pub(crate) output: Output,
    pub(crate) call: Call,
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline_us: u64,
    /// A pure world: no effects, fixed time, repeatable randomness.
    pub(crate) pure: bool,
    pub(crate) effects: Pending,
    http: WasiHttpCtx,
    pub(crate) hooks: Hooks,
}

impl Guest {
    pub(crate) fn new(
        call: &Call,
        limits: &Arc<Limits>,
        clock: &Arc<dyn Clock>,
        pure: Option<Pure>,
        stdin: Bytes,
        answer_limit: Option<usize>,
    ) -> Self {
        let output = Output::new(Arc::clone(&call.services), limits.output_bytes, answer_limit);
        let environment = environment(call);
        let mut wasi = WasiCtx::builder();
        wasi.stdin(MemoryInputPipe::new(stdin)).stdout(output.stdout()).stderr(output.stderr());
        wasi.envs(&environment).arg(&call.function_name);
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM_BYTES);
        match pure {
            Some(Pure { now_ms, seed }) => {
                wasi.wall_clock(Still(now_ms)).monotonic_clock(Still(0));
                wasi.secure_random(Repeatable(seed)).insecure_random(Repeatable(!seed));
                wasi.insecure_random_seed(u128::from(seed));
            }
            None => {
                wasi.wall_clock(Lent(Arc::clone(clock)));
            }
        }
        let mut wasi = wasi.build_p1();
        wasi.ctx().table.set_max_capacity(limits.handles);
        let hooks = Hooks::new(call, limits, &output, pure.is_some());
        Self {
            wasi,
            memory: MemoryMeter::new(call.memory_bytes.min(limits.memory_bytes), limits.table_elements),
            output,
            call: call.clone(),
            limits: Arc::clone(limits),
            clock: Arc::clone(clock),
            deadline_us: clock.monotonic_us().saturating_add(call.timeout_ms.saturating_mul(1000)),
            pure: pure.is_some(),
            effects: Pending::default(),
            http: WasiHttpCtx::new(),
            hooks,
        }
    }

    /// For preview-1 modules.
    pub(crate) fn preview1(&mut self) -> &mut WasiP1Ctx {
        &mut self.wasi
    }

    /// The reason why this call may not use a service at all, if so.
    pub(crate) fn refusal(&self, service: &str) -> Option<String> {
        self.pure.then(|| {
            format!("{service} is not there for filters, extractors and query functions: they are pure")
        })
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let WasiCtxView { table, .. } = self.wasi.ctx();
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.http }
    }
}

/// The settings of the function, plus the names Lambda's runtimes set.
fn environment(call: &Call) -> Vec<(String, String)> {
    let mut environment: BTreeMap<String, String> = (*call.config).clone();
    let ours = [
        ("AWS_LAMBDA_FUNCTION_NAME", call.function_name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", call.version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", (call.memory_bytes >> 20).to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", call.function_name)),
        ("AWS_REGION", call.region.clone()),
        ("AWS_DEFAULT_REGION", call.region.clone()),
    ];
    environment.extend(ours.map(|(key, value)| (key.to_owned(), value)));
    environment.into_iter().collect()
}

/// The root's clock, as a guest that is not pure sees it.
struct Lent(Arc<dyn Clock>);

impl HostWallClock for Lent {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now_ms()).unwrap_or(0))
    }
}
