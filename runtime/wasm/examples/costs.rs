//! What guests cost, in CPU time: the table of docs/guests-costs.md, and whether the gates hold. By hand:
//!
//!     cargo build --profile guest --target wasm32-wasip2 -p bench-guest -p packed-guest
//!     cargo run --release -p wasm --example costs
//!
//! Times are the CPU time of the whole process, so that a busy machine disturbs little; each figure is the
//! median of some rounds with their range. Exits with 1 if a gate is missed.
#![allow(clippy::unwrap_used, reason = "run by hand: what is wrong is to be seen at once")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use wasm::{
    BatchContext, Call, Clock, CompiledKey, Grants, Host, HostOptions, Limits, LogEvent, LogLine, Module,
    NotifyError, PackedBatch, Pieces, Scalar, Services, SinkError,
};

const ROUNDS: usize = 11;

/// CPU time of one round, at least.
const ROUND_US: f64 = 30_000.0;

struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now_ms(&self) -> i64 {
        1_767_323_045_000
    }

    fn monotonic_us(&self) -> u64 {
        micros(ClockId::Monotonic) as u64
    }
}

struct Nothing;

impl Services for Nothing {
    fn log(&self, _: LogLine) {}
    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        Err(NotifyError::NoSuchTopic(topic.to_owned()))
    }
    fn check_log_group(&self, group: &str) -> Result<(), SinkError> {
        Err(SinkError::NoSuchGroup(group.to_owned()))
    }
}

fn micros(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// Microseconds of CPU that one `work` takes: median, least, most.
fn measure(mut work: impl FnMut()) -> [f64; 3] {
    let mut once = |times: usize| {
        let before = micros(ClockId::ProcessCPUTime);
        (0..times).for_each(|_| work());
        (micros(ClockId::ProcessCPUTime) - before) / times as f64
    };
    let first = once(1).max(0.01).min(once(1).max(0.01));
    let times = ((ROUND_US / first).ceil() as usize).clamp(1, 1_000_000);
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| once(times)).collect();
    rounds.sort_by(f64::total_cmp);
    [rounds[ROUNDS / 2], rounds[0], rounds[ROUNDS - 1]]
}

/// The table, and what missed its gate.
#[derive(Default)]
struct Table {
    missed: Vec<String>,
}

impl Table {
    fn row(&mut self, what: &str, [median, least, most]: [f64; 3], unit: &str, gate: Option<Gate>) {
        let shown = |value: f64| if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        let (says, held) = match gate {
            None => (String::new(), true),
            Some(Gate::AtMost(limit)) => (format!("<= {limit}"), median <= limit),
            Some(Gate::AtLeast(limit)) => (format!(">= {limit}"), median >= limit),
        };
        println!("| {what} | {} {unit} | {} .. {} | {says} |", shown(median), shown(least), shown(most));
        if !held {
            self.missed.push(what.to_owned());
        }
    }
}

#[derive(Clone, Copy)]
enum Gate {
    AtMost(f64),
    AtLeast(f64),
}

struct Bench {
    runtime: Runtime,
    host: Host,
    module: Module,
    /// The guest whose filter is written for the packed world.
    packed: Module,
    call: Call,
    context: BatchContext,
}

fn host() -> Host {
    let limits = Limits { concurrent_calls: 110, ..Limits::default() };
    let compiled_key = CompiledKey::new([7; 32]);
    Host::new(HostOptions { limits, clock: Arc::new(MonotonicClock), compiled_key }).unwrap()
}

fn call() -> Call {
    Call {
        request_id: "5a2f9d0e-0c43-4b8e-8f0e-0d1f6f2b7c11".to_owned(),
        delivery_id: "subscription-1-1-1000".to_owned(),
        function_name: "bench".to_owned(),
        version: "$LATEST".to_owned(),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        timeout_ms: 30_000,
        memory_bytes: 128 << 20,
        config: Arc::new(BTreeMap::new()),
        grants: Arc::new(Grants::default()),
        services: Arc::new(Nothing),
        sources: vec!["/app".to_owned()],
    }
}

