"""What the host does around guests: compiled files, HTTP in and out, secrets, books, budgets, circuit breakers, a stop,
and hostile guests beside others that work."""

import json
import threading
import time

import pytest

from conftest import ACCOUNT, REGION, eventually
from test_functions import deploy, error, guest, lines, zipped

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
SECRET = "xoxb-hidden-7f3a91"


def post(server, function, text):
    """Invokes a web handler; what it answers, or the error document."""
    answer = server.functions.invoke(FunctionName=function, Payload=json.dumps(text))
    body = answer["Payload"].read().decode()
    return json.loads(body) if "FunctionError" in answer else body


def manifest(**allow):
    """The web guest in a zip whose manifest grants things."""
    lists = "\n".join(f"{key} = {json.dumps(value)}" for key, value in allow.items())
    return zipped(guest("web_guest"), **{"function.toml": f"[allow]\n{lists}\n"})


def cwasm(server):
    return sorted(path for path in (server.folder / "data" / "cwasm").glob("*") if path.is_file())


def forget(server):
    for service in ("logs", "functions", "cloudwatch"):
        server.__dict__.pop(service, None)


def test_after_a_restart_functions_are_ready_without_compiling(fresh):
    deploy(fresh, "good", guest("hostile_guest"))
    (file,) = cwasm(fresh)
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"no such user" not in file.read_bytes(), "text of the guest is sealed"
    before = (file.name, file.stat().st_mtime_ns)
    fresh.restart()
    forget(fresh)
    assert fresh.functions.invoke(FunctionName="good", Payload=b"7")["Payload"].read() == b"7"
    assert [(path.name, path.stat().st_mtime_ns) for path in cwasm(fresh)] == [before], "nothing was compiled"
    # What somebody changed is made again, from the WebAssembly.
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    fresh.stop()
    file.write_bytes(changed)
    fresh.start()
    forget(fresh)
    assert fresh.functions.invoke(FunctionName="good", Payload=b"8")["Payload"].read() == b"8"
    assert file.read_bytes() != bytes(changed)
    assert "it is compiled again" in (fresh.folder / "server.log").read_text()
    fresh.functions.delete_function(FunctionName="good")
    eventually(lambda: not cwasm(fresh))


def test_a_web_handler_is_a_function(server, name):
    one = name("web")
    deploy(server, one, guest("web_guest"))
    assert post(server, one, "hello").endswith('1 "hello"')
    assert post(server, one, "status 404")["errorMessage"] == "the handler answered 404: as you like"
    assert "no such page" in post(server, one, "trap")["errorMessage"]


def test_requests_of_a_guest_go_where_they_may(make_server, webhook, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[secrets.slack]\nvalue = "{SECRET}"\nhosts = ["{webhook.url}"]\n')
    server = make_server("--config", str(settings))
    deploy(server, "web", manifest(http=[webhook.url, "http://169.254.169.254", "http://10.0.0.1"], secrets=["slack"]))

    def answered(text):
        return post(server, "web", text)

    assert answered(f"fetch POST {webhook.url}/hook text").startswith("200 ")
    sent = webhook.next()
    assert sent["body"] == b"text" and sent["headers"]["x-logboom-hop"] == "1"
    assert "DestinationIpProhibited" in answered("fetch GET http://169.254.169.254/latest/meta-data")
    assert "DestinationIpProhibited" in answered("fetch GET http://10.0.0.1/")
    assert "HttpRequestDenied" in answered("fetch GET http://127.0.0.1:1/")
    assert answered(f"secret slack {webhook.url}/hook").startswith("200 ")
    sent = webhook.next()
    assert sent["path"] == f"/hook/{SECRET}" and sent["headers"]["authorization"] == f"Bearer {SECRET}"
    told = "\n".join(lines(server, "web"))
    assert "169.254.169.254" in told and "logboom:allow-http" in told
    everything = told + (server.folder / "server.log").read_text()
    assert SECRET not in everything


def test_a_wrong_grant_or_secret_is_said_at_the_door(server, name, make_server, tmp_path):
    tags = {"logboom:allow-http": "ftp://example.com"}
    assert "ftp://example.com" in error(
        "InvalidParameterValueException", deploy, server, name("x"), guest("web_guest"), wait=False, Tags=tags
    )
    settings = tmp_path / "settings.toml"
    settings.write_text('[secrets.slack]\nvalue = "xoxb-hidden"\n')
    with pytest.raises(RuntimeError) as failed:
        make_server("--config", str(settings))
    assert "[secrets.slack]" in str(failed.value) and "xoxb-hidden" not in str(failed.value)


def test_the_books_of_functions(virtual):
    deploy(virtual, "good", guest("hostile_guest"))
    virtual.logs.create_log_group(logGroupName="/app")
    virtual.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "good"
    )
    virtual.put("/app", "s", ["one", "two", "three"])
    virtual.advance(1)
    virtual.functions.invoke(FunctionName="good", Payload=b"1")

    def books():
        told = json.loads(virtual.http("GET", "/_logboom/functions")[2])
        return {row["log_group"]: row for row in told["functions"]}

    rows = books()
    assert rows["/app"]["events"] == rows["/app"]["events_kept"] == 3 and rows["/app"]["calls"] == 1
    assert rows[""]["calls"] == 1 and rows[""]["bytes_in"] == 1 and rows[""]["cpu_us"] > 0
    assert rows["/app"]["function"] == "good" and rows["/app"]["version"] == "$LATEST"
    virtual.advance(120)
    listed = virtual.cloudwatch.list_metrics(Namespace="AWS/Lambda")["Metrics"]
    assert {metric["MetricName"] for metric in listed} == {
        "Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"
    }
    sums = virtual.cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Invocations", Statistics=["Sum"], Period=3600,
        Dimensions=[{"Name": "FunctionName", "Value": "good"}],
        StartTime=virtual.now_ms() / 1000 - 3600, EndTime=virtual.now_ms() / 1000 + 3600,
    )["Datapoints"]
    assert sum(point["Sum"] for point in sums) == 2
    before, now_ms = books(), virtual.now_ms()
    virtual.kill()
    virtual.flags = ("--clock", f"virtual={now_ms}")
    virtual.start()
    assert books() == before, "the books survive a kill"


