"""kill -9 while functions run: what a handler leaves inside the product is there exactly once for each delivery,
messages that leave it at least once under the same key, no event is lost, and no cursor is ahead of the effects of
what lies before it. State that calls compare and swap loses no update. Dead letters are handed over again exactly
once. LOGBOOM_LONG=1 makes 100 rounds of it; LOGBOOM_SEED repeats a run."""

import json
import os
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import LONG, Server, eventually
from test_functions import deploy, guest, update
from test_subscription_delivery import subscribe

ROUNDS = 100 if LONG else 4
WRITERS = 3
# What a check between two rounds reads: an event and the line about it have one time. The last check reads all.
WINDOW_MS = 15_000
CALLERS = 10
IN, OUT = "/tally/in", "/tally/out"
GRANTS = {
    "logboom:allow-state": "true",
    "logboom:allow-metrics": "Tally",
    "logboom:allow-logs": OUT,
    "logboom:allow-publish": "tally",
}


@pytest.fixture
def seed():
    number = int(os.environ.get("LOGBOOM_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed: LOGBOOM_SEED={number}, {ROUNDS} rounds")
    return number


@pytest.fixture
def killed(tmp_path):
    """A server that is killed again and again."""
    one = Server(tmp_path)
    yield one
    one.kill()


class Writer(threading.Thread):
    """Stores numbered events until the server is gone. Some events are wanted again at their first attempt."""

    def __init__(self, server, number, round, seed):
        super().__init__(daemon=True)
        self.client, self.stream, self.prefix = server.client("logs"), f"writer{number}", f"{round}/{number}"
        self.random = random.Random(f"{seed}/{self.prefix}")

    def run(self):
        batch = 0
        try:
            while True:
                now, size = int(time.time() * 1000), self.random.choice((1, 3, 20, 200))
                texts = [f"MATCH {self.prefix}/{batch}/{n}" for n in range(size)]
                texts = [text + (" later" if self.random.random() < 0.05 else "") for text in texts]
                events = [{"timestamp": now, "message": text} for text in texts]
                self.client.put_log_events(logGroupName=IN, logStreamName=self.stream, logEvents=events)
                batch += 1
                time.sleep(self.random.uniform(0, 0.05))
        except (BotoCoreError, ClientError) as error:
            assert not isinstance(error, ClientError), error


def stored(server, group, since_ms=0):
    """Position and text of every event of a group from a time on."""
    pages = server.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms)
    return [(int(event["eventId"][-20:]), event["message"]) for page in pages for event in page["events"]]


def reader(server):
    consumers = json.loads(server.http("GET", "/_logboom/consumers")[2])
    return next((one for one in consumers["consumers"] if one.get("filter") == "f"), None), consumers


def check_cursor(server, since_ms=0):
    """What lies before the cursor has left its effects; no effect is there twice. Gives how many there are."""
    one, _ = reader(server)
    given = stored(server, IN, since_ms)
    written = [text for _, text in stored(server, OUT, since_ms)]
    assert len(written) == len(set(written)), "a line was written twice"
    passed = {text for position, text in given if one is not None and position < one["position"]}
    assert passed <= set(written), f"the cursor is ahead of {len(passed - set(written))} events"
    return len(written)


def settled(server):
    one, consumers = reader(server)
    return one is not None and one["position"] == consumers["position"] and one["attempts"] == 0


def read_state(server, function):
    answer = server.client("lambda").invoke(FunctionName=function, Payload=b'"read"')
    assert "FunctionError" not in answer
    return int(answer["Payload"].read())


