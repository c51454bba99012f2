"""Schedules: EventBridge Scheduler's API, Logboom's own, and the command line; what is due happens once."""

import json

import pytest

from conftest import ACCOUNT, REGION, eventually
from test_functions import deploy, error, guest, lines

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
# Where virtual time begins: 2026-01-01T00:00:00Z, a Thursday.
START_MS = 1_767_225_600_000
MINUTE_MS = 60_000


def own(server, method, path="", body=None, status=200):
    given = json.dumps(body).encode() if body is not None else None
    got, _, answer = server.http(method, f"/_logboom/schedules{path}", given)
    assert got == status, (got, answer)
    return json.loads(answer)


def ticks(server, function):
    """(schedule, minutes after the start, attempt, input) of every call, in the order of the calls."""
    found = [line.strip().split(" ", 4)[1:] for line in lines(server, function) if line.startswith("tick ")]
    return [(name, (int(due) - START_MS) / MINUTE_MS, int(attempt), given) for name, due, attempt, given in found]


def test_runs_are_due_at_their_times(virtual):
    deploy(virtual, "job", guest("columns_guest"))
    shown = own(virtual, "PUT", "/five", {"expression": "rate(5 minutes)", "function": "job", "input": {"a": [1, "x"]}})
    # A rate begins at once: its first run may be written already.
    assert shown["nextMs"] in (START_MS, START_MS + 5 * MINUTE_MS)
    assert (shown["state"], shown["timeZone"]) == ("ENABLED", "UTC")
    assert (shown["retries"], shown["maxAgeSeconds"]) == (2, 900)
    cron = {"expression": "cron(30 1 ? * THU *)", "timeZone": "Europe/Berlin", "function": "job"}
    assert own(virtual, "PUT", "/berlin", cron)["nextMs"] == START_MS + 30 * MINUTE_MS
    own(virtual, "PUT", "/off", {"expression": "rate(1 minute)", "function": "job", "state": "DISABLED"})
    once = {"expression": "at(2026-01-01T00:07:00)", "function": "job", "deleteWhenOver": True}
    own(virtual, "PUT", "/once", once)
    virtual.advance(31 * 60)
    seen = ticks(virtual, "job")
    assert [minute for name, minute, *_ in seen if name == "five"] == [0, 5, 10, 15, 20, 25, 30]
    assert [(name, minute) for name, minute, *_ in seen if name != "five"] == [("once", 7), ("berlin", 30)]
    assert {(attempt, given) for name, _, attempt, given in seen if name == "five"} == {(1, '{"a":[1,"x"]}')}
    shown = own(virtual, "GET", "/five")
    assert (shown["done"], shown["failed"], shown["missed"]) == (7, 0, 0)
    assert shown["last"]["dueMs"] == START_MS + 30 * MINUTE_MS and shown["last"]["error"] is None
    assert shown["nextMs"] == START_MS + 35 * MINUTE_MS
    own(virtual, "GET", "/once", status=404)
    # Off and on again: what was due in between is not made up.
    own(virtual, "PUT", "/five", {"expression": "rate(5 minutes)", "function": "job", "state": "DISABLED"})
    virtual.advance(20 * 60)
    own(virtual, "PUT", "/five", {"expression": "rate(5 minutes)", "function": "job"})
    virtual.advance(5 * 60)
    assert [minute for name, minute, *_ in ticks(virtual, "job") if name == "five"][7:] == [55]


def test_a_restart_makes_up_once_what_was_missed_and_repeats_nothing(virtual):
    deploy(virtual, "job", guest("columns_guest"))
    for name, expression, age in (("m", "rate(10 minutes)", 900), ("old", "cron(2 0 * * ? *)", 900), ("day", "cron(3 0 * * ? *)", 86400)):
        own(virtual, "PUT", f"/{name}", {"expression": expression, "function": "job", "maxAgeSeconds": age})
    virtual.advance(60)
    assert [(name, minute) for name, minute, *_ in ticks(virtual, "job")] == [("m", 0)]
    virtual.kill()
    # 64 minutes later: of the six that were due, the one of minute 60 is made up.
    virtual.flags = ("--clock", f"virtual={START_MS + 65 * MINUTE_MS}")
    virtual.start()
    del virtual.logs
    virtual.advance(1)
    assert sorted((name, minute) for name, minute, *_ in ticks(virtual, "job")) == [("day", 3), ("m", 0), ("m", 60)]
    assert own(virtual, "GET", "/m")["missed"] == 5
    assert own(virtual, "GET", "/old")["missed"] == 1
    virtual.restart()
    del virtual.logs
    virtual.advance(5 * 60)
    assert sorted(minute for name, minute, *_ in ticks(virtual, "job") if name == "m") == [0, 60, 70]


