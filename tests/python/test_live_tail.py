"""Live tails: AWS's sessions over the event stream, and Logboom's own road that `logboom tail` is on."""

import contextlib
import json
import os
import pty
import queue
import select
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, BINARY, CLEAN, REGION, ROOT, eventually
from test_functions import deploy, guest

HOURS_3 = 3 * 3600


def arn(group):
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"


def live(server, **config):
    """A client that leaves the host alone, as the README says."""
    return server.client("logs", inject_host_prefix=False, **config)


class Session:
    """One live tail session of boto3, read by a thread."""

    def __init__(self, client, groups, **more):
        identifiers = [arn(group) for group in groups]
        self.stream = client.start_live_tail(logGroupIdentifiers=identifiers, **more)["responseStream"]
        self.events, self.error, self.is_over = queue.Queue(), None, False
        self.start = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            for event in self.stream:
                self.events.put(event)
                if self.is_over:
                    break
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.events.put(None)
        # Here, because nobody else may close it while it is read.
        self.stream.close()

    def next(self, timeout=10):
        return self.events.get(timeout=timeout)

    def started(self):
        self.start = self.next()["sessionStart"]
        return self

    def messages(self, count, seconds=10):
        """The messages of updates until there are so many."""
        found, end = [], time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < end, f"{found} after {seconds} s"
            found += [one["message"] for one in self.next()["sessionUpdate"]["sessionResults"]]
        return found

    def close(self):
        """Closes the connection, after the next update."""
        self.is_over = True
        self.reader.join(10)


@contextlib.contextmanager
def session(server, *groups, **more):
    one = Session(live(server), groups, **more).started()
    try:
        yield one
    finally:
        one.close()


def refused(call):
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


# ---- StartLiveTail


def test_a_session_says_what_it_follows_and_sends_an_update_each_second(server, name):
    group = name("/live/basic")
    server.put(group, "s", ["before"])
    with session(server, group, logEventFilterPattern="-noise") as tail:
        start = tail.start
        assert start["logGroupIdentifiers"] == [arn(group)] and start["logEventFilterPattern"] == "-noise"
        assert start["requestId"] and start["sessionId"]
        begun = time.monotonic()
        first = tail.next()["sessionUpdate"]
        assert first == {"sessionMetadata": {"sampled": False}, "sessionResults": []}, "an empty second is told too"
        server.put(group, "s", ["noise", "one", "two"], create=False)
        stamp = server.now_ms()
        updates = [tail.next()["sessionUpdate"] for _ in range(3)]
        assert 2.5 < time.monotonic() - begun < 8
        seen = [one for update in updates for one in update["sessionResults"]]
        assert [one["message"] for one in seen] == ["one", "two"], "from now on, each once, in order"
        assert seen[0]["logStreamName"] == "s" and seen[0]["logGroupIdentifier"] == arn(group)
        assert abs(seen[0]["ingestionTime"] - stamp) < 5_000 and seen[0]["timestamp"] <= stamp


def test_streams_are_chosen_by_name_and_by_prefix_and_new_ones_count(server, name):
    group = name("/live/streams")
    for stream in ("web-1", "db-1", "db-2"):
        server.put(group, stream, ["before"])
    with session(server, group, logStreamNames=["web-1", "db-2"]) as named:
        with session(server, group, logStreamNamePrefixes=["db-", "new"]) as prefixed:
            for stream in ("web-1", "db-1", "db-2", "new-9"):
                server.put(group, stream, [f"from {stream}"])
            assert sorted(named.messages(2)) == ["from db-2", "from web-1"]
            assert sorted(prefixed.messages(3)) == ["from db-1", "from db-2", "from new-9"]
    assert named.start["logStreamNames"] == ["web-1", "db-2"]
    assert prefixed.start["logStreamNamePrefixes"] == ["db-", "new"]


def test_several_groups_and_patterns(server, name):
    one, two = name("/live/one"), name("/live/two")
    for group in (one, two):
        server.put(group, "s", ["before"])
    with session(server, one, two, logEventFilterPattern="{ $.status >= 500 }") as tail:
        server.put(one, "s", ['{"status": 200}', '{"status": 503}'], create=False)
        server.put(two, "s", ['{"status": 500}', "no json"], create=False)
        found = tail.messages(2)
        assert sorted(found) == ['{"status": 500}', '{"status": 503}']


