"""Calls that are made later: retries and their age on the server's clock, and who is told how they end."""

import json
import re

import pytest

from conftest import ACCOUNT, REGION, eventually
from test_functions import deploy, error, guest, lines, update
from test_functions_versions import ARN, publish

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"


def later(server, function, payload=b'{"a": 1}'):
    answer = server.functions.invoke(FunctionName=function, InvocationType="Event", Payload=payload)
    assert answer["StatusCode"] == 202
    return answer["ResponseMetadata"]["RequestId"]


def starts(server, function):
    return [line for line in lines(server, function) if line.startswith("START")]


def dead_letters(server):
    return json.loads(server.http("GET", "/_logboom/dead-letters")[2])["deadLetters"]


def records(server, group):
    """What a log group was told, and in which streams."""
    found = server.logs.filter_log_events(logGroupName=group)["events"]
    return [json.loads(event["message"]) for event in found]


def test_event_invoke_configs_are_kept_by_qualifier(server, name):
    lambdas, one, group = server.functions, name("configured"), name("/told")
    deploy(server, one, guest("hostile_guest"))
    publish(server, one)
    lambdas.create_alias(FunctionName=one, Name="live", FunctionVersion="1")
    server.logs.create_log_group(logGroupName=group)
    topic = server.sns.create_topic(Name=name("told"))["TopicArn"]

    nothing = f"The function {ARN}{one}:$LATEST doesn't have an EventInvokeConfig"
    assert error("ResourceNotFoundException", lambdas.get_function_event_invoke_config, FunctionName=one) == nothing
    message = error(
        "ResourceNotFoundException", lambdas.update_function_event_invoke_config, FunctionName=one, MaximumRetryAttempts=1
    )
    assert message == nothing
    message = error("InvalidParameterValueException", lambdas.put_function_event_invoke_config, FunctionName=one)
    assert message == "You must specify at least one of error handling or destination setting."

    put = lambdas.put_function_event_invoke_config(
        FunctionName=one, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": topic}, "OnSuccess": {"Destination": GROUP + group}},
    )
    assert (put["FunctionArn"], put["MaximumRetryAttempts"]) == (f"{ARN}{one}:$LATEST", 0)
    updated = lambdas.update_function_event_invoke_config(FunctionName=one, MaximumRetryAttempts=2)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (2, 60)
    assert updated["DestinationConfig"]["OnFailure"] == {"Destination": topic}
    lambdas.put_function_event_invoke_config(FunctionName=one, Qualifier="live", MaximumEventAgeInSeconds=21600)
    lambdas.put_function_event_invoke_config(FunctionName=one, Qualifier="1", MaximumRetryAttempts=1)
    got = lambdas.get_function_event_invoke_config(FunctionName=f"{one}:live")
    assert (got["FunctionArn"], got["MaximumEventAgeInSeconds"]) == (f"{ARN}{one}:live", 21600)
    assert "MaximumRetryAttempts" not in got and got["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert got["LastModified"].year >= 2024

    pages = lambdas.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=one, PaginationConfig={"PageSize": 2}
    )
    pages = [[c["FunctionArn"].rsplit(":")[-1] for c in page["FunctionEventInvokeConfigs"]] for page in pages]
    assert pages == [["$LATEST", "1"], ["live"]]
    replaced = lambdas.put_function_event_invoke_config(FunctionName=one, MaximumRetryAttempts=1)
    assert "MaximumEventAgeInSeconds" not in replaced and replaced["DestinationConfig"]["OnFailure"] == {}
    lambdas.delete_function_event_invoke_config(FunctionName=one, Qualifier="live")
    error("ResourceNotFoundException", lambdas.delete_function_event_invoke_config, FunctionName=one, Qualifier="live")
    message = error("ResourceNotFoundException", lambdas.put_function_event_invoke_config, FunctionName=one, Qualifier="9", MaximumRetryAttempts=1)
    assert message == "The function doesn't exist."
    error("ResourceNotFoundException", lambdas.list_function_event_invoke_configs, FunctionName=name("none"))


