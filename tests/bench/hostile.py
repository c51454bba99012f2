#!/usr/bin/env python3
"""What ingest and other functions feel of a hostile guest: latency of PutLogEvents without and with it, and failures of
a well-behaved function meanwhile. Run by hand, on a quiet machine; needs nothing but Python and the test guests.

    hostile.py [--bin target/release/logboom] [--guests target/wasm32-wasip2/guest] [--kinds loop,memory]
               [--puts 200] [--events 100] [--connections 3] [--calls 100] [--seconds 3] [--rounds 5]

For each kind a fresh server gets `--puts` batches a second; a good function is invoked all the time, and hands on the
events of a group by a subscription. Four callers invoke a function, together up to `--calls` times a second and no faster
than they are answered: by turns a tame one and the hostile one (or they deploy it, where the module itself is hostile),
`--rounds` times `--seconds` each. Clients, callers and server share the machine, so what is compared is the same load
with a guest that is hostile and one that is not. Two kinds are no guests: `control` compares the tame one with itself and
tells what the machine's noise is; `neighbour` keeps a core busy with another process of the lowest priority, and tells what
that alone costs on the machine. Prints p50 and p99 of both, the median of the turns, and their ratio; exits 1 where p99
grows by half or more, or the good function failed or lost an event.
"""

import argparse
import base64
import ctypes
import http.client
import io
import itertools
import json
import multiprocessing
import os
import pathlib
import platform
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LOGBOOM_"))}
RATIO_MAX = 1.5
CALLERS = 4
# A call that was begun while the guest was on has ended so long after; its time-out is two seconds.
QUIET_S = 3
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
FILLER = "level=info path=/api/v1/orders status=200 user=u-0000623 agent=Mozilla/5.0 trace=538453d7aa21 " * 2


