"""Readers of the log that are behind: what is shown of them, how they catch up, and who waits for them."""

import time

from conftest import eventually
from test_alarms import put_alarm, state
from test_functions import deploy, guest, update
from test_metric_filters import put_filter
from test_subscription_delivery import consumer, consumers, deliveries, subscribe


def test_a_stalled_subscription_catches_up_from_segments_in_order(make_server, tmp_path, name):
    (tmp_path / "boot.toml").write_text("[limits]\nmemtable_bytes = 1048576\nrecent_bytes = 0\n")
    fresh = make_server("--config", str(tmp_path / "boot.toml"))
    group, function = name("/behind/segments"), name("stalled")
    deploy(fresh, function, guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    subscribe(fresh, group, function, pattern="line")
    fresh.put(group, "s", ["line 0 first"])
    assert eventually(lambda: consumer(fresh, "f")["attempts"] > 0)
    # More than a memtable holds, several times.
    padding, count = "x" * 2_000, 1
    for _ in range(12):
        fresh.put(group, "s", [f"line {count + n} {padding}" for n in range(250)], create=False)
        count += 250
    behind = consumer(fresh, "f")
    assert behind["lag_events"] >= count - 1 and behind["lag_ms"] > 0 and "later" in behind["failure"]
    segments = lambda: [path for path in (fresh.folder / "data").rglob("segment-*")]  # noqa: E731
    assert eventually(segments), "some of it is sealed"
    update(fresh, function, behaviour="facts")
    done = lambda: consumer(fresh, "f")["lag_events"] == 0  # noqa: E731
    assert eventually(done, seconds=120, every=0.5)
    seen = deliveries(fresh, function)
    ids = [delivery for _, delivery, _ in seen]
    assert sum(events for _, _, events in seen) == count
    assert len(set(ids)) == len(ids), "each delivery ended well once"
    bounds = [tuple(map(int, one.split("-")[2:])) for one in ids]
    assert bounds == sorted(bounds) and all(a[1] < b[0] for a, b in zip(bounds, bounds[1:]))
    assert consumer(fresh, "f")["gaps"]["events"] == 0


def test_lag_is_shown_in_events_and_time(virtual):
    group = "/behind/lag"
    deploy(virtual, "stalled", guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    subscribe(virtual, group, "stalled")
    assert (consumer(virtual, "f")["lag_events"], consumer(virtual, "f")["lag_ms"]) == (0, 0)
    virtual.put(group, "s", ["ERROR one", "ERROR two"])
    virtual.advance(90)
    virtual.put(group, "s", ["ERROR three"])
    seen = consumer(virtual, "f")
    assert seen["lag_events"] >= 3 and 90_000 <= seen["lag_ms"] < 92_000
    native = next(one for one in consumers(virtual)["consumers"] if one["name"] == "metric-filters")
    assert (native["lag_events"], native["lag_ms"]) == (0, 0), "no other reader is held up"


def test_the_lines_of_other_groups_are_no_lag(virtual):
    deploy(virtual, "stalled", guest("hostile_guest"), Environment={"Variables": {"behaviour": "facts"}})
    subscribe(virtual, "/behind/quiet", "stalled")
    virtual.put("/behind/loud", "s", [f"ERROR {n}" for n in range(50)])
    virtual.advance(1)
    assert consumer(virtual, "f")["lag_events"] == 0


def test_a_subscription_that_is_deleted_while_it_lags_is_gone_with_what_it_had_not_delivered(virtual):
    group = "/behind/deleted"
    deploy(virtual, "stalled", guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    subscribe(virtual, group, "stalled")
    virtual.put(group, "s", ["ERROR one"])
    virtual.advance(3)
    virtual.logs.delete_subscription_filter(logGroupName=group, filterName="f")
    update(virtual, "stalled", behaviour="facts")
    virtual.advance(120)
    assert deliveries(virtual, "stalled") == []
    assert [one for one in consumers(virtual)["consumers"] if one["kind"] == "subscription"] == []
    assert consumers(virtual)["dead_letters"] == []


def test_a_gap_is_counted_once_over_a_restart(make_server, tmp_path):
    """A delivery that waits, a restart, and retention that takes what it had not handed over."""
    (tmp_path / "boot.toml").write_text("[limits]\nsubscription_retry_seconds = 8640000\n")
    server = make_server("--clock", "virtual", "--config", str(tmp_path / "boot.toml"))
    group, day = "/behind/gap", 86_400
    # It fails once an hour: that the delivery waits matters here, not how often it was tried.
    hourly = {"behaviour": "retry", "after_ms": "3600000"}
    deploy(server, "stalled", guest("hostile_guest"), Environment={"Variables": hourly})
    subscribe(server, group, "stalled")
    server.logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    server.put(group, "s", ["ERROR first", "ERROR second"])
    server.advance(1)
    server.put(group, "s", ["ERROR third"])
    server.advance(day + 3_700)
    gaps = consumer(server, "f")["gaps"]
    assert (gaps["events"], gaps["times"]) == (1, 1), "the delivery holds two of them"
    for _ in range(2):
        server.restart()
        for client in ("logs", "functions"):
            server.__dict__.pop(client, None)
        server.advance(5)
        gaps = consumer(server, "f")["gaps"]
        assert (gaps["events"], gaps["times"]) == (3, 2), gaps
    assert "while their delivery waited" in gaps["last"]["reason"]


def test_a_slow_function_delays_only_the_alarms_that_depend_on_it(fresh):
    group = "/behind/alarms"
    deploy(fresh, "slow", guest("hostile_guest"), Environment={"Variables": {"behaviour": "loop"}})
    put_filter(fresh, group, "native", "ERROR", name="Native", namespace="App")
    put_filter(fresh, group, "asked", "{ wasm:slow }", name="Asked", namespace="App")
    fast = {"Period": 10, "Threshold": 0, "TreatMissingData": "notBreaching"}
    put_alarm(fresh, "native", MetricName="Native", **fast)
    put_alarm(fresh, "asked", MetricName="Asked", **fast)

    def shown(alarm):
        (found,) = fresh.cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return found

    begun = time.monotonic()
    # The function has something to be asked about at every tick.
    while state(fresh, "native") != "ALARM":
        fresh.put(group, "s", ["ERROR now", "more"])
        time.sleep(0.5)
        assert time.monotonic() - begun < 90, "two ticks are enough"
    native = shown("native")
    when = native["StateUpdatedTimestamp"]
    assert when.timestamp() % 10 < 6, f"evaluated at its tick, not at the end of the wait: {when}"
    assert native.get("EvaluationState") is None
    partial = lambda: shown("asked").get("EvaluationState") == "PARTIAL_DATA"  # noqa: E731

    def fed():
        fresh.put(group, "s", ["more"])
        return partial()

    assert eventually(fed, seconds=60, every=0.5)
    assert shown("native").get("EvaluationState") is None
    update(fresh, "slow", behaviour="")
    behind = lambda: [one["name"] for one in consumers(fresh)["consumers"] if one["lag_events"]]  # noqa: E731
    assert eventually(lambda: not behind(), seconds=120, every=0.5)
