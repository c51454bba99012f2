#!/usr/bin/env python3
"""What a function of a module costs in a query: the server's CPU time per row, over the same query without it.

    query_functions.py [--bin target/release/logboom] [--guest target/wasm32-wasip2/guest/columns_guest.wasm] [-n 1000000] [--rounds 5] [--only NAME]

Run by hand; needs nothing but Python. `n` events `{"n":..,"ip":..,"svc":..}` are stored once; then each pair of queries
is run in turn. The answers are checked. All rows go through the function: a whole number, a text that is different in
most rows, and a text of eight values (of which a block asks for each once).
"""

import argparse
import base64
import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=0"
SERVICES = ["checkout", "cart", "catalog", "payment", "search", "auth", "profile", "gateway"]
# (what, with the function, without it)
PAIRS = [
    ("integer", "stats sum(plus_one(n)) as s", "stats sum(n) as s"),
    ("text", "stats count_distinct(net_of(ip)) as s", "stats count_distinct(ip) as s"),
    ("dictionary", "stats count(*) as s by glue(svc, 'x') as g", "stats count(*) as s by svc as g"),
]


class Server:
    def __init__(self, binary, folder):
        command = [str(binary), "serve", "--listen", "127.0.0.1:0", "--data", f"{folder}/data"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline().strip().rsplit(":", 1)[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def call(self, service, method, path, body, target=None):
        headers = {"authorization": HEAD % service, "content-type": "application/x-amz-json-1.1"}
        if target:
            headers["x-amz-target"] = target
        self.connection.request(method, path, json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (path, target, answer.status, text)
        return json.loads(text) if text else None

    def logs(self, operation, **body):
        return self.call("logs", "POST", "/", body, f"Logs_20140328.{operation}")

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def query(self, text):
        """The rows, and the CPU time they took."""
        before, now = self.cpu_s(), int(time.time())
        query = self.logs("StartQuery", logGroupName="/b", startTime=now - 86_400, endTime=now + 60, queryString=text)["queryId"]
        while (got := self.logs("GetQueryResults", queryId=query))["status"] in ("Scheduled", "Running"):
            time.sleep(0.02)
        assert got["status"] == "Complete", self.call("logs", "GET", f"/_logboom/queries/{query}", None)
        rows = [{cell["field"]: cell["value"] for cell in row} for row in got["results"]]
        return rows, self.cpu_s() - before


def load(server, n):
    server.logs("CreateLogGroup", logGroupName="/b")
    server.logs("CreateLogStream", logGroupName="/b", logStreamName="s")
    start = int(time.time() * 1000) - n // 1000 - 60_000
    for first in range(0, n, 10_000):
        events = [
            {
                "timestamp": start + at // 1000,
                "message": '{"n":%d,"ip":"10.%d.%d.%d","svc":"%s"}' % (at, at >> 16 & 255, at >> 8 & 255, at & 255, SERVICES[at % 8]),
            }
            for at in range(first, min(first + 10_000, n))
        ]
        server.logs("PutLogEvents", logGroupName="/b", logStreamName="s", logEvents=events)


def deploy(server, code):
    body = {
        "FunctionName": "columns", "Runtime": "provided.al2023", "Role": "arn:aws:iam::000000000000:role/any",
        "Handler": "bootstrap", "Code": {"ZipFile": base64.b64encode(code).decode()},
    }
    server.call("lambda", "POST", "/2015-03-31/functions", body)
    while (state := server.call("lambda", "GET", "/2015-03-31/functions/columns/configuration", None)["State"]) == "Pending":
        time.sleep(0.1)
    assert state == "Active", state


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin", default=ROOT / "target" / "release" / "logboom")
    options.add_argument("--guest", default=ROOT / "target" / "wasm32-wasip2" / "guest" / "columns_guest.wasm")
    options.add_argument("-n", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", help="one of the pairs")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(given.bin, folder)
        try:
            load(server, given.n)
            deploy(server, pathlib.Path(given.guest).read_bytes())
            for what, called, plain in (pair for pair in PAIRS if given.only in (None, pair[0])):
                costs = []
                for _ in range(given.rounds):
                    (without, without_s), (rows, with_s) = server.query(plain), server.query(called)
                    costs.append(((with_s - without_s) * 1e9 / given.n, without_s * 1e9 / given.n))
                if what == "integer":
                    assert int(rows[0]["s"]) == int(without[0]["s"]) + given.n, (rows, without)
                if what == "dictionary":
                    assert sorted(row["g"] for row in rows) == sorted(row["g"] + "x" for row in without)
                extra, base = ([cost[side] for cost in costs] for side in (0, 1))
                print(
                    f"{what}: {statistics.median(extra):.0f} ns/row for the function ({min(extra):.0f}..{max(extra):.0f}), "
                    f"the query without it {statistics.median(base):.0f}"
                )
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait()


if __name__ == "__main__":
    main()
