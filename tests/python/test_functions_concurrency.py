"""Reserved concurrency: who is turned away, who waits, and what an account has left."""

import threading
import time

from conftest import eventually
from test_functions import deploy, error, guest, lines, update
from test_functions_versions import ARN, publish


def test_reserved_concurrency_is_put_read_and_deleted(fresh, name):
    lambdas, one = fresh.functions, name("reserved")
    deploy(fresh, one, guest("redact"))
    usual = lambdas.get_account_settings()
    assert usual["AccountLimit"]["ConcurrentExecutions"] == usual["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
    assert usual["AccountUsage"] == {"TotalCodeSize": len(guest("redact")), "FunctionCount": 1}
    assert "ReservedConcurrentExecutions" not in lambdas.get_function_concurrency(FunctionName=one)
    put = lambdas.put_function_concurrency(FunctionName=one, ReservedConcurrentExecutions=7)
    assert put["ReservedConcurrentExecutions"] == 7
    assert lambdas.get_function_concurrency(FunctionName=one)["ReservedConcurrentExecutions"] == 7
    assert lambdas.get_function(FunctionName=one)["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert lambdas.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 993
    message = error(
        "InvalidParameterValueException", lambdas.put_function_concurrency, FunctionName=one,
        ReservedConcurrentExecutions=901,
    )
    assert message.endswith("below its minimum value of [100].")
    lambdas.put_function_concurrency(FunctionName=one, ReservedConcurrentExecutions=900)
    publish(fresh, one)
    assert lambdas.get_account_settings()["AccountUsage"]["TotalCodeSize"] == 2 * len(guest("redact"))
    message = error(
        "InvalidParameterValueException", lambdas.put_function_concurrency, FunctionName=f"{one}:1",
        ReservedConcurrentExecutions=1,
    )
    assert message.startswith("This operation is permitted on Lambda functions only.")
    lambdas.delete_function_concurrency(FunctionName=one)
    assert "ReservedConcurrentExecutions" not in lambdas.get_function_concurrency(FunctionName=one)
    for call in (lambdas.get_function_concurrency, lambdas.delete_function_concurrency):
        error("ResourceNotFoundException", call, FunctionName=name("none"))


def test_a_reservation_of_nothing_switches_a_function_off(fresh):
    deploy(fresh, "off", guest("hostile_guest"))
    publish(fresh, "off")
    fresh.functions.put_function_concurrency(FunctionName="off", ReservedConcurrentExecutions=0)
    for named in ("off", "off:1"):
        try:
            fresh.functions.invoke(FunctionName=named)
            raise AssertionError("it ran")
        except fresh.functions.exceptions.TooManyRequestsException as refused:
            assert refused.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
            assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            assert refused.response["Error"]["Message"] == "Rate Exceeded."
    assert fresh.functions.invoke(FunctionName="off", InvocationType="DryRun")["StatusCode"] == 204
    fresh.functions.delete_function_concurrency(FunctionName="off")
    assert fresh.functions.invoke(FunctionName="off", Payload=b"1")["Payload"].read() == b"1"


def test_more_than_is_reserved_is_turned_away(fresh):
    deploy(fresh, "one", guest("hostile_guest"), Timeout=3, Environment={"Variables": {"behaviour": "sleep"}})
    deploy(fresh, "free", guest("hostile_guest"))
    fresh.functions.put_function_concurrency(FunctionName="one", ReservedConcurrentExecutions=1)
    answers = []
    busy = threading.Thread(target=lambda: answers.append(fresh.client("lambda").invoke(FunctionName="one")))
    busy.start()

    def turned_away():
        try:
            fresh.functions.invoke(FunctionName="one")
        except fresh.functions.exceptions.TooManyRequestsException:
            return True
        return False

    time.sleep(0.5)
    assert turned_away()
    assert fresh.functions.invoke(FunctionName="free", Payload=b"1")["Payload"].read() == b"1"
    busy.join()
    assert answers[0]["FunctionError"] == "Unhandled", "it took its time"
    update(fresh, "one", behaviour="good")
    assert fresh.functions.invoke(FunctionName="one", Payload=b"1")["Payload"].read() == b"1"


def test_a_subscription_waits_for_a_function_that_is_switched_off(virtual):
    deploy(virtual, "waits", guest("hostile_guest"))
    virtual.functions.put_function_concurrency(FunctionName="waits", ReservedConcurrentExecutions=0)
    virtual.logs.create_log_group(logGroupName="/app")
    virtual.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="", destinationArn=ARN + "waits"
    )
    virtual.put("/app", "s", ["one", "two"])
    virtual.advance(3600)
    assert lines(virtual, "waits") == []
    virtual.functions.put_function_concurrency(FunctionName="waits", ReservedConcurrentExecutions=1)
    virtual.advance(61)
    ran = [line for line in lines(virtual, "waits") if line.startswith("REPORT")]
    assert len(ran) == 1, "both events, in one call"


def test_later_calls_wait_for_room(fresh):
    deploy(fresh, "queue", guest("hostile_guest"))
    fresh.functions.put_function_concurrency(FunctionName="queue", ReservedConcurrentExecutions=1)
    for _ in range(8):
        fresh.functions.invoke(FunctionName="queue", InvocationType="Event", Payload=b"{}")
    eventually(lambda: len([line for line in lines(fresh, "queue") if line.startswith("REPORT")]) == 8)
