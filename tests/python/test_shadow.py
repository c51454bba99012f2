"""Shadows, promotions and the way back: two versions on the same events, one of them without effects, and a version
that takes over under load without an event lost or handled twice."""

import collections
import json
import random
import threading
import time

import pytest

from conftest import eventually
from test_functions import deploy, guest, update
from test_functions_versions import ARN, publish
from test_guests import transform

OUT = {"logboom:allow-logs": "/out", "logboom:allow-state": "true", "logboom:allow-metrics": "App/..."}


def service_logs(count, seed):
    """Lines as services and web servers write them: JSON with levels, access lines, some with an address of a person."""
    draw = random.Random(seed)
    paths, levels = ["/", "/cart", "/api/orders", "/api/users"], ["debug"] * 5 + ["info"] * 10 + ["warn"] * 2 + ["error"]
    rows = []
    for n in range(count):
        if draw.random() < 0.4:
            status = draw.choice([200] * 20 + [304, 404, 500, 503])
            rows.append(
                f'10.0.{n % 7}.{n % 250} - - [12/Mar/2026:10:{n % 60:02}:00 +0000] "GET {draw.choice(paths)}?n={n} HTTP/1.1" '
                f'{status} {draw.randrange(200, 90_000)} "-" "Mozilla/5.0"'
            )
        else:
            event = {"level": draw.choice(levels), "service": draw.choice(["api", "cart", "mail"]), "n": n}
            event["message"] = f"sent to user{n}@example.com" if draw.random() < 0.1 else "request handled"
            rows.append(json.dumps(event))
    return rows


def two(server, name, first, second, code="hostile_guest", tags=OUT, live=True, **settings):
    """Version 1 and version 2 of a function, by their settings; the alias `live` is version 1."""
    deploy(server, name, guest(code), Environment={"Variables": {"number": "1", **first}}, Tags=tags, **settings)
    publish(server, name)
    update(server, name, **{"number": "2", **second})
    publish(server, name)
    if live:
        server.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")


def shadow(server, name):
    return json.loads(server.logboom("shadow", name, "--json").stdout)


def compared(server, name, calls=None, events=None):
    """The comparison, once so much is compared."""

    def enough():
        shown = shadow(server, name)
        done = calls is None or shown["calls"]["compared"] >= calls
        return done and (events is None or shown["events"]["compared"] >= events) and shown

    return eventually(enough, seconds=60)


def everything(server, group):
    """Messages of a group by stream."""
    found = collections.defaultdict(list)
    try:
        for page in server.logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            for event in page["events"]:
                found[event["logStreamName"]].append(event["message"])
    except server.logs.exceptions.ResourceNotFoundException:
        pass
    return found


def subscribe(server, group, function):
    server.logs.create_log_group(logGroupName=group)
    server.logs.put_subscription_filter(
        logGroupName=group, filterName="all", filterPattern="", destinationArn=ARN + function
    )


def wrong(server, code, *arguments):
    """The sentence with which a command of the product is refused."""
    done = server.logboom(*arguments, check=False)
    assert done.returncode == 1 and code in done.stderr, done.stderr
    return done.stderr


def test_a_filter_is_compared_event_by_event_and_changes_nothing(fresh):
    rows = service_logs(3000, seed=1)
    debug, errors = '"level": "debug"', '"level": "error"'
    two(fresh, "quiet", {"behaviour": "without", "word": debug}, {"behaviour": "without", "word": errors})
    fresh.logs.create_log_group(
        logGroupName="/app", tags={"logboom:transformer": "quiet:live", "logboom:transformer-on-error": "fail"}
    )
    fresh.logboom("shadow", "quiet", "--version", "2")
    for start in range(0, len(rows), 150):
        fresh.put("/app", "s", rows[start : start + 150])
    shown = compared(fresh, "quiet", events=len(rows))
    differing = [row for row in rows if (debug in row) != (errors in row)]
    assert len(differing) > 500
    assert shown["events"] == {"compared": 3000, "different": len(differing)}
    assert shown["calls"]["compared"] == 20 and shown["calls"]["skipped"] == 0
    assert shown["servedVersions"] == {"1": 20} and shown["failures"] == {"served": 0, "shadow": 0}
    assert shown["cpuUs"]["served"] > 0 and shown["cpuUs"]["shadow"] > 0
    assert len(shown["examples"]) == 10
    for example in shown["examples"]:
        message = example["event"]["message"]
        assert (example["served"], example["shadow"]) == (("drop", "keep") if debug in message else ("keep", "drop"))
    kept = sorted(row for row in rows if debug not in row)
    assert sorted(everything(fresh, "/app")["s"]) == kept, "the served version decides"
    told = fresh.logboom("shadow", "quiet").stdout
    assert f"3000 compared, {len(differing)} different" in told and "served: drop" in told


