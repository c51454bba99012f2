"""Versions of functions: snapshots that never change, and every way to name one."""

import base64
import json
import re

import pytest

from conftest import ACCOUNT, REGION
from test_functions import INVALID, deploy, error, guest, update, zipped

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
QUICK = {"Delay": 0.1}


def publish(server, name, **settings):
    version = server.functions.publish_version(FunctionName=name, **settings)
    server.functions.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version["Version"], WaiterConfig=QUICK
    )
    return version


def replace(server, name, code):
    server.functions.update_function_code(FunctionName=name, ZipFile=code)
    server.functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICK)


def test_a_version_is_a_snapshot_of_code_and_configuration(server, name):
    lambdas, one = server.functions, name("versioned")
    deploy(server, one, guest("hostile_guest"), Description="latest", Tags={"team": "x"})
    update(server, one, behaviour="good")
    first = publish(server, one, Description="the first")
    assert (first["Version"], first["Description"]) == ("1", "the first")
    assert first["FunctionArn"] == f"{ARN}{one}:1" and first["State"] == "Active"
    again = lambdas.publish_version(FunctionName=one, Description="nothing changed")
    assert (again["Version"], again["Description"], again["RevisionId"]) == ("1", "the first", first["RevisionId"])

    update(server, one, behaviour="error")
    second = publish(server, one)
    assert (second["Version"], second["Description"]) == ("2", "latest")
    assert len({first["RevisionId"], second["RevisionId"]}) == 2
    replace(server, one, guest("program-guest"))
    third = publish(server, one)
    assert third["CodeSha256"] != second["CodeSha256"]

    got = lambdas.get_function(FunctionName=one, Qualifier="1")
    assert got["Configuration"]["Environment"]["Variables"] == {"behaviour": "good"}
    assert got["Tags"] == {"team": "x"}, "tags are the function's"
    path = got["Code"]["Location"].removeprefix(server.url)
    assert server.http("GET", path)[2] == guest("hostile_guest")
    for named in (f"{one}:2", f"{ARN}{one}:2", f"{ACCOUNT}:function:{one}:2"):
        got = lambdas.get_function_configuration(FunctionName=named)
        assert (got["Version"], got["FunctionArn"]) == ("2", f"{ARN}{one}:2")
    assert lambdas.get_function_configuration(FunctionName=one, Qualifier="$LATEST")["FunctionArn"] == f"{ARN}{one}:$LATEST"
    assert lambdas.get_function_configuration(FunctionName=one)["FunctionArn"] == f"{ARN}{one}"


def test_a_version_runs_as_it_was_published(server, name):
    lambdas, one = server.functions, name("runs")
    deploy(server, one, guest("hostile_guest"))
    publish(server, one)
    update(server, one, behaviour="error")
    publish(server, one)
    update(server, one, behaviour="panic")

    answer = lambdas.invoke(FunctionName=one, Qualifier="1", Payload=b'"one"', LogType="Tail")
    assert (answer["ExecutedVersion"], answer["Payload"].read()) == ("1", b'"one"')
    assert re.search(r"START RequestId: \S+ Version: 1 Digest: [0-9a-f]{64}\n", base64.b64decode(answer["LogResult"]).decode())
    answer = lambdas.invoke(FunctionName=f"{one}:2")
    assert answer["ExecutedVersion"] == "2" and json.load(answer["Payload"])["errorMessage"] == "it failed"
    answer = lambdas.invoke(FunctionName=f"{ARN}{one}:$LATEST")
    assert answer["ExecutedVersion"] == "$LATEST" and "no such user" in json.load(answer["Payload"])["errorMessage"]
    streams = server.logs.describe_log_streams(logGroupName=f"/aws/lambda/{one}")["logStreams"]
    versions = sorted(re.search(r"\[(.*)\]", stream["logStreamName"]).group(1) for stream in streams)
    assert versions == ["$LATEST", "1", "2"], "each version writes to a stream of its own"


