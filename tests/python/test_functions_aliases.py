"""Aliases: names for versions that move under load, without an event lost or handled twice."""

import threading

import pytest

from conftest import eventually
from test_functions import deploy, error, guest, lines, update
from test_functions_versions import ARN, publish


def two_versions(server, one, first="good", second="good"):
    """`$LATEST` and version 2 are alike; version 1 is the one before."""
    deploy(server, one, guest("hostile_guest"), Environment={"Variables": {"behaviour": first, "number": "1"}})
    publish(server, one)
    update(server, one, behaviour=second, number="2")
    publish(server, one)


def test_an_alias_is_made_changed_listed_and_deleted(server, name):
    lambdas, one = server.functions, name("alias")
    two_versions(server, one)
    made = lambdas.create_alias(FunctionName=one, Name="live", FunctionVersion="1", Description="d")
    assert made["AliasArn"] == f"{ARN}{one}:live" and "RoutingConfig" not in made
    assert (made["Name"], made["FunctionVersion"], made["Description"]) == ("live", "1", "d")
    message = error("ResourceConflictException", lambdas.create_alias, FunctionName=one, Name="live", FunctionVersion="2")
    assert message == f"Alias already exists: {ARN}{one}:live"
    got = lambdas.get_alias(FunctionName=one, Name="live")
    assert got["RevisionId"] == made["RevisionId"]

    configuration = lambdas.get_function_configuration(FunctionName=one, Qualifier="live")
    assert (configuration["Version"], configuration["FunctionArn"]) == ("1", f"{ARN}{one}:live")
    answer = lambdas.invoke(FunctionName=f"{one}:live", Payload=b"1")
    assert answer["ExecutedVersion"] == "1"

    error("PreconditionFailedException", lambdas.update_alias, FunctionName=one, Name="live", FunctionVersion="2", RevisionId="x")
    changed = lambdas.update_alias(FunctionName=one, Name="live", FunctionVersion="2", RevisionId=made["RevisionId"])
    assert changed["RevisionId"] != made["RevisionId"] and changed["Description"] == "d"
    assert lambdas.invoke(FunctionName=one, Qualifier="live", Payload=b"1")["ExecutedVersion"] == "2"

    for other in ("blue", "green"):
        lambdas.create_alias(FunctionName=one, Name=other, FunctionVersion="1")
    pages = lambdas.get_paginator("list_aliases").paginate(FunctionName=one, PaginationConfig={"PageSize": 2})
    assert [[alias["Name"] for alias in page["Aliases"]] for page in pages] == [["blue", "green"], ["live"]]
    listed = lambdas.list_aliases(FunctionName=one, FunctionVersion="1")["Aliases"]
    assert [alias["Name"] for alias in listed] == ["blue", "green"]

    message = error("ResourceConflictException", lambdas.delete_function, FunctionName=one, Qualifier="2")
    assert "live" in message
    lambdas.delete_alias(FunctionName=one, Name="live")
    lambdas.delete_alias(FunctionName=one, Name="live")
    message = error("ResourceNotFoundException", lambdas.get_alias, FunctionName=one, Name="live")
    assert message == f"Cannot find alias arn: {ARN}{one}:live"
    error("ResourceNotFoundException", lambdas.invoke, FunctionName=f"{one}:live")
    lambdas.delete_function(FunctionName=one, Qualifier="2")


@pytest.mark.parametrize(
    "code, settings",
    [
        ("ResourceNotFoundException", {"FunctionVersion": "9"}),
        ("ValidationException", {"Name": "12"}),
        ("InvalidParameterValueException", {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}}),
        ("InvalidParameterValueException", {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1, "3": 0.1}}}),
        ("ValidationException", {"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.0}}}),
        ("ResourceNotFoundException", {"RoutingConfig": {"AdditionalVersionWeights": {"7": 0.1}}}),
        (
            "InvalidParameterValueException",
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}},
        ),
        ("ResourceNotFoundException", {"FunctionName": "none-such"}),
    ],
)
def test_an_alias_that_makes_no_sense_is_refused(server, code, settings, shared=[]):
    if not shared:
        shared.append("alias-refused")
        two_versions(server, shared[0])
    usual = dict(FunctionName=shared[0], Name="live", FunctionVersion="1")
    error(code, server.functions.create_alias, **{**usual, **settings})
    assert server.functions.list_aliases(FunctionName=shared[0])["Aliases"] == []