def test_other_code_is_compared_with_the_one_that_redacts(virtual):
    rows = service_logs(1000, seed=2)
    deploy(virtual, "mask", guest("redact"))
    publish(virtual, "mask")
    virtual.functions.update_function_code(FunctionName="mask", ZipFile=guest("hostile_guest"))
    virtual.functions.get_waiter("function_updated_v2").wait(FunctionName="mask", WaiterConfig={"Delay": 0.1})
    publish(virtual, "mask")
    virtual.functions.create_alias(FunctionName="mask", Name="live", FunctionVersion="1")
    virtual.logboom("shadow", "mask", "--version", "2")
    virtual.logs.create_log_group(logGroupName="/masked")
    transform(virtual, "/masked", "mask:live", "fail")
    virtual.put("/masked", "s", rows)
    personal = [row for row in rows if "@example.com" in row or row.startswith("10.")]
    shown = compared(virtual, "mask", events=1000)
    assert shown["events"]["different"] == len(personal) > 300
    assert all(example["served"].startswith("replace: ") for example in shown["examples"])
    virtual.put("/app", "s", rows)
    found = virtual.logs.filter_log_events(logGroupName="/app", filterPattern="{ wasm:mask:live }", limit=10_000)
    assert len(found["events"]) == 1000
    shown = compared(virtual, "mask", events=2000)
    assert shown["events"]["different"] == len(personal), "a pattern asks for no text"


def test_a_shadow_of_a_handler_has_no_effect_and_sees_the_state_of_before(virtual):
    settings = {"behaviour": "route", "word": "error", "number": "1"}
    two(virtual, "route", settings, {**settings, "other": "x"})
    virtual.logs.create_log_group(logGroupName="/out")
    subscribe(virtual, "/app", "route:live")
    virtual.logboom("shadow", "route", "--version", "2")
    rows = service_logs(2000, seed=3)
    for start in range(0, len(rows), 400):
        virtual.put("/app", "s", rows[start : start + 400])
        virtual.advance(1)
    shown = compared(virtual, "route", events=2000)
    assert shown["calls"]["same"] == shown["calls"]["compared"] >= 5, shown
    assert shown["calls"]["different"] == shown["events"]["different"] == 0
    written = everything(virtual, "/out")
    assert set(written) == {"1"} and sorted(written["1"]) == sorted(row for row in rows if "error" in row)
    total = virtual.cloudwatch.get_metric_statistics(
        Namespace="App/X", MetricName="Routed", StartTime=virtual.now_ms() / 1000 - 3600,
        EndTime=virtual.now_ms() / 1000 + 60, Period=7200, Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in total["Datapoints"]) == 2000

    virtual.logboom("shadow", "route", "--stop")
    wrong(virtual, "route has no shadow", "shadow", "route")
    update(virtual, "route", **{**settings, "word": "warn"})
    publish(virtual, "route")
    virtual.logboom("shadow", "route", "--version", "3")
    virtual.put("/app", "s", ["one error", "one info"])
    virtual.put("/app", "t", ["one info"])
    virtual.advance(1)
    shown = compared(virtual, "route", calls=2)
    assert (shown["calls"]["same"], shown["calls"]["different"], shown["calls"]["effectsDifferent"]) == (1, 1, 1)
    example = shown["examples"][0]
    assert (example["served"], example["logGroup"], example["logStream"]) == ("log /out 1: one error", "/app", "s")
    assert example["shadow"].startswith("state seen = ")


def test_a_shadow_sends_no_requests(make_server, webhook):
    server = make_server("--clock", "virtual")
    two(
        server, "audit", {"URL": webhook.url}, {"URL": webhook.url + "/other"}, code="audit_forwarder",
        tags={"logboom:allow-http": webhook.url},
    )
    subscribe(server, "/app", "audit:live")
    server.logboom("shadow", "audit", "--version", "2")
    server.put("/app", "s", ["hello"])
    server.advance(1)
    assert webhook.next()["path"] == "/"
    shown = eventually(lambda: shadow(server, "audit")["calls"]["incomparable"] and shadow(server, "audit"))
    assert shown["calls"]["compared"] == 0 and "a shadow sends none" in shown["calls"]["incomparableReason"]
    assert webhook.requests.empty()


