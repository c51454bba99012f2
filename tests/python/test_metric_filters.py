"""Metric filters: definitions through the API, points out of stored events, exactly once."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from conftest import LONG, eventually

MINUTE = 60_000


def transformation(name="Errors", namespace="App", value="1", **more):
    return [{"metricName": name, "metricNamespace": namespace, "metricValue": value, **more}]


def put_filter(server, group, filter_name, pattern, **more):
    try:
        server.logs.create_log_group(logGroupName=group)
    except server.logs.exceptions.ResourceAlreadyExistsException:
        pass
    server.logs.put_metric_filter(
        logGroupName=group,
        filterName=filter_name,
        filterPattern=pattern,
        metricTransformations=transformation(**more),
    )


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def consumers(server):
    return json.loads(server.http("GET", "/_logboom/consumers")[2])


def caught_up(server):
    """Whether every stored event has been counted."""
    seen = consumers(server)
    mine = [one for one in seen["consumers"] if one["name"] == "metric-filters"]
    return bool(mine) and mine[0]["position"] == seen["position"]


def points(server, name, namespace="App", unit=None, dimensions=(), period=60, hours=3):
    """Sum and SampleCount by minute."""
    now = server.now_ms() / 1000
    asked = {
        "Namespace": namespace,
        "MetricName": name,
        "StartTime": now - hours * 3600,
        "EndTime": now + 3600,
        "Period": period,
        "Statistics": ["Sum", "SampleCount", "Minimum", "Maximum"],
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
    }
    if unit:
        asked["Unit"] = unit
    answer = server.cloudwatch.get_metric_statistics(**asked)
    return {int(p["Timestamp"].timestamp() * 1000): p for p in answer["Datapoints"]}


def total(server, name, **more):
    return sum(point["SampleCount"] for point in points(server, name, **more).values())


# Definitions.


def test_a_filter_is_described_as_it_was_put(server, name):
    group = name("/filters/described")
    put_filter(server, group, "slow", "{ $.ms > 100 }", value="$.ms", unit="Milliseconds", dimensions={"Method": "$.method"})
    put_filter(server, group, "errors", "ERROR", name="E", defaultValue=0.0)
    found = server.logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert [one["filterName"] for one in found] == ["errors", "slow"]
    errors, slow = found
    assert errors["filterPattern"] == "ERROR" and errors["logGroupName"] == group
    assert errors["metricTransformations"] == transformation("E", defaultValue=0.0)
    assert errors["applyOnTransformedLogs"] is False and errors["creationTime"] > 0
    assert slow["metricTransformations"] == transformation(
        value="$.ms", unit="Milliseconds", dimensions={"Method": "$.method"}
    )
    described = server.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]
    assert described["metricFilterCount"] == 2
    by_prefix = server.logs.describe_metric_filters(logGroupName=group, filterNamePrefix="sl")["metricFilters"]
    assert [one["filterName"] for one in by_prefix] == ["slow"]


def test_filters_are_found_by_metric_and_by_page(server, name):
    namespace = name("Paged")
    groups = [name("/filters/a"), name("/filters/b")]
    for group in groups:
        for index in range(3):
            put_filter(server, group, f"f{index}", "x", name=f"M{index % 2}", namespace=namespace)
    pages = server.logs.get_paginator("describe_metric_filters").paginate(
        metricName="M0", metricNamespace=namespace, PaginationConfig={"PageSize": 3}
    )
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["metricFilters"]))
        found += [(one["filterName"], one["logGroupName"]) for one in page["metricFilters"]]
    assert sizes == [3, 1] and found == [("f0", groups[0]), ("f0", groups[1]), ("f2", groups[0]), ("f2", groups[1])]
    code, text = refusal(server.logs.describe_metric_filters, metricName="M0")
    assert code == "InvalidParameterException" and "metricNamespace" in text
    code, text = refusal(server.logs.describe_metric_filters, nextToken="nonsense")
    assert text == "The specified nextToken is invalid."


def test_a_changed_filter_keeps_its_creation_time(virtual, name):
    group = name("/filters/changed")
    put_filter(virtual, group, "f", "one")
    first = virtual.logs.describe_metric_filters(logGroupName=group)["metricFilters"][0]
    virtual.advance(5)
    put_filter(virtual, group, "f", "two")
    second = virtual.logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert len(second) == 1 and second[0]["filterPattern"] == "two"
    assert second[0]["creationTime"] == first["creationTime"]
    virtual.logs.delete_metric_filter(logGroupName=group, filterName="f")
    assert virtual.logs.describe_metric_filters(logGroupName=group)["metricFilters"] == []


def test_what_is_wrong_is_said_in_aws_words(server, name):
    group = name("/filters/wrong")
    server.logs.create_log_group(logGroupName=group)

    def put(pattern="x", transformations=None, group=group):
        return refusal(
            server.logs.put_metric_filter,
            logGroupName=group,
            filterName="f",
            filterPattern=pattern,
            metricTransformations=transformations or transformation(),
        )

    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert put(group=name("/none")) == missing
    assert refusal(server.logs.describe_metric_filters, logGroupName=name("/none")) == missing
    gone = refusal(server.logs.delete_metric_filter, logGroupName=group, filterName="none")
    assert gone == ("ResourceNotFoundException", "The specified metric filter does not exist.")

    code, text = put("{ $.x = ")
    assert code == "InvalidParameterException" and text.startswith("If a filter pattern starts with '{' it must end with '}'")
    code, text = put("{ $.x == 1 }")
    assert code == "InvalidParameterException" and text.startswith("Invalid metric filter pattern") and "offset" in text
    code, text = put("ERROR", transformation(dimensions={"A": "$.a"}))
    assert (code, text) == ("InvalidParameterException", "The specified filter pattern does not support dimensions")
    code, text = put("{ $.a = 1 }", transformation(dimensions={"A": "$.a"}, defaultValue=0.0))
    assert code == "InvalidParameterException" and "default value" in text
    code, text = put("{ $.a = 1 }", transformation(dimensions={key: "$.a" for key in "ABCD"}))
    assert code == "InvalidParameterException" and "3 dimensions" in text
    code, text = put("ERROR", transformation(value="$.a"))
    assert code == "InvalidParameterException" and "JSON pattern" in text
    code, text = put("ERROR", transformation(value="many"))
    assert code == "InvalidParameterException" and "a number" in text
    code, text = put("ERROR", transformation("m1") + transformation("m2"))
    assert code == "InvalidParameterException" and "metricTransformations" in text
    assert "Member must have length less than or equal to 1" in text
    code, text = put("ERROR", transformation(unit="Parsecs"))
    assert code == "InvalidParameterException" and "enum value set" in text
    code, text = put("x" * 1025)
    assert code == "InvalidParameterException" and "less than or equal to 1024" in text
    code, text = put("{ wasm:nobody }")
    assert code == "InvalidParameterException" and "wasm:nobody" in text
    code, text = put("ERROR", transformation(value="wasm:nobody"))
    assert code == "InvalidParameterException" and "wasm:nobody" in text
    assert server.logs.describe_metric_filters(logGroupName=group)["metricFilters"] == []


def test_quotas_hold_when_they_are_asked_for(make_server, name):
    server = make_server("--aws-quotas")
    group = name("/filters/quotas")
    for index in range(5):
        put_filter(server, group, f"r{index}", "%a+%")

    def put(filter_name, pattern):
        return server.logs.put_metric_filter(
            logGroupName=group, filterName=filter_name, filterPattern=pattern, metricTransformations=transformation()
        )

    exceeded = ("LimitExceededException", "Resource limit exceeded.")
    assert refusal(put, filter_name="r5", pattern="%b+%") == exceeded
    put("r4", "%b+%")
    for index in range(95):
        put(f"f{index}", "x")
    assert refusal(put, filter_name="one more", pattern="x") == exceeded
    put("f0", "y")


def test_a_pattern_is_tried_out(server):
    tried = server.logs.test_metric_filter(
        filterPattern="[ip, user, ..., size > 100]",
        logEventMessages=["1.1.1.1 ann GET 90", "2.2.2.2 bob PUT x 900", "three"],
    )["matches"]
    assert tried == [
        {
            "eventNumber": 2,
            "eventMessage": "2.2.2.2 bob PUT x 900",
            "extractedValues": {"$ip": "2.2.2.2", "$user": "bob", "$3": "PUT", "$4": "x", "$size": "900"},
        }
    ]
    code, text = refusal(server.logs.test_metric_filter, filterPattern="{ $.a", logEventMessages=["x"])
    assert code == "InvalidParameterException" and text.startswith("If a filter pattern starts with '{'")


def test_the_aws_cli(server, name):
    group = name("/filters/cli")
    server.aws("logs", "create-log-group", "--log-group-name", group)
    server.aws(
        "logs", "put-metric-filter", "--log-group-name", group, "--filter-name", "DatabaseErrors",
        "--filter-pattern", "[ERROR]", "--metric-transformations",
        "metricName=DatabaseErrors,metricNamespace=MyApplication,metricValue=1",
    )  # fmt: skip
    found = server.aws("logs", "describe-metric-filters", "--log-group-name", group)["metricFilters"]
    assert found[0]["filterPattern"] == "[ERROR]"
    tried = server.aws(
        "logs", "test-metric-filter", "--filter-pattern", "[ERROR]",
        "--log-event-messages", "[ERROR] down", "[INFO] up",
    )  # fmt: skip
    assert [one["eventNumber"] for one in tried["matches"]] == [1]
    server.aws("logs", "delete-metric-filter", "--log-group-name", group, "--filter-name", "DatabaseErrors")
    assert server.aws("logs", "describe-metric-filters", "--log-group-name", group)["metricFilters"] == []


def test_definitions_survive_a_restart_and_go_with_their_group(fresh, name):
    group = name("/filters/kept")
    put_filter(fresh, group, "f", "x")
    fresh.restart()
    fresh.__dict__.pop("logs", None)
    assert len(fresh.logs.describe_metric_filters(logGroupName=group)["metricFilters"]) == 1
    fresh.logs.delete_log_group(logGroupName=group)
    fresh.logs.create_log_group(logGroupName=group)
    assert fresh.logs.describe_metric_filters(logGroupName=group)["metricFilters"] == []


# Points.


def test_matching_events_are_counted_by_minute(virtual, name):
    group = name("/points/errors")
    put_filter(virtual, group, "errors", "[ERROR]")
    start = virtual.now_ms() - 10 * MINUTE
    lines = ["[ERROR] a", "[INFO] b", "[ERROR] c"]
    virtual.put(group, "one", lines, timestamp_ms=start)
    virtual.put(group, "two", ["[ERROR] d"], timestamp_ms=start + MINUTE)
    virtual.advance(0)
    seen = points(virtual, "Errors")
    assert {at: point["Sum"] for at, point in seen.items()} == {start: 2.0, start + MINUTE: 1.0}


def test_values_units_and_dimensions(virtual, name):
    group = name("/points/values")
    put_filter(
        virtual, group, "slow", "{ $.ms > 100 }", name="Slow", value="$.ms", unit="Milliseconds",
        dimensions={"Method": "$.method"},
    )  # fmt: skip
    start = virtual.now_ms() - 10 * MINUTE
    lines = [
        {"ms": 120, "method": "GET"},
        {"ms": 90, "method": "GET"},
        {"ms": 300},
        {"ms": 450, "method": "PUT"},
        {"ms": "200", "method": "GET"},
    ]
    virtual.put(group, "one", [json.dumps(line) for line in lines], timestamp_ms=start)
    virtual.advance(0)
    get = points(virtual, "Slow", dimensions=[("Method", "GET")])[start]
    assert (get["Sum"], get["SampleCount"], get["Minimum"], get["Maximum"]) == (320.0, 2.0, 120.0, 200.0)
    assert get["Unit"] == "Milliseconds"
    assert points(virtual, "Slow", dimensions=[("Method", "PUT")])[start]["Sum"] == 450.0
    assert points(virtual, "Slow") == {}


def test_the_default_value_stands_for_minutes_without_a_match(virtual, name):
    group = name("/points/default")
    put_filter(virtual, group, "errors", "ERROR", name="D", defaultValue=0.0)
    start = virtual.now_ms()
    virtual.put(group, "one", ["fine", "fine"], timestamp_ms=start)
    virtual.advance(60)
    virtual.put(group, "one", ["fine", "ERROR", "ERROR"], timestamp_ms=start + MINUTE)
    virtual.advance(180)
    seen = {at: (point["Sum"], point["SampleCount"]) for at, point in points(virtual, "D").items()}
    assert seen == {start: (0.0, 1.0), start + MINUTE: (2.0, 2.0)}
    virtual.put(group, "one", ["fine too"], timestamp_ms=start + MINUTE + 5)
    virtual.advance(120)
    late = {at: (point["Sum"], point["SampleCount"]) for at, point in points(virtual, "D").items()}
    assert late == seen, "an event that comes late takes nothing back and adds nothing"


def test_only_events_after_the_filter_are_counted_and_each_by_the_revision_of_its_time(virtual, name):
    group = name("/points/revisions")
    virtual.put(group, "one", ["ERROR before"])
    put_filter(virtual, group, "f", "ERROR", name="R")
    virtual.put(group, "one", ["ERROR 1", "WARN 1"])
    put_filter(virtual, group, "f", "WARN", name="R")
    virtual.put(group, "one", ["ERROR 2", "WARN 2", "WARN 3"])
    virtual.logs.delete_metric_filter(logGroupName=group, filterName="f")
    virtual.put(group, "one", ["ERROR 3", "WARN 4"])
    virtual.advance(1)
    assert total(virtual, "R") == 3


def test_counts_equal_the_stored_events_after_kills(make_server, name):
    """Events are stored and the process is killed at odd moments: the metric counts each event once."""
    server = make_server()
    group = name("/points/killed")
    put_filter(server, group, "f", "ERROR", name="Killed")
    put_filter(server, group, "g", "{ $.n >= 0 }", name="Numbers", value="$.n")
    rounds = 20 if LONG else 4
    for index in range(rounds):
        for batch in range(3):
            lines = [f"ERROR {index} {batch} {n}" for n in range(40)] + [json.dumps({"n": n}) for n in range(10)]
            server.put(group, f"s{index}", lines)
        time.sleep(0.03 * (index % 4))
        server.kill()
        server.start()
        for client in ("logs", "cloudwatch"):
            server.__dict__.pop(client, None)
    assert eventually(lambda: caught_up(server))
    assert total(server, "Killed") == rounds * 3 * 40
    assert total(server, "Numbers") == rounds * 3 * 10
    assert sum(point["Sum"] for point in points(server, "Numbers").values()) == rounds * 3 * 45
