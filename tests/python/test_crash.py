"""kill -9 while several clients write, segments are sealed and merged, retention sweeps and streams come and go: no
acknowledged event is missing, none is there twice, and a batch that was not acknowledged is there whole or not at all;
queries and a metric filter count what was stored, each event once. LOGBOOM_LONG=1 makes 200 rounds of it;
LOGBOOM_SEED repeats a run."""

import os
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError
from conftest import LONG, Server

ROUNDS = 200 if LONG else 4
WRITERS = 4
DAY_MS = 86_400_000
# Small, so that a round seals and merges many times.
SMALL = """
retention_schedule = "* * * * * *"

[limits]
memtable_bytes = 300_000
recent_bytes = 400_000
merge_segment_bytes = 200_000
"""


class Writer(threading.Thread):
    """One client, retries off, that writes numbered events to a stream of its own until the server is gone."""

    def __init__(self, server, number, round, seed):
        super().__init__(daemon=True)
        self.client = server.client("logs")
        self.stream, self.prefix = f"writer{number}", f"{round}/{number}"
        self.random = random.Random(f"{seed}/{self.prefix}")
        self.acknowledged, self.unknown = [], None

    def run(self):
        batch = 0
        while True:
            now, size = int(time.time() * 1000), self.random.choice((1, 2, 10, 100, 700))
            padding = "x" * self.random.choice((0, 10, 300, 1200))
            texts = [f"{self.prefix}/{batch}/{n} {padding}" for n in range(size)]
            events = [{"timestamp": now, "message": text} for text in texts]
            try:
                self.client.put_log_events(logGroupName="load", logStreamName=self.stream, logEvents=events)
            except (BotoCoreError, ClientError) as error:
                assert not isinstance(error, ClientError), error
                self.unknown = texts
                return
            self.acknowledged.append(texts)
            batch += 1


class Churn(threading.Thread):
    """One client that makes, fills, ages and deletes streams until the server is gone. `gone` is what must not come
    back, `aged` what retention takes."""

    def __init__(self, server, round, seed):
        super().__init__(daemon=True)
        self.client, self.round = server.client("logs"), round
        self.random = random.Random(f"{seed}/churn/{round}")

    def run(self):
        number = 0
        try:
            while True:
                stream, now = f"s{self.round}-{number}", int(time.time() * 1000)
                number += 1
                for group, age in (("churn", 0), ("aged", 3 * DAY_MS)):
                    self.client.create_log_stream(logGroupName=group, logStreamName=stream)
                    events = [{"timestamp": now - age, "message": f"{stream} {n} {'y' * 200}"} for n in range(300)]
                    self.client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
                self.client.delete_log_stream(logGroupName="churn", logStreamName=stream)
        except (BotoCoreError, ClientError) as error:
            assert not isinstance(error, ClientError), error


class Reader:
    """What is stored, stream by stream; each call goes on where the last one ended, over restarts."""

    def __init__(self):
        self.tokens, self.kept = {}, []

    def news(self, server, stream):
        client, texts = server.client("logs"), []
        while True:
            token = self.tokens.get(stream)
            after = {"nextToken": token} if token else {}
            answer = client.get_log_events(logGroupName="load", logStreamName=stream, startFromHead=True, **after)
            texts += [event["message"] for event in answer["events"]]
            self.tokens[stream] = answer["nextForwardToken"]
            if token == answer["nextForwardToken"]:
                return texts

    def check(self, server, writers):
        """Compares the round's news with what was acknowledged; gives how many other batches were stored."""
        whole = 0
        for writer in writers:
            texts = self.news(server, writer.stream)
            known = [text for batch in writer.acknowledged for text in batch]
            rest = texts[len(known):]
            assert texts[: len(known)] == known, f"{writer.stream}: {len(texts)} stored, {len(known)} acknowledged"
            assert rest in ([], writer.unknown), f"{writer.stream}: {len(rest)} of {len(writer.unknown)} events"
            self.kept += texts
            whole += bool(rest)
        return whole


def ask(server, query):
    client, now = server.client("logs"), int(time.time())
    found = client.start_query(logGroupName="load", startTime=now - 86_400, endTime=now + 60, queryString=query)
    while True:
        answer = client.get_query_results(queryId=found["queryId"])
        if answer["status"] not in ("Scheduled", "Running"):
            assert answer["status"] == "Complete", answer
            return [{cell["field"]: cell["value"] for cell in row} for row in answer["results"]]
        time.sleep(0.02)