def test_a_shadow_that_hangs_delays_nobody_and_is_left_out(fresh):
    two(fresh, "slow", {"behaviour": "good"}, {"behaviour": "loop"}, Timeout=1)
    fresh.logs.create_log_group(
        logGroupName="/app", tags={"logboom:transformer": "slow:live", "logboom:transformer-on-error": "fail"}
    )
    fresh.logboom("shadow", "slow", "--version", "2")
    began = time.monotonic()
    for n in range(60):
        fresh.put("/app", "s", [f"line {n}"], create=n == 0)
    took = time.monotonic() - began
    assert took < 20, "sixty calls of a shadow that takes a second each would take a minute"
    assert len(everything(fresh, "/app")["s"]) == 60
    shown = compared(fresh, "slow", calls=1)
    assert shown["calls"]["skipped"] > 10 and shown["failures"]["served"] == 0
    assert shown["failures"]["shadow"] == shown["calls"]["compared"] == shown["calls"]["different"]
    assert "timed out" in shown["examples"][0]["shadow"] and shown["examples"][0]["served"] == "succeeded"


class Writer:
    """Puts numbered events until it is stopped."""

    def __init__(self, server, group):
        self.server, self.group, self.sent, self.stopping = server, group, 0, threading.Event()
        server.logs.create_log_stream(logGroupName=group, logStreamName="s")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        client = self.server.client("logs")
        while not self.stopping.is_set():
            now = self.server.now_ms()
            events = [{"timestamp": now, "message": f"event {self.sent + n:07}"} for n in range(10)]
            client.put_log_events(logGroupName=self.group, logStreamName="s", logEvents=events)
            self.sent += 10
            time.sleep(0.005)

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.mark.parametrize("served", ["live", "$LATEST"])
def test_a_version_is_promoted_and_taken_back_under_load(fresh, served):
    """Every event is handled by the version of before or by the one of after, once."""
    settings = {"behaviour": "route", "word": "event"}
    two(fresh, "route", settings, settings, live=served == "live")
    fresh.logs.create_log_group(logGroupName="/out")
    # `$LATEST` is as version 2 is; the alias is version 1.
    before, after = ("1", "2") if served == "live" else ("2", "1")
    subscribe(fresh, "/app", "route:live" if served == "live" else "route")
    fresh.logboom("shadow", "route", "--version", after)
    writer = Writer(fresh, "/app")
    try:
        eventually(lambda: everything(fresh, "/out").get(before))
        compared(fresh, "route", calls=1)
        done = fresh.logboom("promote", "route", "--yes")
        assert done.stdout.strip() == f"route:{served} is version {after}"
        assert "for: subscription all of /app" in done.stderr
        wrong(fresh, "route has no shadow", "shadow", "route")
        eventually(lambda: everything(fresh, "/out").get(after))
        assert fresh.logboom("rollback", "route", "--yes").stdout.strip() == f"route:{served} is version {before}"
        handled = len(everything(fresh, "/out")[before])
        eventually(lambda: len(everything(fresh, "/out")[before]) > handled)
    finally:
        writer.stop()
    eventually(lambda: sum(map(len, everything(fresh, "/out").values())) >= writer.sent, seconds=60)
    found = everything(fresh, "/out")
    handled = sorted(message for messages in found.values() for message in messages)
    assert handled == [f"event {n:07}" for n in range(writer.sent)]
    assert set(found) == {"1", "2"}


def test_latest_is_replaced_only_with_a_yes_and_is_kept_as_a_version(virtual):
    lambdas = virtual.functions
    two(virtual, "route", {"behaviour": "route", "word": "one"}, {"behaviour": "route", "word": "two"}, live=False)
    update(virtual, "route", behaviour="route", word="three", number="3")
    subscribe(virtual, "/app", "route")
    refused = virtual.logboom("promote", "route", "--version", "1", check=False)
    assert refused.returncode == 1 and "--yes does it without asking" in refused.stderr
    assert "$LATEST of route, now $LATEST, gets the code and settings of version 1" in refused.stderr
    word = lambda: lambdas.get_function_configuration(FunctionName="route")["Environment"]["Variables"]["word"]  # noqa: E731
    assert word() == "three"
    virtual.logboom("promote", "route", "--version", "1", "--yes")
    assert word() == "one"
    versions = [one["Version"] for one in lambdas.list_versions_by_function(FunctionName="route")["Versions"]]
    assert versions == ["$LATEST", "1", "2", "3"], "what was $LATEST is a version now"
    assert virtual.logboom("rollback", "route", "--yes").stdout.strip() == "route:$LATEST is version 3"
    assert word() == "three"


