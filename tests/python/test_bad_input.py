"""What is malformed, too much or not meant for the server is refused, contained, and harms nothing else.

Around each test lies the check of a canary: a stream whose events must all still be there, and which must
still take a new one.
"""

import gzip
import json
import socket
import struct
import time

import pytest
from botocore.exceptions import ClientError
from conftest import Server, eventually

HOUR_MS = 3_600_000
BATCH_BYTES = 1_048_576


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """The server that gets the bad input."""
    one = Server(tmp_path_factory.mktemp("bad"))
    one.canaries = []
    one.logs.create_log_group(logGroupName="canary")
    one.logs.create_log_stream(logGroupName="canary", logStreamName="s")
    yield one
    one.stop()


@pytest.fixture(autouse=True)
def canary(bad, request):
    yield
    assert bad.process.poll() is None, "the server has ended"
    bad.canaries.append(request.node.name)
    event = [{"timestamp": int(time.time() * 1000), "message": request.node.name}]
    client = bad.client("logs")
    client.put_log_events(logGroupName="canary", logStreamName="s", logEvents=event)
    got = client.get_log_events(logGroupName="canary", logStreamName="s", startFromHead=True)["events"]
    assert [e["message"] for e in got] == bad.canaries


def signed(service):
    credential = f"test/20260101/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00"


def logs_headers(operation, **more):
    return {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": f"Logs_20140328.{operation}",
        "authorization": signed("logs"),
        **more,
    }


def logs(server, operation, body, **more):
    """A raw awsJson request; gives the status and the error's type and text."""
    status, headers, answer = server.http("POST", "/", body, logs_headers(operation, **more))
    assert headers["x-amzn-RequestId"]
    answer = json.loads(answer)
    return status, answer.get("__type"), answer.get("message")


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_malformed_json(bad):
    for body in (b"{", b"[1,", b'{"logGroupName":', b"\xff\xfe", b'{"logGroupName":"a"}}', b"null,"):
        for operation in ("CreateLogGroup", "PutLogEvents", "DescribeLogGroups"):
            status, code, text = logs(bad, operation, body)
            assert (status, code) == (400, "SerializationException") and text, (operation, body)


def test_json_of_the_wrong_types(bad):
    for operation, body in [
        ("CreateLogGroup", b"[]"),
        ("CreateLogGroup", b'{"logGroupName":{}}'),
        ("PutLogEvents", b'{"logGroupName":"g","logStreamName":"s","logEvents":{}}'),
        ("PutLogEvents", b'{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":"x","message":"m"}]}'),
        ("FilterLogEvents", b'{"logGroupName":"g","startTime":99999999999999999999}'),
    ]:
        assert logs(bad, operation, body)[:2] == (400, "SerializationException"), body


def test_malformed_form(bad):
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": signed("sns")}
    for body in (b"Action=CreateTopic&Name=%FF%FE", b"Action=", b"&&&=&", b"Action=Publish&Message=%zz", b""):
        status, answer_headers, answer = bad.http("POST", "/", body, headers)
        assert 400 <= status < 500 and answer.lstrip().startswith(b"<"), (body, status, answer)
        assert b"<Code>" in answer and answer_headers["x-amzn-RequestId"]


def test_malformed_cbor(bad):
    headers = {
        "content-type": "application/cbor",
        "smithy-protocol": "rpc-v2-cbor",
        "authorization": signed("monitoring"),
    }
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
    deep = b"\x81" * 100_000
    for body in (b"\xff", b"\xbf\x61", b"\xa1\x01\x02", b"\xbb" + b"\xff" * 8, deep):
        status, answer_headers, _ = bad.http("POST", path, body, headers)
        assert 400 <= status < 500, (body[:10], status)
        assert answer_headers["content-type"] == "application/cbor" and answer_headers["x-amzn-RequestId"]


def test_deep_nesting(bad):
    deep = b'{"tags":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
    for operation in ("CreateLogGroup", "PutLogEvents"):
        status, code, text = logs(bad, operation, deep)
        assert (status, code) == (400, "SerializationException") and "nested" in text
    lists = b'{"logGroupName":"g","logStreamName":"s","logEvents":' + b"[" * 500_000
    assert logs(bad, "PutLogEvents", lists)[0] == 400


