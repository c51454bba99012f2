#!/usr/bin/env python3
"""What a subscription with a Rust filter costs ingest: the server's CPU time for a load with it, over that without.

    guest_filter.py [--bin target/release/logboom] [--guests target/wasm32-wasip2/guest] [--kinds bench,records,packed]
                    [-n 1000000] [--rounds 3] [--rate 0] [--pattern "{ wasm:bench }"]

Run by hand; needs nothing but Python and the test guests. The load is the one of metric_filters.py. Every group has one
subscription: the pattern asks the guest about each event (it keeps those that hold ERROR), and what it keeps is handed to
the guest's own handler. `bench` is a filter of the SDK, `records` has no packed side, as filters in other languages, and
`packed` is written for it. Each round starts an empty server for each, loads, waits until everything was delivered and
sealed, and stops it: all CPU time from the first event on counts. The books of the function are checked: it was asked
about every event.
"""

import argparse
import base64
import collections
import json
import os
import pathlib
import statistics
import tempfile
import time

import metric_filters as base

ARN = "arn:aws:lambda:us-east-1:000000000000:function:bench"


def deploy(server, guest):
    """Creates the function and waits until it is compiled."""
    code = base64.b64encode(pathlib.Path(guest).read_bytes()).decode()
    body = {"FunctionName": "bench", "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": {"ZipFile": code},
            "Role": "arn:aws:iam::000000000000:role/any", "Timeout": 10}
    head = {"Content-Type": "application/json", "Authorization": base.AUTHORIZATION.replace("/logs/", "/lambda/")}
    connection = server.connect()
    connection.request("POST", "/2015-03-31/functions", json.dumps(body), head)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 201:
        raise SystemExit(f"CreateFunction: {answer.status} {text[:300]}")
    while True:
        connection.request("GET", "/2015-03-31/functions/bench/configuration", headers=head)
        state = json.loads(connection.getresponse().read())["State"]
        if state == "Active":
            return
        if state == "Failed":
            raise SystemExit("the guest does not compile")
        time.sleep(0.1)


def one_round(asked, folder, streams, lanes, kind):
    """(CPU seconds, peak RSS, calls, events asked about)."""
    server = base.Server(asked.bin, folder)
    connection = server.connect()
    groups = sorted({group for group, _ in streams})
    for group in groups:
        server.call(connection, "CreateLogGroup", {"logGroupName": group})
    for group, stream in streams:
        server.call(connection, "CreateLogStream", {"logGroupName": group, "logStreamName": stream})
    if kind is not None:
        deploy(server, pathlib.Path(asked.guests) / f"{kind}_guest.wasm")
        for group in groups:
            body = {"logGroupName": group, "filterName": "bench", "filterPattern": asked.pattern, "destinationArn": ARN}
            server.call(connection, "PutSubscriptionFilter", body)
    before = server.cpu()
    base.load(server, lanes, asked.n / asked.rate if asked.rate else 0)
    server.wait_until_quiet()
    rows = server.own("functions")["functions"] if kind is not None else []
    calls, events = (sum(row[what] for row in rows) for what in ("calls", "events"))
    cpu_s = sum(row["cpu_us"] for row in rows) / 1e6
    rss = server.peak_rss_mb()
    return server.stop() - before, rss, calls, events, cpu_s


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(base.ROOT / "target" / "release" / "logboom"))
    parser.add_argument("--guests", default=str(base.ROOT / "target" / "wasm32-wasip2" / "guest"))
    parser.add_argument("--kinds", default="bench,records,packed")
    parser.add_argument("-n", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=0, help="events a second; 0 = as fast as they are taken")
    parser.add_argument("--batch-events", type=int, default=10_000)
    parser.add_argument("--pattern", default="{ wasm:bench }")
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "logboom-guest-filter"))
    asked = parser.parse_args()
    work = pathlib.Path(asked.work)
    work.mkdir(parents=True, exist_ok=True)
    sample = work / f"sample-{asked.n}.jsonl"
    if not sample.exists() or time.time() - sample.stat().st_mtime > 86_400:
        base.make_sample(sample, asked.n)
    streams, lanes = base.make_batches(sample, asked.batch_events)
    figures, kinds = collections.defaultdict(list), asked.kinds.split(",")
    for _ in range(asked.rounds):
        for kind in (None, *kinds):
            cpu, rss, calls, events, guest_s = one_round(asked, work / "data", streams, lanes, kind)
            if kind is not None and events < asked.n and "wasm:" in asked.pattern:
                raise SystemExit(f"the guest was asked about {events} of {asked.n} events")
            figures[kind].append(cpu)
            what = f"subscription, {kind} guest" if kind else "no subscription"
            print(f"{what}: {cpu:.2f} CPU s ({guest_s:.2f} in {calls} calls of the guest), peak {rss} MB", flush=True)
    without = statistics.median(figures[None])
    for kind in kinds:
        cpu = statistics.median(figures[kind])
        print(f"{kind}: median {without:.2f} -> {cpu:.2f} CPU s for {asked.n} events: {cpu / without:.2f} x")


if __name__ == "__main__":
    main()