def test_weights_divide_calls_and_a_retry_stays_where_it_was(virtual):
    lambdas = virtual.functions
    two_versions(virtual, "split", second="error")
    made = lambdas.create_alias(
        FunctionName="split", Name="live", FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}},
    )
    assert made["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.3}}
    executed = [lambdas.invoke(FunctionName="split:live", Payload=b"1")["ExecutedVersion"] for _ in range(200)]
    assert set(executed) == {"1", "2"}
    assert 30 <= executed.count("2") <= 90, executed.count("2")
    # Calls made later fail in version 2, and are tried there again.
    lambdas.put_function_event_invoke_config(FunctionName="split", Qualifier="live", MaximumRetryAttempts=1)
    for _ in range(30):
        lambdas.invoke(FunctionName="split:live", InvocationType="Event", Payload=b"1")
    virtual.advance(180)
    found = virtual.logs.filter_log_events(logGroupName="/aws/lambda/split", filterPattern="START")
    by_request = {}
    for event in found["events"]:
        request, version = event["message"].split("RequestId: ")[1].split(" Version: ")
        by_request.setdefault(request, []).append(version.split()[0])
    assert all(len(set(versions)) == 1 for versions in by_request.values())
    assert any(versions == ["2", "2"] for versions in by_request.values()), "a retried call is there"
    cleared = lambdas.update_alias(FunctionName="split", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in cleared
    assert {lambdas.invoke(FunctionName="split:live", Payload=b"1")["ExecutedVersion"] for _ in range(20)} == {"1"}


def test_a_subscription_follows_the_alias_under_load(fresh):
    """Every event is handled by the version of before or by the one of after, by exactly one of them."""
    code = guest("hostile_guest")
    deploy(fresh, "digest", code, Environment={"Variables": {"behaviour": "facts"}})
    publish(fresh, "digest")
    update(fresh, "digest", behaviour="facts", number="2")
    publish(fresh, "digest")
    lambdas = fresh.functions
    lambdas.create_alias(FunctionName="digest", Name="live", FunctionVersion="1")
    fresh.logs.create_log_group(logGroupName="/app")
    fresh.logs.create_log_stream(logGroupName="/app", logStreamName="s")
    fresh.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=f"{ARN}digest:live"
    )
    described = fresh.logs.describe_subscription_filters(logGroupName="/app")["subscriptionFilters"]
    assert described[0]["destinationArn"] == f"{ARN}digest:live"
    stop, sent = threading.Event(), [0]

    def write():
        client = fresh.client("logs")
        while not stop.is_set():
            now = fresh.now_ms()
            events = [{"timestamp": now, "message": f"event {sent[0] + n}"} for n in range(10)]
            client.put_log_events(logGroupName="/app", logStreamName="s", logEvents=events)
            sent[0] += 10

    writer = threading.Thread(target=write)
    writer.start()

    def handled():
        """Events by version, as the lines `GROUP DELIVERY COUNT` of the guest say."""
        counts = {}
        token = {}
        while True:
            page = fresh.logs.filter_log_events(
                logGroupName="/aws/lambda/digest", filterPattern='"/app subscription-"', **token
            )
            for event in page["events"]:
                version = event["logStreamName"].split("[")[1].split("]")[0]
                counts[version] = counts.get(version, 0) + int(event["message"].split()[-1])
            if "nextToken" not in page:
                return counts
            token = {"nextToken": page["nextToken"]}

    def some(version):
        try:
            return handled().get(version)
        except fresh.logs.exceptions.ResourceNotFoundException:
            return None

    try:
        eventually(lambda: some("1"))
        lambdas.update_alias(FunctionName="digest", Name="live", FunctionVersion="2")
        eventually(lambda: some("2"))
        lambdas.update_alias(FunctionName="digest", Name="live", FunctionVersion="1")
        eventually(lambda before=some("1"): some("1") > before)
    finally:
        stop.set()
        writer.join()
    eventually(lambda: sum(handled().values()) >= sent[0])
    counts = handled()
    assert sum(counts.values()) == sent[0], (counts, sent)


def test_whatever_takes_a_function_takes_an_alias(fresh):
    lambdas = fresh.functions
    two_versions(fresh, "any")
    lambdas.create_alias(FunctionName="any", Name="live", FunctionVersion="1")
    live = f"{ARN}any:live"
    topic = fresh.sns.create_topic(Name="ops")["TopicArn"]
    fresh.sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=live)
    fresh.sns.publish(TopicArn=topic, Message="hello")

    def ran(version):
        return any("START" in line and f"Version: {version}" in line for line in lines(fresh, "any"))

    eventually(lambda: ran("1"))
    lambdas.update_alias(FunctionName="any", Name="live", FunctionVersion="2")
    fresh.sns.publish(TopicArn=topic, Message="hello")
    eventually(lambda: ran("2"))

    fresh.cloudwatch.put_metric_alarm(
        AlarmName="a", Namespace="App", MetricName="M", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", AlarmActions=[live],
    )
    before = len(lines(fresh, "any"))
    fresh.cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test")
    eventually(lambda: any("a InsufficientData -> Alarm" in line or "Alarm" in line for line in lines(fresh, "any")[before:]))

    fresh.logs.create_log_group(
        logGroupName="/in", tags={"logboom:transformer": "any:live", "logboom:transformer-on-error": "fail"}
    )
    fresh.put("/in", "s", ["replace", "drop", "as it is"])
    found = fresh.logs.filter_log_events(logGroupName="/in", filterPattern="{ wasm:any:live }")["events"]
    assert [event["message"] for event in found] == ["REPLACE", "as it is"]
    fresh.logs.put_metric_filter(
        logGroupName="/in", filterName="f", filterPattern="{ wasm:any:live }",
        metricTransformations=[{"metricNamespace": "N", "metricName": "M", "metricValue": "wasm:any:live"}],
    )
    for missing in ("any:none", "any:9"):
        message = error(
            "InvalidParameterException", fresh.logs.put_metric_filter, logGroupName="/in", filterName="g",
            filterPattern="{ wasm:%s }" % missing,
            metricTransformations=[{"metricNamespace": "N", "metricName": "M", "metricValue": "1"}],
        )
        assert missing in message
        error(
            "InvalidParameterException", fresh.logs.put_subscription_filter, logGroupName="/in", filterName="s",
            filterPattern="", destinationArn=f"{ARN}{missing}",
        )
    fresh.logs.create_log_group(logGroupName="/aws/lambda/other")
    message = error(
        "InvalidParameterException", fresh.logs.put_subscription_filter, logGroupName="/aws/lambda/any",
        filterName="s", filterPattern="", destinationArn=live,
    )
    assert "loop" in message