def test_deeply_nested_messages_are_only_text(bad, name):
    group, deep = name("deep"), '{"a":' * 5000 + "1" + "}" * 5000
    bad.put(group, "s", [deep, "[" * 50_000])
    found = bad.logs.filter_log_events(logGroupName=group, filterPattern="{ $.a.a.a.a = 1 }")
    assert found["events"] == []
    now = int(time.time())
    asked = {"logGroupName": group, "startTime": now - 60, "endTime": now + 60}
    started = bad.logs.start_query(queryString="filter a.a.a.a.a = 1 | stats count(*)", **asked)
    assert eventually(lambda: bad.logs.get_query_results(queryId=started["queryId"])["status"]) in (
        "Complete", "Running")


def test_a_bomb_of_gzip(bad):
    bomb = gzip.compress(b'{"logGroupName":"' + b"a" * 50_000_000 + b'"}', 9)
    assert len(bomb) < 100_000
    status, code, text = logs(bad, "CreateLogGroup", bomb, **{"content-encoding": "gzip"})
    assert status == 413 and "inflates" in text, (status, code, text)
    for damaged in (bomb[:-9], b"no gzip at all"):
        assert logs(bad, "PutLogEvents", damaged, **{"content-encoding": "gzip"})[0] in (400, 413)
    fine = gzip.compress(json.dumps({"logGroupNamePrefix": "canary"}).encode())
    assert logs(bad, "DescribeLogGroups", fine, **{"content-encoding": "gzip"}) == (200, None, None)


def test_a_batch_of_all_the_bytes_there_may_be_and_one_more(bad, name):
    group, now = name("bytes"), int(time.time() * 1000)
    bad.put(group, "s", ["x"])
    where = {"logGroupName": group, "logStreamName": "s"}
    fits = [{"timestamp": now, "message": "a" * 1000} for _ in range(1021)]
    fits.append({"timestamp": now, "message": "b" * (BATCH_BYTES - 1021 * 1026 - 26)})
    assert sum(len(e["message"]) + 26 for e in fits) == BATCH_BYTES
    assert "rejectedLogEventsInfo" not in bad.logs.put_log_events(**where, logEvents=fits)
    more = [*fits[:-1], {"timestamp": now, "message": fits[-1]["message"] + "b"}]
    code, text = refused(bad.logs.put_log_events, **where, logEvents=more)
    assert (code, text) == (
        "InvalidParameterException", f"Upload too large: {BATCH_BYTES + 1} bytes exceeds limit of {BATCH_BYTES}")
    # Bytes of UTF-8 count, not characters.
    wide = [{"timestamp": now, "message": "☃" * 350_000}]
    assert "Upload too large" in refused(bad.logs.put_log_events, **where, logEvents=wide)[1]
    got = bad.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    assert sum(len(page["events"]) for page in got) == 1 + len(fits)


def test_a_batch_of_all_the_events_there_may_be_and_one_more(bad, name):
    group, now = name("events"), int(time.time() * 1000)
    bad.put(group, "s", ["x"])
    where = {"logGroupName": group, "logStreamName": "s"}
    events = [{"timestamp": now + 1000, "message": str(n)} for n in range(10_001)]
    code, text = refused(bad.logs.put_log_events, **where, logEvents=events)
    assert code == "InvalidParameterException" and "less than or equal to 10000" in text
    bad.logs.put_log_events(**where, logEvents=events[1:])
    got = bad.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    assert [e["message"] for page in got for e in page["events"]][1:] == [e["message"] for e in events[1:]]


def test_batches_out_of_order_over_a_day_or_empty(bad, name):
    group, now = name("order"), int(time.time() * 1000)
    bad.put(group, "s", ["x"])
    put = lambda *times: refused(
        bad.logs.put_log_events,
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": t, "message": "m"} for t in times],
    )
    assert put(now, now - 1) == (
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.")
    code, text = put(now - 25 * HOUR_MS, now)
    assert code == "InvalidParameterException" and "24 hours" in text
    # What boto3 would not send.
    for events in ("[]", '[{"timestamp":1,"message":""}]', '[{"timestamp":-1,"message":"m"}]', '[{"message":"m"}]'):
        body = f'{{"logGroupName":"{group}","logStreamName":"s","logEvents":{events}}}'.encode()
        assert logs(bad, "PutLogEvents", body)[:2] == (400, "InvalidParameterException"), events
    assert len(bad.logs.get_log_events(logGroupName=group, logStreamName="s")["events"]) == 1
    # Between batches no order is asked for.
    for t in (now - 1000, now - 5000):
        event = [{"timestamp": t, "message": "m"}]
        bad.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=event)