def test_more_than_500_events_a_second_are_sampled(server, name):
    group = name("/live/many")
    server.put(group, "s", ["before"])
    with session(server, group) as tail:
        tail.next()
        start = server.now_ms() - 9_000
        server.put(group, "s", [f"n {i}" for i in range(6_000)], start, create=False)
        update = tail.next()["sessionUpdate"]
        assert update["sessionMetadata"]["sampled"] is True
        numbers = [int(one["message"].split()[1]) for one in update["sessionResults"]]
        assert len(numbers) == 500 and numbers == sorted(set(numbers))
        assert numbers[0] < 100 and numbers[-1] > 5_500, "a sample of all, not the first ones"
        assert tail.next()["sessionUpdate"]["sessionMetadata"]["sampled"] is False


def test_errors_name_what_is_wrong(server, name):
    group = name("/live/errors")
    server.put(group, "s", ["x"])
    logs = live(server)

    def ask(groups, **more):
        return refused(lambda: logs.start_live_tail(logGroupIdentifiers=groups, **more))

    code, text = ask([group])
    assert code == "InvalidParameterException" and "must be ARNs" in text and group in text
    code, text = ask([arn(group) + ":*"])
    assert code == "InvalidParameterException"
    code, text = ask([arn(name("/none"))])
    assert (code, text) == ("ResourceNotFoundException", "The specified log group does not exist.")
    code, text = ask([arn(group)], logStreamNames=["none"])
    assert (code, text) == ("ResourceNotFoundException", "The specified log stream does not exist.")
    code, text = ask([arn(group)], logStreamNames=["s"], logStreamNamePrefixes=["s"])
    assert code == "InvalidParameterException" and "mutually exclusive" in text
    other = name("/live/other")
    server.put(other, "s", ["x"])
    code, text = ask([arn(group), arn(other)], logStreamNames=["s"])
    assert code == "InvalidParameterException" and "one log group" in text
    code, text = ask([arn(group)], logEventFilterPattern="{ $.x = ")
    assert code == "InvalidParameterException"
    code, text = ask([arn(group)], logEventFilterPattern="{ wasm:nobody }")
    assert code == "InvalidParameterException" and "no function nobody" in text
    code, text = ask([arn(f"/g{i}") for i in range(11)])
    assert code == "InvalidParameterException" and "less than or equal to 10" in text


def test_sessions_are_bounded_and_given_back(make_server, tmp_path):
    config = tmp_path / "limits.toml"
    config.write_text("[limits]\nlive_tails = 3\nlive_tail_sessions = 2\n")
    server = make_server("--config", config, "--aws-quotas")
    server.put("/a", "s", ["x"])
    elsewhere = server.client("logs", key="111111111111", inject_host_prefix=False)
    elsewhere.create_log_group(logGroupName="/a")
    there = f"arn:aws:logs:{REGION}:111111111111:log-group:/a"
    with session(server, "/a"), session(server, "/a"):
        code, text = refused(lambda: live(server).start_live_tail(logGroupIdentifiers=[arn("/a")]))
        assert code == "LimitExceededException" and "live_tail_sessions" in text
        open_one = elsewhere.start_live_tail(logGroupIdentifiers=[there])["responseStream"]
        code, text = refused(lambda: elsewhere.start_live_tail(logGroupIdentifiers=[there]))
        assert code == "LimitExceededException" and "live_tails" in text
        assert b"\nlogboom_live_tails 3\n" in server.http("GET", "/metrics")[2]
        open_one.close()

    def again():
        with contextlib.suppress(ClientError):
            Session(live(server), ["/a"]).started().close()
            return True

    eventually(again)


def test_functions_in_patterns_are_asked_and_one_that_is_broken_ends_the_session(server, name):
    group, judge = name("/live/guest"), name("judge")
    deploy(server, judge, guest("hostile_guest"))
    server.put(group, "s", ["before"])
    with session(server, group, logEventFilterPattern=f"{{ wasm:{judge} }}") as tail:
        server.put(group, "s", ["drop", "keep me"], create=False)
        assert tail.messages(1) == ["keep me"]
        server.functions.delete_function(FunctionName=judge)
        server.put(group, "s", ["drop, says nobody"], create=False)
        assert tail.messages(1) == ["drop, says nobody"], "what cannot be judged is shown"
        server.put(group, "s", [f"more {i}" for i in range(30)], create=False)
        while tail.next() is not None:
            pass
        assert "SessionStreamingException" in str(tail.error) and judge in str(tail.error)


