//! The AWS SDK for Rust, unchanged but for the endpoint: it speaks JSON to Logs and CBOR to CloudWatch.

use acceptance::Server;
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatchlogs as logs;
use cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, StandardUnit, StateValue, Statistic};
use logs::types::{InputLogEvent, QueryStatus};

fn logs_client(server: &Server) -> logs::Client {
    let configuration = logs::Config::builder()
        .behavior_version(logs::config::BehaviorVersion::latest())
        .region(logs::config::Region::new("us-east-1"))
        .endpoint_url(server.url())
        .credentials_provider(logs::config::Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    logs::Client::from_conf(configuration.build())
}

fn cloudwatch_client(server: &Server) -> cloudwatch::Client {
    let configuration = cloudwatch::Config::builder()
        .behavior_version(cloudwatch::config::BehaviorVersion::latest())
        .region(cloudwatch::config::Region::new("us-east-1"))
        .endpoint_url(server.url())
        .credentials_provider(cloudwatch::config::Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    cloudwatch::Client::from_conf(configuration.build())
}

/// The real time: this test is outside the product, like any client.
#[allow(clippy::disallowed_methods)]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("a time in milliseconds")
}

#[tokio::test]
async fn puts_gets_filters_and_queries_logs() {
    let server = Server::start(&[]);
    let client = logs_client(&server);
    client.create_log_group().log_group_name("/sdk/app").send().await.expect("CreateLogGroup");
    let again = client.create_log_group().log_group_name("/sdk/app").send().await.expect_err("it exists");
    assert!(again.into_service_error().is_resource_already_exists_exception());
    client
        .create_log_stream()
        .log_group_name("/sdk/app")
        .log_stream_name("s")
        .send()
        .await
        .expect("CreateLogStream");
    let now = now_ms();
    let event =
        |at: i64, text: &str| InputLogEvent::builder().timestamp(at).message(text).build().expect("an event");
    let put = client.put_log_events().log_group_name("/sdk/app").log_stream_name("s");
    let put = put.log_events(event(now - 2, "INFO fine")).log_events(event(now - 1, "ERROR broken: ü"));
    assert!(put.send().await.expect("PutLogEvents").rejected_log_events_info().is_none());
    let got = client.get_log_events().log_group_name("/sdk/app").log_stream_name("s").start_from_head(true);
    let got = got.send().await.expect("GetLogEvents");
    let texts: Vec<_> = got.events().iter().filter_map(|e| e.message()).collect();
    assert_eq!(texts, ["INFO fine", "ERROR broken: ü"]);
    let found = client.filter_log_events().log_group_name("/sdk/app").filter_pattern("ERROR").send().await;
    assert_eq!(found.expect("FilterLogEvents").events().len(), 1);
    let query =
        client.start_query().log_group_name("/sdk/app").start_time(now / 1000 - 60).end_time(now / 1000 + 60);
    let query = query.query_string("filter @message like /ERROR/ | stats count(*) as n").send().await;
    let id = query.expect("StartQuery").query_id().expect("an id").to_owned();
    let answer = client.get_query_results().query_id(id).send().await.expect("GetQueryResults");
    assert_eq!(answer.status(), Some(&QueryStatus::Complete), "a small query is complete at the first poll");
    assert_eq!(answer.results()[0][0].value(), Some("1"));
}

#[tokio::test]
async fn puts_metrics_and_alarms_over_cbor() {
    let server = Server::start(&[]);
    let client = cloudwatch_client(&server);
    let dimension = Dimension::builder().name("Service").value("orders").build();
    let datum = MetricDatum::builder().metric_name("Latency").dimensions(dimension.clone());
    let datum =
        datum.values(10.0).values(30.0).counts(1.0).counts(3.0).unit(StandardUnit::Milliseconds).build();
    client.put_metric_data().namespace("Sdk").metric_data(datum).send().await.expect("PutMetricData");
    let listed = client.list_metrics().namespace("Sdk").send().await.expect("ListMetrics");
    assert_eq!(listed.metrics()[0].metric_name(), Some("Latency"));
    let time = |ms: i64| cloudwatch::primitives::DateTime::from_millis(ms);
    let now = now_ms();
    let statistics =
        client.get_metric_statistics().namespace("Sdk").metric_name("Latency").dimensions(dimension);
    let statistics = statistics.start_time(time(now - 600_000)).end_time(time(now + 60_000)).period(60);
    let statistics =
        statistics.statistics(Statistic::Average).statistics(Statistic::SampleCount).send().await;
    let statistics = statistics.expect("GetMetricStatistics");
    assert_eq!(statistics.datapoints()[0].average(), Some(25.0));
    assert_eq!(statistics.datapoints()[0].sample_count(), Some(4.0));
    let alarm =
        client.put_metric_alarm().alarm_name("sdk").namespace("Sdk").metric_name("Latency").period(60);
    let alarm = alarm.evaluation_periods(1).threshold(5.0).statistic(Statistic::Maximum);
    let alarm = alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold);
    alarm.send().await.expect("PutMetricAlarm");
    let set =
        client.set_alarm_state().alarm_name("sdk").state_value(StateValue::Alarm).state_reason("by hand");
    set.send().await.expect("SetAlarmState");
    let history =
        client.describe_alarm_history().alarm_name("sdk").send().await.expect("DescribeAlarmHistory");
    assert!(history.alarm_history_items().len() >= 2);
    let missing = client
        .set_alarm_state()
        .alarm_name("none")
        .state_value(StateValue::Ok)
        .state_reason("x")
        .send()
        .await;
    assert!(missing.expect_err("no such alarm").into_service_error().is_resource_not_found());
    client.delete_alarms().alarm_names("sdk").send().await.expect("DeleteAlarms");
    assert!(client.describe_alarms().send().await.expect("DescribeAlarms").metric_alarms().is_empty());
}