def test_failures_are_tried_again_and_then_kept(virtual, webhook):
    deploy(virtual, "job", guest("columns_guest"))
    topic = virtual.sns.create_topic(Name="ops")["TopicArn"]
    virtual.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"})
    # A run that fails twice succeeds at its third try.
    own(virtual, "PUT", "/flaky", {"expression": "at(2026-01-01T00:01:00)", "function": "job", "input": 2})
    lost = {"expression": "at(2026-01-01T00:01:00)", "function": "job", "input": 9, "retries": 1, "deadLetter": topic}
    own(virtual, "PUT", "/lost", lost)
    own(virtual, "PUT", "/refused", {"expression": "at(2026-01-01T00:01:00)", "function": "job", "input": "never"})
    own(virtual, "PUT", "/nobody", {"expression": "at(2026-01-01T00:01:00)", "function": "none", "retries": 0})
    virtual.advance(10 * 60)
    tries = {name: [] for name in ("flaky", "lost", "refused")}
    for name, minute, attempt, _ in ticks(virtual, "job"):
        assert minute == 1
        tries[name].append(attempt)
    assert tries == {"flaky": [1, 2, 3], "lost": [1, 2], "refused": [1]}
    assert own(virtual, "GET", "/flaky")["last"] == {
        "dueMs": START_MS + MINUTE_MS, "endedMs": START_MS + MINUTE_MS + 90_000, "attempts": 3, "error": None,
    }
    for name, why in (("lost", "not yet"), ("refused", "never"), ("nobody", "no such function")):
        assert why in own(virtual, "GET", f"/{name}")["last"]["error"], name
    letters = json.loads(virtual.http("GET", "/_logboom/dead-letters")[2])["deadLetters"]
    kept = {json.loads(letter["payload"])["schedule"]: letter for letter in letters}
    assert set(kept) == {"lost", "refused", "nobody"}
    assert kept["lost"]["functionArn"] == ARN + "job" and kept["lost"]["key"].startswith("schedule/")
    message = json.loads(json.loads(webhook.next()["body"])["message"])
    assert message["event"]["schedule"] == "lost" and message["attempts"] == 2 and "not yet" in message["error"]


def test_programs_get_json_and_what_cannot_be_called_is_refused(virtual):
    deploy(virtual, "program", guest("program-guest"))
    deploy(virtual, "filter", guest("redact"))
    own(virtual, "PUT", "/one", {"expression": "at(2026-01-01T00:01:00)", "function": "program", "input": {"x": 1}})
    refused = own(virtual, "PUT", "/bad", {"expression": "rate(1 day)", "function": "filter"}, status=400)
    assert "exports filter" in refused["message"] and "scheduled or lambda or command" in refused["message"]
    virtual.advance(120)
    [echo] = [line for line in lines(virtual, "program") if line.startswith('{"echo"')]
    assert json.loads(echo)["echo"] == {"schedule": "one", "dueAt": START_MS + MINUTE_MS, "attempt": 1, "input": {"x": 1}}