def test_a_session_ends_after_three_hours(virtual):
    virtual.put("/a", "s", ["before"])
    tail = Session(live(virtual), ["/a"]).started()
    virtual.advance(1)
    assert tail.next()["sessionUpdate"]["sessionResults"] == []
    virtual.put("/a", "s", ["x"], create=False)
    virtual.advance(1)
    assert tail.messages(1) == ["x"], "an update comes when a second has passed on the server's clock"
    virtual.advance(HOURS_3 - 3)
    assert tail.error is None
    virtual.advance(2)
    while tail.next() is not None:
        pass
    assert "SessionTimeoutException" in str(tail.error)


def test_a_session_that_lagged_says_so_and_buffers_no_more_than_ten_updates(virtual):
    virtual.put("/a", "s", ["before"])
    raw = raw_session(virtual, "/a")
    for second in range(40):
        virtual.put("/a", "s", [f"second {second} " + "x" * 200_000] * 4, create=False)
        virtual.advance(1)
    updates = [json.loads(body) for kind, body in frames(raw, 1.0) if kind == "sessionUpdate"]
    raw.close()
    assert len(updates) < 40, "updates for a client that does not read are let go"
    assert any(update["sessionMetadata"]["sampled"] for update in updates), "and it is told"


def test_the_cli_of_aws_follows(server, name):
    group = name("/live/cli")
    server.put(group, "s", ["before"])
    cli = Path(os.environ.get("LOGBOOM_PYTHON", ROOT / ".venv" / "bin" / "python")).parent / "aws"
    environment = {
        **CLEAN,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "PYTHONUNBUFFERED": "1",
    }
    command = [str(cli), "logs", "start-live-tail", "--log-group-identifiers", arn(group)]
    command += ["--log-event-filter-pattern", "ERROR"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = reading(process.stdout)
    try:

        def seen():
            # It starts slowly: what is stored before it is there, it does not see.
            server.put(group, "s", ["INFO no", "ERROR yes"], create=False)
            with contextlib.suppress(queue.Empty):
                return lines.get(timeout=1)

        assert eventually(seen, 40) == "ERROR yes"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def test_a_prefixed_host_is_let_in(server, name):
    group = name("/live/host")
    server.put(group, "s", ["x"])
    for prefix in ("stream-", "streaming-"):
        raw = raw_session(server, group, host=f"{prefix}127.0.0.1:{server.port}")
        assert [kind for kind, _ in frames(raw, 1.5, 2)][:2] == ["initial-response", "sessionStart"]
        raw.close()


# ---- the bytes on the wire


def raw_request(server, path, body, headers, receive_bytes=None):
    """Sends a request and gives the socket behind the answer's head."""
    raw = socket.socket()
    if receive_bytes:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    raw.connect(("127.0.0.1", server.port))
    lines = [f"POST {path} HTTP/1.1", f"content-length: {len(body)}", *[f"{k}: {v}" for k, v in headers.items()]]
    raw.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return raw


def credential():
    scope = f"test/20260101/{REGION}/logs/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def raw_session(server, group, host=None, receive_bytes=None):
    headers = {
        "host": host or f"127.0.0.1:{server.port}",
        "authorization": credential(),
        "x-amz-target": "Logs_20140328.StartLiveTail",
        "content-type": "application/x-amz-json-1.1",
    }
    body = json.dumps({"logGroupIdentifiers": [arn(group)]}).encode()
    return raw_request(server, "/", body, headers, receive_bytes)


def received(raw, quiet, seconds=30):
    """What comes until nothing does for so long, or the other side is gone, or so many seconds have passed."""
    data, end = b"", time.monotonic() + seconds
    raw.settimeout(quiet)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while time.monotonic() < end and (part := raw.recv(1 << 16)):
            data += part
    return data


def frames(raw, quiet, seconds=30):
    """(type, payload) of each message, checksums checked by another implementation than the server's."""
    head, _, body = received(raw, quiet, seconds).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"application/vnd.amazon.eventstream" in head, head
    assert b"x-amzn-requestid" in head.lower()
    data = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        size = int(size or b"0", 16)
        if size == 0 or len(rest) < size:
            break
        data, body = data + rest[:size], rest[size + 2 :]
    found = []
    while len(data) >= 16:
        total, headers, crc = struct.unpack(">III", data[:12])
        if len(data) < total:
            break
        assert zlib.crc32(data[:8]) == crc and zlib.crc32(data[: total - 4]) == int.from_bytes(data[total - 4 : total])
        fields, at = {}, 12
        while at < 12 + headers:
            length = data[at]
            key, at = data[at + 1 : at + 1 + length].decode(), at + 1 + length
            assert data[at] == 7
            length = int.from_bytes(data[at + 1 : at + 3])
            fields[key], at = data[at + 3 : at + 3 + length].decode(), at + 3 + length
        found.append((fields.get(":event-type") or fields[":exception-type"], data[12 + headers : total - 4]))
        data = data[total:]
    return found


# ---- the own road


def reading(stream):
    """Lines of a pipe, by a thread."""
    lines = queue.Queue()

    def read():
        for line in stream:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


@contextlib.contextmanager
def tailing(server, *arguments):
    """`logboom tail` in a pipe; gives its lines."""
    command = [str(BINARY), "tail", *[str(a) for a in arguments], "--endpoint", server.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN)
    try:
        yield process, reading(process.stdout), reading(process.stderr)
    finally:
        process.kill()
        process.wait()


def warmed(server, group, lines, stream="s"):
    """Puts a line until the tail shows one: from then on it misses nothing."""

    def seen():
        server.put(group, stream, ["warm"], create=False)
        with contextlib.suppress(queue.Empty):
            return "warm" in lines.get(timeout=0.5)

    eventually(seen)
    time.sleep(0.2)
    while not lines.empty():
        assert "warm" in lines.get()


def test_the_tail_prints_what_comes_as_it_comes(server, name):
    group = name("/tail/pipe")
    server.put(group, "web", ["before"])
    server.put(group, "db", ["before"])
    with tailing(server, group, "--prefix", "we", "--pattern", "ERROR", "--format", "message") as (_, lines, _):

        def warm():
            server.put(group, "web", ["ERROR warm"], create=False)
            with contextlib.suppress(queue.Empty):
                return lines.get(timeout=0.5)

        assert eventually(warm) == "ERROR warm"
        server.put(group, "db", ["ERROR of another stream"], create=False)
        server.put(group, "web", ["INFO no", "ERROR yes\nand more"], create=False)
        found = [line for line in (lines.get(timeout=5) for _ in range(2))]
        while found[0] == "ERROR warm":
            found = [*found[1:], lines.get(timeout=5)]
        assert found == ["ERROR yes", "and more"]


def test_the_past_comes_first_then_the_present_without_a_gap_or_a_repeat(server, name):
    group = name("/tail/since")
    start = server.now_ms() - 60_000
    server.put(group, "s", [f"old {i}" for i in range(3_000)], start)
    expected = [f"old {i}" for i in range(3_000)] + [f"new {i}" for i in range(500)]
    arguments = (group, "--since", "10m", "--format", "message", "--count", len(expected))
    with tailing(server, *arguments) as (process, lines, _):
        for i in range(0, 500, 50):
            messages = [f"new {n}" for n in range(i, i + 50)]
            server.put(group, "s", messages, start + 3_000 + i, create=False)
        found = [lines.get(timeout=20) for _ in expected]
        assert found == expected
        assert process.wait(10) == 0


def test_json_and_fields(server, name):
    group = name("/tail/json")
    server.put(group, "s", ['{"level": "info", "request": {"id": "r1"}, "n": 7}', "plain text"])
    arguments = (group, "--since", "10m", "--count", 2)
    events = [json.loads(line) for line in server.logboom("tail", *arguments, "--json").stdout.splitlines()]
    assert [event["logStreamName"] for event in events] == ["s", "s"]
    stored = server.logs.filter_log_events(logGroupName=group)["events"]
    assert [event["eventId"] for event in events] == [event["eventId"] for event in stored]
    done = server.logboom("tail", *arguments, "--fields", "request.id,n", "--format", "message")
    assert done.stdout.splitlines() == ["request.id=r1 n=7", "plain text"]
    done = server.logboom("tail", *arguments, "--color", "always")
    assert "\x1b[" in done.stdout
    assert "\x1b[" not in server.logboom("tail", *arguments).stdout


def test_exit_codes(server, name):
    missing = server.logboom("tail", name("/none"), check=False)
    assert missing.returncode == 1 and "ResourceNotFoundException" in missing.stderr and missing.stdout == ""
    wrong = server.logboom("tail", name("/none"), "--stream", "a", "--prefix", "b", check=False)
    assert wrong.returncode == 2
    group = name("/tail/exit")
    server.put(group, "s", [f"line {i}" for i in range(5_000)])
    command = f"{BINARY} tail {group} --since 10m --endpoint {server.url} | head -3; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, env=CLEAN)
    assert done.stdout.splitlines()[-1] == "0" and len(done.stdout.splitlines()) == 4, done


def test_a_restart_of_the_server_is_survived_without_loss(make_server):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = make_server()
    server.stop()

    def start():
        log = open(server.folder / "server.log", "ab")
        command = [str(BINARY), "serve", "--listen", f"127.0.0.1:{port}", "--data", str(server.folder / "data")]
        server.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=CLEAN, text=True)
        assert server.process.stdout.readline().startswith("listening on ")
        server.url = f"http://127.0.0.1:{port}"
        server.__dict__.pop("logs", None)

    start()
    server.put("/a", "s", ["before"])
    with tailing(server, "/a", "--format", "message") as (process, lines, notices):
        warmed(server, "/a", lines)
        server.put("/a", "s", ["one"], create=False)
        assert lines.get(timeout=5) == "one"
        server.stop()
        assert "reconnecting" in notices.get(timeout=10)
        start()
        # Stored before the tail is back: it goes on where it was.
        server.put("/a", "s", ["two", "three"], create=False)
        assert [lines.get(timeout=20), lines.get(timeout=5)] == ["two", "three"]
        assert "connected again" in notices.get(timeout=5)
        assert process.poll() is None


