"""The example guests in their places, end to end."""

import hashlib
import json
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import ACCOUNT, REGION, eventually
from test_functions import ROLE, deploy, error, guest, lines, update, zipped

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


def transform(server, group, function, on_error):
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    tags = {"logboom:transformer": function, "logboom:transformer-on-error": on_error}
    server.logs.tag_resource(resourceArn=arn, tags=tags)


def messages(server, group, **what):
    return [event["message"] for event in server.logs.filter_log_events(logGroupName=group, **what)["events"]]


def test_redact_stores_nothing_personal(server, name):
    group, one = name("/private"), name("redact")
    deploy(server, one, guest("redact"))
    tags = {"logboom:transformer": one, "logboom:transformer-on-error": "fail"}
    server.logs.create_log_group(logGroupName=group, tags=tags)
    server.put(group, "s", ["login of a.b@example.com", "nothing here"])
    assert messages(server, group) == ["login of [email]", "nothing here"]


def test_patterns_ask_the_packed_side_of_a_filter_and_transformers_the_other(server, name):
    group, one = name("/sides"), name("sides")
    deploy(server, one, guest("hostile_guest"), Environment={"Variables": {"behaviour": "sides"}})
    server.logs.create_log_group(logGroupName=group)
    before = '{"a": 1}'
    server.put(group, "s", [before])
    assert messages(server, group, filterPattern=f"{{ wasm:{one} }}") == [], "alone in a pattern"
    assert messages(server, group, filterPattern=f"{{ wasm:{one} && $.a = 1 }}") == [], "and beside another condition"
    transform(server, group, one, "fail")
    server.put(group, "s", ["after"])
    assert messages(server, group) == [before, "as records"]


def test_a_transformer_that_cannot_work_is_refused(server, name):
    group, digest = name("/refused"), name("digest")
    deploy(server, digest, guest("error_digest"))
    server.logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"

    def refused(**tags):
        tags = {f"logboom:{key.replace('_', '-')}": value for key, value in tags.items()}
        return error("InvalidParameterException", server.logs.tag_resource, resourceArn=arn, tags=tags)

    assert "exports subscription" in refused(transformer=digest, transformer_on_error="keep")
    assert "there is no function none" in refused(transformer="none", transformer_on_error="keep")
    assert "together" in refused(transformer=digest)
    assert "keep, drop or fail" in refused(transformer=digest, transformer_on_error="hide")
    tags = {"logboom:transformer": "none", "logboom:transformer-on-error": "keep"}
    error("InvalidParameterException", server.logs.create_log_group, logGroupName=name("/other"), tags=tags)
    error("InvalidParameterException", server.logs.tag_log_group, logGroupName=group, tags=tags)
    assert server.logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}


@pytest.mark.parametrize("on_error, stored", [("keep", ["an event"]), ("drop", []), ("fail", [])])
def test_what_becomes_of_a_batch_when_its_transformer_fails(server, name, on_error, stored):
    group, one = name(f"/{on_error}"), name("bad")
    deploy(server, one, guest("hostile_guest"), Environment={"Variables": {"behaviour": "panic"}})
    server.logs.create_log_group(logGroupName=group)
    transform(server, group, one, on_error)
    if on_error == "fail":
        server.logs.create_log_stream(logGroupName=group, logStreamName="s")
        message = error("ServiceUnavailableException", server.put, group, "s", ["an event"])
        assert one in message and "no such user: 7" in message
    else:
        server.put(group, "s", ["an event"])
    assert messages(server, group) == stored
    update(server, one, behaviour="good")
    server.put(group, "s", ["drop", "replace", "as it is"])
    assert messages(server, group)[len(stored) :] == ["REPLACE", "as it is"]