class Client:
    """One connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def send(self, service, method, path, body, more=()):
        scope = f"Credential=test/20260101/us-east-1/{service}/aws4_request"
        head = {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0", **dict(more)}
        try:
            self.connection.request(method, path, body, head)
            answer = self.connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise

    def logs(self, operation, **body):
        more = {"x-amz-target": f"Logs_20140328.{operation}", "content-type": "application/x-amz-json-1.1"}
        status, _, text = self.send("logs", "POST", "/", json.dumps(body).encode(), more)
        if status != 200:
            raise RuntimeError(f"{operation}: {status} {text[:200]}")
        return json.loads(text or b"{}")

    def put(self, group, messages, stream="s"):
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": message} for message in messages]
        return self.logs("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=events)

    def create(self, name, code, tags=None, **environment):
        """`code` is base64 already: what callers do here takes from the time of those that answer."""
        body = {
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 2, "MemorySize": 128,
            "Role": "arn:aws:iam::000000000000:role/any", "Code": {"ZipFile": "<code>"},
            "Environment": {"Variables": environment}, "Tags": tags or {},
        }  # fmt: skip
        head, tail = json.dumps(body).encode().split(b"<code>")
        return self.send("lambda", "POST", "/2015-03-31/functions", b"".join((head, code, tail)))

    def deploy(self, name, code, tags=None, **environment):
        status, _, text = self.create(name, base64.b64encode(code), tags, **environment)
        if status != 201:
            raise RuntimeError(f"CreateFunction: {status} {text[:300]}")
        while (shown := self.state(name))["State"] == "Pending":
            time.sleep(0.05)
        if shown["State"] != "Active":
            raise RuntimeError(f"{name}: {shown}")

    def state(self, name):
        return json.loads(self.send("lambda", "GET", f"/2015-03-31/functions/{name}/configuration", None)[2])

    def delete(self, name):
        return self.send("lambda", "DELETE", f"/2015-03-31/functions/{name}", None)[0]

    def invoke(self, name, payload):
        return self.send("lambda", "POST", f"/2015-03-31/functions/{name}/invocations", payload)


def leb(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def vector(items):
    return leb(len(items)) + b"".join(items)


def name_of(text):
    return leb(len(text)) + text.encode()


def module(*sections):
    body = b"".join(bytes([kind]) + leb(len(content)) + content for kind, content in sections)
    return b"\0asm\x01\0\0\0" + body


TYPE = (1, vector([b"\x60\0\0"]))
EXPORTS = [name_of("memory") + b"\x02\0", name_of("_start") + b"\0\x01"]


def loop_in_start():
    bodies = [b"\0\x03\x40\x0c\0\x0b\x0b", b"\0\x0b"]
    code = vector([leb(len(body)) + body for body in bodies])
    return module(TYPE, (3, vector([b"\0", b"\0"])), (5, b"\x01\0\x01"), (7, vector(EXPORTS)), (8, b"\0"), (10, code))


def many_imports():
    imports = [name_of("env") + name_of(f"f{n}") + b"\0\0" for n in range(10_000)]
    return module(TYPE, (2, vector(imports)))


def long_to_compile():
    """Hundreds of functions, each a long chain of arithmetic; a number makes each upload another module."""
    step = b"\x20\0\x41\x03\x6c\x41\x07\x6a\x21\0"
    body = b"\x01\x01\x7f" + step * 400 + b"\x0b"
    count = 600
    code = vector([leb(len(body)) + body] * count)
    sections = [TYPE, (3, vector([b"\0"] * count)), (5, b"\x01\0\x01"), (7, vector(EXPORTS)), (10, code)]
    whole = module(*sections, (0, name_of("n") + bytes(8)))
    cut = (len(whole) - 8) // 3 * 3
    same, end = base64.b64encode(whole[:cut]), whole[cut:-8]
    return lambda: same + base64.b64encode(end + random.randbytes(8))


def three_hundred_megabytes():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bootstrap.wasm", b"\0asm\x01\0\0\0" + bytes(300 << 20))
    return out.getvalue()


def invoked(guest, payload=b"{}", tags=None, **environment):
    """A kind of guest that is hostile when it is called."""

    def prepare(client, guests):
        code = guest() if callable(guest) else (guests / f"{guest}.wasm").read_bytes()
        client.deploy("hostile", code, tags, **environment)

    return prepare, lambda client, _: client.invoke("hostile", payload)


def subscribed(**environment):
    """A kind that is hostile about events: a batch of them comes each time."""

    def prepare(client, guests):
        client.deploy("hostile", (guests / "hostile_guest.wasm").read_bytes(), **environment)
        client.logs("CreateLogGroup", logGroupName="/hostile")
        client.logs("CreateLogStream", logGroupName="/hostile", logStreamName="s")
        arn = "arn:aws:lambda:us-east-1:000000000000:function:hostile"
        client.logs("PutSubscriptionFilter", logGroupName="/hostile", filterName="f", filterPattern="", destinationArn=arn)

    def trigger(client, _):
        client.put("/hostile", [f"event {n}" for n in range(20)])
        time.sleep(0.05)

    return prepare, trigger


def uploaded(make, *expected):
    """A kind that is hostile as a module: it is created and deleted again and again. `make` gives what makes the code of
    an upload, in base64; `expected` is what may be answered."""

    def trigger(client, name):
        status, _, text = client.create(name, trigger.make())
        if status not in expected:
            # It is no trigger.
            raise RuntimeError(f"CreateFunction: {status} {text[:300]}")
        end = time.monotonic() + 10
        while status == 201 and client.state(name).get("State") == "Pending" and time.monotonic() < end:
            time.sleep(0.05)
        client.delete(name)

    def prepare(_, guests):
        trigger.make = make(guests)

    return prepare, trigger


def always(code):
    code = base64.b64encode(code)
    return lambda: code


def truncated(guests):
    whole = (guests / "hostile_guest.wasm").read_bytes()

    def one():
        broken = bytearray(whole[: random.randrange(8, len(whole))])
        broken[random.randrange(8, len(broken) + 1) - 1] ^= 1 << random.randrange(8)
        return base64.b64encode(bytes(broken))

    # A few hundred are enough, and ready before it begins.
    some = [one() for _ in range(300)]
    return lambda: random.choice(some)


def neighbour(_client, _name):
    """Keeps a core busy in the callers' own process, and touches memory that is new."""
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        bytearray(4 << 20)


