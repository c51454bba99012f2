//! Every world, with a guest that does as it should.

use std::collections::BTreeMap;

use bytes::Bytes;
use wasm::{
    AlarmEvent, AlarmState, Grants, InvokeError, MetricUnit, PackedBatch, Pieces, Role, Scalar, ScalarType,
    StateEntry, StateOp, Stdout, Tick, Verdict,
};

use crate::support::{HOST, HOSTILE, NOW_MS, PROGRAM, Product, call, call_with, context, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_decides_for_each_event() {
    let (call, _) = call("good");
    let batch = events(&["keep", "drop", "replace", ""]);
    let invoked = HOST.filter(&HOSTILE, &call, &context(), &batch).await;
    let expected = vec![Verdict::Keep, Verdict::Drop, Verdict::Replace("REPLACE".to_owned()), Verdict::Keep];
    assert_eq!(invoked.result, Ok(expected));
    let report = invoked.report;
    assert_eq!((report.bytes_in, report.bytes_out), (15, 7));
    assert!(report.memory_peak_bytes > 64 << 10 && report.cpu_us > 0 && report.duration_us > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pure_world_has_a_fixed_clock_repeatable_randomness_and_no_effects() {
    let mut seen = Vec::new();
    for delivery in ["d-1", "d-1", "d-2"] {
        let (call, product) = call_with("impure", Product::default(), Grants::all());
        let context = wasm::BatchContext { delivery_id: delivery.to_owned(), ..context() };
        let invoked = HOST.filter(&HOSTILE, &call, &context, &events(&["x", "y"])).await;
        assert!(invoked.effects.is_empty());
        assert!(
            product.lines().iter().all(|l| l.contains("NotAllowed") && l.contains("pure")),
            "{:?}",
            product.lines()
        );
        seen.push(format!("{:?}", invoked.result.expect("verdicts")));
    }
    assert!(seen[0].contains("1001 "), "the newest ingestion time: {}", seen[0]);
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_filter_see_the_same_clock_and_chance() {
    let (call, _) = call("clock");
    let records = HOST.filter(&HOSTILE, &call, &context(), &events(&["x", "y"])).await.result;
    let (text, ends) = (Pieces(&[b"xy"]), &[1, 2]);
    let batch = PackedBatch { timestamps: &[0, 1], ingestion_times: &[1001, 1000], ends, text };
    let packed = HOST.packed_filter(&HOSTILE, &call, &context(), &batch).await.result;
    let (records, packed) =
        (records.expect_err("told so").to_string(), packed.expect_err("told so").to_string());
    assert!(records.contains("1001 "), "{records}");
    assert_eq!(packed, records);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_filter_and_query_functions_answer_by_column() {
    let (call, _) = call("good");
    let batch = PackedBatch {
        timestamps: &[1, 2, 3],
        ingestion_times: &[4, 5, 6],
        ends: &[5, 5, 9],
        text: Pieces(&[b"ke", b"ep1drop"]),
    };
    let invoked = HOST.packed_filter(&HOSTILE, &call, &context(), &batch).await;
    assert_eq!(invoked.result, Ok(vec![true, true, false]));
    let signatures = HOST.describe(&HOSTILE, &call).await.result.expect("signatures");
    assert_eq!((signatures[0].name.as_str(), signatures[0].returns), ("shout", ScalarType::Text));
    let columns = [vec![Scalar::Text("a".to_owned()), Scalar::Integer(1)]];
    let values = HOST.evaluate(&HOSTILE, &call, "shout", &columns, 2, 0).await.result;
    assert_eq!(values, Ok(vec![Scalar::Text("A".to_owned()), Scalar::Null]));
    let short = HOST.evaluate(&HOSTILE, &call, "nothing", &columns, 2, 0).await.result;
    assert!(matches!(short, Err(InvokeError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extractor_gives_values_with_their_events() {
    let (call, _) = call("good");
    let found =
        HOST.extract(&HOSTILE, &call, &context(), &events(&["1.5", "2"])).await.result.expect("values");
    let short: Vec<_> = found.iter().map(|e| (e.event, e.datum.value, e.datum.unit.name())).collect();
    assert_eq!(short, [(0, 1.5, "Milliseconds"), (1, 2.0, "Milliseconds")]);
    for bad in ["nan", "inf"] {
        let refused = HOST.extract(&HOSTILE, &call, &context(), &events(&[bad])).await.result;
        assert!(refused.as_ref().is_err_and(|e| e.to_string().contains("finite")), "{refused:?}");
    }
    let failed = HOST.extract(&HOSTILE, &call, &context(), &events(&["x"])).await.result;
    assert!(matches!(failed, Err(InvokeError::Handler { retry: false, .. })), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_sees_its_facts_and_nothing_else() {
    let (call, product) = call("facts");
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["hello"])).await;
    assert_eq!(invoked.result.map(|o| o.failed), Ok(vec![]));
    let lines = product.lines();
    assert_eq!(
        lines[0],
        "AWS_DEFAULT_REGION=us-east-1 AWS_LAMBDA_FUNCTION_MEMORY_SIZE=64 AWS_LAMBDA_FUNCTION_NAME=hostile \
         AWS_LAMBDA_FUNCTION_VERSION=$LATEST AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/hostile AWS_REGION=us-east-1 \
         behaviour=facts"
    );
    assert_eq!(lines[1..], ["hostile r-1", "/source d-1 1", "[INFO] hello", "to stderr"]);
    assert_eq!((invoked.report.log_lines, invoked.report.stderr_tail.as_str()), (5, "to stderr\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_come_back_only_when_the_guest_succeeds() {
    let product = || {
        let entry = StateEntry { value: b"40".to_vec(), version: 7 };
        Product { state: Some(BTreeMap::from([("seen".to_owned(), entry)])), ..Product::default() }
    };
    let (call, seen) = call_with("effects", product(), Grants::all());
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["x"])).await;
    let lines = seen.lines();
    assert!(invoked.result.is_ok(), "{:?} {lines:?}", invoked.result);
    let effects = invoked.effects;
    let publish = &effects.publishes[0];
    assert_eq!(publish.topic_arn, "arn:aws:sns:us-east-1:000000000000:ops");
    assert_eq!(lines[0], format!("id {}", publish.message_id));
    assert_eq!(publish.notification.subject.as_deref(), Some("subject"));
    assert_eq!(effects.metrics[0].unit, MetricUnit::CountPerSecond);
    assert_eq!(effects.writes[0].events[0].message, "written");
    assert_eq!(
        lines[1..],
        ["seen Some(\"40\"), now 42", "again 44", "conflict Err(StateError::Conflict)", "keys [\"seen\"]"]
    );
    let reads: Vec<_> = effects.state_reads.iter().map(|r| (r.key.as_str(), r.version)).collect();
    assert_eq!(reads, [("gone", 0), ("seen", 7)]);
    assert_eq!(effects.state_writes[0].op, StateOp::Delete);
    assert_eq!(
        effects.state_writes[1].op,
        StateOp::Put { value: b"44".to_vec(), version: 9, ttl_seconds: None }
    );

    let (call, seen) = call_with("effects-then-fail", product(), Grants::all());
    let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["x"])).await;
    assert!(
        matches!(&invoked.result, Err(InvokeError::Handler { message, retry: true, .. }) if message == "after all")
    );
    assert!(invoked.effects.is_empty());
    assert_eq!(seen.lines()[0], lines[0], "the same delivery gives the same message ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_says_how_it_went() {
    for (behaviour, expected) in [
        ("some", Ok(vec![0, 2])),
        ("retry", Err(InvokeError::Handler { message: "later".to_owned(), retry: true, after_ms: 1500 })),
        ("permanent", Err(InvokeError::Handler { message: "never".to_owned(), retry: false, after_ms: 0 })),
    ] {
        let (call, _) = call(behaviour);
        let invoked = HOST.subscription(&HOSTILE, &call, &context(), &events(&["a", "b", "c"])).await;
        assert_eq!(invoked.result.map(|o| o.failed), expected, "{behaviour}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_schedules_arrive_whole() {
    let (call, product) = call("good");
    let event = AlarmEvent {
        alarm_name: "a".to_owned(),
        alarm_arn: String::new(),
        description: None,
        previous: AlarmState::Ok,
        current: AlarmState::Alarm,
        reason: "because".to_owned(),
        details_json: "{}".to_owned(),
        changed_at: NOW_MS,
        attempt: 1,
    };
    assert_eq!(HOST.alarm_action(&HOSTILE, &call, &event).await.result, Ok(()));
    let tick = Tick { schedule: "nightly".to_owned(), due_at: 9, attempt: 1, input_json: "{}".to_owned() };
    assert_eq!(HOST.scheduled(&HOSTILE, &call, &tick).await.result, Ok(()));
    assert_eq!(product.lines(), ["a AlarmState::Ok -> AlarmState::Alarm: because", "nightly 9 {}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_answers_bytes_or_an_error_document() {
    let (good, _) = call("good");
    assert_eq!(HOST.lambda(&HOSTILE, &good, b"{\"a\":1}").await.result, Ok(b"{\"a\":1}".to_vec()));
    let (bad, _) = call("error");
    let error = HOST.lambda(&HOSTILE, &bad, b"").await.result.expect_err("it fails");
    assert_eq!(
        error.lambda_payload("r-1"),
        serde_json::json!({ "errorType": "Function.Error", "errorMessage": "it failed" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_program_reads_stdin_and_answers_on_stdout() {
    assert_eq!(PROGRAM.roles(), [Role::Command]);
    let (call_good, product) = call("good");
    let invoked = HOST.command(&PROGRAM, &call_good, Bytes::from_static(b"{}"), Stdout::Answer).await;
    assert_eq!(invoked.result.map(|o| o.stdout), Ok(b"{\"echo\":{}}\n".to_vec()));
    assert_eq!(product.lines(), ["got 2 bytes"], "the answer is not logged");
    let (call_lines, product) = call("good");
    let invoked = HOST.command(&PROGRAM, &call_lines, Bytes::from_static(b"1"), Stdout::Lines).await;
    assert_eq!(invoked.result.map(|o| o.stdout), Ok(vec![]));
    assert_eq!(product.lines(), ["got 1 bytes", "{\"echo\":1}"]);
    let (call_fail, _) = call("fail");
    let error = HOST.command(&PROGRAM, &call_fail, Bytes::new(), Stdout::Lines).await.result;
    assert!(
        matches!(&error, Err(InvokeError::Handler { message, retry: false, .. }) if message == "exit status 1: it went wrong"),
        "{error:?}"
    );
    let (call_huge, _) = call("huge");
    let error = HOST.command(&PROGRAM, &call_huge, Bytes::new(), Stdout::Answer).await.result;
    assert!(matches!(error, Err(InvokeError::OutputTooLarge { bytes: 7_340_033, .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_1_module_is_a_program_too() {
    let module = HOST.compile(&wat::parse_str(PREVIEW1).expect("text")).expect("compiles");
    assert_eq!(module.roles(), [Role::Command]);
    let (call, _) = call("");
    let invoked = HOST.command(&module, &call, Bytes::from_static(b"hi"), Stdout::Answer).await;
    assert_eq!(invoked.result.map(|o| o.stdout), Ok(b"hi".to_vec()));
    let invoked = HOST.command(&module, &call, Bytes::new(), Stdout::Answer).await;
    assert!(matches!(invoked.result, Err(InvokeError::Handler { retry: true, .. })), "{:?}", invoked.result);
}

/// Copies two bytes of stdin to stdout; exits with 75 if there are none.
const PREVIEW1: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\02\00\00\00")
  (func (export "_start")
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
    (if (i32.eqz (i32.load (i32.const 16))) (then (call $exit (i32.const 75))))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
