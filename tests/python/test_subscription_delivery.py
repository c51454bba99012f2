"""Subscription filters and functions at work: who gets which events, what is tried again, what is given up; guests
in filter patterns and as metric values."""

import json
import re
import time

import pytest

from conftest import ACCOUNT, LONG, REGION, eventually
from test_functions import deploy, error, guest, lines, update
from test_metric_filters import caught_up, put_filter, total

BOOT = """retention_schedule = "0 0 * * * *"
[limits]
subscription_retry_seconds = 60
"""


def arn(function):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def subscribe(server, group, function, pattern="ERROR", filter_name="f"):
    try:
        server.logs.create_log_group(logGroupName=group)
    except server.logs.exceptions.ResourceAlreadyExistsException:
        pass
    server.logs.put_subscription_filter(
        logGroupName=group, filterName=filter_name, filterPattern=pattern, destinationArn=arn(function)
    )


def consumers(server):
    return json.loads(server.http("GET", "/_logboom/consumers")[2])


def consumer(server, filter_name):
    """How far the reader of a subscription is; it starts in the background."""
    named = lambda: [one for one in consumers(server)["consumers"] if one.get("filter") == filter_name]  # noqa: E731
    return eventually(named)[0]


def deliveries(server, function):
    """(group, delivery id, events) of every call that a guest showing facts got."""
    shown = re.compile(r"(\S+) (subscription-\d+-\d+-\d+) (\d+)\s*$")
    found = [shown.search(line) for line in lines(server, function)]
    return [(hit[1], hit[2], int(hit[3])) for hit in found if hit]


def digests(server, function):
    """Events counted by the digests of a function, by their text."""
    counted = {}
    for line in lines(server, function):
        if hit := re.match(r"^(?:.*\t)?\s*(\d+) x (.*?)\s*$", line):
            counted[hit[2]] = counted.get(hit[2], 0) + int(hit[1])
    return counted


def facts(server, function, **environment):
    deploy(server, function, guest("hostile_guest"), Environment={"Variables": {"behaviour": "facts", **environment}})


def test_a_function_gets_exactly_the_matching_events(server, name):
    group, function = name("/delivery/exact"), name("digest")
    deploy(server, function, guest("error_digest"))
    server.put(group, "one", ["ERROR before the filter"])
    subscribe(server, group, function)
    server.put(group, "one", ["ERROR disk full", "INFO fine", "ERROR disk full"])
    server.put(group, "two", ["ERROR no route", "WARN hot"])
    expected = {"ERROR disk full": 2, "ERROR no route": 1}
    assert eventually(lambda: digests(server, function) == expected and expected)
    found = server.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert [(one["filterName"], one["filterPattern"], one["destinationArn"]) for one in found] == [("f", "ERROR", arn(function))]
    assert found[0]["distribution"] == "ByLogStream" and found[0]["creationTime"] > 0
    server.logs.delete_subscription_filter(logGroupName=group, filterName="f")
    assert server.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []
    server.put(group, "one", ["ERROR after the filter"])
    server.put(group, "one", ["ERROR after the filter"])
    assert digests(server, function) == expected


def test_the_aws_cli(server, name):
    group, function = name("/delivery/cli"), name("cli-digest")
    deploy(server, function, guest("error_digest"))
    server.aws("logs", "create-log-group", "--log-group-name", group)
    server.aws(
        "logs", "put-subscription-filter", "--log-group-name", group, "--filter-name", "errors",
        "--filter-pattern", "ERROR", "--destination-arn", arn(function),
    )  # fmt: skip
    found = server.aws("logs", "describe-subscription-filters", "--log-group-name", group)["subscriptionFilters"]
    assert found[0]["filterName"] == "errors"
    server.put(group, "s", ["ERROR one", "INFO two"])
    assert eventually(lambda: digests(server, function) == {"ERROR one": 1})


def test_a_payload_is_of_one_stream_and_says_where_it_is_from(virtual, name):
    group, function = "/delivery/streams", "facts"
    facts(virtual, function)
    subscribe(virtual, group, function, pattern="")
    for stream in ("one", "two"):
        virtual.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        virtual.put(group, stream, ["a", "b"], create=False)
    virtual.advance(0)
    seen = deliveries(virtual, function)
    assert [(where, count) for where, _, count in seen] == [(group, 2), (group, 2)]
    assert len({delivery for _, delivery, _ in seen}) == 2


