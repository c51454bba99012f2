"""Metrics that log events carry in themselves (embedded metric format): stored lines become points, once each."""

import json
import time

from conftest import eventually
from test_metric_filters import caught_up, points, total


def line(server, metrics, namespace="Embedded", dimensions=((),), at=None, **members):
    """An event with metrics: (name, unit, resolution) of members of the root."""
    described = [{"Name": n, **({"Unit": u} if u else {}), **({"StorageResolution": r} if r else {})} for n, u, r in metrics]
    directive = {"Namespace": namespace, "Dimensions": [list(one) for one in dimensions], "Metrics": described}
    return json.dumps({"_aws": {"Timestamp": at or server.now_ms(), "CloudWatchMetrics": [directive]}, **members})


def sums(server, name, **more):
    return sum(point["Sum"] for point in points(server, name, namespace="Embedded", **more).values())


def test_a_stored_line_becomes_points_without_a_header(virtual):
    messages = [
        line(virtual, [("took", "Milliseconds", None)], dimensions=[["service"], ["service", "route"]], took=12.5,
             service="cart", route="/a", unknown={"deep": 1}),
        line(virtual, [("took", "Milliseconds", None)], dimensions=[["service"]], took=[1, 2, 3, 3], service="cart"),
        "no metrics here, only \"_aws\"",
        json.dumps({"inner": {"_aws": {"CloudWatchMetrics": []}}}),
    ]  # fmt: skip
    virtual.put("/embedded/a", "s", messages)
    virtual.advance(0)
    assert caught_up(virtual)
    service, route = ("service", "cart"), ("route", "/a")
    assert sums(virtual, "took", dimensions=[service]) == 21.5
    assert total(virtual, "took", namespace="Embedded", dimensions=[service]) == 5
    assert sums(virtual, "took", dimensions=[service, route]) == 12.5
    assert points(virtual, "took", namespace="Embedded") == {}, "no set without dimensions was asked for"
    units = {p["Unit"] for p in points(virtual, "took", namespace="Embedded", dimensions=[service]).values()}
    assert units == {"Milliseconds"}
    stored = virtual.logs.filter_log_events(logGroupName="/embedded/a")["events"]
    assert [event["message"] for event in stored] == messages, "the events are kept as they came"


def test_high_resolution_and_the_time_in_the_event(virtual):
    now = virtual.now_ms()
    before = now - 300_000
    virtual.put("/embedded/fast", "s", [line(virtual, [("fast", None, 1)], at=now - 7_000 + n * 1_000, fast=n) for n in range(3)])
    virtual.put("/embedded/fast", "s", [line(virtual, [("old", None, None)], at=before, old=5)])
    virtual.advance(0)
    seconds = virtual.cloudwatch.get_metric_statistics(
        Namespace="Embedded", MetricName="fast", StartTime=now / 1000 - 60, EndTime=now / 1000 + 60, Period=1, Statistics=["Sum"]
    )["Datapoints"]
    assert sorted(point["Sum"] for point in seconds) == [0, 1, 2]
    (bucket,) = points(virtual, "old", namespace="Embedded")
    assert bucket == before // 60_000 * 60_000


def test_what_breaks_the_format_publishes_nothing_and_is_kept(virtual):
    good = {"ok": 1}
    broken = [
        line(virtual, [("ok", "Parsecs", None)], **good),
        line(virtual, [("ok", None, 5)], **good),
        line(virtual, [("ok", None, None)], dimensions=[["missing"]], **good),
        line(virtual, [("ok", None, None)], at=virtual.now_ms() - 15 * 86_400_000, **good),
        line(virtual, [("ok", None, None)], ok="text"),
        line(virtual, [("ok", None, None)], **good)[:-1],
    ]
    virtual.put("/embedded/broken", "s", broken)
    virtual.advance(0)
    assert caught_up(virtual)
    assert points(virtual, "ok", namespace="Embedded") == {}
    assert len(virtual.logs.filter_log_events(logGroupName="/embedded/broken")["events"]) == len(broken)


def test_embedded_metrics_and_filters_of_one_line(virtual):
    group = "/embedded/both"
    virtual.logs.create_log_group(logGroupName=group)
    virtual.logs.put_metric_filter(
        logGroupName=group, filterName="f", filterPattern="{ $.took > 10 }",
        metricTransformations=[{"metricName": "Slow", "metricNamespace": "Embedded", "metricValue": "$.took"}],
    )  # fmt: skip
    virtual.put(group, "s", [line(virtual, [("took", None, None)], took=n) for n in (5, 20, 30)])
    virtual.advance(0)
    assert (sums(virtual, "took"), sums(virtual, "Slow")) == (55, 50)


def test_each_line_counts_once_over_kills_and_sealing(make_server):
    server = make_server()
    rounds = 4
    for index in range(rounds):
        for batch in range(3):
            padding = "x" * 2000
            lines = [line(server, [("killed", None, None)], killed=1, padding=padding) for _ in range(100)]
            server.put("/embedded/killed", f"s{index}", lines)
        time.sleep(0.04 * index)
        server.kill()
        server.start()
        for client in ("logs", "cloudwatch"):
            server.__dict__.pop(client, None)
    assert eventually(lambda: caught_up(server))
    assert sums(server, "killed") == rounds * 300