def test_a_stored_event_can_be_traced_to_the_module_it_went_through(make_server):
    """By position, over new code, a failure, an alias that shares calls out, no transformer, and a kill."""
    server = make_server()
    group = "/traced"
    deploy(server, "maker", guest("hostile_guest"))
    tags = {"logboom:transformer": "maker", "logboom:transformer-on-error": "keep"}
    server.logs.create_log_group(logGroupName=group, tags=tags)
    server.logs.create_log_stream(logGroupName=group, logStreamName="s")

    def own(**asked):
        path = "/_logboom/transformers?" + urllib.parse.urlencode({"group": group, **asked})
        return json.loads(server.http("GET", path)[2])

    def digest(name):
        return hashlib.sha256(guest(name)).hexdigest()

    def put(text):
        server.put(group, "s", [text], create=False)

    def by():
        found = server.logs.filter_log_events(logGroupName=group)["events"]
        ids = [event["eventId"] for event in sorted(found, key=lambda event: int(event["eventId"][-20:]))]
        return [[(one["version"], one["digest"], one["outcome"]) for one in own(event=id)["by"]] for id in ids]

    first = ("$LATEST", digest("hostile_guest"), "transformed")
    put("replace")
    put("as it is")
    assert messages(server, group) == ["REPLACE", "as it is"] and by() == [[first]] * 2
    assert len(own()["spans"]) <= 2, "not a row for each batch"
    server.functions.publish_version(FunctionName="maker")
    server.functions.update_function_code(FunctionName="maker", ZipFile=guest("redact"))
    server.functions.get_waiter("function_updated_v2").wait(FunctionName="maker", WaiterConfig={"Delay": 0.1})
    second = ("$LATEST", digest("redact"), "transformed")
    put("a.b@example.com")
    assert by() == [[first]] * 2 + [[second]]
    server.kill()
    server.start()
    for client in ("logs", "functions"):
        server.__dict__.pop(client, None)  # it knows the old port
    put("once more")
    assert by() == [[first]] * 2 + [[second]] * 2

    # An alias that shares its calls out: each event is of one of both, and rows do not pile up.
    server.functions.publish_version(FunctionName="maker")
    weights = {"AdditionalVersionWeights": {"1": 0.5}}
    server.functions.create_alias(FunctionName="maker", Name="live", FunctionVersion="2", RoutingConfig=weights)
    transform(server, group, "maker:live", "keep")
    rows = len(own()["spans"])
    for n in range(40):
        put("replace")
    shared = by()[4:]
    versions = {"1": "REPLACE", "2": "replace"}
    texts = messages(server, group)[4:]
    assert set(texts) == set(versions.values())
    for text, makers in zip(texts, shared, strict=True):
        assert text in {versions[version] for version, _, _ in makers}, "the one that made it is named"
    assert len(own()["spans"]) - rows <= 4
    # What fails is said to be as it came; without a transformer, so it is.
    update(server, "maker", behaviour="panic")
    server.functions.update_function_code(FunctionName="maker", ZipFile=guest("hostile_guest"))
    server.functions.get_waiter("function_updated_v2").wait(FunctionName="maker", WaiterConfig={"Delay": 0.1})
    transform(server, group, "maker", "keep")
    put("replace")
    assert ("$LATEST", digest("hostile_guest"), "failed, stored as it came") in by()[-1]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    server.logs.untag_resource(resourceArn=arn, tagKeys=list(tags))
    put("plain")
    assert ("", "", "no transformer") in by()[-1]
    status, _, answer = server.http("GET", "/_logboom/transformers?group=/none")
    assert status == 404 and b"/none" in answer
    assert server.http("GET", f"/_logboom/transformers?group={group}&event=7")[0] == 400


def test_error_digest_through_the_command_line_of_aws(fresh, tmp_path):
    """As a user would type it: exactly the matching events reach the function, its output is in its log group."""
    file = tmp_path / "digest.zip"
    file.write_bytes(zipped(guest("error_digest")))
    fresh.aws("logs", "create-log-group", "--log-group-name", "/app")
    fresh.aws(
        "lambda", "create-function", "--function-name", "digest", "--runtime", "provided.al2023", "--handler", "bootstrap",
        "--role", ROLE, "--zip-file", f"fileb://{file}",
    )
    fresh.aws("lambda", "wait", "function-active-v2", "--function-name", "digest")
    fresh.aws(
        "lambda", "add-permission", "--function-name", "digest", "--statement-id", "logs", "--action",
        "lambda:InvokeFunction", "--principal", "logs.amazonaws.com",
    )
    fresh.aws(
        "logs", "put-subscription-filter", "--log-group-name", "/app", "--filter-name", "errors", "--filter-pattern",
        "ERROR", "--destination-arn", ARN + "digest",
    )
    fresh.put("/app", "s", ["INFO fine", "ERROR no user 3", "ERROR no user 4", "WARN odd", "ERROR disk full"])
    output = eventually(lambda: (found := lines(fresh, "digest")) and found[-1].startswith("REPORT") and found)
    assert output[0].startswith("START") and output[1] == "3 events of 2 kinds in /app"
    assert [line.strip() for line in output[2:4]] == ["2 x ERROR no user 3", "1 x ERROR disk full"]
    assert [line.split()[0] for line in output[4:]] == ["END", "REPORT"]


