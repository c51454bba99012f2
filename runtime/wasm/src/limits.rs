//! Every bound of this room, with its default.

/// What guests, packages and calls may use. The root fills it in `limits.rs`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A module or component, unpacked. 64 MiB, so that Python (18 MB) and JavaScript (12 MB) fit.
    pub wasm_bytes: usize,
    /// Imports of one component or module.
    pub imports: usize,
    /// Memory of one instance, summed over its memories: the most a call may ask for.
    pub memory_bytes: usize,
    /// Elements of all tables of one instance.
    pub table_elements: usize,
    /// stdout, stderr and log lines of one call; the rest is dropped after one `truncated` line.
    pub output_bytes: usize,
    /// An answer (Lambda's 6 MiB).
    pub answer_bytes: usize,
    /// Log events, metric values, notifications and state writes one call may leave behind, each.
    pub effects: usize,
    /// Bytes of all effects of one call.
    pub effect_bytes: usize,
    /// One value of guest state.
    pub state_value_bytes: usize,
    /// Bytes a guest may hand to the host in one host call or answer, before anything looks at them.
    pub transfer_bytes: usize,
    /// Host objects (streams, timers) one instance may hold.
    pub handles: usize,
    /// HTTP requests one call may send.
    pub http_requests: usize,
    /// Bytes of the body of such a request.
    pub http_request_bytes: usize,
    /// Bytes of the body of its answer.
    pub http_answer_bytes: usize,
    /// Calls that run at once; the rest waits. The root sets twice the number of cores.
    pub concurrent_calls: usize,
    /// Whether fuel is counted: a measure of work that is the same each time. Guests run slower with it, so it is for
    /// trying them out.
    pub counts_fuel: bool,
    /// The tick of the epoch clock while calls run: a busy guest lets others run this often. Its first turn may be longer,
    /// since the clock ticks slowly while none runs.
    pub tick_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wasm_bytes: 64 << 20,
            imports: crate::MAX_IMPORTS,
            memory_bytes: 1 << 30,
            table_elements: 100_000,
            output_bytes: 256 << 10,
            answer_bytes: 6 << 20,
            effects: 10_000,
            effect_bytes: 8 << 20,
            state_value_bytes: 64 << 10,
            transfer_bytes: 16 << 20,
            handles: 10_000,
            http_requests: 10,
            http_request_bytes: 6 << 20,
            http_answer_bytes: 1 << 20,
            concurrent_calls: 16,
            counts_fuel: false,
            tick_ms: 2,
        }
    }
}