def counted(server):
    """What the metric filter has counted, once it stands still."""
    client, last = server.client("cloudwatch"), None
    for _ in range(120):
        now = int(time.time())
        found = client.get_metric_statistics(
            Namespace="Load", MetricName="Lines", StartTime=now - 7200, EndTime=now + 120, Period=60,
            Statistics=["Sum", "SampleCount"],
        )
        total = sum(point["Sum"] for point in found["Datapoints"])
        if total == last:
            return total
        last = total
        time.sleep(0.5)
    raise AssertionError("the metric filter never stands still")


def prepare(server):
    for group in ("load", "churn", "aged"):
        server.logs.create_log_group(logGroupName=group)
    for number in range(WRITERS):
        server.logs.create_log_stream(logGroupName="load", logStreamName=f"writer{number}")
    lines = {"metricName": "Lines", "metricNamespace": "Load", "metricValue": "1"}
    server.logs.put_metric_filter(
        logGroupName="load", filterName="lines", filterPattern="", metricTransformations=[lines]
    )


def check_aged(server, swept):
    """Streams that retention has emptied stay empty; then the others are emptied too."""
    client = server.client("logs")

    def texts():
        pages = client.get_paginator("filter_log_events").paginate(logGroupName="aged")
        return [event["message"] for page in pages for event in page["events"]]

    now = texts()
    assert not swept & {text.split()[0] for text in now}, "what retention took came back"
    client.put_retention_policy(logGroupName="aged", retentionInDays=1)
    waited = time.monotonic() + 20
    while texts():
        assert time.monotonic() < waited, "retention takes nothing"
        time.sleep(0.1)
    client.delete_retention_policy(logGroupName="aged")
    return swept | {text.split()[0] for text in now}


def test_kill_9_loses_and_doubles_nothing(tmp_path):
    seed = int(os.environ.get("LOGBOOM_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed: LOGBOOM_SEED={seed}, {ROUNDS} rounds")
    moments, reader, restarts, unacknowledged, swept = random.Random(seed), Reader(), [], 0, set()
    (tmp_path / "small.toml").write_text(SMALL)
    server = Server(tmp_path, "--config", str(tmp_path / "small.toml"))
    try:
        prepare(server)
        for round in range(ROUNDS):
            writers = [Writer(server, number, round, seed) for number in range(WRITERS)]
            churn = Churn(server, round, seed)
            for thread in (*writers, churn):
                thread.start()
            time.sleep(moments.uniform(0.05, 1.5))
            server.kill()
            for thread in (*writers, churn):
                thread.join(70)
                assert not thread.is_alive()
            began = time.monotonic()
            server.start()
            restarts.append(time.monotonic() - began)
            unacknowledged += reader.check(server, writers)
            rows = ask(server, "stats count(*) as n by @logStream")
            stored = {row["@logStream"]: int(row["n"]) for row in rows}
            assert sum(stored.values()) == len(reader.kept), stored
            prefix = f"{round}/"
            lines = ask(server, f"filter @message like /^{round}\\/[0-3]\\// | stats count(*) as n")
            expected = sum(text.startswith(prefix) for text in reader.kept)
            assert int(lines[0]["n"] if lines else 0) == expected
            if round % 4 == 3:
                swept = check_aged(server, swept)
        events = len(reader.kept)
        segments = len(list((tmp_path / "data" / "logs").glob("segment-*")))
        print(
            f"{ROUNDS} rounds, {events} events, {unacknowledged} batches stored but not acknowledged; "
            f"{segments} segments at the end; restart {min(restarts):.2f}..{max(restarts):.2f} s"
        )
        assert events > ROUNDS and max(restarts) < 10
        assert counted(server) == events, "the metric filter counts each event once"
        # At the end all rounds once more, from the beginning and by another operation.
        pages = server.client("logs").get_paginator("filter_log_events").paginate(logGroupName="load")
        every = [event["message"] for page in pages for event in page["events"]]
        assert sorted(every) == sorted(reader.kept)
    finally:
        server.kill()


def test_sigterm_under_load_ends_in_order_and_loses_nothing(fresh):
    fresh.logs.create_log_group(logGroupName="load")
    for number in range(WRITERS):
        fresh.logs.create_log_stream(logGroupName="load", logStreamName=f"writer{number}")
    writers, reader = [Writer(fresh, number, 0, "stop") for number in range(WRITERS)], Reader()
    for writer in writers:
        writer.start()
    time.sleep(0.5)
    fresh.stop()
    assert fresh.process.returncode == 0
    for writer in writers:
        writer.join(70)
    fresh.start()
    reader.check(fresh, writers)
    assert reader.kept
