"""CloudWatch: every operation through boto3, the main ones through the AWS CLI and the older protocols."""

import datetime
import gzip
import json
import re
import urllib.parse

import botocore.exceptions
import pytest
from conftest import ACCOUNT, REGION

MINUTE_MS = 60_000


def error_of(call, *arguments, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(*arguments, **parameters)
    answer = raised.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def at(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)


def window(server, minutes=10):
    now = server.now_ms()
    return {"StartTime": at(now - minutes * MINUTE_MS), "EndTime": at(now + MINUTE_MS)}


def alarm(name, **changes):
    put = {
        "AlarmName": name,
        "Namespace": "App",
        "MetricName": name,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        **changes,
    }
    return {key: value for key, value in put.items() if value is not None}


def show(server, name):
    return server.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


def test_data_in_and_every_statistic_out(server, name):
    metric, cloudwatch = name("latency"), server.cloudwatch
    dimensions = [{"Name": "host", "Value": "a"}]
    moment = at(server.now_ms() - 2 * MINUTE_MS)
    data = [
        {"Values": [1.0, 2.0, 3.0, 4.0], "Counts": [1, 1, 1, 1]},
        {"Value": 10.0},
    ]
    for datum in data:
        datum |= {"MetricName": metric, "Dimensions": dimensions, "Timestamp": moment, "Unit": "Seconds"}
    cloudwatch.put_metric_data(Namespace="App", MetricData=data)
    answer = cloudwatch.get_metric_statistics(
        Namespace="App",
        MetricName=metric,
        Dimensions=dimensions,
        Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
        **window(server),
    )
    (point,) = answer["Datapoints"]
    assert answer["Label"] == metric
    shown = (point["SampleCount"], point["Sum"], point["Average"], point["Minimum"], point["Maximum"], point["Unit"])
    assert shown == (5.0, 20.0, 4.0, 1.0, 10.0, "Seconds")
    assert point["Timestamp"].second == 0
    ask = {"Namespace": "App", "MetricName": metric, "Dimensions": dimensions, "Period": 60, **window(server)}
    (point,) = cloudwatch.get_metric_statistics(ExtendedStatistics=["p50", "p100", "tc100"], **ask)["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 3.0, "p100": 10.0, "tc100": 5.0}
    code, message, _ = error_of(cloudwatch.get_metric_statistics, **ask)
    assert (code, message) == (
        "InvalidParameterCombination",
        "Must specify either Statistics or ExtendedStatistics",
    )
    without = cloudwatch.get_metric_statistics(
        Namespace="App", MetricName=metric, Period=60, Statistics=["Sum"], **window(server)
    )
    assert without["Datapoints"] == [], "fewer dimensions name another metric"


def test_get_metric_data_pages_and_orders(server, name):
    metric, cloudwatch = name("requests"), server.cloudwatch
    start = (server.now_ms() // MINUTE_MS - 5) * MINUTE_MS
    for minute in range(4):
        cloudwatch.put_metric_data(
            Namespace="App",
            MetricData=[{"MetricName": metric, "Value": minute, "Timestamp": at(start + minute * MINUTE_MS)}],
        )
    query = {
        "Id": "m1",
        "MetricStat": {"Metric": {"Namespace": "App", "MetricName": metric}, "Period": 60, "Stat": "Sum"},
    }
    span = {"StartTime": at(start), "EndTime": at(start + 5 * MINUTE_MS)}
    answer = cloudwatch.get_metric_data(MetricDataQueries=[query], **span)
    (result,) = answer["MetricDataResults"]
    assert result["Values"] == [3.0, 2.0, 1.0, 0.0], "newest first unless asked otherwise"
    assert (result["Id"], result["Label"], result["StatusCode"]) == ("m1", metric, "Complete")
    ascending = cloudwatch.get_metric_data(MetricDataQueries=[query], ScanBy="TimestampAscending", **span)
    assert ascending["MetricDataResults"][0]["Values"] == [0.0, 1.0, 2.0, 3.0]
    assert ascending["MetricDataResults"][0]["Timestamps"][0] == at(start)
    paged, pages = [], cloudwatch.get_paginator("get_metric_data")
    for page in pages.paginate(MetricDataQueries=[query], MaxDatapoints=3, **span):
        for result in page["MetricDataResults"]:
            paged += result["Values"]
    assert paged == [3.0, 2.0, 1.0, 0.0]


def test_what_get_metric_data_does_not_do_is_named(server):
    expression = {"Id": "e1", "Expression": "m1 * 2"}
    code, message, _ = error_of(
        server.cloudwatch.get_metric_data, MetricDataQueries=[expression], **window(server)
    )
    assert "does not support" in message and "xpression" in message, (code, message)


def test_list_metrics_filters(server, name):
    cloudwatch, space = server.cloudwatch, name("Space")
    for metric, host in (("a", "x"), ("a", "y"), ("b", "x")):
        cloudwatch.put_metric_data(
            Namespace=space,
            MetricData=[{"MetricName": metric, "Value": 1, "Dimensions": [{"Name": "host", "Value": host}]}],
        )
    assert len(cloudwatch.list_metrics(Namespace=space)["Metrics"]) == 3
    by_name = cloudwatch.list_metrics(Namespace=space, MetricName="a")["Metrics"]
    assert [metric["Dimensions"][0]["Value"] for metric in by_name] == ["x", "y"]
    by_host = cloudwatch.list_metrics(Namespace=space, Dimensions=[{"Name": "host", "Value": "x"}])["Metrics"]
    assert [metric["MetricName"] for metric in by_host] == ["a", "b"]
    assert cloudwatch.list_metrics(Namespace=name("nothing"))["Metrics"] == []


METRIC_ERRORS = [
    (
        [{"MetricName": "m", "Value": 1, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}}],
        "InvalidParameterCombination",
        "The parameters MetricData.member.1.Value and MetricData.member.1.StatisticValues are mutually exclusive"
        " and you have specified both.",
    ),
    (
        [{"MetricName": "m", "Value": 1, "Values": [1]}],
        "InvalidParameterCombination",
        "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive"
        " and you have specified both.",
    ),
    (
        [{"MetricName": "m", "Values": [1, 2], "Counts": [1]}],
        "InvalidParameterValue",
        "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.",
    ),
]


@pytest.mark.parametrize("data,code,message", METRIC_ERRORS)
def test_bad_data_is_refused_in_awss_words(server, data, code, message):
    assert error_of(server.cloudwatch.put_metric_data, Namespace="App", MetricData=data) == (code, message, 400)


def test_bad_windows_are_refused_in_awss_words(server):
    ask = {"Namespace": "App", "MetricName": "m", "Statistics": ["Sum"]}
    now = server.now_ms() // 1000 * 1000
    code, message, status = error_of(
        server.cloudwatch.get_metric_statistics, Period=60, StartTime=at(now), EndTime=at(now), **ask
    )
    assert (code, status) == ("InvalidParameterValue", 400)
    assert message == "The parameter StartTime must be less than the parameter EndTime."
    code, message, status = error_of(
        server.cloudwatch.get_metric_statistics,
        Period=1,
        StartTime=at(now - 86_400_000),
        EndTime=at(now),
        **ask,
    )
    assert (code, status) == ("InvalidParameterCombination", 400)
    assert message.startswith("You have requested up to 86400 datapoints, which exceeds the limit of 1440.")


def test_an_alarm_from_put_to_delete(server, name):
    cloudwatch, one = server.cloudwatch, name("one")
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:nowhere"
    cloudwatch.put_metric_alarm(
        **alarm(one, AlarmDescription="errors", DatapointsToAlarm=1, EvaluationPeriods=2, AlarmActions=[topic]),
        Tags=[{"Key": "team", "Value": "a"}],
    )
    shown = show(server, one)
    assert shown["StateValue"] == "INSUFFICIENT_DATA"
    assert shown["StateReason"] == "Unchecked: Initial alarm creation"
    assert shown["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{one}"
    assert (shown["Threshold"], shown["Period"], shown["EvaluationPeriods"]) == (5.0, 60, 2)
    assert (shown["DatapointsToAlarm"], shown["ActionsEnabled"], shown["AlarmActions"]) == (1, True, [topic])
    assert shown["AlarmDescription"] == "errors" and "ExtendedStatistic" not in shown
    (listed,) = cloudwatch.describe_alarms_for_metric(Namespace="App", MetricName=one)["MetricAlarms"]
    assert listed["AlarmName"] == one
    arn = shown["AlarmArn"]
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": "y"}])
    # On an update the tags of the request are passed over, as in AWS.
    cloudwatch.put_metric_alarm(**alarm(one, Threshold=7), Tags=[{"Key": "z", "Value": "z"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["x"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    assert show(server, one)["Threshold"] == 7.0
    cloudwatch.disable_alarm_actions(AlarmNames=[one])
    assert show(server, one)["ActionsEnabled"] is False
    cloudwatch.enable_alarm_actions(AlarmNames=[one])
    assert show(server, one)["ActionsEnabled"] is True
    cloudwatch.delete_alarms(AlarmNames=[one, name("unknown")])
    assert cloudwatch.describe_alarms(AlarmNames=[one])["MetricAlarms"] == []
    history = cloudwatch.describe_alarm_history(AlarmName=one, ScanBy="TimestampAscending")["AlarmHistoryItems"]
    summaries = [item["HistorySummary"] for item in history]
    made, gone = f'Alarm "{one}" created', f'Alarm "{one}" deleted'
    assert summaries == [made, *[f'Alarm "{one}" updated'] * 3, gone]
    assert {item["HistoryItemType"] for item in history} == {"ConfigurationUpdate"}
    data = json.loads(history[0]["HistoryData"])
    assert (data["type"], data["createdAlarm"]["threshold"]) == ("Create", 5.0)
    code, message, status = error_of(cloudwatch.list_tags_for_resource, ResourceARN=arn)
    assert (code, status) == ("ResourceNotFoundException", 404)
    # An alarm of the same name is another alarm: its tags are its own.
    cloudwatch.put_metric_alarm(**alarm(one))
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == []


def test_alarms_are_listed_in_pages_and_by_filter(server, name):
    cloudwatch, stem = server.cloudwatch, name("page")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    for number in range(5):
        actions = {"OKActions": [arn]} if number % 2 else {}
        cloudwatch.put_metric_alarm(**alarm(f"{stem}-{number}", **actions))
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=stem, PaginationConfig={"PageSize": 2}
    )
    found = [[shown["AlarmName"][-1] for shown in page["MetricAlarms"]] for page in pages]
    assert found == [["0", "1"], ["2", "3"], ["4"]]
    by_action = cloudwatch.describe_alarms(AlarmNamePrefix=stem, ActionPrefix="arn:aws:lambda")["MetricAlarms"]
    assert [shown["AlarmName"][-1] for shown in by_action] == ["1", "3"]
    cloudwatch.set_alarm_state(AlarmName=f"{stem}-2", StateValue="ALARM", StateReason="test")
    by_state = cloudwatch.describe_alarms(AlarmNamePrefix=stem, StateValue="ALARM")["MetricAlarms"]
    assert [shown["AlarmName"][-1] for shown in by_state] == ["2"]


def test_alarm_errors_are_awss(server, name):
    cloudwatch, one = server.cloudwatch, name("errors")
    assert error_of(cloudwatch.set_alarm_state, AlarmName=one, StateValue="INVALID", StateReason="r") == (
        "ValidationError",
        "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: "
        "Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]",
        400,
    )
    code, _, status = error_of(cloudwatch.set_alarm_state, AlarmName=one, StateValue="OK", StateReason="r")
    assert (code, status) == ("ResourceNotFound", 404)
    with pytest.raises(cloudwatch.exceptions.ResourceNotFound):
        cloudwatch.set_alarm_state(AlarmName=one, StateValue="OK", StateReason="r")
    cases = [
        ({"Period": 45}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        ({"Statistic": None}, "ValidationError", "Exactly one of Statistic and ExtendedStatistic must be set"),
        ({"EvaluationPeriods": 1441}, "ValidationError", "Metrics cannot be checked across more than a day"),
        ({"AlarmActions": ["topic"]}, "ValidationError", "Invalid arn syntax: topic"),
        ({"AlarmActions": ["arn:aws:ec2:a:b:c"]}, "UnsupportedOperation", "alarm actions of the service ec2"),
        ({"TreatMissingData": "never"}, "ValidationError", "Option never is not supported."),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "UnsupportedOperation", "GreaterThanUpperThreshold"),
    ]
    for changes, code, text in cases:
        found, message, status = error_of(cloudwatch.put_metric_alarm, **alarm(one, **changes))
        assert (found, status) == (code, 400), (changes, message)
        assert text in message
    metrics = [{"Id": "e1", "Expression": "1", "ReturnData": True}]
    put = {key: value for key, value in alarm(one).items() if key not in ("Namespace", "MetricName", "Statistic", "Period")}
    code, message, _ = error_of(cloudwatch.put_metric_alarm, Metrics=metrics, **put)
    assert (code, "does not support Metrics" in message) == ("UnsupportedOperation", True)
    assert cloudwatch.describe_alarms(AlarmNames=[one])["MetricAlarms"] == []
    code, _, _ = error_of(cloudwatch.describe_alarms, NextToken="nonsense")
    assert code == "InvalidNextToken"


def test_the_command_line(server, name):
    metric, one = name("cli"), name("cli-alarm")
    server.aws("cloudwatch", "put-metric-data", "--namespace", "App", "--metric-name", metric, "--value", "42")
    metrics = server.aws("cloudwatch", "list-metrics", "--namespace", "App", "--metric-name", metric)["Metrics"]
    assert metrics == [{"Namespace": "App", "MetricName": metric, "Dimensions": []}]
    server.aws(
        *("cloudwatch", "put-metric-alarm", "--alarm-name", one, "--metric-name", metric, "--namespace", "App"),
        *("--statistic", "Sum", "--period", "300", "--threshold", "5", "--evaluation-periods", "1"),
        *("--comparison-operator", "GreaterThanThreshold"),
    )
    server.aws(
        *("cloudwatch", "set-alarm-state", "--alarm-name", one, "--state-value", "ALARM", "--state-reason", "try")
    )
    (shown,) = server.aws("cloudwatch", "describe-alarms", "--alarm-names", one)["MetricAlarms"]
    assert (shown["StateValue"], shown["StateReason"]) == ("ALARM", "try")
    history = server.aws("cloudwatch", "describe-alarm-history", "--alarm-name", one)["AlarmHistoryItems"]
    assert "Alarm updated from INSUFFICIENT_DATA to ALARM" in [item["HistorySummary"] for item in history]


AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/monitoring/aws4_request, SignedHeaders=host, Signature=00"
)


def form(server, action, zipped=False, **parameters):
    fields = {"Action": action, "Version": "2010-08-01", **parameters}
    body = urllib.parse.urlencode(fields).encode()
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "authorization": AUTHORIZATION,
    }
    if zipped:
        body, headers["content-encoding"] = gzip.compress(body), "gzip"
    return server.http("POST", "/", body, headers)


def test_the_old_query_protocol(server, name):
    metric, one = name("query"), name("query-alarm")
    status, headers, body = form(
        server,
        "PutMetricData",
        zipped=True,
        Namespace="App",
        **{"MetricData.member.1.MetricName": metric, "MetricData.member.1.Value": "3.5"},
    )
    assert status == 200, body
    assert headers["x-amzn-RequestId"] in body.decode()
    status, _, body = form(server, "ListMetrics", Namespace="App", MetricName=metric)
    assert status == 200 and f"<MetricName>{metric}</MetricName>" in body.decode()
    members = alarm(one, MetricName=metric)
    status, _, body = form(server, "PutMetricAlarm", **members)
    assert status == 200, body
    status, _, body = form(server, "DescribeAlarms", **{"AlarmNames.member.1": one})
    text = body.decode()
    assert "<StateValue>INSUFFICIENT_DATA</StateValue>" in text and "<Threshold>5.0</Threshold>" in text
    assert re.search(r"<StateUpdatedTimestamp>\d{4}-\d\d-\d\dT[\d:.]+Z</StateUpdatedTimestamp>", text)
    status, _, body = form(server, "SetAlarmState", AlarmName=name("no"), StateValue="OK", StateReason="r")
    assert status == 404 and "<Code>ResourceNotFound</Code>" in body.decode() and "<Type>Sender</Type>" in body.decode()


def test_json_with_query_errors(server, name):
    one = name("json")
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "GraniteServiceVersion20100801.SetAlarmState",
        "x-amzn-query-mode": "true",
        "authorization": AUTHORIZATION,
    }
    body = json.dumps({"AlarmName": one, "StateValue": "OK", "StateReason": "r"}).encode()
    status, answered, body = server.http("POST", "/", body, headers)
    assert status == 404, body
    assert answered["x-amzn-query-error"].startswith("ResourceNotFound;")
    headers["x-amz-target"] = "GraniteServiceVersion20100801.DescribeAlarms"
    status, _, body = server.http("POST", "/", json.dumps({"AlarmNames": [one]}).encode(), headers)
    assert status == 200 and json.loads(body)["MetricAlarms"] == []


def test_everything_survives_a_restart(fresh):
    cloudwatch = fresh.cloudwatch
    cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Value": 2}])
    cloudwatch.put_metric_alarm(**alarm("kept"), Tags=[{"Key": "a", "Value": "b"}])
    cloudwatch.set_alarm_state(AlarmName="kept", StateValue="OK", StateReason="fine")
    arn = show(fresh, "kept")["AlarmArn"]
    fresh.kill()
    fresh.restart()
    cloudwatch = fresh.client("cloudwatch")
    (shown,) = cloudwatch.describe_alarms(AlarmNames=["kept"])["MetricAlarms"]
    assert (shown["StateValue"], shown["StateReason"]) == ("OK", "fine")
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    history = cloudwatch.describe_alarm_history(AlarmName="kept")["AlarmHistoryItems"]
    assert "Alarm updated from INSUFFICIENT_DATA to OK" in [item["HistorySummary"] for item in history]
    points = cloudwatch.get_metric_statistics(
        Namespace="App", MetricName="m", Period=60, Statistics=["Sum"], **window(fresh)
    )
    assert [point["Sum"] for point in points["Datapoints"]] == [2.0]
