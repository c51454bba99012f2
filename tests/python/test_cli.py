"""The product's own command line: the demo, and the commands that talk to a running server."""

import json
import subprocess

import pytest
from conftest import BINARY, GUESTS


def test_the_demo_ends_with_the_notification_and_its_log_lines(tmp_path):
    command = [BINARY, "demo", "--once", "--listen", "127.0.0.1:0", "--data", tmp_path / "data", "--guests", GUESTS]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=240)
    told = done.stdout
    assert done.returncode == 0, told + done.stderr
    for step in range(1, 9):
        assert f"[{step}/8]" in told
    assert "1600 events acknowledged" in told
    stored = told.split("stored:")[1].split("query:")[0]
    assert "[card]" in stored and "4111" not in stored
    assert "demo-server-errors is ALARM" in told
    notification = told.split("received by the inbox:")[1]
    assert "Threshold Crossed" in notification
    assert "upstream payments timed out" in notification, "the log lines that caused the alarm are in the message"
    assert "@example.com" not in notification, "what was redacted is not in the message either"
    assert "slack-action" in notification


def test_a_query_prints_a_table_and_json(server, name):
    group = name("/cli/query")
    server.put(group, "s", ["INFO a", "ERROR b", "ERROR c"])
    query = "filter @message like /ERROR/ | stats count(*) as n"
    assert server.logboom("query", "-g", group, query).stdout == "n\n2\n"
    assert json.loads(server.logboom("query", "--json", "-g", group, query).stdout) == {"n": "2"}
    wrong = server.logboom("query", "-g", group, "stats nonsense(", check=False)
    assert wrong.returncode == 1
    assert "MalformedQueryException" in wrong.stderr and wrong.stdout == ""


def test_tail_prints_each_event_once_in_order(server, name):
    group = name("/cli/tail")
    server.put(group, "s", ["INFO old", "ERROR one"])
    tail = subprocess.Popen(
        [str(BINARY), "tail", group, "--pattern", "ERROR", "--since", "10m", "--count", "3", "--endpoint", server.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert tail.stdout.readline().rstrip().endswith("s ERROR one")
        server.put(group, "s", ["INFO between", "ERROR two", "ERROR three"])
        rest, _ = tail.communicate(timeout=20)
    finally:
        if tail.poll() is None:
            tail.kill()
    assert [line.split(" ", 2)[2] for line in rest.splitlines()] == ["ERROR two", "ERROR three"]
    assert tail.returncode == 0


def test_deploy_attaches_and_invoke_answers(server, name):
    group, function = name("/cli/deploy"), name("digest")
    server.put(group, "s", ["INFO before"])
    module = GUESTS / "error_digest.wasm"
    done = server.logboom("deploy", module, "--name", function, "--on", group, "--pattern", "ERROR")
    assert done.stdout.strip().endswith(f":function:{function}")
    found = server.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert [f["destinationArn"].rsplit(":", 1)[1] for f in found] == [function]
    server.logboom("deploy", module, "--name", function, "--timeout", 7, "--set", "TOPIC=ops")
    settings = server.functions.get_function_configuration(FunctionName=function)
    assert settings["Timeout"] == 7 and settings["Environment"]["Variables"] == {"TOPIC": "ops"}
    other = server.logboom("deploy", module, "--name", function, "--allow", "publish=ops", check=False)
    assert other.returncode == 1 and "may now publish: ops" in other.stderr and "--yes" in other.stderr
    assert "logboom:allow-publish" not in server.functions.get_function(FunctionName=function).get("Tags", {})
    missing = server.logboom("invoke", name("none"), check=False)
    assert missing.returncode == 1 and "ResourceNotFoundException" in missing.stderr


@pytest.mark.parametrize("arguments", [["tail"], ["query"], ["invoke"], ["nonsense"], ["serve", "--nonsense"]])
def test_wrong_usage_exits_with_2_and_says_why(arguments):
    done = subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stdout == "" and "Usage" in done.stderr


def test_an_unreachable_server_is_said_in_one_line():
    command = [str(BINARY), "query", "-g", "x", "fields @message", "--endpoint", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "is `logboom serve` running there?" in done.stderr and done.stderr.count("\n") == 1