@pytest.mark.parametrize(
    "destination, named",
    [
        (f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue", "the service sqs are not served"),
        (f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default", "the service events are not served"),
        ("arn:aws:s3:::bucket", "the service s3 are not served"),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:no-such-topic", "It does not exist"),
        (f"{ARN}no-such-function", "It does not exist"),
        (f"{GROUP}/no/such/group", "It does not exist"),
        (f"arn:aws:sns:eu-west-1:{ACCOUNT}:ops", "another account or region"),
        (f"{ARN}destined", "You can't specify the function as a destination for itself."),
        (f"{ARN}destined:1", "You can't specify the function as a destination for itself."),
    ],
)
def test_destinations_that_cannot_be_told_are_refused(server, destination, named):
    lambdas = server.functions
    try:
        lambdas.get_function(FunctionName="destined")
    except lambdas.exceptions.ResourceNotFoundException:
        deploy(server, "destined", guest("redact"))
    for which in ("OnSuccess", "OnFailure"):
        message = error(
            "InvalidParameterValueException", lambdas.put_function_event_invoke_config, FunctionName="destined",
            DestinationConfig={which: {"Destination": destination}},
        )
        assert named in message, message
    message = error(
        "InvalidParameterValueException", lambdas.update_function_configuration, FunctionName="destined",
        DeadLetterConfig={"TargetArn": destination},
    )
    assert named in message, message


@pytest.mark.parametrize("settings", [{"MaximumRetryAttempts": 3}, {"MaximumEventAgeInSeconds": 59}])
def test_bounds_of_retries_and_age(server, name, settings):
    one = name("bounds")
    deploy(server, one, guest("redact"), wait=False)
    client = server.client("lambda", parameter_validation=False)
    error("ValidationException", client.put_function_event_invoke_config, FunctionName=one, **settings)


def test_a_failure_is_tried_after_one_and_two_minutes_and_then_told(virtual):
    deploy(virtual, "fails", guest("hostile_guest"), Environment={"Variables": {"behaviour": "error"}})
    virtual.logs.create_log_group(logGroupName="/told")
    virtual.functions.put_function_event_invoke_config(
        FunctionName="fails", DestinationConfig={"OnFailure": {"Destination": GROUP + "/told"}}
    )
    request = later(virtual, "fails")
    virtual.advance(1)
    assert len(starts(virtual, "fails")) == 1
    virtual.advance(58)
    assert len(starts(virtual, "fails")) == 1, "the first wait is a minute"
    virtual.advance(8)
    assert len(starts(virtual, "fails")) == 2
    virtual.advance(110)
    assert len(starts(virtual, "fails")) == 2, "the second one is two minutes"
    virtual.advance(25)
    assert len(starts(virtual, "fails")) == 3
    assert {UUID.search(line).group(0) for line in starts(virtual, "fails")} == {request}
    virtual.advance(600)
    assert len(starts(virtual, "fails")) == 3
    (record,) = records(virtual, "/told")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request,
            "functionArn": f"{ARN}fails:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"a": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "Function.Error", "errorMessage": "it failed"},
    }
    assert dead_letters(virtual) == [], "who was told needs no dead letter"
    streams = virtual.logs.describe_log_streams(logGroupName="/told")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["fails"]


def test_a_success_is_told_and_a_function_can_be_the_destination(fresh):
    deploy(fresh, "works", guest("hostile_guest"))
    deploy(fresh, "hears", guest("hostile_guest"))
    publish(fresh, "hears")
    fresh.functions.create_alias(FunctionName="hears", Name="live", FunctionVersion="1")
    fresh.logs.create_log_group(logGroupName="/heard")
    fresh.functions.put_function_event_invoke_config(
        FunctionName="works", DestinationConfig={"OnSuccess": {"Destination": ARN + "hears:live"}}
    )
    fresh.functions.put_function_event_invoke_config(
        FunctionName="hears", Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": GROUP + "/heard:*"}}
    )
    request = later(fresh, "works", b'{"order": 7}')
    (record,) = eventually(lambda: records(fresh, "/heard"))
    assert record["requestContext"]["functionArn"] == f"{ARN}hears:live"
    assert record["requestContext"]["condition"] == "Success"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
    told = record["requestPayload"]
    assert told == record["responsePayload"], "it answers what it is given"
    assert (told["requestContext"]["requestId"], told["requestContext"]["condition"]) == (request, "Success")
    assert told["requestContext"]["approximateInvokeCount"] == 1
    assert told["requestPayload"] == told["responsePayload"] == {"order": 7}
    assert dead_letters(fresh) == []


def test_a_topic_is_told_and_a_dead_letter_target_gets_the_event(fresh, webhook):
    topic = fresh.sns.create_topic(Name="failures")["TopicArn"]
    fresh.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"})
    deploy(
        fresh, "fails", guest("hostile_guest"), Environment={"Variables": {"behaviour": "panic"}},
        DeadLetterConfig={"TargetArn": topic},
    )
    assert fresh.functions.get_function_configuration(FunctionName="fails")["DeadLetterConfig"] == {"TargetArn": topic}
    fresh.functions.put_function_event_invoke_config(
        FunctionName="fails", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": topic}}
    )
    request = later(fresh, "fails", b'{"order": 7}')
    got = [json.loads(webhook.next()["body"]) for _ in range(2)]
    text = json.dumps(got)
    assert "RetriesExhausted" in text and "no such user: 7" in text and request in text
    changed = fresh.functions.update_function_configuration(FunctionName="fails", DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in changed
    eventually(lambda: dead_letters(fresh) == [])


def test_an_event_that_is_too_old_is_given_up(virtual):
    deploy(virtual, "old", guest("hostile_guest"), Environment={"Variables": {"behaviour": "error"}})
    virtual.logs.create_log_group(logGroupName="/told")
    virtual.functions.put_function_event_invoke_config(
        FunctionName="old", MaximumEventAgeInSeconds=100,
        DestinationConfig={"OnFailure": {"Destination": GROUP + "/told"}},
    )
    later(virtual, "old")
    virtual.advance(300)
    (record,) = records(virtual, "/told")
    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 2)
    # One that may not run at all ends in the same way, without an answer.
    virtual.functions.put_function_concurrency(FunctionName="old", ReservedConcurrentExecutions=0)
    later(virtual, "old", b'"switched off"')
    virtual.advance(300)
    record = records(virtual, "/told")[-1]
    assert (record["requestPayload"], record["requestContext"]["condition"]) == ("switched off", "EventAgeExceeded")
    assert "responseContext" not in record
    assert len(starts(virtual, "old")) == 2


def test_without_a_destination_a_failure_is_a_dead_letter(virtual):
    deploy(virtual, "alone", guest("hostile_guest"), Environment={"Variables": {"behaviour": "error"}})
    virtual.functions.put_function_event_invoke_config(FunctionName="alone", MaximumRetryAttempts=0)
    request = later(virtual, "alone")
    virtual.advance(1)
    (letter,) = dead_letters(virtual)
    assert (letter["kind"], letter["key"], letter["functionArn"]) == ("invoke", request, ARN + "alone")
    # A destination that is gone when it is to be told leaves one too.
    topic = virtual.sns.create_topic(Name="gone")["TopicArn"]
    virtual.functions.update_function_event_invoke_config(
        FunctionName="alone", DestinationConfig={"OnFailure": {"Destination": topic}}
    )
    virtual.sns.delete_topic(TopicArn=topic)
    later(virtual, "alone")
    virtual.advance(1)
    assert len(dead_letters(virtual)) == 2


def test_waiting_calls_survive_a_kill_and_are_made_once_each(fresh):
    deploy(fresh, "kept", guest("hostile_guest"))
    requests = {later(fresh, "kept") for _ in range(20)}
    fresh.kill()
    fresh.start()
    for client in ("functions", "logs"):
        fresh.__dict__.pop(client, None)

    def done():
        return {UUID.search(line).group(0) for line in lines(fresh, "kept") if line.startswith("REPORT")}

    eventually(lambda: done() == requests)


def test_two_functions_that_tell_each_other_come_to_an_end(virtual):
    for one in ("ping", "pong"):
        deploy(virtual, one, guest("hostile_guest"))
    for one, other in (("ping", "pong"), ("pong", "ping")):
        virtual.functions.put_function_event_invoke_config(
            FunctionName=one, DestinationConfig={"OnSuccess": {"Destination": ARN + other}}
        )
    later(virtual, "ping")
    virtual.advance(60)
    ran = len(starts(virtual, "ping")) + len(starts(virtual, "pong"))
    assert 2 <= ran <= 8, ran
    assert any("loop" in letter["error"] for letter in dead_letters(virtual))
