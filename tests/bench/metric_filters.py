#!/usr/bin/env python3
"""What metric filters cost: the server's CPU time for a load with 20 of them, over that without any.

    metric_filters.py [--bin target/release/logboom] [-n 1000000] [--rounds 3] [--batch-events 10000] [--where spread|one]

Run by hand; needs nothing but Python. The sample is made anew from a seed (JSON service lines, access lines, text
and job lines) and kept as JSONL beside `--work`. The filters are of all three kinds, with dimensions and values; one
in ten matches every event of its group. `--where one` puts all 20 on every group. Each round starts an empty server,
loads, waits until every event was counted and sealed, and stops it: all its CPU time counts. The points are checked.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH_BYTES, EVENT_BYTES = 1_048_576, 26
CONNECTIONS = 4
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=0"
)
SERVICES = ["checkout", "cart", "catalog", "payment", "search", "auth", "profile", "gateway"]
PATHS = ["/orders/%d", "/cart/%d/items", "/products/%d", "/healthz", "/search?q=item-%d", "/login"]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0", "okhttp/4.12.0", "kube-probe/1.29", "curl/8.7.1"]
METHODS = ["GET", "GET", "GET", "POST", "PUT", "DELETE"]
STATUSES = [200] * 90 + [201, 204, 301, 400, 404, 404, 429, 500, 502, 503]

# (group, name, pattern, value, dimensions)
FILTERS = [
    ("app", "all-latency", "{ $.latency >= 0 }", "$.latency", {}),
    ("app", "server-errors", "{ $.status >= 500 }", "1", {"Service": "$.service"}),
    ("app", "slow", "{ $.latency > 2000 && $.method = GET }", "$.latency", {"Service": "$.service"}),
    ("app", "slow-checkout", '{ $.service = "checkout" && $.latency > 1000 }', "$.latency", {}),
    ("app", "probe-failures", '{ $.request.agent = "kube-probe*" && $.status != 200 }', "1", {"Path": "$.path"}),
    ("app", "refused", "{ $.status = 429 || $.status = 403 }", "1", {"Service": "$.service", "Method": "$.method"}),
    ("app", "timeouts", '"upstream timed out"', "1", {}),
    ("app", "errors", "ERROR", "1", {}),
    ("app", "nulls", '"null reference" -healthz', "1", {}),
    ("app", "either", "?deadline ?Exception ?panic", "1", {}),
    ("access", "all-bytes", "[ip, id, user, time, request, status, bytes, ...]", "$bytes", {}),
    ("access", "server-errors", "[ip, id, user, time, request, status = 5*, bytes, ...]", "1", {"Status": "$status"}),
    ("access", "not-found", "[ip, id, user, time, request, status = 404, bytes, ...]", "$bytes", {}),
    ("access", "large", '[ip, id, user, time, request = "*search*", status = 200, bytes > 45000, ...]', "$bytes", {}),
    ("access", "curl", '[..., status, bytes, ref, agent = "curl*"]', "1", {"Status": "$status"}),
    ("text", "failed", "[date, hms, pid, level = ERROR, ...]", "1", {}),
    ("text", "warnings", "WARN", "1", {}),
    ("text", "refused", '"Connection refused"', "1", {}),
    ("jobs", "reports", '[kind = REPORT, a, id, b, took, unit, ...]', "$took", {}),
    ("jobs", "failures", "Task failed", "1", {}),
]


def message(dice, kind, n, when):
    pick, roll = dice.choice, dice.randrange
    path = pick(PATHS)
    path = path % roll(100_000) if "%" in path else path
    status = pick(STATUSES)
    if kind == "app":
        level = "ERROR" if status >= 500 else "WARN" if roll(20) == 0 else "INFO"
        texts = (
            ["upstream timed out after %d ms", "deadline exceeded: %d ms", "null reference in line %d"]
            if level == "ERROR"
            else ["request completed %d", "cache hit for user:%d", "order %d persisted"]
        )
        return (
            '{"timestamp":"%s.%03dZ","level":"%s","service":"%s","traceId":"%032x","spanId":"%016x","userId":"u-%07d",'
            '"method":"%s","path":"%s","status":%d,"latency":%.3f,"bytes":%d,"request":{"agent":"%s","from":"10.%d.%d.%d",'
            '"retries":%d},"msg":"%s"}'
        ) % (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when // 1000)), when % 1000, level, pick(SERVICES),
            dice.getrandbits(128), dice.getrandbits(64), roll(50_000), pick(METHODS), path, status,
            dice.lognormvariate(3.2, 1.1), roll(50_000), pick(AGENTS), roll(256), roll(256), roll(256), roll(3),
            pick(texts) % roll(30_000),
        )
    stamp = time.gmtime(when // 1000)
    if kind == "access":
        return '%d.%d.%d.%d - - [%s +0000] "%s /api%s HTTP/1.1" %d %d "-" "%s"' % (
            1 + roll(223), roll(256), roll(256), roll(256), time.strftime("%d/%b/%Y:%H:%M:%S", stamp),
            pick(METHODS), path, status, roll(50_000), pick(AGENTS),
        )
    if kind == "text":
        level = "ERROR" if roll(50) == 0 else "WARN" if roll(20) == 0 else "INFO"
        return "%s %d %s dfs.Node$Responder: block blk_%d of %d.%d.0.1:50010 %s" % (
            time.strftime("%y%m%d %H:%M:%S", stamp), roll(9000), level, dice.getrandbits(60), roll(256), roll(256),
            "got: Connection refused" if level == "ERROR" else "is terminating, size 67108864",
        )
    name = "%08x-%04x" % (dice.getrandbits(32), dice.getrandbits(16))
    return [
        "START RequestId: %s Version: $LATEST" % name,
        "processed %d records, %s" % (roll(500), "Task failed" if roll(100) == 0 else "all good"),
        "REPORT RequestId: %s Duration: %d.%02d ms Billed Duration: %d ms Memory Size: 512 MB" % (name, roll(900), roll(100), roll(900)),
    ][n % 3]


def make_sample(path, events):
    """Two hours up to now, in the order of time."""
    dice = random.Random(7)
    kinds = ["app"] * 5 + ["access"] * 2 + ["text"] * 2 + ["jobs"]
    start = (int(time.time()) - 7_200) * 1000
    with open(path, "w", encoding="ascii") as out:
        for n in range(events):
            kind, when = dice.choice(kinds), start + n * 7_000_000 // events
            row = {"timestamp": when, "group": kind, "stream": f"{kind}-{dice.randrange(8)}", "message": message(dice, kind, n, when)}
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


def make_batches(path, batch_events):
    """Request bodies in the order of the sample, by connection; a stream always goes over the same one."""
    lanes, open_batches = [[] for _ in range(CONNECTIONS)], {}
    streams = set()

    def flush(key):
        rows, _ = open_batches.pop(key)
        lanes[hash_of(key) % CONNECTIONS].append(
            ('{"logGroupName":"%s","logStreamName":"%s","logEvents":[%s]}' % (*key, ",".join(rows))).encode()
        )

    for line in open(path, encoding="ascii"):
        row = json.loads(line)
        key = (row["group"], row["stream"])
        streams.add(key)
        size = len(row["message"]) + EVENT_BYTES
        rows, taken = open_batches.get(key, ([], 0))
        if rows and (len(rows) >= batch_events or taken + size > BATCH_BYTES):
            flush(key)
            rows, taken = [], 0
        rows.append('{"timestamp":%d,"message":%s}' % (row["timestamp"], json.dumps(row["message"])))
        open_batches[key] = (rows, taken + size)
    for key in list(open_batches):
        flush(key)
    return sorted(streams), lanes


def hash_of(key):
    return sum("/".join(key).encode())


class Server:
    def __init__(self, binary, folder):
        shutil.rmtree(folder, ignore_errors=True)
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", str(folder)]
        log = open(str(folder) + ".log", "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def call(self, connection, operation, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = {"X-Amz-Target": "Logs_20140328." + operation, "Content-Type": "application/x-amz-json-1.1", "Authorization": AUTHORIZATION}
        connection.request("POST", "/", body, head)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200 or b"rejectedLogEventsInfo" in text:
            raise RuntimeError(f"{operation}: {answer.status} {text[:300]}")
        return json.loads(text or b"{}")

    def own(self, path):
        connection = self.connect()
        connection.request("GET", "/_logboom/" + path)
        return json.loads(connection.getresponse().read())

    def cpu(self):
        """CPU seconds of the process so far, its ended threads included."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def peak_rss_mb(self):
        lines = open(f"/proc/{self.process.pid}/status")
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

    def wait_until_quiet(self):
        end = time.time() + 300
        while time.time() < end:
            seen, before = self.own("consumers"), self.cpu()
            behind = [one for one in seen["consumers"] if one["position"] < seen["position"]]
            time.sleep(1)
            if not behind and self.cpu() - before < 0.03:
                return
        raise RuntimeError("the server does not come to rest")

    def stop(self):
        """Ends it; gives all CPU seconds that it used."""
        self.process.send_signal(signal.SIGINT)
        _, _, used = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return used.ru_utime + used.ru_stime


