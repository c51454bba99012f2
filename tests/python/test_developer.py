"""From an empty folder to a handler that reacts: new, build, test, deploy, dev, logs, as an author types them."""

import contextlib
import json
import os
import signal
import subprocess
import threading

import pytest
from conftest import BINARY, CLEAN, GUESTS, eventually

# One folder for the builds of all projects: the libraries of the SDK are compiled once.
TARGET = GUESTS.parents[1] / "new-projects"


def logboom(*arguments, cwd, check=True, server=None, timeout=300):
    environment = {**CLEAN, "CARGO_TARGET_DIR": str(TARGET)}
    if server:
        environment["LOGBOOM_ENDPOINT"] = server.url
    command = [str(BINARY), *[str(argument) for argument in arguments]]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def new(folder, name, *arguments):
    """A project whose module lies where the shared build folder puts it."""
    logboom("new", name, *arguments, cwd=folder)
    project = folder / name
    manifest = project / "function.toml"
    text = manifest.read_text().replace('wasm = "target/', f'wasm = "{TARGET}/')
    manifest.write_text(text)
    return project


def edit(path, *pairs):
    text = path.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


def test_from_nothing_to_a_handler_that_reacts(server, name, tmp_path):
    function, group = name("hello"), name("/developer/web")
    project = new(tmp_path, function)
    built = logboom("build", cwd=project)
    assert built.stdout.strip().endswith(".wasm")
    assert "exports subscription; could ask for: log" in built.stderr

    tried = logboom("test", "events.jsonl", cwd=project).stdout
    assert "log     [INFO] /app/web: ERROR upstream payments timed out after 3000 ms" in tried
    assert "4 events in 1 call, 0 failed" in tried

    absent = logboom("deploy", cwd=project, server=server, check=False)
    assert absent.returncode == 1 and "/app/web: ResourceNotFoundException" in absent.stderr
    edit(project / "function.toml", ('"/app/web"', f'"{group}"'))
    server.put(group, "s", ["INFO before"])
    done = logboom("deploy", project, cwd=tmp_path, server=server)
    assert done.stdout.strip().endswith(f":function:{function}")
    assert f"{function} receives ERROR of {group}" in done.stderr
    server.put(group, "s", ["INFO no", "ERROR out of axes"])
    lines = logboom("logs", function, "--pattern", "axes", "--count", 1, cwd=project, server=server).stdout
    assert f"[INFO] {group}: ERROR out of axes" in lines


def test_a_filter_is_tried_with_verdicts_fuel_and_the_same_result_each_time(tmp_path):
    project = new(tmp_path, "quiet", "--kind", "filter")
    logboom("build", cwd=project)
    (project / "mine.jsonl").write_text('ERROR plain\n{"timestamp": 5, "message": "DEBUG x"}\n')
    tried = logboom("test", "mine.jsonl", cwd=project).stdout.splitlines()
    assert tried[:2] == ["keep    ERROR plain", "drop    DEBUG x"]

    def counted():
        rows = logboom("test", "mine.jsonl", "--json", "--batch", 1, cwd=project).stdout.splitlines()
        return [json.loads(row) for row in rows]

    first, second, total = counted()
    assert (first["result"], second["result"]) == (["keep"], ["drop"])
    assert total["calls"] == 2 and total["events"] == 2 and total["memoryPeakBytes"] > 0
    assert total["fuel"] == first["fuel"] + second["fuel"] > 0
    assert [row["fuel"] for row in counted()] == [first["fuel"], second["fuel"], total["fuel"]]
    assert "events/s of CPU" in logboom("test", "mine.jsonl", "--bench", cwd=project).stdout


def test_a_function_that_panics_fails_the_test_with_its_text(tmp_path):
    project = new(tmp_path, "panics")
    edit(project / "src" / "lib.rs", ("        done()\n", '        panic!("no axes left");\n'))
    logboom("build", cwd=project)
    tried = logboom("test", "events.jsonl", cwd=project, check=False)
    assert tried.returncode == 1 and "1 call failed" in tried.stderr
    assert "FAILED" in tried.stdout and "no axes left" in tried.stdout