def test_the_own_road_speaks_json_lines_to_curl(server, name):
    group = name("/tail/curl")
    server.put(group, "s", ["x y"])
    query = f"group={group}&since=10m&pattern=%22x%20y%22"
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(f"GET /_logboom/tail?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    head, _, body = received(raw, 7, 6).partition(b"\r\n\r\n")
    raw.close()
    assert b"application/x-ndjson" in head
    records = [json.loads(line) for line in body.splitlines() if line.startswith(b"{")]
    assert [record["type"] for record in records[:3]] == ["start", "event", "heartbeat"]
    assert records[1]["message"] == "x y" and records[1]["stream"] == "s" and records[1]["group"] == group
    for bad in ("group=/none-at-all", "what=1", "", "group=%2"):
        status, _, _ = server.http("GET", f"/_logboom/tail?{bad}")
        assert status == 400, bad


def test_the_own_road_needs_the_key_and_its_policies(make_server):
    server = make_server(env={"LOGBOOM_KEYS": "admin:secret"})
    logs = server.client("logs", key="admin", secret="secret")
    logs.create_log_group(logGroupName="/a")
    assert server.http("GET", "/_logboom/tail?group=/a")[0] == 403
    environment = {**CLEAN, "LOGBOOM_ENDPOINT": server.url, "AWS_ACCESS_KEY_ID": "admin"}

    def tail(secret):
        command = [str(BINARY), "tail", "/a", "--count", "0"]
        environment["AWS_SECRET_ACCESS_KEY"] = secret
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)

    assert tail("secret").returncode == 0
    assert tail("wrong").returncode == 1