def test_a_program_gets_the_payload_of_aws(fresh):
    deploy(fresh, "program", guest("program-guest"), Environment={"Variables": {"behaviour": "lines"}})
    fresh.logs.create_log_group(logGroupName="/app")
    fresh.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "program"
    )
    fresh.put("/app", "s", ["one", "two"])
    eventually(lambda: any(line.startswith("REPORT") for line in lines(fresh, "program")))


def test_poison_is_isolated_and_the_rest_passes(virtual):
    deploy(virtual, "poisoned", guest("hostile_guest"), Environment={"Variables": {"behaviour": "poison"}})
    virtual.logs.create_log_group(logGroupName="/app")
    virtual.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "poisoned"
    )
    virtual.put("/app", "s", ["a", "b", "poison", "c"])
    virtual.advance(1)
    output = "\n".join(lines(virtual, "poisoned"))
    assert "poisoned" in output
    assert output.count("REPORT") >= 4, "the batch was halved until the event was alone"
    virtual.advance(10)
    before = len(lines(virtual, "poisoned"))
    virtual.put("/app", "s", ["d"])
    virtual.advance(60)
    assert lines(virtual, "poisoned")[before].startswith("START"), "the event is tried again, then set apart"
    told = json.loads(virtual.http("GET", "/_logboom/consumers")[2])
    assert [consumer["lag_events"] for consumer in told["consumers"]] == [0] * len(told["consumers"])
    assert len(told["dead_letters"]) == 1, "and the subscription goes on"


def test_latency_extractor_as_metric_value(virtual):
    deploy(virtual, "latency", guest("latency_extractor"))
    virtual.logs.create_log_group(logGroupName="/app")
    virtual.logs.put_metric_filter(
        logGroupName="/app",
        filterName="latency",
        filterPattern="",
        metricTransformations=[{"metricName": "Latency", "metricNamespace": "App", "metricValue": "wasm:latency"}],
    )
    start = virtual.now_ms()
    virtual.put("/app", "s", ['{"service":"api","latency_ms":12}', "nothing", "settled duration=80ms"], start)
    virtual.advance(60)
    points = virtual.cloudwatch.get_metric_statistics(
        Namespace="App", MetricName="Latency", Period=60, Statistics=["Sum", "SampleCount", "Maximum"],
        StartTime=start / 1000 - 60, EndTime=start / 1000 + 120,
    )["Datapoints"]
    assert [(p["SampleCount"], p["Sum"], p["Maximum"]) for p in points] == [(2.0, 92.0, 80.0)]


def test_a_guest_in_a_pattern(server, name):
    group, one = name("/patterns"), name("judge")
    deploy(server, one, guest("hostile_guest"))
    server.put(group, "s", ['{"status": 500}', '{"status": 200}', "drop", "plain"])
    found = messages(server, group, filterPattern=f"{{ wasm:{one} }}")
    assert "drop" not in found and len(found) >= 2
    assert messages(server, group, filterPattern=f"{{ wasm:{one} && $.status >= 500 }}") == ['{"status": 500}']
    assert "no function" in error(
        "InvalidParameterException", server.logs.filter_log_events, logGroupName=group, filterPattern="{ wasm:none }"
    )
    digest = name("digest")
    deploy(server, digest, guest("error_digest"))
    refusal = error(
        "InvalidParameterException", server.logs.filter_log_events, logGroupName=group, filterPattern=f"{{ wasm:{digest} }}"
    )
    assert "exports subscription" in refusal


