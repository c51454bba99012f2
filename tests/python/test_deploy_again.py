"""The same function deployed again: other grants, and everything that function.toml may say beside the code."""

import pytest

from conftest import GUESTS
from test_functions import guest


def tags(server, name):
    return server.functions.get_function(FunctionName=name).get("Tags", {})


def test_grants_change_with_a_yes_and_what_is_gone_is_told(server, name):
    module, function = GUESTS / "hostile_guest.wasm", name("again")
    first = ["--allow", "publish=ops", "--allow", "state=true"]
    server.logboom("deploy", module, "--name", function, *first)
    server.functions.tag_resource(
        Resource=server.functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"],
        Tags={"team": "x"},
    )
    same = server.logboom("deploy", module, "--name", function, *first)
    assert "may now" not in same.stderr and "may no longer" not in same.stderr
    other = ["--allow", "publish=ops", "--allow", "logs=/out"]
    refused = server.logboom("deploy", module, "--name", function, *other, check=False)
    assert refused.returncode == 1 and "--yes grants this without asking" in refused.stderr
    assert f"{function} may now logs: /out" in refused.stderr and "may no longer state: true" in refused.stderr
    assert tags(server, function) == {"logboom:allow-publish": "ops", "logboom:allow-state": "true", "team": "x"}
    server.logboom("deploy", module, "--name", function, *other, "--yes")
    assert tags(server, function) == {"logboom:allow-publish": "ops", "logboom:allow-logs": "/out", "team": "x"}
    fewer = server.logboom("deploy", module, "--name", function, "--allow", "publish=ops")
    assert "may no longer logs: /out" in fewer.stderr, "less needs no yes"
    assert tags(server, function) == {"logboom:allow-publish": "ops", "team": "x"}


def test_grants_are_as_they_were_when_the_code_does_not_compile(server, name, tmp_path):
    function, broken = name("broken"), tmp_path / "broken.wasm"
    server.logboom("deploy", GUESTS / "hostile_guest.wasm", "--name", function, "--allow", "state=true")
    broken.write_bytes(guest("hostile_guest")[:2000])
    asked = ["--allow", "logs=/out", "--yes"]
    failed = server.logboom("deploy", broken, "--name", function, *asked, check=False)
    assert failed.returncode == 1
    assert tags(server, function) == {"logboom:allow-state": "true"}


def project(folder, name, text):
    folder.mkdir()
    (folder / "f.wasm").write_bytes(guest("hostile_guest"))
    (folder / "function.toml").write_text(f'name = "{name}"\nwasm = "f.wasm"\n{text}')
    return folder


def test_a_filter_whose_two_sides_differ_fails_its_test(server, tmp_path):
    folder = project(tmp_path / "sides", "sides", '[environment]\nbehaviour = "sides"\n')
    (folder / "mine.jsonl").write_text("one\ntwo\n")
    tried = server.logboom("test", folder / "mine.jsonl", "-f", folder, check=False)
    assert tried.returncode == 1
    assert "filter and packed-filter differ about event 0 of the batch" in tried.stdout


def test_a_project_says_how_it_is_measured_scheduled_and_tried_again(server, name, tmp_path):
    function, group = name("whole"), name("/again/whole")
    server.logs.create_log_group(logGroupName=group)
    text = f"""
[[metric]]
log_group = "{group}"
pattern = "took"
namespace = "App"
name = "Value"
[[schedule]]
expression = "rate(1 hour)"
time_zone = "Europe/Berlin"
input = {{ report = "short" }}
[retry]
attempts = 1
max_age_s = 600
"""
    folder = project(tmp_path / "p", function, text)
    for _ in range(2):
        done = server.logboom("deploy", folder)
        assert f"{function} measures App/Value in {group}" in done.stderr
    found = server.logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert [(one["filterName"], one["filterPattern"]) for one in found] == [(f"{function}-Value", "took")]
    assert found[0]["metricTransformations"][0]["metricValue"] == f"wasm:{function}"
    listed = server.logboom("schedule", "show", function).stdout
    assert '"rate(1 hour)"' in listed and '"Europe/Berlin"' in listed and '"report": "short"' in listed
    config = server.functions.get_function_event_invoke_config(FunctionName=function)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (1, 600)


@pytest.mark.parametrize(
    "text, named",
    [
        ("[retry]\nattempts = 9", "[retry]"),
        ('[[schedule]]\nexpression = "sometimes"', "sometimes"),
        ('[[metric]]\nlog_group = "/none"\nnamespace = "A"\nname = "B"', "/none: ResourceNotFoundException"),
        ("[[schedule]]\nwhen = 1", "unknown field `when`"),
    ],
)
def test_what_a_project_says_wrong_is_named(server, name, tmp_path, text, named):
    folder = project(tmp_path / "p", name("wrong"), text)
    done = server.logboom("deploy", folder, check=False)
    assert done.returncode == 1 and named in done.stderr, done.stderr