def test_what_fails_is_tried_again_with_the_same_id(virtual, name):
    group, function = "/delivery/again", "again"
    facts(virtual, function)
    update(virtual, function, behaviour="retry")
    subscribe(virtual, group, function)
    virtual.put(group, "s", ["ERROR 1", "ERROR 2"])
    virtual.advance(0)
    stuck = consumer(virtual, "f")
    assert stuck["attempts"] == 1 and "later" in stuck["failure"]
    virtual.put(group, "s", ["ERROR 3"])
    virtual.advance(5)
    assert consumer(virtual, "f")["attempts"] == 3, "after 1.5 s and 2 s"
    assert deliveries(virtual, function) == []
    update(virtual, function, behaviour="facts")
    virtual.advance(10)
    seen = deliveries(virtual, function)
    assert [count for _, _, count in seen] == [2, 1]
    assert consumer(virtual, "f")["attempts"] == 0 and consumer(virtual, "f").get("failure") is None


def test_a_deleted_subscription_makes_no_more_calls(server, name):
    group, function = name("/delivery/deleted"), name("slow")
    deploy(server, function, guest("hostile_guest"), Timeout=1, Environment={"Variables": {"behaviour": "sleep"}})
    server.logs.create_log_group(logGroupName=group)
    for stream in range(6):
        server.logs.create_log_stream(logGroupName=group, logStreamName=f"s{stream}")
    subscribe(server, group, function, pattern="", filter_name="deleted")
    for stream in range(6):
        server.put(group, f"s{stream}", ["one"], create=False)
    calls = lambda: sum("START" in line for line in lines(server, function))  # noqa: E731
    assert eventually(calls)
    server.logs.delete_subscription_filter(logGroupName=group, filterName="deleted")
    made = calls()
    time.sleep(3.5)
    assert calls() <= made + 1, "the one that was under way ends"


def test_what_never_succeeds_becomes_a_dead_letter(make_server, tmp_path):
    (tmp_path / "boot.toml").write_text(BOOT)
    server = make_server("--clock", "virtual", "--config", str(tmp_path / "boot.toml"))
    group, function = "/delivery/dead", "dead"
    deploy(server, function, guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    subscribe(server, group, function)
    server.put(group, "s", ["ERROR 1", "INFO", "ERROR 2"])
    server.advance(30)
    assert consumers(server)["dead_letters"] == []
    server.advance(120)
    (letter,) = consumers(server)["dead_letters"]
    assert (letter["group"], letter["stream"], letter["function"], letter["filter"]) == (group, "s", function, "f")
    assert "later" in letter["reason"] and letter["attempts"] > 3
    stored = server.logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]
    assert letter["events"] == [event["eventId"] for event in stored]
    assert consumer(server, "f")["lag_events"] < 3, "it went on"


def test_a_poisonous_event_is_given_up_and_the_rest_goes_on(virtual):
    group, function = "/delivery/poison", "poisoned"
    deploy(virtual, function, guest("hostile_guest"), Environment={"Variables": {"behaviour": "poison"}})
    subscribe(virtual, group, function, pattern="")
    virtual.put(group, "s", [f"line {n}" for n in range(20)] + ["poison"] + [f"line {n}" for n in range(20)])
    virtual.advance(60)
    letters = consumers(virtual)["dead_letters"]
    assert [len(letter["events"]) for letter in letters] == [1] and "poisoned" in letters[0]["reason"]
    assert consumer(virtual, "f")["attempts"] == 0