def test_a_filter_of_records_alone_is_asked_in_patterns(virtual):
    deploy(virtual, "judge", guest("records_guest"))
    deploy(virtual, "taker", guest("hostile_guest"), Environment={"Variables": {"behaviour": "facts"}})
    virtual.put("/app", "s", ["ERROR before"])
    virtual.logs.put_subscription_filter(
        logGroupName="/app", filterName="f", filterPattern="{ wasm:judge }", destinationArn=ARN + "taker"
    )
    virtual.put("/app", "s", ["INFO fine", "ERROR one", "ERROR two"])
    virtual.advance(1)
    told = lines(virtual, "taker")
    assert any(line.startswith("/app ") and line.endswith(" 2") for line in told), told
    assert any("ERROR one" in line for line in told)
    assert sorted(messages(virtual, "/app", filterPattern="{ wasm:judge }")) == ["ERROR before", "ERROR one", "ERROR two"]


def test_slack_action_publishes_what_people_read(virtual, webhook):
    topic = virtual.sns.create_topic(Name="ops")["TopicArn"]
    virtual.sns.subscribe(
        TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"}
    )
    deploy(
        virtual, "slack", guest("slack_action"), Environment={"Variables": {"TOPIC": "ops"}},
        Tags={"logboom:allow-publish": "ops"},
    )
    virtual.cloudwatch.put_metric_alarm(
        AlarmName="Errors", Namespace="App", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", AlarmActions=[ARN + "slack"],
    )
    virtual.cloudwatch.put_metric_data(
        Namespace="App", MetricData=[{"MetricName": "Errors", "Value": 5, "Timestamp": virtual.now_ms() / 1000}]
    )
    virtual.advance(121)
    body = webhook.next()["body"].decode()
    assert "Errors" in body and "is in ALARM" in body, body
    assert any(line == "[INFO] Errors is in ALARM" for line in lines(virtual, "slack"))


def test_a_topic_calls_a_function(virtual):
    deploy(virtual, "called", guest("hostile_guest"))
    topic = virtual.sns.create_topic(Name="calls")["TopicArn"]
    virtual.sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=ARN + "called")
    virtual.sns.publish(TopicArn=topic, Message="hello")
    virtual.advance(1)
    assert [line.split()[0] for line in lines(virtual, "called")] == ["START", "END", "REPORT"]


def test_effects_of_a_call_are_committed_and_what_is_not_granted_is_denied(virtual, webhook):
    topic = virtual.sns.create_topic(Name="ops")["TopicArn"]
    virtual.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"})
    deploy(
        virtual, "writer", guest("hostile_guest"), Environment={"Variables": {"behaviour": "effects"}},
        Tags={
            "logboom:allow-publish": "ops", "logboom:allow-metrics": "App/...", "logboom:allow-write": "/out",
            "logboom:allow-state": "true",
        },
    )
    virtual.logs.create_log_group(logGroupName="/out")
    virtual.logs.create_log_group(logGroupName="/app")
    virtual.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "writer"
    )
    for round in ("now 2", "now 6"):
        virtual.put("/app", "s", ["an event"])
        virtual.advance(1)
        assert any(round in line for line in lines(virtual, "writer")), lines(virtual, "writer")
    metrics = virtual.cloudwatch.list_metrics(Namespace="App/X")["Metrics"]
    assert [(m["MetricName"], m["Dimensions"]) for m in metrics] == [("M", [{"Name": "d", "Value": "v"}])]
    assert "text" in webhook.next()["body"].decode()
    update(virtual, "writer", behaviour="denied")
    virtual.put("/app", "s", ["an event"])
    virtual.advance(1)
    output = "\n".join(lines(virtual, "writer"))
    assert "NotAllowed" in output, output


def test_the_wrong_kind_of_function_is_refused_at_the_door(server, name):
    redact, group = name("redact"), name("/door")
    deploy(server, redact, guest("redact"))
    server.logs.create_log_group(logGroupName=group)
    message = error(
        "InvalidParameterException", server.logs.put_subscription_filter, logGroupName=group, filterName="f",
        filterPattern="", destinationArn=ARN + redact,
    )
    assert "exports filter" in message
    message = error(
        "InvalidParameterException", server.logs.put_metric_filter, logGroupName=group, filterName="f", filterPattern="",
        metricTransformations=[{"metricName": "M", "metricNamespace": "N", "metricValue": f"wasm:{redact}"}],
    )
    assert "exports filter" in message
    topic = server.sns.create_topic(Name=name("t"))["TopicArn"]
    message = error("InvalidParameter", server.sns.subscribe, TopicArn=topic, Protocol="lambda", Endpoint=ARN + redact)
    assert "exports filter" in message
    message = error(
        "ValidationError", server.cloudwatch.put_metric_alarm, AlarmName=name("a"), Namespace="N", MetricName="M",
        Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[ARN + redact],
    )
    assert "exports filter" in message