def test_a_web_handler_is_called_by_a_schedule(virtual):
    """As Invoke calls it: what is due is POSTed, 2xx is done, 5xx is tried again, anything else is given up."""
    deploy(virtual, "web", guest("web_guest"))
    target = {"Arn": ARN + "web", "RoleArn": "arn:aws:iam::000000000000:role/any"}
    for name, text in (("fine", "hello"), ("busy", "status 503"), ("lost", "status 404"), ("dead", "trap")):
        virtual.client("scheduler").create_schedule(
            Name=name, ScheduleExpression="at(2026-01-01T00:01:00)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={**target, "Input": json.dumps(text), "RetryPolicy": {"MaximumRetryAttempts": 1}},
        )
    own(virtual, "PUT", "/own", {"expression": "at(2026-01-01T00:01:00)", "function": "web", "input": {"x": 1}})
    virtual.advance(10 * 60)
    last = {name: own(virtual, "GET", f"/{name}")["last"] for name in ("fine", "busy", "lost", "dead", "own")}
    tries = {name: one["attempts"] for name, one in last.items()}
    assert tries == {"fine": 1, "busy": 2, "lost": 1, "dead": 2, "own": 1}, last
    assert last["fine"]["error"] is None and last["own"]["error"] is None
    for name, why in (("busy", "answered 503"), ("lost", "answered 404"), ("dead", "no such page")):
        assert why in last[name]["error"], last
    letters = json.loads(virtual.http("GET", "/_logboom/dead-letters")[2])["deadLetters"]
    assert sorted(letter["key"].split("/")[0] for letter in letters) == ["schedule"] * 3
    assert sum(line.startswith("REPORT") for line in lines(virtual, "web")) == 7


