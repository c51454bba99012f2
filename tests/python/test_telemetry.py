"""What the server says about itself: the page for Prometheus, the AWS/Logs metrics, the lines on stderr."""

import base64
import json
import re
import socket
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION, eventually
from test_functions import deploy, guest

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parse(text):
    """Prometheus' text format, strictly: gives {(name, ((label, value), ...)): number}."""
    assert text.endswith("\n") and "\r" not in text
    kinds, samples, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert re.fullmatch(NAME, current) and current not in kinds, line
            assert len(line.split(" ", 3)) == 4, f"no help: {line}"
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and kind in ("counter", "gauge", "histogram"), line
            assert (kind == "counter") == name.endswith("_total"), line
            kinds[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            name, labels, value = found.groups()
            pairs = LABEL.findall(labels or "")
            assert "".join(f'{n}="{v}",' for n, v in pairs).rstrip(",") == (labels or ""), line
            stem = re.sub(r"_(bucket|sum|count)$", "", name) if kinds.get(current) == "histogram" else name
            assert stem == current and current in kinds, f"a sample outside its family: {line}"
            key = (name, tuple(sorted(pairs)))
            assert key not in samples, f"twice: {line}"
            samples[key] = float(value)
    for name in (n for n, kind in kinds.items() if kind == "histogram"):
        check_histogram(name, samples)
    return samples


def check_histogram(name, samples):
    series = {}
    for (sample, labels), value in samples.items():
        if sample == f"{name}_bucket":
            rest = tuple(pair for pair in labels if pair[0] != "le")
            series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for rest, buckets in series.items():
        assert buckets == sorted(buckets), "buckets rise and so do their counts"
        assert [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert buckets[-1][0] == float("inf") and buckets[-1][1] == samples[(f"{name}_count", rest)]
        assert (f"{name}_sum", rest) in samples


def scrape(server, **headers):
    status, answered, body = server.http("GET", "/metrics", headers=headers)
    assert status == 200, body
    assert answered["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(body.decode())


def value(samples, name, **labels):
    return samples[(name, tuple(sorted(labels.items())))]


def test_the_page_counts_what_happened(fresh):
    before = scrape(fresh)
    assert value(before, "logboom_ingested_events_total") == 0
    fresh.put("/app", "s", [f"line {i}" for i in range(100)])
    fresh.logs.put_log_events(
        logGroupName="/app", logStreamName="s", logEvents=[{"timestamp": fresh.now_ms(), "message": "é"}]
    )
    with pytest.raises(ClientError):
        fresh.logs.get_log_events(logGroupName="/none", logStreamName="s")
    with pytest.raises(ClientError):
        fresh.logs.list_anomalies()
    query = fresh.logs.start_query(
        logGroupName="/app", startTime=0, endTime=fresh.now_ms() // 1000 + 60, queryString="stats count(*)"
    )["queryId"]
    eventually(lambda: fresh.logs.get_query_results(queryId=query)["status"] == "Complete")
    after = scrape(fresh)
    assert value(after, "logboom_ingested_events_total") == 101
    assert value(after, "logboom_ingested_bytes_total") == sum(len(f"line {i}") + 26 for i in range(100)) + 2 + 26
    assert value(after, "logboom_intake_commits_total") >= 2
    assert value(after, "logboom_intake_bytes") > 0 and value(after, "logboom_intake_refusing") == 0
    assert value(after, "logboom_fsync_duration_seconds_count") >= value(after, "logboom_intake_commits_total") >= 2
    assert value(after, "logboom_fsync_duration_seconds_sum") > 0
    assert value(after, "logboom_live_tails") == 0
    put = {"service": "logs", "operation": "PutLogEvents"}
    assert value(after, "logboom_requests_total", code="200", **put) == 2
    assert value(after, "logboom_request_duration_seconds_count", **put) == 2
    assert value(after, "logboom_requests_total", service="logs", operation="GetLogEvents", code="400") == 1
    assert value(after, "logboom_requests_total", service="logs", operation="unserved", code="400") == 1
    assert value(after, "logboom_queries_ended_total", state="Complete") == 1
    assert value(after, "logboom_query_duration_seconds_count") == 1
    assert value(after, "logboom_queries", state="Running") == 0
    assert value(after, "logboom_connections") >= 1
    assert value(after, "process_resident_memory_bytes") > 1 << 20
    assert value(after, "process_open_fds") > 5
    # The system counts hundredths of a second; each page costs some of one.
    eventually(lambda: value(scrape(fresh), "process_cpu_seconds_total") > 0)
    kinds = {dict(labels)["kind"] for name, labels in after if name == "logboom_consumers"}
    assert "metric-filters" in kinds
    eventually(lambda: value(scrape(fresh), "logboom_consumer_lag_events", kind="metric-filters") == 0)
    assert value(scrape(fresh), "logboom_consumer_lag_seconds", kind="metric-filters") == 0


def test_dead_letters_and_attempts_are_counted(virtual):
    arn = virtual.sns.create_topic(Name="t")["TopicArn"]
    policy = json.dumps({"healthyRetryPolicy": {"numRetries": 1, "minDelayTarget": 1, "maxDelayTarget": 1}})
    virtual.sns.subscribe(
        TopicArn=arn, Protocol="http", Endpoint="http://127.0.0.1:9/x", Attributes={"DeliveryPolicy": policy}
    )
    for _ in range(60):
        virtual.advance(60)
        if value(scrape(virtual), "logboom_outbox_attempts_total", outcome="dead") == 1:
            break
    samples = scrape(virtual)
    assert value(samples, "logboom_outbox_dead_letters") == 1 and value(samples, "logboom_outbox_pending") == 0
    assert value(samples, "logboom_outbox_attempts_total", outcome="retry") >= 1


def test_with_keys_the_page_needs_one_without_policies(make_server, tmp_path):
    policy = '{Version = "2012-10-17", Statement = [{Effect = "Allow", Action = "*", Resource = "*"}]}'
    config = tmp_path / "keys.toml"
    config.write_text(f'[[keys]]\nid = "LIMITED"\nsecret = "its-secret"\nname = "l"\npolicies = [{policy}]\n')
    server = make_server("--config", str(config), env={"LOGBOOM_KEYS": "OWNER:very-secret"})

    def basic(user, password):
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

    status, headers, body = server.http("GET", "/metrics")
    assert status == 401 and headers["www-authenticate"].startswith("Basic ") and b"access key" in body
    for user, password in [("OWNER", "very-secre"), ("OWNER", "very-secret2"), ("NOBODY", "x"), ("", "")]:
        assert server.http("GET", "/metrics", headers=basic(user, password))[0] == 401
    assert server.http("GET", "/metrics", headers={"Authorization": "Basic !!!"})[0] == 401
    assert server.http("GET", "/metrics", headers=basic("LIMITED", "its-secret"))[0] == 403
    assert value(scrape(server, **basic("OWNER", "very-secret")), "logboom_intake_refusing") == 0
    signed = botocore_signed(server.url + "/metrics", "OWNER", "very-secret")
    assert scrape(server, **signed)
    assert server.http("GET", "/_logboom/health")[0] == 200


def botocore_signed(url, key, secret):
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials

    request = botocore.awsrequest.AWSRequest(method="GET", url=url)
    credentials = botocore.credentials.Credentials(key, secret)
    botocore.auth.SigV4Auth(credentials, "monitoring", "us-east-1").add_auth(request)
    return dict(request.headers)


def test_only_get_and_only_from_this_machine(fresh):
    assert fresh.http("POST", "/metrics", b"")[0] == 405
    request = urllib.request.Request(fresh.url + "/metrics", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 403


def points(server, metric, dimensions=(), region=None):
    """{minute in ms: sum} of an AWS/Logs metric."""
    cloudwatch = server.client("cloudwatch", **({"region": region} if region else {}))
    stat = {
        "Metric": {
            "Namespace": "AWS/Logs",
            "MetricName": metric,
            "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions],
        },
        "Period": 60,
        "Stat": "Sum",
    }
    now = server.now_ms() / 1000
    result = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}], StartTime=now - 86400, EndTime=now + 600
    )["MetricDataResults"][0]
    return {int(t.timestamp() * 1000): v for t, v in zip(result["Timestamps"], result["Values"])}


def minute(ms):
    return ms - ms % 60_000


def test_incoming_events_become_metrics_of_their_minute(virtual):
    first = minute(virtual.now_ms())
    virtual.put("/a", "s", ["one", "two"])
    virtual.put("/b", "s", ["three"])
    assert points(virtual, "IncomingLogEvents") == {}, "the minute has not ended"
    virtual.advance(60)
    virtual.put("/a", "s", ["four"])
    virtual.advance(120)
    assert points(virtual, "IncomingLogEvents") == {first: 3, first + 60_000: 1}
    assert points(virtual, "IncomingLogEvents", [("LogGroupName", "/a")]) == {first: 2, first + 60_000: 1}
    assert points(virtual, "IncomingBytes", [("LogGroupName", "/b")]) == {first: 5 + 26}
    assert points(virtual, "IncomingLogEvents", [("LogGroupName", "/b")]) == {first: 1}
    listed = virtual.cloudwatch.list_metrics(Namespace="AWS/Logs")["Metrics"]
    shown = {(m["MetricName"], tuple(d["Value"] for d in m["Dimensions"])) for m in listed}
    expected = {(name, group) for name in ("IncomingBytes", "IncomingLogEvents") for group in ((), ("/a",), ("/b",))}
    assert shown == expected
    # Another region has its own.
    virtual.client("logs", region="eu-west-1").create_log_group(logGroupName="/a")
    assert points(virtual, "IncomingLogEvents", region="eu-west-1") == {}
    # Days without events are no points, and cost nothing.
    virtual.advance(3 * 86400)
    virtual.put("/a", "s", ["five"])
    again = minute(virtual.now_ms())
    virtual.advance(60)
    assert points(virtual, "IncomingLogEvents") == {again: 1}


def test_counts_survive_an_orderly_end_and_are_not_counted_twice(make_server):
    server = make_server()
    server.put("/a", "s", ["one", "two", "three"])
    server.restart()
    eventually(lambda: sum(points(server, "IncomingLogEvents").values()) == 3)
    event = {"timestamp": server.now_ms(), "message": "four"}
    server.client("logs").put_log_events(logGroupName="/a", logStreamName="s", logEvents=[event])
    server.restart()
    assert sum(points(server, "IncomingLogEvents", [("LogGroupName", "/a")]).values()) == 4
    server.restart()
    assert sum(points(server, "IncomingLogEvents").values()) == 4


def test_what_is_forwarded_and_what_is_not_is_counted(virtual):
    deploy(virtual, "digest", guest("error_digest"))
    deploy(virtual, "broken", guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    virtual.put("/fed", "s", ["before"])
    for filter_name, function in (("good", "digest"), ("bad", "broken")):
        virtual.logs.put_subscription_filter(
            logGroupName="/fed",
            filterName=filter_name,
            filterPattern="ERROR",
            destinationArn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
        )
    virtual.put("/fed", "s", ["ERROR one", "INFO two", "ERROR three"])
    virtual.advance(120)

    def of(metric, filter_name):
        dimensions = [("LogGroupName", "/fed"), ("DestinationType", "Lambda"), ("FilterName", filter_name)]
        return sum(points(virtual, metric, dimensions).values())

    assert of("ForwardedLogEvents", "good") == 2
    assert of("ForwardedBytes", "good") == len("ERROR one") + len("ERROR three")
    assert of("DeliveryErrors", "good") == 0
    assert of("ForwardedLogEvents", "bad") == 0 and of("DeliveryErrors", "bad") >= 2
    samples = scrape(virtual)
    good = {"account": ACCOUNT, "function": "digest"}
    assert value(samples, "logboom_function_calls_total", **good) >= 1
    assert value(samples, "logboom_function_errors_total", **good) == 0
    assert value(samples, "logboom_consumers", kind="subscription") == 2
    # The reader that is stuck is behind, and the page says for how long.
    virtual.put("/fed", "s", ["ERROR four"])
    virtual.advance(30)
    samples = scrape(virtual)
    assert value(samples, "logboom_consumers_failing", kind="subscription") == 1
    assert value(samples, "logboom_consumer_lag_events", kind="subscription") >= 1
    assert value(samples, "logboom_consumer_lag_seconds", kind="subscription") >= 30


def test_only_so_many_groups_have_metrics_of_their_own(make_server, tmp_path):
    (tmp_path / "few.toml").write_text("[limits]\nvended_metric_groups = 2\n")
    server = make_server("--clock", "virtual", "--config", str(tmp_path / "few.toml"))
    for group in ("/a", "/b", "/c"):
        server.put(group, "s", ["x"])
    server.advance(60)
    own = [sum(points(server, "IncomingLogEvents", [("LogGroupName", g)]).values()) for g in ("/a", "/b", "/c")]
    assert sorted(own) == [0, 1, 1]
    assert sum(points(server, "IncomingLogEvents").values()) == 3


def test_nobody_else_writes_there(fresh):
    with pytest.raises(ClientError) as refused:
        fresh.cloudwatch.put_metric_data(
            Namespace="AWS/Logs", MetricData=[{"MetricName": "IncomingLogEvents", "Value": 1}]
        )
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert "AWS/Logs" in refused.value.response["Error"]["Message"]


def test_an_alarm_on_incoming_events(virtual):
    virtual.cloudwatch.put_metric_alarm(
        AlarmName="flood",
        Namespace="AWS/Logs",
        MetricName="IncomingLogEvents",
        Dimensions=[{"Name": "LogGroupName", "Value": "/flood"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )

    def state():
        return virtual.cloudwatch.describe_alarms(AlarmNames=["flood"])["MetricAlarms"][0]["StateValue"]

    virtual.put("/flood", "s", ["x"] * 100)
    virtual.advance(60)
    assert state() == "OK"
    virtual.put("/flood", "s", ["x"] * 101)
    virtual.advance(60)
    assert state() == "ALARM", "the minute that has just ended is seen at its end"
    virtual.advance(180)
    assert state() == "OK"


def test_lines_are_json_when_asked_for_and_carry_the_request(make_server):
    server = make_server("--log-format", "json", "--log", "debug")
    server.put("/a", "s", ["x"])
    server.stop()
    lines = (server.folder / "server.log").read_text().splitlines()
    for line in lines:
        one = json.loads(line)
        assert {"timestamp", "level", "target", "message"} <= set(one), line
    assert any("stopping" in line for line in lines)


def test_a_log_filter_that_is_none_is_refused(tmp_path):
    import subprocess

    from conftest import BINARY, CLEAN

    command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "d"), "--log", "a=b=c"]
    done = subprocess.run(command, env=CLEAN, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "a=b=c" in done.stderr


def test_no_secret_and_no_log_line_is_traced(make_server, tmp_path):
    secrets = ("canary-secret-of-the-key", "canary-in-a-message", "canary-in-a-query", "canary-of-a-wrong-key")
    key, line, query, wrong = secrets
    server = make_server("--log", "trace", env={"LOGBOOM_KEYS": f"OWNER:{key}"})
    logs = server.client("logs", key="OWNER", secret=key)
    logs.create_log_group(logGroupName="/a")
    logs.create_log_stream(logGroupName="/a", logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": f'{{"k": "{line}"}}'}, {"timestamp": now, "message": line}]
    logs.put_log_events(logGroupName="/a", logStreamName="s", logEvents=events)
    logs.filter_log_events(logGroupName="/a", filterPattern=f'"{line}"')
    started = logs.start_query(
        logGroupName="/a", startTime=0, endTime=now // 1000 + 60, queryString=f"filter @message like '{query}'"
    )
    eventually(lambda: logs.get_query_results(queryId=started["queryId"])["status"] == "Complete")
    for call in (
        lambda: logs.put_log_events(logGroupName="/a", logStreamName="none", logEvents=events),
        lambda: logs.start_query(logGroupName="/a", startTime=0, endTime=1, queryString=f"nonsense {query}"),
        lambda: server.client("logs", key="OWNER", secret=wrong).describe_log_groups(),
    ):
        with pytest.raises(ClientError):
            call()
    basic = base64.b64encode(f"OWNER:{wrong}".encode()).decode()
    assert server.http("GET", "/metrics", headers={"Authorization": f"Basic {basic}"})[0] == 401
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"NOT HTTP {line}\r\n\r\n".encode())
        connection.recv(1000)
    assert server.http("POST", "/", line.encode(), {"x-amz-target": "Logs_20140328.PutLogEvents"})[0] >= 400
    server.stop()
    written = (server.folder / "server.log").read_text()
    assert "a connection ended early" in written, "the level is on"
    for secret in (*secrets, basic):
        assert secret not in written, [one for one in written.splitlines() if secret in one][:3]