def test_preconditions_and_names_that_lead_nowhere(server, name):
    lambdas, one = server.functions, name("strict")
    made = deploy(server, one, guest("redact"))
    message = error("InvalidParameterValueException", lambdas.publish_version, FunctionName=one, CodeSha256="x" * 43 + "=")
    assert made["CodeSha256"] in message and "is different from current CodeSHA256 in $LATEST" in message
    error("PreconditionFailedException", lambdas.publish_version, FunctionName=one, RevisionId="x")
    current = lambdas.get_function_configuration(FunctionName=one)["RevisionId"]
    published = lambdas.publish_version(FunctionName=one, CodeSha256=made["CodeSha256"], RevisionId=current)
    assert published["Version"] == "1"

    for call, named in [
        (lambdas.get_function, {"Qualifier": "2"}),
        (lambdas.get_function_configuration, {"Qualifier": "live"}),
        (lambdas.invoke, {"Qualifier": "2"}),
        (lambdas.get_policy, {"Qualifier": "2"}),
    ]:
        message = error("ResourceNotFoundException", call, FunctionName=one, **named)
        assert message == f"Function not found: {ARN}{one}:{named['Qualifier']}"
    message = error("InvalidParameterValueException", lambdas.get_function, FunctionName=f"{one}:1", Qualifier="2")
    assert message == "The derived qualifier from the function name does not match the specified qualifier."
    error("ResourceNotFoundException", lambdas.publish_version, FunctionName=name("none"))
    error("ResourceNotFoundException", lambdas.list_versions_by_function, FunctionName=name("none"))
    error("InvalidParameterValueException", lambdas.publish_version, FunctionName=one, PublishTo="LATEST_PUBLISHED")


def test_versions_are_listed_in_pages(fresh):
    lambdas = fresh.functions
    for one, versions in (("a", 3), ("b", 0), ("c", 1)):
        deploy(fresh, one, guest("redact"))
        for number in range(versions):
            update(fresh, one, KEY=str(number))
            publish(fresh, one)
    pages = lambdas.get_paginator("list_versions_by_function").paginate(
        FunctionName="a", PaginationConfig={"PageSize": 2}
    )
    pages = [[version["Version"] for version in page["Versions"]] for page in pages]
    assert pages == [["$LATEST", "1"], ["2", "3"]]
    listed = lambdas.list_versions_by_function(FunctionName="a")["Versions"]
    assert listed[0]["FunctionArn"] == f"{ARN}a:$LATEST" and "State" not in listed[1]

    pages = lambdas.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 2})
    pages = [[(one["FunctionName"], one["Version"]) for one in page["Functions"]] for page in pages]
    assert pages == [
        [("a", "$LATEST"), ("a", "1")],
        [("a", "2"), ("a", "3")],
        [("b", "$LATEST"), ("c", "$LATEST")],
        [("c", "1")],
    ]
    assert [one["FunctionName"] for one in lambdas.list_functions()["Functions"]] == ["a", "b", "c"]
    error("InvalidParameterValueException", lambdas.list_versions_by_function, FunctionName="a", Marker="nonsense")
    error("InvalidParameterValueException", lambdas.list_functions, FunctionVersion="ALL", Marker="nonsense")


def test_numbers_are_never_used_again(server, name):
    lambdas, one = server.functions, name("numbers")
    deploy(server, one, guest("redact"))
    for number in range(2):
        update(server, one, KEY=str(number))
        publish(server, one)
    lambdas.delete_function(FunctionName=one, Qualifier="2")
    lambdas.delete_function(FunctionName=one, Qualifier="2")
    error("ResourceNotFoundException", lambdas.get_function, FunctionName=one, Qualifier="2")
    assert publish(server, one)["Version"] == "3"
    message = error("InvalidParameterValueException", lambdas.delete_function, FunctionName=one, Qualifier="$LATEST")
    assert message == "$LATEST version cannot be deleted without deleting the function."
    message = error("InvalidParameterValueException", lambdas.delete_function, FunctionName=one, Qualifier="live")
    assert message == "Deletion of aliases is not currently supported."
    lambdas.delete_function(FunctionName=one)
    error("ResourceNotFoundException", lambdas.get_function, FunctionName=one, Qualifier="1")
    deploy(server, one, guest("redact"))
    error("ResourceNotFoundException", lambdas.get_function, FunctionName=one, Qualifier="1")
    assert publish(server, one)["Version"] == "1"