BEHAVIOURS = ["loop", "host-loop", "sleep", "memory", "stack", "gigabyte", "flood", "panic", "huge"]
LINK_LOCAL = "http://169.254.169.254"
KINDS = {
    # No guests: what the machine's own noise is.
    "control": invoked("hostile_guest"),
    "neighbour": (lambda *_: None, neighbour),
    **{kind: invoked("hostile_guest", behaviour=kind) for kind in BEHAVIOURS},
    "fork-bomb": invoked("hostile_guest", tags={"logboom:allow-logs": "/out"}, behaviour="fork-bomb"),
    "start": invoked(loop_in_start),
    "chatty": subscribed(behaviour="chatty"),
    "loop-subscribed": subscribed(behaviour="loop"),
    "link-local": invoked(
        "web_guest", json.dumps(f"fetch GET {LINK_LOCAL}/latest").encode(), tags={"logboom:allow-http": LINK_LOCAL}
    ),
    "imports": uploaded(lambda _: always(many_imports()), 400),
    "300-mb": uploaded(lambda _: always(three_hundred_megabytes()), 400),
    "truncated": uploaded(truncated, 201, 400),
    "long-to-compile": uploaded(lambda _: long_to_compile(), 201),
}


UPLOADED = ("imports", "300-mb", "truncated", "long-to-compile")


def come_soon():
    """A client elsewhere would wait behind nothing that runs here: this process takes the shortest turns there are (Linux
    6.12), as those that answer it do, so that the time it takes is the server's."""
    own = struct.pack("<IIQiIQQQ", 48, os.SCHED_OTHER, 0, os.getpriority(os.PRIO_PROCESS, 0), 0, 100_000, 0, 0)
    number = SCHED_SETATTR.get(platform.machine())
    if number is None or ctypes.CDLL(None, use_errno=True).syscall(number, 0, own, 0):
        print("    clients wait behind what runs: no sched_setattr here", flush=True)


def ingest(port, number, period, events, stopping, out):
    """Puts at fixed times; (when it was sent, seconds to the answer) of each."""
    come_soon()
    client, took = Client(port), []
    messages = [f"{n} {FILLER}" for n in range(events)]
    due = time.monotonic() + random.random() * period
    while not stopping.is_set():
        time.sleep(max(0.0, due - time.monotonic()))
        begun = time.monotonic()
        client.put("/ingest", messages, f"s{number}")
        took.append((begun, time.monotonic() - begun))
        # What a long answer delayed is not made up: it would be a burst.
        due = max(due + period, time.monotonic())
    out.put(took)


def good(port, stopping, out):
    """Calls of the good function: how many, and what was wrong with those that failed."""
    client, calls, failures, put = Client(port), 0, [], 0
    while not stopping.is_set():
        calls += 1
        status, head, body = client.invoke("good", b"%d" % calls)
        if (status, body) != (200, b"%d" % calls) or any(key.lower() == "x-amz-function-error" for key in head):
            failures.append(f"{status} {body[:200]!r}")
        client.put("/good", [f"good {calls}"])
        put += 1
        time.sleep(0.05)
    out.put((calls, failures, put))