def put_filters(server, where):
    connection, put = server.connect(), 0
    for group in sorted({one[0] for one in FILTERS}):
        for of, name, pattern, value, dimensions in FILTERS:
            if where == "spread" and of != group:
                continue
            what = {"metricName": f"{of}-{name}", "metricNamespace": group, "metricValue": value, "dimensions": dimensions}
            transformation = [{key: value for key, value in what.items() if value}]
            body = {"logGroupName": group, "filterName": f"{of}-{name}", "filterPattern": pattern, "metricTransformations": transformation}
            server.call(connection, "PutMetricFilter", body)
            put += 1
    return put


def load(server, lanes, seconds=0):
    """Sends everything, as fast as it is answered or evenly over some seconds."""
    failures, begun = [], time.monotonic()

    def work(lane):
        try:
            connection = server.connect()
            for number, body in enumerate(lane):
                time.sleep(max(0, begun + seconds * number / len(lane) - time.monotonic()))
                server.call(connection, "PutLogEvents", body)
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if failures:
        raise failures[0]


def one_round(binary, folder, streams, lanes, where):
    """(CPU seconds, peak RSS, SampleCount of the metric that every JSON line has)."""
    server = Server(binary, folder)
    connection = server.connect()
    for group in sorted({group for group, _ in streams}):
        server.call(connection, "CreateLogGroup", {"logGroupName": group})
    for group, stream in streams:
        server.call(connection, "CreateLogStream", {"logGroupName": group, "logStreamName": stream})
    if where:
        put_filters(server, where)
    load(server, lanes)
    server.wait_until_quiet()
    counted, rss = sample_count(server) if where else 0, server.peak_rss_mb()
    return server.stop(), rss, counted