def test_a_shadow_outlives_the_process_and_says_since_when_it_counts(fresh):
    two(fresh, "quiet", {"behaviour": "without", "word": "a"}, {"behaviour": "without", "word": "b"})
    tags = {"logboom:transformer": "quiet:live", "logboom:transformer-on-error": "fail"}
    fresh.logs.create_log_group(logGroupName="/app", tags=tags)
    fresh.logboom("shadow", "quiet", "--version", "2")
    fresh.put("/app", "s", ["a", "b", "c"])
    before = compared(fresh, "quiet", calls=1)
    assert before["events"] == {"compared": 3, "different": 2}
    fresh.kill()
    fresh.restart()
    for client in ("logs", "functions"):
        fresh.__dict__.pop(client, None)
    after = shadow(fresh, "quiet")
    assert after["version"] == "2" and after["attachedMs"] == before["attachedMs"]
    assert after["calls"]["compared"] == 0 and after["countedFromMs"] > before["countedFromMs"]
    fresh.put("/app", "s", ["a", "c"])
    assert compared(fresh, "quiet", calls=1)["events"] == {"compared": 2, "different": 1}
    fresh.logboom("promote", "quiet")
    fresh.restart()
    for client in ("logs", "functions"):
        fresh.__dict__.pop(client, None)
    wrong(fresh, "quiet has no shadow", "shadow", "quiet")
    assert fresh.logboom("rollback", "quiet").stdout.strip() == "quiet:live is version 1", "it is remembered"


def test_what_cannot_be_is_refused_by_name(virtual):
    lambdas = virtual.functions
    two(virtual, "any", {"behaviour": "good"}, {"behaviour": "good"})
    deploy(virtual, "ip", guest("ip_functions"))
    assert "There is no function none" in wrong(virtual, "ResourceNotFound", "shadow", "none", "--version", "1")
    assert "any has no version 9" in wrong(virtual, "ResourceNotFound", "shadow", "any", "--version", "9")
    assert "not an alias" in wrong(virtual, "ResourceNotFound", "shadow", "any", "--version", "live")
    assert "any has no shadow" in wrong(virtual, "ResourceNotFound", "shadow", "any")
    assert "any has no shadow" in wrong(virtual, "ResourceNotFound", "shadow", "any", "--stop")
    only = wrong(virtual, "InvalidParameterValue", "shadow", "ip", "--version", "$LATEST")
    assert "exports query-functions" in only and "not alarms, runs of schedules" in only

    assert "say which version" in wrong(virtual, "InvalidParameterValue", "promote", "any")
    assert "There is no function none" in wrong(virtual, "ResourceNotFound", "promote", "none", "--version", "1")
    assert "no alias other" in wrong(virtual, "ResourceNotFound", "promote", "any", "--version", "2", "--alias", "other")
    assert "is what live of any serves" in wrong(virtual, "InvalidParameterValue", "promote", "any", "--version", "1")
    assert "nothing to go back to" in wrong(virtual, "InvalidParameterValue", "rollback", "any")
    lambdas.create_alias(FunctionName="any", Name="canary", FunctionVersion="1")
    assert "say which alias, of canary, live" in wrong(virtual, "InvalidParameterValue", "promote", "any", "--version", "2")

    virtual.logboom("promote", "any", "--version", "2", "--alias", "live")
    lambdas.update_alias(FunctionName="any", Name="live", FunctionVersion="1")
    assert "was changed after version 2 was promoted" in wrong(virtual, "InvalidParameterValue", "rollback", "any")
    lambdas.update_alias(FunctionName="any", Name="live", FunctionVersion="2")
    virtual.logboom("rollback", "any")
    assert "nothing to go back to" in wrong(virtual, "InvalidParameterValue", "rollback", "any")

    virtual.logboom("shadow", "any", "--version", "2")
    with pytest.raises(lambdas.exceptions.ResourceConflictException, match="the shadow of any"):
        lambdas.delete_function(FunctionName="any", Qualifier="2")
    lambdas.delete_function(FunctionName="any")
    assert "There is no function any" in wrong(virtual, "ResourceNotFound", "shadow", "any")
    for method, path, status in [
        ("POST", "/any/shadow", 405), ("GET", "/any/promote", 405), ("GET", "/any/other", 404), ("GET", "/any", 404),
    ]:
        assert virtual.http(method, "/_logboom/functions" + path, b"{}" if method == "POST" else None)[0] == status
    bad = virtual.http("POST", "/_logboom/functions/any/promote", b'{"what": 1}')
    assert bad[0] == 400 and b"dryRun are understood" in bad[2]