def metric_sum(server):
    now = int(time.time())
    found = server.client("cloudwatch").get_metric_statistics(
        Namespace="Tally", MetricName="Handled", StartTime=now - 7200, EndTime=now + 120, Period=60, Statistics=["Sum"]
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def prepare(server, webhook=None, **environment):
    topic = server.sns.create_topic(Name="tally")["TopicArn"]
    if webhook is not None:
        server.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"})
    server.logs.create_log_group(logGroupName=OUT)
    settings = {"Environment": {"Variables": environment}} if environment else {}
    deploy(server, "tally", guest("tally_guest"), Tags=GRANTS, Timeout=10, **settings)
    subscribe(server, IN, "tally", pattern="MATCH")


def messages(webhook):
    """What the receiver got, by the key of the message."""
    got = {}
    while not webhook.requests.empty():
        request = webhook.requests.get()
        headers = {name.lower(): value for name, value in request["headers"].items()}
        got.setdefault(headers["x-logboom-delivery"], []).append(json.loads(request["body"])["message"])
    return got


def test_effects_are_exactly_once_over_kill_9(killed, webhook, seed):
    moments = random.Random(seed)
    prepare(killed, webhook)
    for number in range(WRITERS):
        killed.logs.create_log_stream(logGroupName=IN, logStreamName=f"writer{number}")
    for round in range(ROUNDS):
        writers = [Writer(killed, number, round, seed) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(moments.uniform(0.1, 2.0))
        if round % 3 == 2:
            check_cursor(killed, killed.now_ms() - WINDOW_MS)
        killed.kill()
        for writer in writers:
            writer.join(70)
            assert not writer.is_alive()
        killed.start()
        check_cursor(killed, killed.now_ms() - WINDOW_MS)
    # By now there are no new events, but those that are wanted again.
    eventually(lambda: settled(killed), seconds=900 if LONG else 120)
    given = [text for _, text in stored(killed, IN)]
    assert len(given) > ROUNDS and check_cursor(killed) == len(given)
    assert sorted(text for _, text in stored(killed, OUT)) == sorted(given)
    assert read_state(killed, "tally") == len(given)
    assert metric_sum(killed) == len(given)
    got = {}

    def told():
        for key, texts in messages(webhook).items():
            got.setdefault(key, []).extend(texts)
        assert all(len(set(texts)) == 1 for texts in got.values()), "a key has one message"
        return sum(int(texts[0].split()[1]) for texts in got.values()) == len(given)

    eventually(told, seconds=60)
    repeats = sum(len(texts) - 1 for texts in got.values())
    deliveries = [texts[0].split()[0] for texts in got.values()]
    assert len(deliveries) == len(set(deliveries)), "a delivery sends its message once"
    assert json.loads(killed.http("GET", "/_logboom/dead-letters")[2])["deadLetters"] == []
    again = sum("." in delivery for delivery in deliveries)
    print(f"{len(given)} events, {len(deliveries)} deliveries ({again} of events wanted again), {repeats} repeats")


class Caller(threading.Thread):
    """Calls a function that compares and swaps, until the server is gone."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client, self.counts, self.lost, self.failed = server.client("lambda"), [], 0, None

    def run(self):
        try:
            while True:
                answer = self.client.invoke(FunctionName="tally", Payload=b"{}")
                text = answer["Payload"].read()
                if "FunctionError" in answer:
                    self.lost += 1
                    if b"changed by other calls" not in text and b"lost" not in text:
                        self.failed = text
                else:
                    self.counts.append(int(text))
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError):
                self.failed = error


def test_compare_and_swap_loses_no_update_over_kill_9(killed, seed):
    moments, acknowledged, unknown, lost = random.Random(seed), [], 0, 0
    prepare(killed)
    for _ in range(ROUNDS):
        callers = [Caller(killed) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        time.sleep(moments.uniform(0.2, 1.5))
        killed.kill()
        for caller in callers:
            caller.join(70)
            assert not caller.is_alive() and caller.failed is None, caller.failed
            acknowledged += caller.counts
            lost += caller.lost
        unknown += CALLERS
        killed.start()
    assert len(acknowledged) == len(set(acknowledged)), "two calls made the same update"
    answer = killed.client("lambda").invoke(FunctionName="tally", Payload=b"{}")
    last = int(answer["Payload"].read()) - 1
    assert max(acknowledged) <= last and len(acknowledged) <= last <= len(acknowledged) + unknown
    print(f"{len(acknowledged)} updates acknowledged, {last} made, {lost} calls gave up")


def letters(server):
    return json.loads(server.http("GET", "/_logboom/dead-letters")[2])["deadLetters"]


def redrive(server, **wanted):
    status, _, answer = server.http("POST", "/_logboom/dead-letters/redrive", json.dumps(wanted).encode())
    return status, answer


def test_a_poison_event_becomes_a_dead_letter_and_is_redriven(virtual):
    prepare(virtual)
    texts = ["MATCH 1", "MATCH poison", "MATCH 2"]
    virtual.put(IN, "s", texts)
    virtual.advance(30)
    assert sorted(text for _, text in stored(virtual, OUT)) == ["MATCH 1", "MATCH 2"]
    [letter] = letters(virtual)
    assert (letter["kind"], letter["function"], letter["subscription"]) == ("events", "tally", "f")
    assert (letter["logGroup"], letter["logStream"], letter["messages"]) == (IN, "s", ["MATCH poison"])
    assert "poisoned by MATCH poison" in letter["panic"] and "poisoned" in letter["error"]
    assert letter["errorType"] == "Runtime.ExitError" and letter["attempts"] == 3
    code = virtual.functions.get_function(FunctionName="tally")["Configuration"]
    assert letter["version"] == "$LATEST" and len(letter["digest"]) == 64 and code["Version"] == "$LATEST"
    event = virtual.logs.filter_log_events(logGroupName=IN, filterPattern="poison")["events"][0]
    assert letter["events"] == [event["eventId"]]
    [(_, entry)] = stored(virtual, "/aws/lambda/tally/dlq")
    entry = json.loads(entry)
    assert (entry["deadLetter"], entry["digest"], entry["panic"]) == (letter["id"], letter["digest"], letter["panic"])
    assert entry["events"] == [{"id": event["eventId"], "timestamp": event["timestamp"], "message": "MATCH poison"}]

    done = virtual.logboom("redrive", "--id", letter["id"], check=False)
    assert done.returncode == 1 and "stay dead letters" in done.stderr
    assert done.stdout.startswith(f"{letter['id']}: tally 0 events handled, 1 left") and "poisoned" in done.stdout
    assert letters(virtual)[0]["attempts"] == 4
    update(virtual, "tally", cured="yes")
    failed = virtual.logboom("redrive", "--function", "nobody", check=False)
    assert failed.returncode == 1 and "no such dead letter" in failed.stderr
    status, answer = redrive(virtual, subscription="f", logGroup=IN)
    [done] = json.loads(answer)["redriven"]
    assert (status, done["handled"], done["left"], done["error"]) == (200, 1, 0, None)
    assert done["deliveryId"] == f"redrive-{letter['id']}-2"
    assert letters(virtual) == [] and read_state(virtual, "tally") == 3
    assert sorted(text for _, text in stored(virtual, OUT)) == sorted(texts)
    assert redrive(virtual, id=letter["id"])[0] == 404
    for bad in ({}, {"what": 1}, {"id": "x"}):
        assert redrive(virtual, **bad)[0] == 400


def test_a_call_that_failed_is_put_back_into_the_outbox(virtual):
    deploy(virtual, "broken", guest("hostile_guest"), Environment={"Variables": {"behaviour": "panic"}})
    virtual.functions.invoke(FunctionName="broken", InvocationType="Event", Payload=b'{"n": 1}')
    virtual.advance(400)
    [letter] = letters(virtual)
    assert letter["kind"] == "invoke" and json.loads(letter["payload"]) == {"n": 1}
    assert redrive(virtual, function="other")[0] == 404
    update(virtual, "broken", behaviour="good")
    status, answer = redrive(virtual, function="broken")
    [done] = json.loads(answer)["redriven"]
    assert status == 200 and done["id"] == letter["id"] and done["newId"] > letter["id"]
    assert done["key"] == f"{letter['key']}/redrive-{letter['id']}"
    virtual.advance(1)
    assert letters(virtual) == []


def test_a_redrive_is_exactly_once_over_kill_9(killed, seed):
    moments, rounds = random.Random(seed), 20 if LONG else 3
    prepare(killed)
    killed.logs.create_log_stream(logGroupName=IN, logStreamName="s")
    expected = 0
    for round in range(rounds):
        update(killed, "tally")
        texts = [f"MATCH {round}/{n}" + (" poison" if n % 3 == 0 else "") for n in range(9)]
        killed.put(IN, "s", texts, create=False)
        expected += len(texts)
        eventually(lambda: sum(len(one["events"]) for one in letters(killed)) == 3, seconds=60)
        update(killed, "tally", cured="yes")

        def ask():
            try:
                redrive(killed, function="tally")
            except OSError:
                pass

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        time.sleep(moments.uniform(0, 0.2))
        killed.kill()
        asking.join(40)
        killed.start()
        for client in ("logs", "functions"):
            killed.__dict__.pop(client, None)  # it knows the old port
        assert redrive(killed, function="tally")[0] in (200, 404)
        assert letters(killed) == []
        written = [text for _, text in stored(killed, OUT)]
        assert len(written) == len(set(written)) == expected
        assert read_state(killed, "tally") == expected
    assert metric_sum(killed) == expected