# ---- slow readers


def own_road(server, group, receive_bytes=4096):
    headers = {"host": "localhost", "content-type": "application/json"}
    body = json.dumps({"groups": [group]}).encode()
    return raw_request(server, "/_logboom/tail", body, headers, receive_bytes)


def filled(server, group, batches, events=10_000):
    """Puts batches and gives how long each took."""
    took = []
    message = "x" * 64
    for batch in range(batches):
        messages = [f"{batch} {i} {message}" for i in range(events)]
        begun = time.monotonic()
        server.put(group, "s", messages, create=False)
        took.append(time.monotonic() - begun)
    return took


def test_a_reader_that_stops_is_cut_off_and_storing_goes_on_as_before(make_server, tmp_path):
    config = tmp_path / "limits.toml"
    config.write_text(
        "[limits]\nstalled_reader_seconds = 2\nlive_tails = 4\nlive_tail_buffer_bytes = 65536\n"
    )
    server = make_server("--config", config)
    server.put("/a", "s", ["before"])
    alone = filled(server, "/a", 12)
    stuck = [own_road(server, "/a"), raw_session(server, "/a", receive_bytes=4096)]
    time.sleep(0.3)
    with_stuck = filled(server, "/a", 12)
    assert statistics.median(with_stuck) < 3 * statistics.median(alone) + 0.05, (alone, with_stuck)
    # The places come back because the connections are cut, not because their clients went.
    end = time.monotonic() + 30
    while True:
        server.put("/a", "s", ["y" * 200_000] * 4, create=False)
        status = post(server, "/a")
        if status == 200:
            break
        assert time.monotonic() < end, "a client that reads nothing keeps its place"
        time.sleep(0.2)
    for one in stuck:
        one.close()


