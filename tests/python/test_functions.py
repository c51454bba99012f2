"""Functions: the Lambda API as people and SDKs use it, and bad code that harms nobody else."""

import base64
import io
import json
import re
import time
import zipfile

import botocore.exceptions
import pytest

from conftest import ACCOUNT, GUESTS, REGION, eventually

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


# A whole core module whose code is wrong: (func (export "_start") i32.const 0).
INVALID = bytes.fromhex("0061736d0100000001040160000003020100070a01065f737461727400000a0601040041000b")


def guest(name):
    path = GUESTS / f"{name}.wasm"
    assert path.exists(), f"{path} is missing: run `./run test`"
    return path.read_bytes()


def zipped(wasm, entry="bootstrap.wasm", **others):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, wasm)
        for file, content in others.items():
            archive.writestr(file, content)
    return out.getvalue()


def deploy(server, name, code, wait=True, **settings):
    made = server.functions.create_function(
        FunctionName=name, Runtime="provided.al2023", Role=ROLE, Handler="bootstrap", Code={"ZipFile": code}, **settings
    )
    if wait:
        server.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    return made


def update(server, name, **environment):
    server.functions.update_function_configuration(FunctionName=name, Environment={"Variables": environment})
    server.functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


def error(expected, call, /, *given, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(*given, **arguments)
    assert raised.value.response["Error"]["Code"] == expected, raised.value
    return raised.value.response["Error"]["Message"]


def lines(server, name):
    """Every line in the function's log group."""
    try:
        found = server.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
    except server.logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in found["events"]]


def test_create_get_list_update_delete(server, name):
    lambdas, one = server.functions, name("one")
    code = zipped(guest("hostile_guest"))
    made = deploy(server, one, code, wait=False, Description="d", Tags={"team": "x"}, Timeout=5, MemorySize=128)
    assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating"
    assert made["FunctionArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{one}"
    assert (made["Version"], made["CodeSize"], made["PackageType"]) == ("$LATEST", len(code), "Zip")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made["LastModified"])
    lambdas.get_waiter("function_active_v2").wait(FunctionName=one, WaiterConfig={"Delay": 0.1})
    again = error("ResourceConflictException", deploy, server, one, code)
    assert again == f"Function already exist: {one}"

    got = lambdas.get_function(FunctionName=made["FunctionArn"])
    assert got["Configuration"]["State"] == "Active" and got["Tags"] == {"team": "x"}
    assert got["Configuration"]["LastUpdateStatus"] == "Successful"
    path = got["Code"]["Location"].removeprefix(server.url)
    assert server.http("GET", path)[2] == guest("hostile_guest")
    configuration = lambdas.get_function_configuration(FunctionName=one, Qualifier="$LATEST")
    assert (configuration["Timeout"], configuration["MemorySize"]) == (5, 128)
    assert configuration["RevisionId"] != made["RevisionId"], "activation is a revision"

    message = error("PreconditionFailedException", lambdas.update_function_configuration, FunctionName=one, RevisionId="x")
    assert message.startswith("The RevisionId provided does not match")
    changed = lambdas.update_function_configuration(
        FunctionName=one, Timeout=9, Environment={"Variables": {"KEY": "1"}}, RevisionId=configuration["RevisionId"]
    )
    assert changed["Timeout"] == 9 and changed["Environment"]["Variables"] == {"KEY": "1"}
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=one, WaiterConfig={"Delay": 0.1})

    updated = lambdas.update_function_code(FunctionName=one, ZipFile=guest("redact"))
    assert updated["LastUpdateStatus"] == "InProgress" and updated["CodeSha256"] != made["CodeSha256"]
    lambdas.get_waiter("function_updated_v2").wait(FunctionName=one, WaiterConfig={"Delay": 0.1})
    path = lambdas.get_function(FunctionName=one)["Code"]["Location"].removeprefix(server.url)
    assert server.http("GET", path)[2] == guest("redact")

    lambdas.delete_function(FunctionName=one)
    arn = made["FunctionArn"]
    assert error("ResourceNotFoundException", lambdas.get_function, FunctionName=one) == f"Function not found: {arn}"
    error("ResourceNotFoundException", lambdas.delete_function, FunctionName=one)
    error("ResourceNotFoundException", lambdas.get_function, FunctionName=one, Qualifier="1")