def test_a_function_is_not_asked_about_its_own_output(virtual):
    one = "looper"
    deploy(virtual, one, guest("hostile_guest"), Environment={"Variables": {"behaviour": "panic"}})
    measure = {"metricName": "M", "metricNamespace": "N", "metricValue": "1"}
    for function in ("looper", "other"):
        virtual.logs.create_log_group(logGroupName=f"/aws/lambda/{function}")

    def put(group, pattern, value):
        virtual.logs.put_metric_filter(
            logGroupName=f"/aws/lambda/{group}", filterName="f", filterPattern=pattern,
            metricTransformations=[{**measure, "metricValue": value}],
        )

    for pattern, value in [(f"{{ wasm:{one} }}", "1"), ("", f"wasm:{one}")]:
        assert "is a loop" in error("InvalidParameterException", put, one, pattern, value)
    deploy(virtual, "other", guest("hostile_guest"), Environment={"Variables": {"behaviour": "panic"}})
    message = error(
        "InvalidParameterException", virtual.logs.put_subscription_filter, logGroupName=f"/aws/lambda/{one}",
        filterName="f", filterPattern=f"{{ wasm:{one} }}", destinationArn=ARN + "other",
    )
    assert "is a loop" in message
    # Round about, each writes a line about the other's: after a few rounds those are passed over.
    put(one, "{ wasm:other }", "1")
    put("other", f"{{ wasm:{one} }}", "1")
    virtual.put(f"/aws/lambda/{one}", "s", ["the first"])
    virtual.advance(1)
    written = [len(lines(virtual, function)) for function in (one, "other")]
    virtual.advance(60)
    assert [len(lines(virtual, function)) for function in (one, "other")] == written
    told = json.loads(virtual.http("GET", "/_logboom/consumers")[2])["consumers"]
    assert any("a loop" in ((one["gaps"].get("last") or {}).get("reason") or "") for one in told), told


def test_log_events_of_calls_that_share_state_are_written_once(make_server):
    server = make_server("--clock", "virtual=1000")
    server.sns.create_topic(Name="ops")
    deploy(
        server, "writer", guest("hostile_guest"), Environment={"Variables": {"behaviour": "effects"}},
        Tags={
            "logboom:allow-publish": "ops", "logboom:allow-metrics": "App/...", "logboom:allow-write": "/out",
            "logboom:allow-state": "true",
        },
    )
    server.logs.create_log_group(logGroupName="/out")
    groups = [f"/app/{n}" for n in range(6)]
    for group in groups:
        server.logs.create_log_group(logGroupName=group)
        server.logs.put_subscription_filter(
            logGroupName=group, filterName="all", filterPattern="", destinationArn=ARN + "writer"
        )
    rounds = 8

    def put(group):
        for _ in range(rounds):
            server.put(group, "s", ["an event"])

    with ThreadPoolExecutor(len(groups)) as pool:
        list(pool.map(put, groups))
    server.advance(600)
    # Events that come together are delivered together: there are as many lines as calls that ended well.
    ended = [line for line in lines(server, "writer") if line.startswith("again ")]
    failed = [line for line in lines(server, "writer") if line.startswith("[ERROR]")]
    assert len(messages(server, "/out")) == len(ended) - len(failed) > len(groups)


def test_a_stop_lets_running_calls_finish(fresh):
    deploy(fresh, "slow", guest("hostile_guest"), Timeout=2, Environment={"Variables": {"behaviour": "sleep"}})
    answers = []
    call = threading.Thread(target=lambda: answers.append(fresh.functions.invoke(FunctionName="slow")))
    call.start()
    time.sleep(0.7)
    fresh.stop()
    call.join()
    assert "timed out after 2.00 seconds" in answers[0]["Payload"].read().decode()
    fresh.start()
    fresh.__dict__.pop("logs", None)
    assert [line.split()[0] for line in lines(fresh, "slow")] == ["START", "[ERROR]", "END", "REPORT"]