def test_too_old_too_new_and_expired_events_are_told_by_index(bad, name):
    group, now = name("age"), int(time.time() * 1000)
    bad.logs.create_log_group(logGroupName=group)
    bad.logs.create_log_stream(logGroupName=group, logStreamName="s")

    def put(*times):
        events = [{"timestamp": t, "message": str(n)} for n, t in enumerate(times)]
        answer = bad.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
        return answer.get("rejectedLogEventsInfo")

    day = 24 * HOUR_MS
    old = now - 14 * day - HOUR_MS
    assert put(old, old + 1, old + 2 * HOUR_MS) == {"tooOldLogEventEndIndex": 2}
    assert put(now, now + 2 * HOUR_MS - 60_000, now + 2 * HOUR_MS + 60_000) == {"tooNewLogEventStartIndex": 2}
    assert put(now + 3 * HOUR_MS) == {"tooNewLogEventStartIndex": 0}
    bad.logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    assert put(now - day - HOUR_MS, now - HOUR_MS) == {"expiredLogEventEndIndex": 1}
    got = bad.logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    # "2" of the first batch is older than the retention that was set later, and may be gone.
    assert [e["message"] for e in got if e["timestamp"] > now - day] == ["1", "0", "1"]


def test_unknown_operations_and_services(bad):
    status, code, text = logs(bad, "MakeCoffee", b"{}")
    assert (status, code) == (400, "UnknownOperationException")
    # An operation of the model that is not served is named.
    status, code, text = logs(bad, "CreateExportTask", b"{}")
    assert 400 <= status < 500 and "CreateExportTask" in text
    nowhere = {"content-type": "application/x-amz-json-1.1", "authorization": signed("logs")}
    assert 400 <= bad.http("POST", "/", b"{}", {**nowhere, "x-amz-target": "Nothing.Here"})[0] < 500
    assert 400 <= bad.http("POST", "/", b"{}", nowhere)[0] < 500
    assert 400 <= bad.http("GET", "/nothing/here", None, {"authorization": signed("s3")})[0] < 500
    for method in ("PUT", "DELETE", "PATCH"):
        assert 400 <= bad.http(method, "/", b"{}", logs_headers("DescribeLogGroups"))[0] < 500


def test_patterns_that_are_none(bad, name):
    group = name("patterns")
    bad.put(group, "s", ["x"])
    patterns = ('{ $.a = }', "{ $.a", '"open', "[a, b", "%(%", "{ a = 1 }", "{ $.a = 1 && }", "%" + "a" * 500 + "(%")
    for pattern in patterns:
        code, text = refused(bad.logs.filter_log_events, logGroupName=group, filterPattern=pattern)
        assert code == "InvalidParameterException" and ("pattern" in text or "in term" in text), (pattern, text)
    code, _ = refused(bad.logs.filter_log_events, logGroupName=group, filterPattern="x" * 1025)
    assert code == "InvalidParameterException"


def test_queries_that_are_none(bad, name):
    group, now = name("queries"), int(time.time())
    bad.put(group, "s", ["x"])
    nested = "filter " + "(" * 3000 + "a = 1" + ")" * 3000
    texts = ("fields", "| |", "filter @message like /(/", "stats count(", "limit x", nested, "'", "filter a = 1e999999")
    for text in texts[:-1]:
        asked = {"logGroupName": group, "startTime": now, "endTime": now, "queryString": text}
        assert refused(bad.logs.start_query, **asked)[0] == "MalformedQueryException", text[:40]
    asked["queryString"] = "x" * 10_001
    assert refused(bad.logs.start_query, **asked)[0] in ("InvalidParameterException", "MalformedQueryException")


def test_names_that_are_paths_or_too_long(bad, name):
    long = "x" * 512
    bad.logs.create_log_group(logGroupName=long)
    bad.logs.create_log_stream(logGroupName=long, logStreamName=long)
    bad.put(long, long, ["kept"], create=False)
    assert len(bad.logs.get_log_events(logGroupName=long, logStreamName=long)["events"]) == 1
    code, text = refused(bad.logs.create_log_group, logGroupName=long + "x")
    assert code == "InvalidParameterException"
    assert text.endswith("at 'logGroupName' failed to satisfy constraint: Member must have length less than or equal to 512")
    code, text = refused(bad.logs.create_log_stream, logGroupName=long, logStreamName=long + "x")
    assert code == "InvalidParameterException" and "less than or equal to 512" in text
    # A name never reaches a path: these are names like any other.
    group = "../" * 9 + name("etc")
    bad.put(group, "../../../s", ["inside"])
    got = bad.logs.get_log_events(logGroupName=group, logStreamName="../../../s")["events"]
    assert [e["message"] for e in got] == ["inside"]
    assert {p.name for p in bad.folder.iterdir()} == {"data", "server.log"}
    for group in ("a b", "ü", "a:b", "a*", "a\n", "a\x00b"):
        assert refused(bad.logs.create_log_group, logGroupName=group)[0] == "InvalidParameterException", group
    for stream in ("a:b", "a*b"):
        code, _ = refused(bad.logs.create_log_stream, logGroupName=long, logStreamName=stream)
        assert code == "InvalidParameterException", stream


