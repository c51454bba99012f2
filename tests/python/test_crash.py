"""kill -9 while several clients write: no acknowledged event is missing, none is there twice, and a batch that was
not acknowledged is there whole or not at all. LOGBOOM_LONG=1 makes 50 rounds of it; LOGBOOM_SEED repeats a run."""

import os
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError
from conftest import LONG, Server

ROUNDS = 50 if LONG else 3
WRITERS = 4


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


def test_kill_9_loses_and_doubles_nothing(tmp_path):
    seed = int(os.environ.get("LOGBOOM_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed: LOGBOOM_SEED={seed}, {ROUNDS} rounds")
    moments, reader, restarts, unacknowledged = random.Random(seed), Reader(), [], 0
    server = Server(tmp_path)
    try:
        server.logs.create_log_group(logGroupName="load")
        for number in range(WRITERS):
            server.logs.create_log_stream(logGroupName="load", logStreamName=f"writer{number}")
        for round in range(ROUNDS):
            writers = [Writer(server, number, round, seed) for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(moments.uniform(0.05, 1.0))
            server.kill()
            for writer in writers:
                writer.join(70)
                assert not writer.is_alive()
            began = time.monotonic()
            server.start()
            restarts.append(time.monotonic() - began)
            unacknowledged += reader.check(server, writers)
        events = len(reader.kept)
        print(
            f"{ROUNDS} rounds, {events} events, {unacknowledged} batches stored but not acknowledged; "
            f"restart {min(restarts):.2f}..{max(restarts):.2f} s"
        )
        assert events > ROUNDS and max(restarts) < 10
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
