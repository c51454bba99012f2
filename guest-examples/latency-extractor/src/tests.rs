//! Which latencies are found, in milliseconds.

use logboom_sdk::prelude::*;

use super::LatencyExtractor;

#[test]
fn latencies_of_many_spellings_are_milliseconds() {
    for (message, service, expected) in [
        (r#"{"service":"api","latency":12.5}"#, "api", Some(12.5)),
        (r#"{"latency_us":1500,"app":"pay"}"#, "pay", Some(1.5)),
        (r#"{"Duration":"2s"}"#, "/demo/api", Some(2000.0)),
        ("charge 7 settled service=pay duration=80ms", "pay", Some(80.0)),
        ("took=1.5s service=\"a\"", "a", Some(1500.0)),
        ("REPORT RequestId: x\tDuration: 12.34 ms\tBilled Duration: 13 ms", "/demo/api", Some(12.34)),
        ("elapsed_ns=2000000", "/demo/api", Some(2.0)),
        ("latency=-1", "", None),
        ("latency=high", "", None),
        ("platency=1", "", None),
        (r#"{"latency":{"p99":1}}"#, "", None),
        ("no such thing", "", None),
        ("", "", None),
    ] {
        let context = Context { log_group: "/demo/api".to_owned(), ..Context::default() };
        let mut found = Vec::new();
        LatencyExtractor::extract(&context, &Event::new(1, message), &mut found).expect("never fails");
        let value = expected.map(|v| MetricDatum::new("App", "Latency", v).unit(Unit::Milliseconds));
        let value = value.map(|d| d.dimension("service", service));
        assert_eq!(found, Vec::from_iter(value), "{message}");
    }
}