def post(server, group):
    """The status of a tail that is closed at once."""
    raw = own_road(server, group, None)
    raw.settimeout(10)
    head = raw.recv(4096)
    raw.close()
    return int(head.split()[1])


def test_a_reader_that_lags_too_far_is_told_how_many_it_missed(make_server, tmp_path):
    config = tmp_path / "limits.toml"
    config.write_text("[limits]\nlive_tail_lag_events = 5000\nlive_tail_buffer_bytes = 65536\n")
    server = make_server("--config", config)
    server.put("/a", "s", ["before"])
    server.put("/other", "s", ["before"])
    raw = own_road(server, "/a")
    time.sleep(0.3)
    filled(server, "/a", 8)
    filled(server, "/other", 1)
    time.sleep(1.0)
    server.put("/a", "s", ["the last"], create=False)
    data = received(raw, 3)
    raw.close()
    records = [json.loads(line) for line in data.splitlines() if line.startswith(b"{") and line.endswith(b"}")]
    events = [record for record in records if record["type"] == "event"]
    gaps = [record for record in records if record["type"] == "gap"]
    assert gaps, "nothing is left out in silence"
    assert events[-1]["message"] == "the last"
    # Some lines are cut by the framing of the chunks, so this is not exact; nothing else is lost.
    whole = sum(gap["events"] for gap in gaps) + len(events)
    assert 80_001 - 20 <= whole <= 80_001, (whole, len(gaps))


# ---- the screen


class Terminal:
    """`logboom tail` on a pseudo terminal."""

    def __init__(self, server, *arguments, rows=10, columns=60):
        self.process_id, self.handle = pty.fork()
        if self.process_id == 0:
            environment = {**CLEAN, "TERM": "xterm-256color", "LOGBOOM_ENDPOINT": server.url}
            os.execve(str(BINARY), [str(BINARY), "tail", *arguments], environment)
        import fcntl
        import termios

        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.handle)
        self.text = ""

    def until(self, wanted, seconds=15):
        """Reads what is painted until it holds the text; gives what was painted since the last call."""
        painted, end = "", time.monotonic() + seconds
        while wanted not in painted:
            assert time.monotonic() < end, f"{wanted!r} was not painted: {painted[-2000:]!r}"
            if select.select([self.handle], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    painted += os.read(self.handle, 1 << 16).decode(errors="replace")
        self.text += painted
        return painted

    def press(self, keys):
        os.write(self.handle, keys.encode())

    def end(self, seconds=10):
        """The exit code, when it ended by itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.handle], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self.handle, 1 << 16).decode(errors="replace")
            done, status = os.waitpid(self.process_id, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.process_id, signal.SIGKILL)
        os.waitpid(self.process_id, 0)
        raise AssertionError("it did not end")


def test_the_screen_shows_pauses_searches_and_gives_the_terminal_back(server, name):
    group = name("/tail/screen")
    server.put(group, "s", [f"INFO line {i}" for i in range(40)] + ["ERROR \x1b[2J is spelt out"])
    terminal = Terminal(server, group, "--since", "10m")
    painted = terminal.until("ERROR \\x1b[2J is spelt out")
    assert "\x1b[31mERROR" in painted, "an error is red"
    assert "following" in painted
    terminal.press(" ")
    terminal.until("PAUSED")
    server.put(group, "s", ["after the pause"], create=False)
    painted = terminal.until("1 below")
    assert "after the pause" not in painted, "a paused screen stands still"
    terminal.press("/line 7\r")
    painted = terminal.until("/line 7")
    terminal.until("\x1b[30;43mline 7\x1b[0m") if "\x1b[30;43mline 7\x1b[0m" not in painted else None
    terminal.press("\x1b[F")
    terminal.until("after the pause")
    terminal.press("q")
    assert terminal.end() == 0
    assert "\x1b[?1049h" in terminal.text and "\x1b[?1049l" in terminal.text
    assert terminal.text.rstrip().endswith("\x1b[?25h"), "the cursor is back"


@pytest.mark.parametrize("how", ["ctrl-c", "term"])
def test_the_terminal_is_given_back_however_it_ends(server, name, how):
    group = name("/tail/ends")
    server.put(group, "s", ["a line"])
    terminal = Terminal(server, group, "--since", "10m")
    terminal.until("a line")
    if how == "ctrl-c":
        terminal.press("\x03")
    else:
        os.kill(terminal.process_id, signal.SIGTERM)
    assert terminal.end() == 0
    assert terminal.text.rstrip().endswith("\x1b[?25h") and "\x1b[?1049l" in terminal.text