def hostile(port, kind, guests, period, on, stopping, count):
    """Callers of the hostile function while it is on, and of the tame one while it is not."""
    # Behind the clients whose time is taken.
    os.nice(19)
    _, trigger = KINDS[kind]
    if kind in UPLOADED:
        KINDS[kind][0](None, guests)
    numbers = itertools.count()

    def work(number):
        client, due = Client(port), time.monotonic() + random.random() * period
        while not stopping.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + period, time.monotonic())
            try:
                if on.is_set():
                    trigger(client, f"hostile-{number}-{next(numbers)}")
                    with count.get_lock():
                        count.value += 1
                else:
                    client.invoke("tame", b"{}")
            except (http.client.HTTPException, OSError, RuntimeError):
                time.sleep(0.01)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(CALLERS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def prepare(port, kind, guests, connections):
    client = Client(port)
    for group in ("/ingest", "/good", "/out"):
        client.logs("CreateLogGroup", logGroupName=group)
    for number in range(connections):
        client.logs("CreateLogStream", logGroupName="/ingest", logStreamName=f"s{number}")
    client.logs("CreateLogStream", logGroupName="/good", logStreamName="s")
    client.logs("CreateLogStream", logGroupName="/out", logStreamName="s")
    client.deploy("good", (guests / "hostile_guest.wasm").read_bytes())
    arn = "arn:aws:lambda:us-east-1:000000000000:function:good"
    client.logs("PutSubscriptionFilter", logGroupName="/good", filterName="f", filterPattern="", destinationArn=arn)
    client.deploy("tame", (guests / "hostile_guest.wasm").read_bytes())
    if kind not in UPLOADED:
        KINDS[kind][0](client, guests)


def handled(port):
    """Events of /good that the good function kept, failed."""
    rows = json.loads(Client(port).send("logs", "GET", "/_logboom/functions", None)[2])["functions"]
    rows = [row for row in rows if row["function"] == "good" and row["log_group"] == "/good"]
    return sum(row["events_kept"] for row in rows), sum(row["events_failed"] for row in rows)


def measure(asked, kind, folder):
    """(latencies without, latencies with, by turns, calls of the good function, its failures, triggers)."""
    guests = pathlib.Path(asked.guests)
    command = [asked.bin, "serve", "--listen", "127.0.0.1:0", "--data", f"{folder}/data"]
    log = open(f"{folder}/server.log", "ab")
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=CLEAN)
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        prepare(port, kind, guests, asked.connections)
        stopping, on, out = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
        about_good, triggers = multiprocessing.Queue(), multiprocessing.Value("q", 0)
        period = asked.connections / asked.puts
        jobs = [(ingest, (port, n, period, asked.events, stopping, out)) for n in range(asked.connections)]
        jobs.append((good, (port, stopping, about_good)))
        jobs.append((hostile, (port, kind, guests, CALLERS / asked.calls, on, stopping, triggers)))
        processes = [multiprocessing.Process(target=work, args=args, daemon=True) for work, args in jobs]
        [process.start() for process in processes]
        time.sleep(2)
        spans = {False: [], True: []}
        for _ in range(asked.rounds):
            for state in (False, True):
                on.set() if state else on.clear()
                time.sleep(0.3 if state else QUIET_S)
                begun = time.monotonic()
                time.sleep(asked.seconds)
                spans[state].append((begun, time.monotonic()))
        on.clear()
        time.sleep(QUIET_S)
        stopping.set()
        took = [one for _ in range(asked.connections) for one in out.get(timeout=60)]
        calls, failures, put = about_good.get(timeout=60)
        end = time.monotonic() + 30
        while handled(port)[0] < put and time.monotonic() < end:
            time.sleep(0.2)
        kept, failed = handled(port)
        if kept < put or failed:
            failures.append(f"{put - kept} of {put} events not handled, {failed} failed")
        [process.join(20) for process in processes]
    finally:
        server.terminate()
        server.wait(60)
    within = lambda state: [[s for at, s in took if a <= at <= b] for a, b in spans[state]]  # noqa: E731
    return within(False), within(True), calls, failures, triggers.value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "target" / "release" / "logboom"))
    parser.add_argument("--guests", default=str(ROOT / "target" / "wasm32-wasip2" / "guest"))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--puts", type=int, default=200)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--connections", type=int, default=3)
    parser.add_argument("--calls", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    missed = []
    for kind in asked.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            without, with_it, calls, failures, triggers = measure(asked, kind, folder)
        (p50, p99), (hostile50, hostile99) = [
            [1000 * statistics.median(statistics.quantiles(turn, n=100)[cut] for turn in turns) for cut in (49, 98)]
            for turns in (without, with_it)
        ]
        ratio = hostile99 / p99
        wrong = ratio >= RATIO_MAX or failures or not triggers
        missed += [kind] if wrong else []
        print(
            f"{kind:16} p50 {p50:6.2f} -> {hostile50:6.2f} ms, p99 {p99:6.2f} -> {hostile99:6.2f} ms: {ratio:5.2f} x; "
            f"{sum(map(len, without))} and {sum(map(len, with_it))} puts, {triggers} triggers, good function: {calls} calls, "
            f"{len(failures)} failures{' MISSED' if wrong else ''}",
            flush=True,
        )
        for failure in failures[:3]:
            print(f"    {failure}", flush=True)
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