def test_code_is_kept_as_long_as_a_version_names_it(fresh):
    lambdas = fresh.functions
    deploy(fresh, "f", guest("hostile_guest"))
    publish(fresh, "f")
    where = lambdas.get_function(FunctionName="f", Qualifier="1")["Code"]["Location"].removeprefix(fresh.url)
    replace(fresh, "f", guest("redact"))
    publish(fresh, "f")
    assert fresh.http("GET", where)[0] == 200
    assert lambdas.invoke(FunctionName="f:1", Payload=b"7")["Payload"].read() == b"7"
    fresh.restart()
    fresh.__dict__.pop("functions", None)
    lambdas = fresh.functions
    where = lambdas.get_function(FunctionName="f", Qualifier="1")["Code"]["Location"].removeprefix(fresh.url)
    assert lambdas.invoke(FunctionName="f:1", Payload=b"8")["Payload"].read() == b"8"
    lambdas.delete_function(FunctionName="f", Qualifier="1")
    assert fresh.http("GET", where)[0] == 404


def test_publishing_together_with_code(server, name):
    lambdas, one = server.functions, name("together")
    made = deploy(server, one, zipped(guest("hostile_guest")), wait=False, Publish=True)
    assert (made["Version"], made["State"], made["FunctionArn"]) == ("1", "Pending", f"{ARN}{one}:1")
    lambdas.get_waiter("published_version_active").wait(FunctionName=one, Qualifier="1", WaiterConfig=QUICK)
    lambdas.get_waiter("function_active_v2").wait(FunctionName=one, WaiterConfig=QUICK)
    assert lambdas.invoke(FunctionName=one, Qualifier="1", Payload=b"1")["Payload"].read() == b"1"
    changed = lambdas.update_function_code(FunctionName=one, ZipFile=guest("program-guest"), Publish=True)
    assert (changed["Version"], changed["State"]) == ("2", "Pending")
    lambdas.get_waiter("published_version_active").wait(FunctionName=one, Qualifier="2", WaiterConfig=QUICK)
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=one, WaiterConfig=QUICK)
    latest = lambdas.get_function_configuration(FunctionName=one)
    assert latest["CodeSha256"] == changed["CodeSha256"]
    same = lambdas.update_function_code(FunctionName=one, ZipFile=guest("program-guest"), Publish=True)
    assert same["Version"] == "2", "the same code is the same version"
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=one, WaiterConfig=QUICK)
    broken = lambdas.update_function_code(FunctionName=one, ZipFile=INVALID, Publish=True)
    lambdas.get_waiter("function_updated_v2")
    with pytest.raises(Exception, match="(?i)failed|terminal"):
        lambdas.get_waiter("published_version_active").wait(
            FunctionName=one, Qualifier=broken["Version"], WaiterConfig=QUICK
        )
    got = lambdas.get_function_configuration(FunctionName=one, Qualifier=broken["Version"])
    assert got["State"] == "Failed" and "not a valid" in got["StateReason"]
    assert "FunctionError" not in lambdas.invoke(FunctionName=f"{one}:2", Payload=b'{"n": 1}')


def test_policies_belong_to_versions_and_aliases(server, name):
    lambdas, one = server.functions, name("policies")
    deploy(server, one, guest("redact"))
    publish(server, one)
    alias = lambdas.create_alias(FunctionName=one, Name="live", FunctionVersion="1")
    grant = dict(FunctionName=one, StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
    for qualifier in ("1", "live"):
        added = json.loads(lambdas.add_permission(**grant, Qualifier=qualifier)["Statement"])
        assert added["Resource"] == f"{ARN}{one}:{qualifier}"
        policy = json.loads(lambdas.get_policy(FunctionName=one, Qualifier=qualifier)["Policy"])
        assert policy["Statement"] == [added]
    error("ResourceNotFoundException", lambdas.get_policy, FunctionName=one)
    assert lambdas.get_alias(FunctionName=one, Name="live")["RevisionId"] != alias["RevisionId"]
    error("PreconditionFailedException", lambdas.remove_permission, FunctionName=one, StatementId="s", Qualifier="live", RevisionId=alias["RevisionId"])
    lambdas.remove_permission(FunctionName=one, StatementId="s", Qualifier="live")
    error("ResourceNotFoundException", lambdas.get_policy, FunctionName=one, Qualifier="live")
    assert lambdas.get_policy(FunctionName=one, Qualifier="1")
    assert publish(server, one)["Version"] == "1", "a permission is no change of the function"