@pytest.mark.parametrize(
    "change, said",
    [
        ({"expression": "cron(0 12 * * * *)"}, "must be `?`"),
        ({"expression": "rate(5 parsecs)"}, "minutes, hours or days"),
        ({"expression": "at(2025-01-01T00:00:00)"}, "never due"),
        ({"timeZone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"function": "arn:aws:sqs:us-east-1:000000000000:q"}, "not supported"),
        ({"function": "a b"}, "NAME:QUALIFIER"),
        ({"deadLetter": "arn:aws:sqs:us-east-1:000000000000:q"}, "not supported"),
        ({"maxAgeSeconds": 59}, "60 to 86400"),
        ({"retries": 186}, "185"),
        ({"startMs": 2, "endMs": 1}, "behind its end"),
        ({"colour": "red"}, "colour"),
        ({"state": "SLEEPING"}, "SLEEPING"),
    ],
)
def test_wrong_schedules_are_refused(server, name, change, said):
    body = {"expression": "rate(1 day)", "function": "f", **change}
    refused = own(server, "PUT", f"/{name('wrong')}", body, status=400)
    assert refused["__type"] == "ValidationException" and said in refused["message"], refused


def test_the_own_operation_and_the_command_line(fresh):
    deploy(fresh, "job", guest("columns_guest"))
    put = fresh.logboom("schedule", "put", "nightly", "cron(0 3 * * ? *)", "-f", "job", "--time-zone", "Europe/Berlin", "--input", '{"a":1}')
    assert put.stdout.strip() == f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/nightly"
    assert "next due" in put.stderr
    listed = fresh.logboom("schedule", "list").stdout.splitlines()
    assert len(listed) == 2 and listed[1].split()[0] == "nightly" and "Europe/Berlin" in listed[1]
    run = fresh.logboom("schedule", "run", "nightly").stdout.strip()
    assert run.startswith("schedule/")
    eventually(lambda: json.loads(fresh.logboom("schedule", "show", "nightly").stdout)["done"] == 1)
    fresh.logboom("schedule", "delete", "nightly")
    gone = fresh.logboom("schedule", "show", "nightly", check=False)
    assert gone.returncode == 1 and "ResourceNotFoundException" in gone.stderr
    bad = fresh.logboom("schedule", "put", "x", "cron(1)", "-f", "job", check=False)
    assert bad.returncode == 1 and "needs six" in bad.stderr
    own(fresh, "POST", "/x/run", status=404)
    own(fresh, "PATCH", "/x", status=405)
    for page in range(3):
        own(fresh, "PUT", f"/p{page}", {"expression": "rate(1 day)", "function": "job", "state": "DISABLED"})
    first = own(fresh, "GET", "?prefix=p&limit=2")
    assert [one["name"] for one in first["schedules"]] == ["p0", "p1"] and first["next"] == "p1"
    assert [one["name"] for one in own(fresh, "GET", "?prefix=p&after=p1")["schedules"]] == ["p2"]


def test_the_scheduler_of_aws(virtual):
    """boto3's client as it is."""
    deploy(virtual, "job", guest("columns_guest"))
    scheduler = virtual.client("scheduler")
    target = {"Arn": ARN + "job", "RoleArn": "arn:aws:iam::000000000000:role/any", "Input": '{"k": 1}'}
    made = scheduler.create_schedule(
        Name="daily", ScheduleExpression="cron(0 12 * * ? *)", ScheduleExpressionTimezone="America/New_York",
        FlexibleTimeWindow={"Mode": "OFF"}, Target=target, Description="noon",
    )
    arn = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/daily"
    assert made["ScheduleArn"] == arn
    shown = scheduler.get_schedule(Name="daily")
    assert (shown["Arn"], shown["GroupName"], shown["State"], shown["Description"]) == (arn, "default", "ENABLED", "noon")
    assert shown["Target"]["Input"] == '{"k": 1}' and shown["Target"]["RoleArn"] == target["RoleArn"]
    assert shown["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert shown["CreationDate"].timestamp() * 1000 == START_MS and shown["FlexibleTimeWindow"] == {"Mode": "OFF"}
    virtual.advance(17 * 3600 + 60)
    assert [(name, minute, given) for name, minute, _, given in ticks(virtual, "job")] == [("daily", 17 * 60, '{"k": 1}')]
    scheduler.update_schedule(
        Name="daily", ScheduleExpression="rate(1 hour)", State="DISABLED", Target=target,
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, GroupName="default",
    )
    shown = scheduler.get_schedule(Name="daily", GroupName="default")
    assert (shown["State"], shown["ScheduleExpression"], shown.get("Description")) == ("DISABLED", "rate(1 hour)", None)
    assert shown["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    virtual.advance(2 * 3600)
    assert len(ticks(virtual, "job")) == 1
    listed = scheduler.list_schedules(NamePrefix="d")["Schedules"]
    assert [(one["Name"], one["State"], one["Target"]["Arn"]) for one in listed] == [("daily", "DISABLED", ARN + "job")]
    assert scheduler.list_schedules(State="ENABLED")["Schedules"] == []
    scheduler.delete_schedule(Name="daily")
    assert "daily" in error("ResourceNotFoundException", scheduler.get_schedule, Name="daily")
    error("ResourceNotFoundException", scheduler.delete_schedule, Name="daily")


def test_the_scheduler_of_aws_refuses_by_name(server, name):
    scheduler = server.client("scheduler")
    one, target = name("s"), {"Arn": ARN + "job", "RoleArn": "arn:aws:iam::000000000000:role/any"}
    given = {"Name": one, "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    scheduler.create_schedule(**{**given, "State": "DISABLED"})
    assert one in error("ConflictException", scheduler.create_schedule, **given)

    def refused(code="ValidationException", **change):
        return error(code, scheduler.create_schedule, **{**given, "Name": name("other"), **change})

    assert "Invalid Schedule Expression" in refused(ScheduleExpression="rate(x)")
    assert "group mine" in refused("ResourceNotFoundException", GroupName="mine")
    assert "not supported by Logboom" in refused(Target={**target, "Arn": "arn:aws:sqs:us-east-1:000000000000:q"})
    assert "SqsParameters" in refused(Target={**target, "SqsParameters": {"MessageGroupId": "1"}})
    assert "JSON" in refused(Target={**target, "Input": "not json"})
    assert "MaximumWindowInMinutes" in refused(FlexibleTimeWindow={"Mode": "FLEXIBLE"})
    error("ResourceNotFoundException", scheduler.update_schedule, **{**given, "Name": name("none")})
    assert "not served" in error("UnknownOperationException", scheduler.create_schedule_group, Name="mine")
    scheduler.delete_schedule(Name=one)
    regions = server.client("scheduler", region="eu-west-1")
    assert regions.list_schedules(NamePrefix=one)["Schedules"] == []