def test_functions_are_listed_in_pages(fresh):
    names = [f"f{i}" for i in range(5)]
    for one in names:
        deploy(fresh, one, guest("redact"), wait=False)
    pages = fresh.functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    pages = [[function["FunctionName"] for function in page["Functions"]] for page in pages]
    assert pages == [["f0", "f1"], ["f2", "f3"], ["f4"]]
    error("InvalidParameterValueException", fresh.functions.list_functions, Marker="nonsense")


def test_invoke(server, name):
    lambdas, one = server.functions, name("echo")
    deploy(server, one, zipped(guest("hostile_guest")))
    answer = lambdas.invoke(FunctionName=one, Payload=b'{"a": 1}', LogType="Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["Payload"].read() == b'{"a": 1}' and "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert re.search(r"^START RequestId: \S+ Version: \$LATEST Digest: [0-9a-f]{64}\nEND RequestId: \S+\nREPORT RequestId: \S+\tDuration", tail)
    assert lambdas.invoke(FunctionName=one, InvocationType="DryRun")["StatusCode"] == 204
    error("InvalidRequestContentException", lambdas.invoke, FunctionName=one, Payload=b"{")
    error("RequestTooLargeException", lambdas.invoke, FunctionName=one, Payload=b'"' + b"x" * 6_291_456 + b'"')
    error("ResourceNotFoundException", lambdas.invoke, FunctionName=one, Qualifier="live")
    error("ResourceNotFoundException", lambdas.invoke, FunctionName=name("none"))

    update(server, one, behaviour="error")
    answer = lambdas.invoke(FunctionName=one)
    assert answer["FunctionError"] == "Unhandled" and answer["StatusCode"] == 200
    assert json.load(answer["Payload"]) == {"errorType": "Function.Error", "errorMessage": "it failed"}
    update(server, one, behaviour="panic")
    answer = lambdas.invoke(FunctionName=one, LogType="Tail")
    assert "no such user: 7" in json.load(answer["Payload"])["errorMessage"]
    assert "no such user: 7" in base64.b64decode(answer["LogResult"]).decode()
    streams = server.logs.describe_log_streams(logGroupName=f"/aws/lambda/{one}")["logStreams"]
    assert len(streams) == 1 and re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[0]["logStreamName"])


def test_invoke_later_survives_a_kill(fresh):
    deploy(fresh, "later", zipped(guest("hostile_guest")))
    answer = fresh.functions.invoke(FunctionName="later", InvocationType="Event", Payload=b"{}")
    assert answer["StatusCode"] == 202
    eventually(lambda: any(line.startswith("REPORT") for line in lines(fresh, "later")))
    update(fresh, "later", behaviour="sleep")
    fresh.functions.invoke(FunctionName="later", InvocationType="Event", Payload=b"{}")
    fresh.kill()
    fresh.start()
    del fresh.__dict__["functions"], fresh.__dict__["logs"]
    before = len(lines(fresh, "later"))
    eventually(lambda: len(lines(fresh, "later")) > before)
    assert "Task timed out after 3.00 seconds" in "\n".join(lines(fresh, "later"))


