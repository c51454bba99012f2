"""Subscription filters: definitions through the API."""

import json

import pytest
from botocore.exceptions import ClientError

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def put(server, group, destination, pattern="ERROR", **more):
    return refusal(
        server.logs.put_subscription_filter,
        logGroupName=group,
        filterName="f",
        filterPattern=pattern,
        destinationArn=destination,
        **more,
    )


def test_what_is_wrong_is_said_in_aws_words(server, name):
    group = name("/subscriptions/wrong")
    server.logs.create_log_group(logGroupName=group)
    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert put(server, name("/none"), FUNCTION + "x") == missing
    assert refusal(server.logs.describe_subscription_filters, logGroupName=name("/none")) == missing
    gone = refusal(server.logs.delete_subscription_filter, logGroupName=group, filterName="none")
    assert gone == ("ResourceNotFoundException", "The specified subscription filter does not exist.")

    code, text = put(server, group, FUNCTION + name("nobody"))
    assert code == "InvalidParameterException" and text.startswith("Could not execute the lambda function.")
    code, text = put(server, group, FUNCTION.replace("000000000000", "111111111111") + "x")
    assert (code, text) == (
        "AccessDeniedException",
        "Cross-account lambda invocation passing is not allowed. You must use DestinationPolicies to create cross "
        "account lambda triggers.",
    )
    kinesis = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
    code, text = put(server, group, kinesis)
    assert (code, text) == (
        "InvalidParameterException",
        "destinationArn for vendor kinesis cannot be used without roleArn",
    )
    code, text = put(server, group, kinesis, roleArn="arn:aws:iam::000000000000:role/r")
    assert code == "InvalidParameterException" and "kinesis" in text and "not served" in text
    code, text = put(server, group, "arn:aws:firehose:us-east-1:000000000000:deliverystream/s", roleArn="arn:aws:iam::000000000000:role/r")
    assert code == "InvalidParameterException" and "firehose" in text
    code, text = put(server, group, FUNCTION + "x", pattern="{ $.x == 1 }")
    assert code == "InvalidParameterException" and text.startswith("Invalid subscription filter pattern")
    code, text = put(server, group, FUNCTION + "x", emitSystemFields=["@aws.account"])
    assert code == "InvalidParameterException" and "emitSystemFields" in text
    assert server.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []


def test_a_function_is_not_subscribed_to_its_own_output(server, name):
    function = name("looping")
    group = f"/aws/lambda/{function}"
    server.logs.create_log_group(logGroupName=group)
    code, text = put(server, group, FUNCTION + function)
    assert code == "InvalidParameterException" and "loop" in text


def test_consumers_are_shown(server):
    status, _, body = server.http("GET", "/_logboom/consumers")
    seen = json.loads(body)
    assert status == 200 and isinstance(seen["position"], int) and seen["dead_letters"] == []
    assert "metric-filters" in [one["name"] for one in seen["consumers"]]
    assert all({"position", "lag_events", "gaps"} <= one.keys() for one in seen["consumers"])
    assert server.http("POST", "/_logboom/consumers", b"")[0] == 405


def test_consumers_are_private_where_there_are_keys(make_server):
    server = make_server(env={"LOGBOOM_KEYS": "AKIDEXAMPLE:secret"})
    status, _, body = server.http("GET", "/_logboom/consumers")
    assert status == 403 and b"consumers" not in body