def test_a_group_made_again_starts_empty(fresh):
    for _ in range(2):
        fresh.put("again", "s", ["old one", "old two"])
        fresh.logs.put_retention_policy(logGroupName="again", retentionInDays=1)
        fresh.logs.delete_log_group(logGroupName="again")
    fresh.put("again", "s", ["new"])
    for end in (None, fresh.stop, fresh.kill):
        if end:
            end()
            fresh.restart()
        client = fresh.client("logs")
        assert [e["message"] for e in client.filter_log_events(logGroupName="again")["events"]] == ["new"]
        (shown,) = client.describe_log_groups(logGroupNamePrefix="again")["logGroups"]
        assert "retentionInDays" not in shown
        now = int(time.time())
        asked = {"logGroupName": "again", "startTime": now - 3600, "endTime": now + 3600}
        started = client.start_query(queryString="stats count(*) as n", **asked)
        assert client.get_query_results(queryId=started["queryId"])["results"] == [[{"field": "n", "value": "1"}]]


def test_what_a_web_page_could_send_is_refused(bad):
    body = json.dumps({"logGroupName": "from-a-page"}).encode()
    good = logs_headers("CreateLogGroup")
    form = {"content-type": "application/x-www-form-urlencoded", "origin": "https://evil.example"}
    requests = [
        (b"Action=CreateTopic&Name=page&Version=2010-03-31", form),
        (b"Action=CreateTopic&Name=page&Version=2010-03-31", {"content-type": "application/x-www-form-urlencoded"}),
        (body, {**good, "origin": "https://evil.example"}),
        (body, {**good, "origin": "null"}),
        (body, {**good, "host": "evil.example"}),
        (body, {**good, "host": f"rebound.example:{bad.port}"}),
        (body, {k: v for k, v in good.items() if k != "authorization"}),
        (body, {**good, "authorization": "Basic dGVzdDp0ZXN0"}),
        (body, {**good, "content-type": "text/plain", "authorization": ""}),
    ]
    for sent, headers in requests:
        status, answer_headers, _ = bad.http("POST", "/", sent, headers)
        assert status in (400, 403), headers
        assert "access-control-allow-origin" not in answer_headers
    status, answer_headers, _ = bad.http("OPTIONS", "/", None, {
        "origin": "https://evil.example", "access-control-request-method": "POST"})
    assert status >= 400 and "access-control-allow-origin" not in answer_headers
    for own in ("/_logboom/clock", "/_logboom/reset"):
        assert bad.http("POST", own, b"{}", {"origin": "https://evil.example"})[0] in (403, 404)
    assert bad.logs.describe_log_groups(logGroupNamePrefix="from-a-page")["logGroups"] == []


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=40)


def answer_of(sock):
    """What comes back until the server closes."""
    received = b""
    try:
        while piece := sock.recv(65536):
            received += piece
    except ConnectionError:
        pass
    return received


def raw_put(server, body, length=None):
    head = "".join(f"{k}: {v}\r\n" for k, v in logs_headers("PutLogEvents").items())
    length = len(body) if length is None else length
    return f"POST / HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n{head}content-length: {length}\r\n\r\n".encode() + body


def test_requests_that_break_off_store_nothing(bad, name):
    group = name("cut")
    bad.put(group, "s", ["x"])
    event = {"timestamp": int(time.time() * 1000), "message": "cut"}
    body = json.dumps({"logGroupName": group, "logStreamName": "s", "logEvents": [event]}).encode()
    whole = raw_put(bad, body)
    for cut in (10, len(whole) - len(body) - 4, len(whole) - len(body), len(whole) - 1):
        with connect(bad) as sock:
            sock.sendall(whole[:cut])
    # Reset instead of an orderly end.
    with connect(bad) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(whole[:-1])
    # A length that is less than what follows: the request is broken JSON, the rest is no request.
    with connect(bad) as sock:
        sock.sendall(raw_put(bad, body, length=len(body) - 1))
        sock.shutdown(socket.SHUT_WR)
        assert b" 400 " in answer_of(sock).split(b"\r\n")[0]
    time.sleep(0.1)
    assert len(bad.logs.get_log_events(logGroupName=group, logStreamName="s")["events"]) == 1


