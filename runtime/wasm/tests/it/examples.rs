//! The example guests, as they are deployed.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasm::{
    AlarmEvent, AlarmState, Grants, PackedBatch, Pieces, Role, Scalar, StateEntry, StateOp, Tick, Verdict,
};

use crate::support::{HOST, NOW_MS, Product, call, call_with, compiled, context, events};

#[tokio::test(flavor = "multi_thread")]
async fn redact_replaces_only_what_is_personal() {
    let redact = compiled("redact");
    assert_eq!(redact.roles(), [Role::Filter, Role::PackedFilter], "the SDK exports a filter in both worlds");
    assert!(
        redact.imports().iter().all(|i| i.starts_with("wasi:") || i == "logboom:extension/types@0.1.0"),
        "{redact:?}"
    );
    let (call, _) = call("");
    let batch = events(&["nothing", "mail a.b@example.com from 10.1.2.3"]);
    let invoked = HOST.filter(&redact, &call, &context(), &batch).await;
    let expected = vec![Verdict::Keep, Verdict::Replace("mail [email] from [ip]".to_owned())];
    assert_eq!(invoked.result, Ok(expected));
    let text = Pieces(&[b"nothing", b"mail a.b@example.com"]);
    let packed = PackedBatch { timestamps: &[1, 2], ingestion_times: &[3, 4], ends: &[7, 27], text };
    let kept = HOST.packed_filter(&redact, &call, &context(), &packed).await;
    assert_eq!(kept.result, Ok(vec![true, true]), "a text in its place is a way to keep it");
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_extractor_measures_each_service() {
    let extractor = compiled("latency_extractor");
    assert_eq!(extractor.roles(), [Role::Extractor]);
    let (call, _) = call("");
    let batch =
        events(&[r#"{"service":"api","latency":12}"#, "nothing here", "charge settled duration=80ms"]);
    let found = HOST.extract(&extractor, &call, &context(), &batch).await.result.expect("values");
    let short: Vec<_> =
        found.iter().map(|e| (e.event, e.datum.value, e.datum.dimensions[0].value.as_str())).collect();
    assert_eq!(short, [(0, 12.0, "api"), (2, 80.0, "/source")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_action_publishes_what_people_read() {
    let action = compiled("slack_action");
    assert_eq!(action.roles(), [Role::AlarmAction]);
    let grants = Grants { publish: vec!["ops".to_owned()], ..Grants::default() };
    let (mut call, product) = call_with("", Product::default(), grants);
    call.config = Arc::new(BTreeMap::from([("TOPIC".to_owned(), "ops".to_owned())]));
    let event = AlarmEvent {
        alarm_name: "Errors".to_owned(),
        alarm_arn: "arn".to_owned(),
        description: None,
        previous: AlarmState::Ok,
        current: AlarmState::Alarm,
        reason: "too many".to_owned(),
        details_json: r#"{"LogboomEvidence":[{"logGroup":"/app","message":"it broke"}]}"#.to_owned(),
        changed_at: NOW_MS,
        attempt: 1,
    };
    let invoked = HOST.alarm_action(&action, &call, &event).await;
    assert_eq!(invoked.result, Ok(()), "{:?}", product.lines());
    let publish = &invoked.effects.publishes[0];
    assert_eq!(publish.topic_arn, "arn:aws:sns:us-east-1:000000000000:ops");
    assert!(publish.notification.message.contains("/app | it broke"), "{}", publish.notification.message);
    assert_eq!(product.lines(), ["[INFO] Errors is in ALARM"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_digest_writes_to_its_log_and_publishes() {
    let digest = compiled("error_digest");
    assert_eq!(digest.roles(), [Role::Subscription]);
    let (mut call, product) = call_with("", Product::default(), Grants::all());
    call.config = Arc::new(BTreeMap::from([("TOPIC".to_owned(), "ops".to_owned())]));
    let batch = events(&["ERROR no user 3", "ERROR no user 4", "ERROR disk full"]);
    let invoked = HOST.subscription(&digest, &call, &context(), &batch).await;
    assert!(invoked.result.is_ok(), "{:?}", invoked.result);
    assert_eq!(product.lines()[..2], ["3 events of 2 kinds in /source", "     2 x ERROR no user 3"]);
    assert_eq!(invoked.effects.publishes[0].notification.subject.as_deref(), Some("3 errors in /source"));
}

#[tokio::test(flavor = "multi_thread")]
async fn error_rate_counts_in_one_world_and_tells_in_another() {
    let rate = compiled("error_rate");
    assert_eq!(rate.roles(), [Role::Subscription, Role::Scheduled]);
    let (call, _) =
        call_with("", Product { state: Some(BTreeMap::new()), ..Product::default() }, Grants::all());
    let batch = events(&["fine", "ERROR one", "fine", "fine"]);
    let counted = HOST.subscription(&rate, &call, &context(), &batch).await;
    assert!(counted.result.is_ok(), "{:?}", counted.result);
    let mut state = BTreeMap::new();
    for write in counted.effects.state_writes {
        if let StateOp::Put { value, version, .. } = write.op {
            state.insert(write.key, StateEntry { value, version });
        }
    }
    assert_eq!(state.keys().collect::<Vec<_>>(), ["all /source", "errors /source"]);
    let (mut call, _) = call_with("", Product { state: Some(state), ..Product::default() }, Grants::all());
    call.config = Arc::new(BTreeMap::from([("TOPIC".to_owned(), "ops".to_owned())]));
    let tick =
        Tick { schedule: "hourly".to_owned(), due_at: NOW_MS, attempt: 1, input_json: "{}".to_owned() };
    let told = HOST.scheduled(&rate, &call, &tick).await;
    assert_eq!(told.result, Ok(()));
    assert_eq!(told.effects.publishes[0].notification.message, " 25.00 %  1 of 4 in /source\n");
    assert!(told.effects.state_writes.iter().all(|write| write.op == StateOp::Delete), "counts start over");
}

#[tokio::test(flavor = "multi_thread")]
async fn ip_functions_are_described_and_evaluated_by_columns() {
    let functions = compiled("ip_functions");
    assert_eq!(functions.roles(), [Role::QueryFunctions]);
    let (call, _) = call("");
    let described = HOST.describe(&functions, &call).await.result.expect("signatures");
    let names: Vec<_> = described.iter().map(|signature| signature.name.as_str()).collect();
    assert_eq!(names, ["ipClass", "ipNetwork", "ipInside"]);
    let text = |text: &str| Scalar::Text(text.to_owned());
    let ips = vec![text("10.1.2.3"), text("8.8.8.8"), Scalar::Null];
    let classes =
        HOST.evaluate(&functions, &call, "ipClass", std::slice::from_ref(&ips), 3, NOW_MS).await.result;
    assert_eq!(classes, Ok(vec![text("private"), text("public"), Scalar::Null]));
    let bits = vec![Scalar::Integer(8); 3];
    let networks = HOST.evaluate(&functions, &call, "ipNetwork", &[ips, bits], 3, NOW_MS).await.result;
    assert_eq!(networks, Ok(vec![text("10.0.0.0/8"), text("8.0.0.0/8"), Scalar::Null]));
}
