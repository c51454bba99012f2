"""Fixtures of the acceptance suite: real servers, real clients, sinks for mail and webhooks.

Every server is started by the test on 127.0.0.1 with a free port and a folder of its own, and is ended by its
pid. `server` is shared by a whole run (tests use names of their own); `fresh` is one per test; `virtual` is one
per test whose clock stands still until the test advances it.
"""

import email
import email.policy
import http.server
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import boto3
import pytest
from aiosmtpd.controller import Controller
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LOGBOOM_BIN", ROOT / "target" / "debug" / "logboom"))
GUESTS = ROOT / "target" / "wasm32-wasip2" / "guest"
REGION = "us-east-1"
ACCOUNT = "000000000000"
LONG = os.environ.get("LOGBOOM_LONG") == "1"
# Settings of the shell that runs the tests are not those of the servers under test.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("LOGBOOM_", "AWS_"))}


class Server:
    """One `logboom serve` process and clients for it."""

    def __init__(self, folder, *flags, env=None):
        self.folder, self.flags, self.env = Path(folder), flags, env or {}
        self.process = None
        self.start()

    def start(self):
        command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", str(self.folder / "data"), *self.flags]
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env={**CLEAN, **self.env}, text=True
        )
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.wait(10)
            raise RuntimeError(f"{command} said {line!r}\n{(self.folder / 'server.log').read_text()[-2000:]}")
        self.url = line.removeprefix("listening on ").strip()
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def kill(self):
        """kill -9: nothing is finished, nothing is flushed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def restart(self):
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def client(self, service, retries=False, key="test", secret="test", region=REGION, **config):
        attempts = {"max_attempts": 4, "mode": "standard"} if retries else {"total_max_attempts": 1}
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries=attempts, read_timeout=60, connect_timeout=5, **config),
        )

    def __getattr__(self, name):
        if name in ("logs", "cloudwatch", "sns", "sts") or name == "functions":
            client = self.client("lambda" if name == "functions" else name)
            setattr(self, name, client)
            return client
        raise AttributeError(name)

    def aws(self, *arguments, check=True):
        """Runs the AWS CLI against this server; gives the parsed JSON output, or the text where it is none."""
        environment = {
            **CLEAN,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }
        cli = Path(os.environ.get("LOGBOOM_PYTHON", ROOT / ".venv" / "bin" / "python")).parent / "aws"
        done = subprocess.run(
            [str(cli), *[str(a) for a in arguments]], env=environment, capture_output=True, text=True, timeout=90
        )
        if check and done.returncode != 0:
            raise AssertionError(f"aws {arguments} failed ({done.returncode}): {done.stderr}")
        if not check:
            return done
        try:
            return json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError:
            return done.stdout.strip()

    def logboom(self, *arguments, check=True, input=None):
        """Runs the product's own command line against this server."""
        done = subprocess.run(
            [str(BINARY), *[str(a) for a in arguments]],
            env={**CLEAN, "LOGBOOM_ENDPOINT": self.url},
            capture_output=True,
            text=True,
            timeout=90,
            input=input,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"logboom {arguments} failed ({done.returncode}): {done.stderr}")
        return done

    def http(self, method, path, body=None, headers=None, timeout=30):
        """A raw request; gives (status, headers, body) whatever the status."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def now_ms(self):
        """The server's own time."""
        return json.loads(self.http("GET", "/_logboom/clock")[2])["now_ms"]

    def advance(self, seconds):
        """Moves the virtual clock; what falls due in between has happened when this returns."""
        body = json.dumps({"advance_ms": int(seconds * 1000)}).encode()
        headers = {"content-type": "application/json"}
        # A day of a function that is tried each minute is a day's work.
        status, _, answer = self.http("POST", "/_logboom/clock", body, headers, timeout=180)
        assert status == 200, answer
        return json.loads(answer)["now_ms"]

    def put(self, group, stream, messages, timestamp_ms=None, create=True):
        """Stores messages, one millisecond apart; creates group and stream where they are missing."""
        if create:
            for call in (
                lambda: self.logs.create_log_group(logGroupName=group),
                lambda: self.logs.create_log_stream(logGroupName=group, logStreamName=stream),
            ):
                try:
                    call()
                except self.logs.exceptions.ResourceAlreadyExistsException:
                    pass
        start = timestamp_ms if timestamp_ms is not None else self.now_ms() - len(messages)
        events = [{"timestamp": start + i, "message": m} for i, m in enumerate(messages)]
        return self.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture(scope="session", autouse=True)
def built():
    """The suite tests the binary; without it there is nothing to test."""
    assert BINARY.exists(), f"{BINARY} is missing: run `./run test` (or cargo build -p logboom)"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("server"))
    yield one
    one.stop()


@pytest.fixture
def make_server(tmp_path):
    """Starts servers with flags of the test's own; all are stopped at its end."""
    made = []

    def make(*flags, env=None):
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        made.append(Server(folder, *flags, env=env))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def fresh(make_server):
    return make_server()


@pytest.fixture
def virtual(make_server):
    return make_server("--clock", "virtual")


@pytest.fixture
def name():
    """Names that no other test uses."""
    tag = uuid.uuid4().hex[:8]
    return lambda stem: f"{stem}-{tag}"


class WebhookSink:
    """A webhook receiver: keeps what it got; answers with `status` (a list is used up one by one)."""

    def __init__(self):
        self.requests, self.status = queue.Queue(), 200
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status = sink.status.pop(0) if isinstance(sink.status, list) and sink.status else sink.status
                self.send_response(status if isinstance(status, int) else 200)
                self.send_header("content-length", "0")
                self.end_headers()
                sink.requests.put({"path": self.path, "headers": dict(self.headers), "body": body})

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, timeout=20):
        return self.requests.get(timeout=timeout)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def webhook():
    sink = WebhookSink()
    yield sink
    sink.close()


class MailSink:
    """An SMTP server (aiosmtpd) that keeps what it got."""

    def __init__(self):
        self.mails = queue.Queue()
        sink = self

        class Handler:
            async def handle_DATA(self, _server, _session, envelope):
                mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
                sink.mails.put({"from": envelope.mail_from, "to": envelope.rcpt_tos, "mail": mail})
                return "250 OK"

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.controller = Controller(Handler(), hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def next(self, timeout=20):
        return self.mails.get(timeout=timeout)


@pytest.fixture
def mail():
    sink = MailSink()
    yield sink
    sink.controller.stop()


def eventually(check, seconds=20, every=0.1):
    """Repeats `check` until it gives something true; for what happens in the background under the real clock."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"still {value!r} after {seconds} s"
        time.sleep(every)
