//! What a guest does to itself stays with that call: the right error, soon, and the host goes on.

use std::cell::RefCell;
use std::sync::Arc;

use wasm::{BatchContext, Call, Grants, InvokeError, Invoked, LogEvent, Outcome, bisect};

use crate::support::{HOST, HOSTILE, PROGRAM, Product, call, call_with, context, events};

async fn handle(behaviour: &str) -> (Invoked<Outcome>, Arc<Product>) {
    let (call, product) = call(behaviour);
    (HOST.subscription(&HOSTILE, &call, &context(), &events(&["a"])).await, product)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_endless_loop_ends_in_time_and_lets_others_work() {
    let (mut call, _) = call("loop");
    call.timeout_ms = 300;
    let (context, batch) = (context(), events(&["a"]));
    let looping = HOST.subscription(&HOSTILE, &call, &context, &batch);
    let ticks = async {
        let mut ticks = 0;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            ticks += 1;
            if ticks == 5 {
                break ticks;
            }
        }
    };
    // On one worker: the other task only gets anywhere because the guest yields.
    let (invoked, ticks) = tokio::join!(looping, ticks);
    assert_eq!(ticks, 5);
    assert_eq!(invoked.result, Err(InvokeError::Timeout { limit_ms: 300 }));
    let duration = invoked.report.duration_us;
    assert!((300_000..1_100_000).contains(&duration), "{duration} us");
    assert!(invoked.report.cpu_us > 1_000, "{:?}", invoked.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_sleeps_costs_no_cpu_and_times_out_too() {
    let (mut call, _) = call("sleep");
    call.timeout_ms = 200;
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["a"])).await;
    assert_eq!(invoked.result, Err(InvokeError::Timeout { limit_ms: 200 }));
    assert!(invoked.report.duration_us < 900_000 && invoked.report.cpu_us < 100_000, "{:?}", invoked.report);
    let (mut call, _) = crate::support::call("loop");
    call.timeout_ms = 100;
    let invoked = HOST.command(&PROGRAM, &call, bytes::Bytes::new(), wasm::Stdout::Lines).await;
    assert_eq!(invoked.result, Err(InvokeError::Timeout { limit_ms: 100 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_is_out_of_memory() {
    let (invoked, _) = handle("memory").await;
    assert_eq!(invoked.result, Err(InvokeError::OutOfMemory { limit_bytes: 64 << 20 }));
    assert!(invoked.report.memory_peak_bytes <= 64 << 20 && invoked.report.memory_peak_bytes > 48 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_starts_over_the_limit_is_out_of_memory() {
    let (mut call, _) = call("good");
    call.memory_bytes = 64 << 10;
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["a"])).await;
    assert_eq!(invoked.result, Err(InvokeError::OutOfMemory { limit_bytes: 64 << 10 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_overflow_is_a_trap() {
    let (invoked, _) = handle("stack").await;
    let Err(InvokeError::Trap { message, backtrace, .. }) = invoked.result else {
        panic!("{:?}", invoked.result)
    };
    assert!(message.starts_with("wasm trap: "), "{message}");
    assert!((1..=32).contains(&backtrace.lines().count()), "{backtrace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_trap_with_its_text() {
    let (invoked, product) = handle("panic").await;
    let error = invoked.result.expect_err("it panics");
    let InvokeError::Trap { panic: Some(text), .. } = &error else { panic!("{error:?}") };
    assert!(text.starts_with("no such user: 7 (") && text.contains("lib.rs:"), "{text}");
    assert!(product.lines().iter().any(|l| l.contains("no such user: 7")), "{:?}", product.lines());
    assert_eq!(error.lambda_payload("r-1")["errorType"], "Runtime.ExitError");
    let (invoked, _) = handle("exit").await;
    let Err(InvokeError::Trap { message, .. }) = &invoked.result else { panic!("{:?}", invoked.result) };
    assert!(message.contains("exit status"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_is_cut_and_the_guest_goes_on() {
    let (invoked, product) = handle("flood").await;
    assert!(invoked.result.is_ok(), "{:?}", invoked.result);
    let lines = product.lines();
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(invoked.report.log_truncated && bytes <= (256 << 10) + 100, "{bytes}");
    assert_eq!(lines.iter().filter(|l| l.contains("truncated")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_hands_over_at_once_is_bounded() {
    let (invoked, product) = handle("shout").await;
    assert!(matches!(invoked.result, Err(InvokeError::Trap { .. })), "{:?}", invoked.result);
    assert!(product.lines().iter().map(String::len).sum::<usize>() < 300 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_the_contract_are_refused() {
    let batch = events(&["a", "b"]);
    for (behaviour, expected) in
        [("short", "0 verdicts for 2 events"), ("unsure", "cannot decide"), ("huge", "Response payload")]
    {
        let (call, _) = call(behaviour);
        let error = HOST.filter(&HOSTILE, &call, &context(), &batch).await.result.expect_err(behaviour);
        assert!(error.to_string().contains(expected), "{behaviour}: {error}");
    }
    let (call_index, _) = call("wrong-index");
    let error = HOST.subscription(&HOSTILE, &call_index, &context(), &batch).await.result.expect_err("index");
    assert!(matches!(&error, InvokeError::Refused(m) if m.contains("event 2 of a batch of 2")), "{error}");
    let (call_seven, _) = call("seven");
    let packed = wasm::PackedBatch {
        timestamps: &[1],
        ingestion_times: &[2],
        ends: &[1],
        text: wasm::Pieces(&[b"x"]),
    };
    let error =
        HOST.packed_filter(&HOSTILE, &call_seven, &context(), &packed).await.result.expect_err("seven");
    assert!(error.to_string().contains('7'), "{error}");
    let (call_huge, _) = call("huge");
    let error = HOST.lambda(&HOSTILE, &call_huge, b"").await.result.expect_err("huge");
    assert_eq!(error, InvokeError::OutputTooLarge { bytes: 7 << 20, limit_bytes: 6 << 20 });
    let lacking = HOST.lambda(&PROGRAM, &call_huge, b"").await.result.expect_err("no lambda");
    assert!(lacking.to_string().contains("it is: command"), "{lacking}");
    let lacking = HOST.command(&HOSTILE, &call_huge, bytes::Bytes::new(), wasm::Stdout::Lines).await.result;
    assert!(matches!(lacking, Err(InvokeError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied_by_name() {
    let mut grants =
        Grants { metrics: vec!["App/*".to_owned()], publish: vec!["ops".to_owned()], ..Grants::default() };
    let (call, product) = call_with("denied", Product::default(), grants.clone());
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["a"])).await;
    assert!(invoked.result.is_ok() && invoked.effects.is_empty());
    for (line, (error, name)) in product.lines().iter().zip([
        ("NotifyError::NotAllowed", "other"),
        ("NotifyError::NotAllowed", "missing"),
        ("MetricError::NotAllowed", "Other"),
        ("MetricError::Invalid", "finite"),
        ("SinkError::NotAllowed", "/other"),
        ("SinkError::NotAllowed", "/aws/lambda/hostile"),
        ("SinkError::NotAllowed", "/source"),
        ("SinkError::NotAllowed", "/missing"),
        ("StateError::NotAllowed", "allow-state"),
        ("SecretError::NotAllowed", "allow-secrets"),
    ]) {
        assert!(line.contains(error) && line.contains(name), "{line}: expected {error} {name}");
    }
    grants = Grants::all();
    let (call, product) = call_with("denied", Product::default(), grants);
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["a"])).await;
    assert_eq!(invoked.effects.publishes.len(), 1);
    let lines = product.lines();
    for expected in [
        "NoSuchTopic(\"missing\")",
        "WouldLoop(\"/aws/lambda/hostile\")",
        "WouldLoop(\"/source\")",
        "NoSuchGroup(\"/missing\")",
        "not supported by this version",
        "Missing(\"s\")",
    ] {
        assert!(lines.iter().any(|l| l.contains(expected)), "{expected} in {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_network_and_no_file() {
    let (invoked, product) = handle("network").await;
    assert!(invoked.result.is_ok(), "{:?}", invoked.result);
    let lines = product.lines();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|l| l.starts_with("Err(")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_is_found_and_the_rest_passes() {
    let messages: Vec<String> =
        (0..20).map(|i| if i == 13 { "poison".to_owned() } else { format!("event {i}") }).collect();
    let texts: Vec<&str> = messages.iter().map(String::as_str).collect();
    let batch = events(&texts);
    let (call, _) = call("poison");
    let context = context();
    let calls = RefCell::new(0);
    let found = bisect(batch.len(), 5, |range| {
        *calls.borrow_mut() += 1;
        let (call, context, batch): (&Call, &BatchContext, _) = (&call, &context, &batch[range]);
        async move { HOST.subscription(&HOSTILE, call, context, batch).await.result }
    })
    .await;
    assert_eq!(found.poison.iter().map(|p| p.index).collect::<Vec<_>>(), [13]);
    assert!(
        matches!(&found.poison[0].error, InvokeError::Trap { panic: Some(text), .. } if text.contains("poisoned"))
    );
    assert_eq!(found.done.iter().map(|(range, _)| range.len()).sum::<usize>(), 19);
    assert!(found.stopped.is_none() && *calls.borrow() <= 11, "{} calls", calls.borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_queue_and_all_end() {
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            tokio::spawn(async move {
                let (call, _) = call(if i % 3 == 0 { "panic" } else { "good" });
                HOST.lambda(&HOSTILE, &call, b"x").await.result.is_ok()
            })
        })
        .collect();
    let mut good = 0;
    for task in tasks {
        good += usize::from(task.await.expect("no panic in the host"));
    }
    assert_eq!(good, 66);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_can_be_spawned() {
    let run = tokio::spawn(async {
        let (call, _) = call("good");
        let (context, texts) = (context(), vec!["1".to_owned(), "2".to_owned()]);
        let batch: Vec<LogEvent<'_>> =
            texts.iter().map(|message| LogEvent { timestamp: 0, ingestion_time: 0, message }).collect();
        let filtered = HOST.filter(&HOSTILE, &call, &context, &batch).await.result.is_ok();
        let handled = HOST.subscription(&HOSTILE, &call, &context, &batch).await.result.is_ok();
        let extracted = HOST.extract(&HOSTILE, &call, &context, &batch).await.result.is_ok();
        let ran =
            HOST.command(&PROGRAM, &call, bytes::Bytes::new(), wasm::Stdout::Lines).await.result.is_ok();
        let found = bisect(batch.len(), 5, |range| {
            let (call, context, batch): (&Call, &BatchContext, _) = (&call, &context, &batch[range]);
            async move { HOST.subscription(&HOSTILE, call, context, batch).await.result }
        });
        filtered && handled && extracted && ran && found.await.stopped.is_none()
    });
    assert!(run.await.expect("no panic in the host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_what_runs_soon_and_nothing_new_begins() {
    let code = HOST.unload(&HOSTILE).expect("written");
    let (context, batch) = (context(), events(&["a"]));
    for behaviour in ["loop", "sleep"] {
        let host = crate::compiled::host(7);
        let module = host.load(HOSTILE.digest(), &code).expect("loaded");
        let (mut call, _) = call(behaviour);
        call.timeout_ms = 60_000;
        let stop = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            host.stop();
        };
        let (invoked, ()) = tokio::join!(host.subscription(&module, &call, &context, &batch), stop);
        assert_eq!(invoked.result, Err(InvokeError::Stopped), "{behaviour}");
        assert!(invoked.report.duration_us < 5_000_000, "{:?}", invoked.report);
        let (good, _) = crate::support::call("good");
        let late = host.subscription(&module, &good, &context, &batch).await.result;
        assert_eq!(late, Err(InvokeError::Stopped));
    }
}

/// Runs something hostile while another function works, again and again.
async fn in_company<T>(hostile: impl Future<Output = T>) -> T {
    let done = std::cell::Cell::new(false);
    let hostile = async {
        let outcome = hostile.await;
        done.set(true);
        outcome
    };
    let company = async {
        loop {
            let (good, _) = call("good");
            assert_eq!(HOST.lambda(&HOSTILE, &good, b"x").await.result, Ok(b"x".to_vec()));
            if done.get() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::join!(hostile, company).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_in_host_calls_ends_in_time() {
    let (mut call, _) = call("host-loop");
    call.timeout_ms = 200;
    let (context, batch) = (context(), events(&["a"]));
    let invoked = in_company(HOST.subscription(&HOSTILE, &call, &context, &batch)).await;
    assert_eq!(invoked.result, Err(InvokeError::Timeout { limit_ms: 200 }));
    assert!(invoked.report.duration_us < 2_000_000, "{:?}", invoked.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_before_the_call_ends_in_time() {
    let start =
        r#"(module (func $f (loop br 0)) (start $f) (memory (export "memory") 1) (func (export "_start")))"#;
    let component = format!(
        "(component (core {} (core instance (instantiate $m)) {RUN})",
        &start.replacen("module", "module $m", 1)[1..]
    );
    for text in [start.to_owned(), component] {
        let module = HOST.compile(&wat::parse_str(&text).expect(&text)).expect("compiles");
        let (mut call, _) = call("");
        call.timeout_ms = 200;
        let invoked = in_company(HOST.start(&module, &call)).await;
        assert_eq!(invoked.result, Err(InvokeError::Timeout { limit_ms: 200 }));
        let ran = HOST.command(&module, &call, bytes::Bytes::new(), wasm::Stdout::Lines).await.result;
        assert_eq!(ran, Err(InvokeError::Timeout { limit_ms: 200 }));
    }
}

/// Makes a component one that is taken for a program.
const RUN: &str = r#"
  (core module $r (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $r))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $interface (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $interface))"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_output_is_neither_kept_nor_stored() {
    let (mut call, product) = call("gigabyte");
    call.timeout_ms = 60_000;
    let (context, batch) = (context(), events(&["a"]));
    let invoked = in_company(HOST.subscription(&HOSTILE, &call, &context, &batch)).await;
    assert!(invoked.result.is_ok() && invoked.report.log_truncated, "{:?}", invoked.result);
    assert!(product.lines().iter().map(String::len).sum::<usize>() < 300 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_lines_for_each_event_are_cut() {
    let texts: Vec<String> = (0..200).map(|n| format!("event {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (call, product) = call("chatty");
    let (context, batch) = (context(), events(&texts));
    let invoked = in_company(HOST.subscription(&HOSTILE, &call, &context, &batch)).await;
    assert!(invoked.result.is_ok(), "{:?}", invoked.result);
    let lines = product.lines();
    assert!(lines.iter().map(String::len).sum::<usize>() < 300 << 10 && lines.len() < 20_000);
    assert!(lines.last().is_some_and(|line| line.contains("truncated")), "{:?}", lines.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_of_log_events_is_throttled() {
    let (call, product) = call_with("fork-bomb", Product::default(), Grants::all());
    let (context, batch) = (context(), events(&["a"]));
    let invoked = in_company(HOST.subscription(&HOSTILE, &call, &context, &batch)).await;
    assert!(invoked.result.is_ok(), "{:?}", invoked.result);
    assert_eq!(invoked.effects.writes.len(), 10_000);
    assert_eq!(product.lines(), ["after 10000: SinkError::Throttled"]);
}