/// Events of 200 bytes; every tenth has the word that is looked for.
fn messages(count: usize) -> Vec<String> {
    let text = |i: usize| {
        let level = if i.is_multiple_of(10) { "ERROR" } else { "INFO " };
        let head = format!("2026-01-02T03:04:05.{:03}Z {level} request {i:08x} ", i % 1000);
        format!("{head}{}", "served /items in a while ".repeat(10)).chars().take(200).collect()
    };
    (0..count).map(text).collect()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/wasm32-wasip2/guest");
    let read = |name: &str| {
        let file = folder.join(name);
        std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e} (build the guests first)", file.display()))
    };
    let (wasm, packed) = (read("bench_guest.wasm"), read("packed_guest.wasm"));
    let host = host();
    let (module, packed) = (host.compile(&wasm).unwrap(), host.compile(&packed).unwrap());
    let bench = Bench { runtime, host, module, packed, call: call(), context: BatchContext::default() };
    let mut table = Table::default();
    println!("Guest: {} bytes.\n\n| what | median | range | gate |\n|---|---|---|---|", wasm.len());
    bench.code(&wasm, &mut table);
    bench.calls(&mut table);
    bench.events(&mut table);
    bench.columns(&mut table);
    bench.memory(&mut table);
    if !table.missed.is_empty() {
        println!("\nmissed: {}", table.missed.join(", "));
        std::process::exit(1);
    }
}

impl Bench {
    fn code(&self, wasm: &[u8], table: &mut Table) {
        let ms = |times: [f64; 3]| times.map(|us| us / 1000.0);
        let cold = ms(measure(|| drop(black_box(self.host.compile(wasm).unwrap()))));
        table.row("compile", cold, "ms", None);
        let bytes = self.host.unload(&self.module).unwrap();
        let load = ms(measure(|| drop(black_box(self.host.load(self.module.digest(), &bytes).unwrap()))));
        table.row(
            &format!("load what was compiled ({} KB)", bytes.len() >> 10),
            load,
            "ms",
            Some(Gate::AtMost(5.0)),
        );
    }