def test_a_function_that_has_spent_its_budget_waits(fresh):
    tags = {"logboom:budget-cpu-ms-per-minute": "50"}
    deploy(
        fresh, "greedy", guest("hostile_guest"), Timeout=1, Tags=tags, Environment={"Variables": {"behaviour": "loop"}}
    )
    fresh.functions.invoke(FunctionName="greedy")

    def throttled():
        # The minute may end between two calls; the next one spends the budget again.
        try:
            fresh.functions.invoke(FunctionName="greedy")
        except fresh.functions.exceptions.TooManyRequestsException as refused:
            return str(refused)

    assert "logboom:budget-cpu-ms-per-minute" in eventually(throttled)
    rows = json.loads(fresh.http("GET", "/_logboom/functions")[2])["functions"]
    assert rows[0]["throttles"] >= 1
    wrong = {"logboom:budget-cpu-ms-per-minute": "much"}
    assert "budget" in error(
        "InvalidParameterValueException", deploy, fresh, "x", guest("hostile_guest"), wait=False, Tags=wrong
    )


def test_a_function_that_fails_batch_after_batch_rests(virtual):
    deploy(virtual, "broken", guest("hostile_guest"), Environment={"Variables": {"behaviour": "retry"}})
    virtual.logs.create_log_group(logGroupName="/app")
    virtual.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "broken"
    )
    virtual.put("/app", "s", ["one"])
    virtual.advance(40)

    def consumer():
        told = json.loads(virtual.http("GET", "/_logboom/consumers")[2])
        return next(one for one in told["consumers"] if one["kind"] == "subscription")

    eventually(lambda: "rests after" in (consumer().get("failure") or "") or (virtual.advance(5) and None))
    assert consumer()["circuit"]["state"] == "open"
    assert b"logboom_function_circuits_open 1" in virtual.http("GET", "/metrics")[2]
    # Mended: it is tried by itself and the event that waited comes.
    virtual.functions.update_function_configuration(
        FunctionName="broken", Environment={"Variables": {"behaviour": "good"}}
    )
    virtual.advance(120)
    assert consumer()["lag_events"] == 0 and "circuit" not in consumer()
    assert b"logboom_function_circuits_open 0" in virtual.http("GET", "/metrics")[2]


@pytest.mark.parametrize("attached", ["invoke", "transformer", "subscription"])
def test_a_stop_ends_a_guest_that_loops_soon(fresh, attached):
    deploy(fresh, "loop", guest("hostile_guest"), Timeout=60, Environment={"Variables": {"behaviour": "loop"}})
    fresh.logs.create_log_group(logGroupName="/app")

    def call():
        try:
            if attached == "invoke":
                fresh.functions.invoke(FunctionName="loop")
            else:
                fresh.put("/app", "s", ["an event"])
        except Exception:  # noqa: BLE001: whatever the client says when its server goes
            pass

    if attached == "transformer":
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app"
        tags = {"logboom:transformer": "loop", "logboom:transformer-on-error": "keep"}
        fresh.logs.tag_resource(resourceArn=arn, tags=tags)
    if attached == "subscription":
        fresh.logs.put_subscription_filter(
            logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "loop"
        )
    calling = threading.Thread(target=call)
    calling.start()
    time.sleep(1)
    began = time.monotonic()
    fresh.stop()
    assert time.monotonic() - began < 15
    calling.join()


@pytest.mark.parametrize(
    "behaviour", ["loop", "host-loop", "sleep", "memory", "stack", "gigabyte", "flood", "fork-bomb", "panic", "huge"]
)
def test_others_work_beside_a_hostile_guest(server, name, behaviour):
    hostile, good, group = name("hostile"), name("good"), name("/ingest")
    tags = {"logboom:allow-logs": "/out"}
    environment = {"Variables": {"behaviour": behaviour}}
    deploy(server, hostile, guest("hostile_guest"), Timeout=2, MemorySize=128, Environment=environment, Tags=tags)
    deploy(server, good, guest("hostile_guest"))
    server.put("/out", "s", ["so that it is there"])
    client = server.client("lambda")
    calls = [threading.Thread(target=lambda: client.invoke(FunctionName=hostile)) for _ in range(3)]
    for call in calls:
        call.start()
    stored = 0
    while any(call.is_alive() for call in calls):
        server.put(group, "s", ["an event"])
        stored += 1
        assert server.functions.invoke(FunctionName=good, Payload=b"7")["Payload"].read() == b"7"
    for call in calls:
        call.join()
    assert len(server.logs.filter_log_events(logGroupName=group)["events"]) == stored > 0