def test_a_key_may_be_for_one_alias_only(make_server, tmp_path):
    allowed = f'{{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = "{ARN}guarded:live" }}'
    config = tmp_path / "keys.toml"
    config.write_text(
        '[[keys]]\nid = "ADMINADMINADMIN"\nsecret = "admin-secret"\n'
        '[[keys]]\nid = "LIVELIVELIVE"\nsecret = "live-secret"\n'
        f'policies = [{{ Version = "2012-10-17", Statement = [{allowed}] }}]\n'
    )
    server = make_server("--config", config)
    admin = server.client("lambda", key="ADMINADMINADMIN", secret="admin-secret")
    server.__dict__["functions"] = admin
    two_versions(server, "guarded")
    admin.create_alias(FunctionName="guarded", Name="live", FunctionVersion="1")
    caller = server.client("lambda", key="LIVELIVELIVE", secret="live-secret")
    assert caller.invoke(FunctionName="guarded:live", Payload=b"1")["ExecutedVersion"] == "1"
    assert caller.invoke(FunctionName="guarded", Qualifier="live", Payload=b"1")["ExecutedVersion"] == "1"
    error("AccessDeniedException", caller.invoke, FunctionName="guarded")
    error("AccessDeniedException", caller.invoke, FunctionName="guarded:1")
    error("AccessDeniedException", caller.update_alias, FunctionName="guarded", Name="live", FunctionVersion="2")