    fn handle(&self, events: &[LogEvent<'_>]) -> bool {
        let handled = self.host.subscription(&self.module, &self.call, &self.context, events);
        self.runtime.block_on(handled).result.is_ok()
    }

    fn calls(&self, table: &mut Table) {
        let start = || drop(black_box(self.runtime.block_on(self.host.start(&self.module, &self.call))));
        table.row("fresh instance", measure(start), "us", Some(Gate::AtMost(30.0)));
        table.row(
            "fresh instance and a call without events",
            measure(|| assert!(self.handle(&[]))),
            "us",
            None,
        );
        let event = |message| LogEvent { timestamp: 1, ingestion_time: 2, message };
        let messages = messages(1);
        let one = [event(messages[0].as_str())];
        table.row(
            "one event to a handler",
            measure(|| assert!(self.handle(&one))),
            "us",
            Some(Gate::AtMost(50.0)),
        );
        let trap = [event("trap")];
        table.row(
            "a call that traps",
            measure(|| assert!(!self.handle(&trap))),
            "us",
            Some(Gate::AtMost(50.0)),
        );
        let panic = [event("panic")];
        table.row("a call that panics (with text)", measure(|| assert!(!self.handle(&panic))), "us", None);
    }

    /// The same search without a guest, to judge the machine by.
    fn native(messages: &[String], table: &mut Table) {
        let search = measure(|| {
            black_box(
                messages.iter().filter(|message| black_box(message.as_str()).contains("ERROR")).count(),
            );
        });
        let rate = search.map(|us| messages.len() as f64 / us);
        table.row(
            "the same search without a guest (str::contains)",
            [rate[0], rate[2], rate[1]],
            "M events/s",
            None,
        );
    }

    fn events(&self, table: &mut Table) {
        let messages = messages(1000);
        Self::native(&messages, table);
        let events: Vec<LogEvent<'_>> = messages
            .iter()
            .enumerate()
            .map(|(i, message)| LogEvent { timestamp: i as i64, ingestion_time: i as i64, message })
            .collect();
        // As patterns ask it, a filter has to be faster than it is as records.
        for (count, gates) in [(1, None), (100, None), (1000, Some([4.0, 8.0, 9.0]))] {
            let batch = &events[..count];
            let gate = |which: usize| gates.map(|gates: [f64; 3]| Gate::AtLeast(gates[which]));
            let filtered = measure(|| {
                let verdicts = self.host.filter(&self.module, &self.call, &self.context, batch);
                black_box(self.runtime.block_on(verdicts).result.unwrap());
            });
            Self::rate(table, ("filter, records", count), filtered, gate(0));
            let asked = self.kept(&self.module, batch);
            Self::rate(table, ("the same filter, as patterns ask it", count), asked, gate(1));
            let packed = self.kept(&self.packed, batch);
            Self::rate(table, ("packed filter", count), packed, gate(2));
        }
    }

    /// A filter asked in the packed world.
    fn kept(&self, module: &Module, batch: &[LogEvent<'_>]) -> [f64; 3] {
        let timestamps: Vec<i64> = batch.iter().map(|event| event.timestamp).collect();
        let ingestion_times: Vec<i64> = batch.iter().map(|event| event.ingestion_time).collect();
        let text: String = batch.iter().map(|event| event.message).collect();
        let ends: Vec<u32> = (1..=batch.len()).map(|n| n as u32 * 200).collect();
        let (timestamps, ingestion_times) = (&timestamps, &ingestion_times);
        let packed =
            PackedBatch { timestamps, ingestion_times, ends: &ends, text: Pieces(&[text.as_bytes()]) };
        measure(|| {
            let kept = self.host.packed_filter(module, &self.call, &self.context, &packed);
            black_box(self.runtime.block_on(kept).result.unwrap());
        })
    }

    fn rate(
        table: &mut Table,
        (what, count): (&str, usize),
        [median, least, most]: [f64; 3],
        gate: Option<Gate>,
    ) {
        let rates = [median, most, least].map(|us| count as f64 / us);
        table.row(&format!("{what}, {count} events a call"), rates, "M events/s", gate);
    }

    fn columns(&self, table: &mut Table) {
        const ROWS: u32 = 1000;
        let column: Vec<Scalar> = messages(ROWS as usize).into_iter().map(Scalar::Text).collect();
        let columns = [column];
        let million = measure(|| {
            for _ in 0..1_000_000 / ROWS {
                let values = self.host.evaluate(&self.module, &self.call, "length", &columns, ROWS, 0);
                black_box(self.runtime.block_on(values).result.unwrap());
            }
        });
        table.row(
            "query function over 1 M rows (200 bytes, 1000 a call)",
            million.map(|us| us / 1000.0),
            "ms",
            None,
        );
    }

    /// Instances that live at once: a hundred calls that wait.
    fn memory(&self, table: &mut Table) {
        const LIVING: usize = 100;
        let resident = || {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4.0
        };
        let before = resident();
        let events = [LogEvent { timestamp: 1, ingestion_time: 2, message: "sleep" }];
        let call = Call { timeout_ms: 1_000, ..self.call.clone() };
        let during = self.runtime.block_on(async {
            let sleeping = (0..LIVING).map(|_| {
                let (host, module, context) = (&self.host, &self.module, &self.context);
                Box::pin(host.subscription(module, &call, context, &events))
            });
            let mut sleeping: Vec<_> = sleeping.collect();
            let look = async {
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                resident()
            };
            let all = async {
                std::future::poll_fn(|context| {
                    sleeping.retain_mut(|call| call.as_mut().poll(context).is_pending());
                    if sleeping.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
            };
            tokio::select! { seen = look => seen, () = all => resident() }
        });
        let each = (during - before) / LIVING as f64;
        table.row("memory of a living instance (resident)", [each; 3], "KiB", None);
    }
}
