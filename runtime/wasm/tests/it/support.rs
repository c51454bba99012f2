//! Builds the guests once, and makes calls short to write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use wasm::{
    BatchContext, Call, Clock, CompiledKey, Egress, Grants, Host, HostOptions, Limits, LogEvent, LogLine,
    Module, NotifyError, Services, SinkError, StateEntry, StateError,
};

/// 2026-01-02T03:04:05Z.
pub(crate) const NOW_MS: i64 = 1_767_323_045_000;

pub(crate) struct TestClock(Instant);

impl TestClock {
    #[allow(clippy::disallowed_methods, reason = "the tests are the root of this room")]
    pub(crate) fn new() -> TestClock {
        TestClock(Instant::now())
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).expect("short")
    }
}

pub(crate) static HOST: LazyLock<Host> = LazyLock::new(|| {
    let clock = Arc::new(TestClock::new());
    let compiled_key = CompiledKey::new([7; 32]);
    Host::new(HostOptions { limits: Limits::default(), clock, compiled_key }).expect("an engine")
});

const GUEST_PACKAGES: [&str; 9] = [
    "hostile-guest",
    "program-guest",
    "web-guest",
    "redact",
    "latency-extractor",
    "slack-action",
    "error-digest",
    "error-rate",
    "ip-functions",
];

static GUESTS: LazyLock<PathBuf> = LazyLock::new(build);

/// One cargo run for all guests, in a target folder of its own: the outer cargo holds the lock of the usual one.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    cargo.args(["build", "--quiet", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for package in GUEST_PACKAGES {
        cargo.args(["-p", package]);
    }
    let status = cargo.env("CARGO_TARGET_DIR", &target).env_remove("RUSTFLAGS").status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "the guests do not build ({status:?}); is the target there? `rustup target add wasm32-wasip2`"
    );
    target.join("wasm32-wasip2/guest")
}

/// The bytes of a guest.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = GUESTS.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn compiled(name: &str) -> Module {
    HOST.compile(&guest(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(crate) static HOSTILE: LazyLock<Module> = LazyLock::new(|| compiled("hostile_guest"));
pub(crate) static PROGRAM: LazyLock<Module> = LazyLock::new(|| compiled("program-guest"));

/// Services that know the topics `ops` and `other`, the groups `/out` and `/other`, and some state.
#[derive(Default)]
pub(crate) struct Product {
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) state: Option<BTreeMap<String, StateEntry>>,
    pub(crate) egress: Option<Arc<dyn Egress>>,
}

impl Product {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }
}

impl Services for Product {
    fn log(&self, line: LogLine) {
        self.lines.lock().expect("no panic").push(line.to_string());
    }
    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        match topic {
            "ops" | "other" => Ok(format!("arn:aws:sns:us-east-1:000000000000:{topic}")),
            _ => Err(NotifyError::NoSuchTopic(topic.to_owned())),
        }
    }
    fn check_log_group(&self, group: &str) -> Result<(), SinkError> {
        match group {
            "/out" | "/other" => Ok(()),
            _ => Err(SinkError::NoSuchGroup(group.to_owned())),
        }
    }
    fn egress(&self) -> Option<Arc<dyn Egress>> {
        self.egress.clone()
    }
    fn state_get(&self, key: &str) -> Result<Option<StateEntry>, StateError> {
        Ok(self.state.as_ref().ok_or_else(StateError::unsupported)?.get(key).cloned())
    }
    fn state_list(&self, prefix: &str, _: Option<&str>, limit: u32) -> Result<Vec<String>, StateError> {
        let state = self.state.as_ref().ok_or_else(StateError::unsupported)?;
        Ok(state.keys().filter(|k| k.starts_with(prefix)).take(limit as usize).cloned().collect())
    }
}

/// A call of a guest that behaves so.
pub(crate) fn call(behaviour: &str) -> (Call, Arc<Product>) {
    call_with(behaviour, Product::default(), Grants::default())
}

pub(crate) fn call_with(behaviour: &str, product: Product, grants: Grants) -> (Call, Arc<Product>) {
    let product = Arc::new(product);
    let call = Call {
        request_id: "r-1".to_owned(),
        delivery_id: "d-1".to_owned(),
        function_name: "hostile".to_owned(),
        version: "$LATEST".to_owned(),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        timeout_ms: 3_000,
        memory_bytes: 64 << 20,
        config: Arc::new(BTreeMap::from([("behaviour".to_owned(), behaviour.to_owned())])),
        grants: Arc::new(grants),
        services: product.clone(),
        sources: vec!["/source".to_owned()],
    };
    (call, product)
}

pub(crate) fn context() -> BatchContext {
    BatchContext {
        log_group: "/source".to_owned(),
        delivery_id: "d-1".to_owned(),
        attempt: 1,
        ..BatchContext::default()
    }
}

pub(crate) fn events<'a>(messages: &[&'a str]) -> Vec<LogEvent<'a>> {
    let event = |(i, message): (usize, &&'a str)| LogEvent {
        timestamp: i as i64,
        ingestion_time: 1_000 + i as i64,
        message,
    };
    messages.iter().enumerate().map(event).collect()
}