def test_a_failing_subscription_holds_up_no_other(virtual):
    group = "/delivery/others"
    deploy(virtual, "bad", guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    deploy(virtual, "good", guest("error_digest"))
    subscribe(virtual, group, "bad", filter_name="bad")
    subscribe(virtual, group, "good", filter_name="good")
    for n in range(5):
        virtual.put(group, "s", [f"ERROR {'abcde'[n]}"])
        virtual.advance(1)
    assert digests(virtual, "good") == {f"ERROR {letter}": 1 for letter in "abcde"}
    assert consumer(virtual, "bad")["attempts"] > 0 and consumer(virtual, "good")["attempts"] == 0


def test_nothing_is_lost_over_kills(make_server, name):
    server = make_server()
    group, function = "/delivery/killed", "killed"
    deploy(server, function, guest("error_digest"))
    subscribe(server, group, function)
    words = ["ERROR " + "".join("abcdefghij"[int(digit)] for digit in f"{n:03}") for n in range(40 if LONG else 9)]
    for index in range(0, len(words), 3):
        server.put(group, "s", words[index : index + 3])
        server.kill()
        server.start()
        for client in ("logs", "functions"):
            server.__dict__.pop(client, None)
    counted = eventually(lambda: (seen := digests(server, function)).keys() == set(words) and seen)
    assert all(count >= 1 for count in counted.values()), "at least once"


def test_functions_in_patterns(virtual):
    group = "/delivery/patterns"
    deploy(virtual, "sieve", guest("hostile_guest"))
    deploy(virtual, "digest", guest("error_digest"))
    subscribe(virtual, group, "digest", pattern="{ wasm:sieve }")
    put_filter(virtual, group, "kept", "{ wasm:sieve }", name="Kept")
    virtual.put(group, "s", ["keep", "drop", "{}"])
    virtual.advance(1)
    tried = virtual.logs.test_metric_filter(filterPattern="{ wasm:sieve }", logEventMessages=["drop", "x", "{}"])
    matched = [one["eventNumber"] for one in tried["matches"]]
    assert total(virtual, "Kept") == sum(digests(virtual, "digest").values()) >= 1
    assert 1 not in matched and 3 in matched
    missing = error(
        "InvalidParameterException", virtual.logs.put_metric_filter, logGroupName=group, filterName="x",
        filterPattern="{ wasm:nobody }",
        metricTransformations=[{"metricName": "M", "metricNamespace": "N", "metricValue": "1"}],
    )  # fmt: skip
    assert "nobody" in missing


def test_an_extractor_gives_the_values_of_a_metric(virtual):
    group = "/delivery/values"
    deploy(virtual, "numbers", guest("hostile_guest"))
    deploy(virtual, "digest", guest("error_digest"))
    put_filter(virtual, group, "numbers", "", name="Numbers", value="wasm:numbers")
    virtual.put(group, "s", ["1.5", "2", "not a number", "4"])
    virtual.advance(1)
    assert total(virtual, "Numbers") == 3
    gaps = next(one for one in consumers(virtual)["consumers"] if one["name"] == "metric-filters-with-functions")["gaps"]
    assert gaps["events"] == 1 and "not a number" in gaps["last"]["reason"]
    assert caught_up(virtual)
    code = error(
        "InvalidParameterException", virtual.logs.put_metric_filter, logGroupName=group, filterName="x",
        filterPattern="", metricTransformations=[{"metricName": "M", "metricNamespace": "N", "metricValue": "wasm:digest"}],
    )  # fmt: skip
    assert "digest" in code


def test_retention_that_overtakes_a_subscription_is_a_gap(make_server, tmp_path):
    (tmp_path / "boot.toml").write_text("[limits]\nsubscription_retry_seconds = 8640000\n")
    server = make_server("--clock", "virtual", "--config", str(tmp_path / "boot.toml"))
    group, day = "/delivery/gap", 86_400
    # It fails once an hour: that the delivery waits matters here, not how often it was tried.
    hourly = {"behaviour": "retry", "after_ms": "3600000"}
    deploy(server, "stalled", guest("hostile_guest"), Environment={"Variables": hourly})
    subscribe(server, group, "stalled")
    server.logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    server.put(group, "s", ["ERROR first"])
    server.advance(1)
    server.put(group, "s", ["ERROR second", "ERROR third"])
    server.advance(day / 2)
    server.put(group, "s", ["ERROR fourth"])
    server.advance(day / 2 + 3601)
    gaps = consumer(server, "f")["gaps"]
    assert gaps["times"] == 1 and 2 <= gaps["events"] <= 3 and "retention" in gaps["last"]["reason"]
    assert "a reader misses events that retention took" in (server.folder / "server.log").read_text()
    update(server, "stalled", behaviour="facts")
    server.advance(3_720)
    assert [count for _, _, count in deliveries(server, "stalled")] == [1, 1], "the first and the fourth"


def test_a_broken_function_can_be_mended(virtual):
    group, function = "/delivery/broken", "broken"
    facts(virtual, function)
    update(virtual, function, behaviour="panic")
    subscribe(virtual, group, function, pattern="")
    virtual.put(group, "s", [f"line {n}" for n in range(5)])
    virtual.advance(20)
    assert consumer(virtual, "f")["attempts"] >= 4 and "no such user" in consumer(virtual, "f")["failure"]
    update(virtual, function, behaviour="facts")
    virtual.advance(60)
    assert [count for _, _, count in deliveries(virtual, function)] == [5]
    assert consumers(virtual)["dead_letters"] == []