def sample_count(server):
    now = int(time.time())
    body = {"Namespace": "app", "MetricName": "app-all-latency", "Period": 3600, "Statistics": ["SampleCount"],
            "StartTime": now // 3600 * 3600 - 86_400, "EndTime": now + 7_200}
    head = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics", "Content-Type": "application/x-amz-json-1.0",
            "Authorization": AUTHORIZATION.replace("/logs/", "/monitoring/")}
    connection = server.connect()
    connection.request("POST", "/", json.dumps(body), head)
    return sum(point["SampleCount"] for point in json.loads(connection.getresponse().read())["Datapoints"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "target" / "release" / "logboom"))
    parser.add_argument("-n", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-events", type=int, default=10_000)
    parser.add_argument("--where", choices=["spread", "one"], default="spread")
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "logboom-metric-filters"))
    asked = parser.parse_args()
    work = pathlib.Path(asked.work)
    work.mkdir(parents=True, exist_ok=True)
    sample = work / f"sample-{asked.n}.jsonl"
    # Events older than two weeks would be refused, and the sample is of the last two hours.
    if not sample.exists() or time.time() - sample.stat().st_mtime > 86_400:
        make_sample(sample, asked.n)
    streams, lanes = make_batches(sample, asked.batch_events)
    json_lines = sum('"group":"app"' in line for line in open(sample, encoding="ascii"))
    figures = collections.defaultdict(list)
    for _ in range(asked.rounds):
        for where in (None, asked.where):
            cpu, rss, counted = one_round(asked.bin, work / "data", streams, lanes, where)
            if where and counted != json_lines:
                raise SystemExit(f"{counted} of {json_lines} JSON lines were counted")
            figures[where].append(cpu)
            print(f"{'20 filters' if where else 'no filters'}: {cpu:.2f} CPU s, peak {rss} MB", flush=True)
    without, with_filters = (statistics.median(figures[key]) for key in (None, asked.where))
    print(f"median {without:.2f} -> {with_filters:.2f} CPU s for {asked.n} events: {with_filters / without:.2f} x")


if __name__ == "__main__":
    main()