def test_a_version_that_cannot_do_what_is_attached_is_not_promoted(virtual):
    deploy(virtual, "change", guest("redact"))
    publish(virtual, "change")
    virtual.functions.update_function_code(FunctionName="change", ZipFile=guest("error_digest"))
    virtual.functions.get_waiter("function_updated_v2").wait(FunctionName="change", WaiterConfig={"Delay": 0.1})
    publish(virtual, "change")
    virtual.functions.create_alias(FunctionName="change", Name="live", FunctionVersion="1")
    virtual.logs.create_log_group(
        logGroupName="/app", tags={"logboom:transformer": "change:live", "logboom:transformer-on-error": "fail"}
    )
    text = wrong(virtual, "InvalidParameterValue", "promote", "change", "--version", "2")
    assert "The transformer of /app needs something else" in text and "exports subscription" in text
    assert virtual.functions.get_alias(FunctionName="change", Name="live")["FunctionVersion"] == "1"


def test_keys_decide_who_may(make_server, tmp_path):
    read = f'{{ Effect = "Allow", Action = "lambda:GetFunctionConfiguration", Resource = "{ARN}guarded" }}'
    config = tmp_path / "keys.toml"
    config.write_text(
        '[[keys]]\nid = "ADMINADMINADMIN"\nsecret = "admin-secret"\n'
        '[[keys]]\nid = "READREADREAD"\nsecret = "read-secret"\n'
        f'policies = [{{ Version = "2012-10-17", Statement = [{read}] }}]\n'
    )
    server = make_server("--config", config)
    server.__dict__["functions"] = server.client("lambda", key="ADMINADMINADMIN", secret="admin-secret")
    two(server, "guarded", {"behaviour": "good"}, {"behaviour": "good"})
    admin = ["--access-key", "ADMINADMINADMIN", "--secret-key", "admin-secret"]
    reader = ["--access-key", "READREADREAD", "--secret-key", "read-secret"]
    server.logboom("shadow", "guarded", "--version", "2", *admin)
    assert "version 2 is the shadow" in server.logboom("shadow", "guarded", *reader).stdout
    wrong(server, "AccessDenied", "shadow", "guarded", "--version", "2", *reader)
    wrong(server, "AccessDenied", "promote", "guarded", *reader)
    server.logboom("promote", "guarded", *admin)
    wrong(server, "AccessDenied", "rollback", "guarded", *reader)
    assert server.http("GET", "/_logboom/functions/guarded/shadow")[0] == 403


def test_the_table_of_functions_tells_what_each_did(virtual):
    two(virtual, "quiet", {"behaviour": "without", "word": "a"}, {"behaviour": "without", "word": "b"})
    assert "no function has been called" in virtual.logboom("functions").stderr
    tags = {"logboom:transformer": "quiet:live", "logboom:transformer-on-error": "fail"}
    virtual.logs.create_log_group(logGroupName="/app", tags=tags)
    virtual.put("/app", "s", ["a", "b", "c"])
    virtual.logboom("promote", "quiet", "--version", "2")
    virtual.put("/app", "s", ["c", "c"])
    table = [line.split() for line in virtual.logboom("functions", "quiet").stdout.splitlines()]
    assert table[0] == "function version group calls errors traps CPU in out kept dropped failed peak breaker".split()
    by_version = {row[1]: dict(zip(["function", "version", "group", "calls", "errors", "traps"], row)) for row in table[1:]}
    assert by_version["1"]["group"] == by_version["2"]["group"] == "/app"
    rows = json.loads(virtual.logboom("functions", "--json").stdout)["functions"]
    counted = {row["version"]: (row["calls"], row["events_kept"], row["events_dropped"]) for row in rows}
    assert counted == {"1": (1, 2, 1), "2": (1, 2, 0)}
    assert virtual.logboom("functions", "other").stdout == ""