def test_a_client_that_goes_before_the_answer_has_stored_its_batch_once_or_not(bad, name):
    group = name("gone")
    bad.put(group, "s", ["x"])
    now = int(time.time() * 1000)
    for n in range(20):
        event = {"timestamp": now, "message": str(n)}
        body = json.dumps({"logGroupName": group, "logStreamName": "s", "logEvents": [event] * 3}).encode()
        with connect(bad) as sock:
            sock.sendall(raw_put(bad, body))
    time.sleep(0.3)
    events = bad.logs.get_log_events(logGroupName=group, logStreamName="s")["events"]
    texts = [e["message"] for e in events if e["message"] != "x"]
    assert all(texts.count(t) == 3 for t in texts)


def test_slow_and_half_open_connections_hold_nobody_up(bad):
    idle = [connect(bad) for _ in range(50)]
    half = [connect(bad) for _ in range(50)]
    for sock in half:
        sock.sendall(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-len")
    bodies = [connect(bad) for _ in range(20)]
    for sock in bodies:
        sock.sendall(raw_put(bad, b"{", length=1_000_000))
    began = time.monotonic()
    assert bad.logs.describe_log_groups(logGroupNamePrefix="canary")["logGroups"]
    assert time.monotonic() - began < 5
    for sock in idle + half + bodies:
        sock.close()


def test_large_bodies_that_do_not_come_hold_nobody_up(bad, name):
    group = name("announced")
    bad.put(group, "s", ["x"])
    head = f"POST /2015-03-31/functions HTTP/1.1\r\nhost: 127.0.0.1:{bad.port}\r\n"
    announced = f"{head}authorization: {signed('lambda')}\r\ncontent-length: {70 << 20}\r\n\r\n{{"
    slow = [connect(bad) for _ in range(8)]
    for sock in slow:
        sock.sendall(announced.encode())
    time.sleep(0.3)
    began = time.monotonic()
    bad.put(group, "s", ["while they are awaited"], create=False)
    assert time.monotonic() - began < 4
    # Those that found no room are told so, those that did and send nothing lose it.
    with connect(bad) as small:
        body = b'{"FunctionName":"f"}'
        asked = f"{head}authorization: {signed('lambda')}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        small.sendall(asked.encode() + body)
        answer = answer_of(small)
        assert b" 503 " in answer.split(b"\r\n")[0], answer
        assert b"ServiceUnavailableException" in answer and b"limits.lambda_requests_in_flight_bytes" in answer
    # The rest of what these announced is not waited for.
    for sock in slow:
        answer = answer_of(sock)
        assert answer.split(b"\r\n")[0].split()[1] in (b"408", b"503"), answer
        assert b"RequestTimeoutException" in answer or b"ServiceUnavailableException" in answer
    assert time.monotonic() - began < 25
    assert bad.http("GET", "/2015-03-31/functions/", None, {"authorization": signed("lambda")})[0] == 200


def test_the_server_ends_although_clients_hold_connections(make_server):
    server = make_server()
    idle, half = connect(server), connect(server)
    half.sendall(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-len")
    body = connect(server)
    body.sendall(raw_put(server, b"{", length=1_000_000))
    time.sleep(0.2)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 15
    assert server.process.returncode == 0
    for sock in (idle, half, body):
        sock.close()


def test_heads_that_are_too_large_or_no_http(bad):
    host = f"host: 127.0.0.1:{bad.port}\r\n"
    heads = [
        f"GET / HTTP/1.1\r\n{host}x-large: {'x' * 200_000}\r\n\r\n",
        f"GET /{'x' * 200_000} HTTP/1.1\r\n{host}\r\n",
        "GET / HTTP/1.1\r\n" + host + "".join(f"x-{n}: y\r\n" for n in range(5000)) + "\r\n",
        "not http at all\r\n\r\n",
        f"POST / HTTP/1.1\r\n{host}content-length: -1\r\n\r\n",
        f"POST / HTTP/1.1\r\n{host}content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        f"POST / HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
    for head in heads:
        with connect(bad) as sock:
            try:
                sock.sendall(head.encode("latin-1"))
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            status = answer_of(sock).split(b"\r\n")[0]
            assert status == b"" or status.split()[1].startswith(b"4"), (head[:40], status)


def test_bodies_that_are_too_large(bad):
    status, code, text = logs(bad, "PutLogEvents", b" " * (11 << 20))
    assert status == 413 and code == "RequestEntityTooLargeException" and "larger than" in text
