#!/usr/bin/env python3
"""How long a line of `logboom tail` takes from the acknowledgement of its batch. Run by hand, on a quiet machine.

  tail_latency.py [--bin target/release/logboom] [--rates 1000,20000] [--seconds 20] [--batch-ms 10]

For each rate a fresh server is started; batches are put every `--batch-ms` over raw HTTP by as many connections as it
takes, `logboom tail` runs in a pipe, and a process of its own stamps each line. Times are CLOCK_MONOTONIC of one
machine. A line may come before its acknowledgement (both begin when the batch is durable): that counts as negative.
Prints p50/p90/p99/max over events, what was stored and what was seen; exits 1 where a gate is missed or a line is
missing: p99 of 50 ms at 1,000 events/s, 250 ms at 20,000/s.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GATES_MS = {1_000: 50, 20_000: 250}
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LOGBOOM_"))}
HEADERS = {
    "authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, "
    "Signature=0",
    "content-type": "application/x-amz-json-1.1",
}
FILLER = "level=info path=/api/v1/orders status=200 user=u-0000623 agent=Mozilla/5.0 trace=538453d7aa21 " * 2


def call(connection, operation, body):
    connection.request("POST", "/", json.dumps(body), {**HEADERS, "x-amz-target": f"Logs_20140328.{operation}"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{operation}: {answer.status} {text[:200]}")


def stamp_lines(command, stamps, ready):
    """In a process of its own: the last line of each batch as it comes, and how many lines came."""
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, env=CLEAN)
    ready.put(tail.pid)
    seen, count = {}, 0
    for line in tail.stdout:
        now = time.monotonic_ns()
        # "b<batch> <index of the event> filler"
        word, index, _ = line.split(b" ", 2)
        if word == b"warm":
            ready.put("warm")
            continue
        count += 1
        seen.setdefault(int(word[1:]), []).append(now)
    stamps.put((count, seen))


def put_batches(port, jobs, acks, stream):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while (job := jobs.get()) is not None:
        batch, size = job
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": f"b{batch} {i} {FILLER}"} for i in range(size)]
        call(connection, "PutLogEvents", {"logGroupName": "/bench", "logStreamName": stream, "logEvents": events})
        acks[batch] = time.monotonic_ns()


def measure(binary, rate, seconds, batch_ms, connections):
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", f"{folder}/data"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=CLEAN)
        url = server.stdout.readline().removeprefix("listening on ").strip()
        try:
            return run(binary, url, rate, seconds, batch_ms, connections)
        finally:
            server.terminate()
            server.wait(30)


def run(binary, url, rate, seconds, batch_ms, connections):
    port = int(url.rsplit(":", 1)[1])
    control = http.client.HTTPConnection("127.0.0.1", port)
    call(control, "CreateLogGroup", {"logGroupName": "/bench"})
    streams = ["warm"] + [f"s{i}" for i in range(connections)]
    for stream in streams:
        call(control, "CreateLogStream", {"logGroupName": "/bench", "logStreamName": stream})
    stamps, ready = multiprocessing.Queue(), multiprocessing.Queue()
    command = [binary, "tail", "/bench", "--format", "message", "--endpoint", url]
    reader = multiprocessing.Process(target=stamp_lines, args=(command, stamps, ready))
    reader.start()
    tail_pid = ready.get(timeout=20)
    while True:
        warm = [{"timestamp": int(time.time() * 1000), "message": "warm 0 x"}]
        call(control, "PutLogEvents", {"logGroupName": "/bench", "logStreamName": "warm", "logEvents": warm})
        try:
            ready.get(timeout=0.5)
            break
        except queue.Empty:
            pass
    jobs, acks = queue.Queue(), {}
    threads = [
        threading.Thread(target=put_batches, args=(port, jobs, acks, f"s{i}")) for i in range(connections)
    ]
    for thread in threads:
        thread.start()
    size, batches = max(1, rate * batch_ms // 1000), seconds * 1000 // batch_ms
    begun = time.monotonic()
    for batch in range(batches):
        jobs.put((batch, size))
        time.sleep(max(0.0, begun + (batch + 1) * batch_ms / 1000 - time.monotonic()))
    for _ in threads:
        jobs.put(None)
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    time.sleep(1.5)
    os.kill(tail_pid, 15)
    count, seen = stamps.get(timeout=30)
    reader.join(10)
    late = sorted((at - acks[batch]) / 1e6 for batch, times in seen.items() for at in times)
    return late, count, batches * size, took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "target" / "release" / "logboom"))
    parser.add_argument("--rates", default="1000,20000")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--batch-ms", type=int, default=10)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()
    failed = False
    for rate in map(int, arguments.rates.split(",")):
        late, count, stored, took = measure(
            arguments.bin, rate, arguments.seconds, arguments.batch_ms, arguments.connections
        )
        at = lambda share: late[min(len(late) - 1, int(len(late) * share))]  # noqa: E731
        gate = GATES_MS.get(rate)
        missed = count != stored or gate is not None and at(0.99) > gate
        failed |= missed
        print(
            f"{rate}/s: put {stored / took:.0f}/s, {count} of {stored} lines, ack to line ms "
            f"p50 {at(0.5):.1f} p90 {at(0.9):.1f} p99 {at(0.99):.1f} max {late[-1]:.1f}"
            f"{f' (gate p99 {gate})' if gate else ''}{' MISSED' if missed else ''}",
            flush=True,
        )
    sys.exit(failed)


if __name__ == "__main__":
    main()