def test_what_is_asked_for_is_shown_and_needs_a_yes(server, name, tmp_path):
    function = name("asks")
    project = new(tmp_path, function, "--kind", "filter")
    logboom("build", cwd=project)
    edit(project / "function.toml", ("# publish = ", "publish = "), ("# state = true", "state = true"))
    refused = logboom("deploy", cwd=project, server=server, check=False)
    assert refused.returncode == 1 and "--yes grants this" in refused.stderr
    assert f"{function} may publish ops" in refused.stderr and f"{function} may state" in refused.stderr
    with pytest.raises(server.functions.exceptions.ResourceNotFoundException):
        server.functions.get_function(FunctionName=function)
    logboom("deploy", "--yes", cwd=project, server=server)
    assert server.functions.get_function(FunctionName=function)["Configuration"]["State"] == "Active"
    beside = logboom("deploy", ".", "--allow", "metrics=App", cwd=project, server=server, check=False)
    assert beside.returncode == 1 and "function.toml says it all" in beside.stderr


def test_a_change_of_the_source_is_live_without_a_command(server, name, tmp_path):
    function, group = name("live"), name("/developer/live")
    project = new(tmp_path, function)
    edit(project / "function.toml", ('"/app/web"', f'"{group}"'))
    server.put(group, "s", ["INFO before"])
    environment = {**CLEAN, "CARGO_TARGET_DIR": str(TARGET), "LOGBOOM_ENDPOINT": server.url}
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [str(BINARY), "dev"], cwd=project, env=environment, stdout=pipe, stderr=pipe, text=True
    )
    told, shown = [], []
    for stream, lines in ((process.stderr, told), (process.stdout, shown)):
        threading.Thread(target=lambda s=stream, kept=lines: [kept.append(line) for line in s], daemon=True).start()
    try:
        eventually(lambda: any("is live" in line for line in told), seconds=120)
        server.put(group, "s", ["ERROR one"])
        eventually(lambda: any(f"{group}: ERROR one" in line for line in shown))
        edit(project / "src" / "lib.rs", ('"{}: {}"', '"2nd {}: {}" nonsense'))
        eventually(lambda: any("ended with exit status" in line for line in told), seconds=60)
        edit(project / "src" / "lib.rs", ('"2nd {}: {}" nonsense', '"2nd {}: {}"'))
        eventually(lambda: sum("is live" in line for line in told) == 2, seconds=60)
        server.put(group, "s", ["ERROR two"])
        eventually(lambda: any(f"2nd {group}: ERROR two" in line for line in shown))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["new", "9lives"], 2, "is no name"),
        (["new", "x", "--lang", "go", "--kind", "filter"], 2, "no filter in C or Go"),
        (["new", "there"], 1, "exists"),
        (["build", "empty"], 2, "`logboom new` makes a project"),
        (["build", "wrong"], 2, "unknown field `timeout`"),
        (["build", "toolless"], 1, "`go` is needed and is not on the PATH"),
        (["test", "none.jsonl", "-f", "there"], 1, "none.jsonl"),
        (["deploy", "wrong"], 1, "unknown field `timeout`"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, code, said):
    for folder, text in (
        ("there", 'name = "x"\nwasm = "x.wasm"\n'),
        ("wrong", 'name = "x"\nwasm = "x.wasm"\ntimeout = 3\n'),
        ("toolless", 'name = "x"\nwasm = "x.wasm"\nbuild = "go build"\n'),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "function.toml").write_text(text)
    (tmp_path / "empty").mkdir()
    command = [str(BINARY), *arguments]
    environment = {**CLEAN, "PATH": "/usr/bin/none" if "toolless" in arguments else os.environ["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and done.stdout == ""