def test_a_plain_program_is_a_function(server, name):
    one = name("program")
    deploy(server, one, zipped(guest("program-guest")))
    answer = server.functions.invoke(FunctionName=one, Payload=b'{"n": 1}')
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_permissions(server, name):
    lambdas, one = server.functions, name("guarded")
    deploy(server, one, guest("redact"), wait=False)
    gone = "The resource you requested does not exist."
    assert error("ResourceNotFoundException", lambdas.get_policy, FunctionName=one) == gone
    grant = dict(FunctionName=one, StatementId="logs", Action="lambda:InvokeFunction", Principal="logs.amazonaws.com")
    added = lambdas.add_permission(**grant, SourceArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/a:*")
    statement = json.loads(added["Statement"])
    assert statement["Principal"] == {"Service": "logs.amazonaws.com"} and statement["Effect"] == "Allow"
    assert "already exists" in error("ResourceConflictException", lambdas.add_permission, **grant)
    assert json.loads(lambdas.get_policy(FunctionName=one)["Policy"])["Statement"] == [statement]
    error("ResourceNotFoundException", lambdas.remove_permission, FunctionName=one, StatementId="other")
    lambdas.remove_permission(FunctionName=one, StatementId="logs")
    assert error("ResourceNotFoundException", lambdas.get_policy, FunctionName=one) == gone


@pytest.mark.parametrize(
    "settings, named",
    [
        ({"Runtime": "python3.12"}, "wasm32-wasip2"),
        ({"PublishTo": "LATEST_PUBLISHED"}, "PublishTo"),
        ({"DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"}}, "sqs"),
        ({"Layers": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:x:1"]}, "Layers"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "VpcConfig"),
        ({"TracingConfig": {"Mode": "Active"}}, "TracingConfig"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, "S3Bucket"),
        ({"Tags": {"logboom:allow-everything": "1"}}, "everything"),
        ({"Tags": {"logboom:allow-http": "ftp://example.com"}}, "ftp://example.com"),
        ({"MemorySize": 8192}, "memorySize"),
        ({"Environment": {"Variables": {"BIG": "x" * 5000}}}, "4KB"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(server, name, settings, named):
    usual = dict(FunctionName=name("x"), Runtime="provided.al2023", Role=ROLE, Handler="h", Code={"ZipFile": guest("redact")})
    assert named in error("InvalidParameterValueException", server.functions.create_function, **{**usual, **settings})
    error("ResourceNotFoundException", server.functions.get_function, FunctionName=usual["FunctionName"])


def test_code_that_is_no_function(server, name):
    def create(code):
        return error("InvalidParameterValueException", deploy, server, name("bad"), code)

    assert "neither a zip file nor WebAssembly" in create(b"#!/bin/sh\necho hello")
    assert "no WebAssembly in it (found: lambda_function.py)" in create(zipped(b"def handler(): pass", "lambda_function.py"))
    assert "is larger than" in create(zipped(b"\0asm" + bytes(65 << 20)))
    assert "unzip" in create(b"PK\x03\x04 broken")
    assert "not valid WebAssembly" in create(b"\0asm\1\0\0\0\xff\xff")
    assert "not valid WebAssembly" in create(guest("hostile_guest")[:-100])
    # (import "env" "f" (func)), 2,000 times.
    imports = b"\xd0\x0f" + b"\x03env\x01f\0\0" * 2000
    module = b"\0asm\1\0\0\0\x01\x04\x01\x60\0\0\x02\x82\x7d" + imports
    assert "more than 1000 imports" in create(module)


def test_code_that_does_not_compile_fails_and_says_why(server, name):
    # One that imports a function nobody offers: (import "env" "evil" (func)) (start 0).
    module = bytes.fromhex("0061736d01000000010401600000020c0103656e76046576696c00000801" + "00")
    for stem, code, reason in [("import", module, "env.evil"), ("invalid", INVALID, "not a valid")]:
        one = name(stem)
        deploy(server, one, code, wait=False)
        state = eventually(
            lambda: (got := server.functions.get_function_configuration(FunctionName=one))["State"] != "Pending" and got
        )
        assert state["State"] == "Failed" and reason in state["StateReason"], state
        assert "Failed" in error("ResourceConflictException", server.functions.invoke, FunctionName=one)
    # An update that does not compile leaves the old code at work.
    good = name("good")
    deploy(server, good, guest("hostile_guest"))
    server.functions.update_function_code(FunctionName=good, ZipFile=module)
    state = eventually(
        lambda: (got := server.functions.get_function_configuration(FunctionName=good))["LastUpdateStatus"] != "InProgress"
        and got
    )
    assert state["LastUpdateStatus"] == "Failed" and "env.evil" in state["LastUpdateStatusReason"]
    assert server.functions.invoke(FunctionName=good, Payload=b"7")["Payload"].read() == b"7"


@pytest.mark.parametrize(
    "behaviour, kind, text",
    [
        ("loop", "Sandbox.Timedout", "timed out after 1.00 seconds"),
        ("sleep", "Sandbox.Timedout", "timed out after 1.00 seconds"),
        ("memory", "Runtime.OutOfMemory", "out of memory"),
        ("stack", "Runtime.ExitError", ""),
        ("huge", "Function.ResponseSizeTooLarge", "exceeded maximum"),
    ],
)
def test_a_hostile_guest_harms_only_its_call(server, name, behaviour, kind, text):
    one = name("hostile")
    seconds = 1 if kind == "Sandbox.Timedout" else 20
    deploy(server, one, guest("hostile_guest"), Timeout=seconds, MemorySize=128, Environment={"Variables": {"behaviour": behaviour}})
    began = time.monotonic()
    answer = server.functions.invoke(FunctionName=one)
    assert time.monotonic() - began < 15
    document = json.load(answer["Payload"])
    assert answer["FunctionError"] == "Unhandled" and document["errorType"] == kind, document
    assert text in document["errorMessage"]
    server.put(name("/still/there"), "s", ["an event"])


def test_the_command_line_of_aws(server, name, tmp_path):
    one, file = name("cli"), tmp_path / "f.zip"
    file.write_bytes(zipped(guest("hostile_guest")))
    made = server.aws(
        "lambda", "create-function", "--function-name", one, "--runtime", "provided.al2023", "--handler", "bootstrap",
        "--role", ROLE, "--zip-file", f"fileb://{file}",
    )
    assert made["FunctionName"] == one
    server.aws("lambda", "wait", "function-active-v2", "--function-name", one)
    out = tmp_path / "out.json"
    answer = server.aws(
        "lambda", "invoke", "--function-name", one, "--payload", '{"x":1}', out
    )
    assert answer["StatusCode"] == 200 and json.loads(out.read_text()) == {"x": 1}
    server.aws("lambda", "delete-function", "--function-name", one)


def test_deployed_functions_survive_a_restart(fresh):
    deploy(fresh, "kept", zipped(guest("hostile_guest")), Environment={"Variables": {"KEY": "b"}})
    for restart in (fresh.restart, lambda: (fresh.kill(), fresh.start())):
        restart()
        fresh.__dict__.pop("functions", None)
        got = fresh.functions.get_function_configuration(FunctionName="kept")
        assert got["State"] == "Active" and got["Environment"]["Variables"] == {"KEY": "b"}
        assert fresh.functions.invoke(FunctionName="kept", Payload=b"[1]")["Payload"].read() == b"[1]"


def test_a_kill_while_code_is_compiled_loses_nothing(fresh):
    deploy(fresh, "new", guest("hostile_guest"))
    fresh.functions.update_function_code(FunctionName="new", ZipFile=guest("program-guest"))
    deploy(fresh, "other", guest("redact"), wait=False)
    fresh.kill()
    fresh.start()
    del fresh.__dict__["functions"]
    for one, waiter in (("new", "function_updated_v2"), ("other", "function_active_v2")):
        fresh.functions.get_waiter(waiter).wait(FunctionName=one, WaiterConfig={"Delay": 0.1})
    path = fresh.functions.get_function(FunctionName="new")["Code"]["Location"].removeprefix(fresh.url)
    assert fresh.http("GET", path)[2] == guest("program-guest")
