"""Encryption at rest: nothing that was written can be read in the data folder, keys come, go and are missed with
clear words, and KMS keys wrap the keys of log groups."""

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from conftest import ACCOUNT, BINARY, CLEAN, GUESTS, REGION, eventually

CANARY = "canary7f3a91"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/one"
OTHER = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/two"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def holding(server, text):
    """The files of the data folder that hold the text."""
    folder = server.folder / "data"
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)) for path in files if text.encode() in path.read_bytes()}


def key_file(folder, name, byte):
    path = Path(folder) / name
    path.write_text(bytes([byte] * 32).hex() + "\n")
    path.chmod(0o600)
    return path


def messages(server, group):
    return [event["message"] for event in server.logs.filter_log_events(logGroupName=group)["events"]]


def serve(data, *flags, env=None):
    """A start that is to fail: exit code and what it said."""
    command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", str(data), *flags]
    done = subprocess.run(command, env={**CLEAN, **(env or {})}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.strip().splitlines()[-1]


def custom(content):
    """A core module that is whole: a section that means nothing, of less than 128 bytes."""
    return b"\0asm\1\0\0\0\0" + bytes([len(content)]) + content


def every_door(server, webhook):
    """Sends the canary through everything that keeps something. The webhook answers with errors for now."""
    server.logs.create_log_group(logGroupName="/app", tags={"t": CANARY})
    server.logs.put_metric_filter(
        logGroupName="/app",
        filterName="by-user",
        filterPattern="{ $.level = ERROR }",
        metricTransformations=[{
            "metricName": "errors", "metricNamespace": "App", "metricValue": "1", "dimensions": {"user": "$.user"},
        }],
    )
    server.logs.put_metric_filter(
        logGroupName="/app",
        filterName="all",
        filterPattern="ERROR",
        metricTransformations=[{"metricName": "all", "metricNamespace": "App", "metricValue": "1"}],
    )
    topic = server.sns.create_topic(Name="ops", Attributes={"DisplayName": CANARY})["TopicArn"]
    attributes = {"WebhookFormat": "json"}
    server.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{webhook.url}/{CANARY}", Attributes=attributes)
    server.cloudwatch.put_metric_alarm(
        AlarmName="alarm", AlarmDescription=CANARY, Namespace="App", MetricName="all", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", AlarmActions=[topic],
    )
    server.functions.create_function(
        FunctionName="f", Runtime="provided.al2023", Role=f"arn:aws:iam::{ACCOUNT}:role/any", Handler="bootstrap",
        Code={"ZipFile": custom(b"\1n" + CANARY.encode())}, Environment={"Variables": {"SECRET": CANARY}},
        Description=CANARY,
    )
    lines = [f'{{"level":"ERROR","user":"{CANARY}-{n}","text":"{CANARY}"}}' for n in range(20)]
    server.put("/app", "s", [*lines, f"plain {CANARY}", CANARY])
    server.advance(60)
    server.sns.publish(TopicArn=topic, Message=CANARY, Subject=CANARY)
    query = server.logs.start_query(
        logGroupName="/app", startTime=0, endTime=server.now_ms(), queryString=f"filter @message like '{CANARY}'"
    )
    eventually(lambda: server.logs.get_query_results(queryId=query["queryId"])["status"] == "Complete")
    series = server.cloudwatch.list_metrics(Namespace="App", MetricName="errors")["Metrics"]
    assert len(series) == 20 and CANARY in series[0]["Dimensions"][0]["Value"]
    alarm = server.cloudwatch.describe_alarms()["MetricAlarms"][0]
    assert alarm["StateValue"] == "ALARM"


def test_a_canary_is_nowhere_in_the_data_folder(virtual, webhook):
    webhook.status = 500
    every_door(virtual, webhook)
    assert holding(virtual, "/app") == {"meta.redb"}, "names of resources stay readable: this search finds things"
    assert holding(virtual, CANARY) == set()
    now_ms = virtual.now_ms()
    virtual.kill()
    assert holding(virtual, CANARY) == set(), "after kill -9"
    virtual.flags = ("--clock", f"virtual={now_ms}")
    virtual.start()
    for service in ("logs", "cloudwatch", "sns", "functions"):
        virtual.__dict__.pop(service, None)
    assert len(messages(virtual, "/app")) == 22
    # Undeliverable for a day: dead letters.
    virtual.advance(2 * 86_400)
    assert CANARY.encode() in virtual.http("GET", "/_logboom/dead-letters?limit=100")[2]
    # Enough to be sealed, twice, and then mostly taken away, so that segments are written anew.
    noise = random.Random(7)
    for group in ("/a", "/b"):
        for _ in range(3):
            lines = [f"{CANARY} {noise.randbytes(200).hex()}" for _ in range(2000)]
            virtual.put(group, "s", lines)
        virtual.restart()
        virtual.__dict__.pop("logs", None)
        virtual.flags = ("--clock", f"virtual={virtual.now_ms()}")
    assert any("segment" in str(path) for path in (virtual.folder / "data" / "logs").iterdir())
    assert holding(virtual, CANARY) == set(), "after sealing"
    virtual.logs.delete_log_group(logGroupName="/a")
    virtual.logs.put_retention_policy(logGroupName="/app", retentionInDays=1)
    virtual.advance(2 * 86_400)
    assert len(messages(virtual, "/b")) > 0 and messages(virtual, "/app") == []
    assert holding(virtual, CANARY) == set(), "after deletion, retention and compaction"
    virtual.stop()
    assert holding(virtual, CANARY) == set(), "after a clean stop"


def test_the_key_is_made_once_and_everything_about_it_is_checked(fresh, tmp_path):
    data = fresh.folder / "data"
    key = data / "logboom.key"
    assert key.stat().st_mode & 0o777 == 0o600 and data.stat().st_mode & 0o777 == 0o700
    text = key.read_text()
    assert re.search(r"^id  [0-9a-f]{16}$", text, re.M) and re.search(r"^key [0-9a-f]{64}$", text, re.M)
    fresh.put("/app", "s", ["kept"])
    fresh.stop()

    # Missing: a refusal that names the file, and no new key.
    moved = tmp_path / "elsewhere.key"
    shutil.move(key, moved)
    code, said = serve(data)
    assert code == 1 and str(key) in said and "missing" in said and "--key-file" in said, said
    assert not key.exists()

    # Of other data: both keys are named.
    other = tmp_path / "other"
    other.mkdir()
    code, said = serve(data, "--key-file", str(key_file(tmp_path, "not-one", 1)))
    assert code == 1 and "damaged" in said and "not-one" in said, said
    wrong = tmp_path / "wrong.key"
    subprocess_server = subprocess.Popen(
        [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", str(other), "--key-file", str(wrong)],
        env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    assert subprocess_server.stdout.readline().startswith("listening")
    subprocess_server.terminate()
    subprocess_server.wait(20)
    assert not (other / "logboom.key").exists(), "the key is where it was asked to be"
    code, said = serve(data, env={"LOGBOOM_KEY_FILE": str(wrong)})
    ids = [re.search(r"^id  (\S+)$", path.read_text(), re.M)[1] for path in (moved, wrong)]
    assert code == 1 and all(one in said for one in ids) and str(wrong) in said, said

    # Open to others, damaged, a folder.
    moved.chmod(0o644)
    code, said = serve(data, "--key-file", str(moved))
    assert code == 1 and "0644" in said and "chmod 600" in said, said
    moved.chmod(0o600)
    damaged = tmp_path / "damaged.key"
    damaged.write_text(text.rstrip()[:-1] + ("1" if text.rstrip()[-1] == "0" else "0"))
    damaged.chmod(0o600)
    code, said = serve(data, "--key-file", str(damaged))
    assert code == 1 and "damaged" in said and str(damaged) in said, said
    code, said = serve(data, "--key-file", str(tmp_path))
    assert code == 1 and "not a file" in said, said

    # Where it is said to be: everything is there.
    fresh.flags = ("--key-file", str(moved))
    fresh.__dict__.pop("logs", None)
    fresh.start()
    assert messages(fresh, "/app") == ["kept"]


def test_log_data_without_metadata_and_key_are_not_given_a_new_key(fresh):
    data = fresh.folder / "data"
    fresh.put("/app", "s", ["kept"])
    fresh.stop()
    for name in ("meta.redb", "logboom.key"):
        shutil.move(data / name, fresh.folder / name)
    code, said = serve(data)
    assert code == 1 and "neither their metadata (meta.redb) nor the key file" in said, said
    assert not (data / "logboom.key").exists()


def test_log_data_without_metadata_are_not_taken_for_deleted_ones(fresh):
    data = fresh.folder / "data"
    fresh.put("/app", "s", ["kept"])
    fresh.stop()
    shutil.move(data / "meta.redb", fresh.folder / "meta.redb")
    # The second start finds the empty file that the first one made.
    for _ in range(2):
        code, said = serve(data)
        assert code == 1 and "meta.redb is missing or empty" in said and "back in its place" in said, said
    shutil.move(fresh.folder / "meta.redb", data / "meta.redb")
    fresh.__dict__.pop("logs", None)
    fresh.start()
    assert messages(fresh, "/app") == ["kept"]


def test_the_master_key_can_be_changed(fresh, tmp_path):
    data, new = fresh.folder / "data", tmp_path / "new.key"
    fresh.put("/app", "s", ["kept", "too"])
    fresh.sns.create_topic(Name="ops")
    busy = subprocess.run(
        [str(BINARY), "key", "rotate", "--data", str(data), "--new-key-file", str(new)],
        env=CLEAN, capture_output=True, text=True,
    )
    assert busy.returncode == 3 and not new.exists(), busy
    fresh.stop()
    done = subprocess.run(
        [str(BINARY), "key", "rotate", "--data", str(data), "--new-key-file", str(new)],
        env=CLEAN, capture_output=True, text=True,
    )
    assert done.returncode == 0 and str(new) in done.stdout, done
    code, said = serve(data)
    assert code == 1 and "sealed with the key" in said, said
    (data / "logboom.key").unlink()
    fresh.flags = ("--key-file", str(new))
    for service in ("logs", "sns"):
        fresh.__dict__.pop(service, None)
    fresh.start()
    assert messages(fresh, "/app") == ["kept", "too"]
    fresh.put("/app", "s", ["more"])
    assert len(messages(fresh, "/app")) == 3


@pytest.fixture
def kms(make_server, tmp_path):
    """A server for which two KMS keys are configured, one by a file and one by a variable."""
    config = tmp_path / "logboom.toml"
    file = key_file(tmp_path, "one.key", 1)
    config.write_text(f'[kms."{KEY}"]\nkey_file = "{file}"\n[kms."{OTHER}"]\nkey_env = "KEY_TWO"\n')
    return make_server("--config", str(config), env={"KEY_TWO": "02" * 32})


def forget(server, *flags, env=None):
    """Stops, and starts with other flags."""
    server.stop()
    server.flags, server.env = flags, env or {}
    for service in ("logs", "cloudwatch", "sns"):
        server.__dict__.pop(service, None)
    server.start()


def test_a_group_is_put_under_a_kms_key_and_back(kms):
    logs = kms.logs
    logs.create_log_group(logGroupName="made", kmsKeyId=KEY)
    kms.put("made", "s", ["one"])
    kms.put("later", "s", ["two"])

    def shown():
        return {group["logGroupName"]: group.get("kmsKeyId") for group in logs.describe_log_groups()["logGroups"]}

    assert shown() == {"made": KEY, "later": None}
    logs.associate_kms_key(logGroupName="later", kmsKeyId=KEY)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:made"
    logs.associate_kms_key(resourceIdentifier=arn, kmsKeyId=OTHER)
    assert shown() == {"made": OTHER, "later": KEY}
    assert messages(kms, "made") == ["one"] and messages(kms, "later") == ["two"]
    kms.put("made", "s", ["three"])
    logs.disassociate_kms_key(logGroupName="made")
    logs.disassociate_kms_key(logGroupName="made")
    assert shown() == {"made": None, "later": KEY}
    kms.restart()
    kms.__dict__.pop("logs")
    assert messages(kms, "made") == ["one", "three"] and messages(kms, "later") == ["two"]


def test_what_cannot_be_done_with_kms_keys_is_refused_by_name(kms):
    logs = kms.logs
    kms.put("g", "s", ["one"])
    unknown = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/none"
    for call in (
        lambda: refusal(logs.associate_kms_key, logGroupName="g", kmsKeyId=unknown),
        lambda: refusal(logs.create_log_group, logGroupName="new", kmsKeyId=unknown),
    ):
        code, text = call()
        assert code == "InvalidParameterException", code
        assert "The specified KMS key does not exist or is not allowed to be used with LogGroup" in text
        assert f'[kms."{unknown}"]' in text and "key_file" in text, text
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["g"]
    results = f"arn:aws:logs:{REGION}:{ACCOUNT}:query-result:*"
    code, text = refusal(logs.associate_kms_key, resourceIdentifier=results, kmsKeyId=KEY)
    assert code == "InvalidParameterException" and "query-result is not served" in text
    for arguments in ({}, {"logGroupName": "g", "resourceIdentifier": results}):
        assert refusal(logs.associate_kms_key, kmsKeyId=KEY, **arguments)[0] == "InvalidParameterException"
        assert refusal(logs.disassociate_kms_key, **arguments)[0] == "InvalidParameterException"
    for call in (logs.associate_kms_key, logs.disassociate_kms_key):
        more = {"kmsKeyId": KEY} if call == logs.associate_kms_key else {}
        assert refusal(call, logGroupName="none", **more)[0] == "ResourceNotFoundException"


def test_without_its_kms_key_a_group_is_unreadable_and_the_others_go_on(kms):
    kms.put("locked", "s", ["secret"])
    kms.put("open", "s", ["public"])
    kms.logs.associate_kms_key(logGroupName="locked", kmsKeyId=OTHER)
    file = next(Path(kms.flags[1]).parent.glob("one.key"))
    one = kms.flags
    two = Path(one[1]).with_name("two.toml")
    two.write_text(f'[kms."{KEY}"]\nkey_file = "{file}"\n')
    forget(kms, "--config", str(two))
    assert OTHER in (kms.folder / "server.log").read_text(), "the start says what is missing"
    assert messages(kms, "open") == ["public"]
    kms.put("open", "s", ["more"])
    now = kms.now_ms()
    event = [{"timestamp": now, "message": "no"}]
    named = {"logGroupName": "locked"}
    window = {"startTime": 0, "endTime": now, "queryString": "fields @message"}
    for call, arguments in (
        (kms.logs.filter_log_events, named),
        (kms.logs.get_log_events, named | {"logStreamName": "s"}),
        (kms.logs.put_log_events, named | {"logStreamName": "s", "logEvents": event}),
        (kms.logs.start_query, named | window),
        (kms.logs.get_log_group_fields, named),
        (kms.logs.disassociate_kms_key, named),
        (kms.logs.associate_kms_key, named | {"kmsKeyId": KEY}),
    ):
        code, text = refusal(call, **arguments)
        assert code == "ServiceUnavailableException" and OTHER in text and "key_file" in text, (code, text)
    assert kms.logs.describe_log_streams(logGroupName="locked")["logStreams"][0]["logStreamName"] == "s"
    forget(kms, *one, env={"KEY_TWO": "03" * 32})
    code, text = refusal(kms.logs.filter_log_events, **named)
    assert code == "ServiceUnavailableException" and OTHER in text and "another key" in text, text
    forget(kms, *one, env={"KEY_TWO": "02" * 32})
    assert messages(kms, "locked") == ["secret"] and messages(kms, "open") == ["public", "more"]


def test_events_that_are_only_in_the_log_are_never_left_behind_for_want_of_a_key(kms):
    kms.put("locked", "s", ["acknowledged"])
    kms.logs.associate_kms_key(logGroupName="locked", kmsKeyId=KEY)
    kms.kill()
    code, said = serve(kms.folder / "data")
    assert code == 1 and KEY in said and "acknowledged" in said, said
    kms.__dict__.pop("logs")
    kms.start()
    assert messages(kms, "locked") == ["acknowledged"]


def test_a_misconfigured_kms_key_is_named_at_start(tmp_path):
    config = tmp_path / "c.toml"
    for text, expected in (
        (f'[kms."{KEY}"]\nkey_file = "/nowhere"', "/nowhere"),
        (f'[kms."{KEY}"]\nkey_env = "NOT_SET_HERE"', "NOT_SET_HERE"),
        (f'[kms."{KEY}"]\n', "either key_file or key_env"),
        ('[kms."alias/mine"]\nkey_env = "X"', "alias/mine"),
    ):
        config.write_text(text)
        code, said = serve(tmp_path / "data", "--config", str(config))
        assert code in (1, 2) and expected in said, said
    short = key_file(tmp_path, "short", 1)
    short.write_text("abcd")
    config.write_text(f'[kms."{KEY}"]\nkey_file = "{short}"')
    code, said = serve(tmp_path / "data", "--config", str(config))
    assert code == 1 and "64 hexadecimal digits" in said, said


def test_state_and_environment_of_functions_are_sealed(fresh):
    wasm = GUESTS / "hostile_guest.wasm"
    assert wasm.exists(), f"{wasm} is missing: run `./run test`"
    fresh.functions.create_function(
        FunctionName="writer", Runtime="provided.al2023", Role=f"arn:aws:iam::{ACCOUNT}:role/any",
        Handler="bootstrap", Code={"ZipFile": wasm.read_bytes()},
        Environment={"Variables": {"behaviour": "effects", "TOKEN": CANARY}},
        Tags={
            "logboom:allow-publish": "ops", "logboom:allow-metrics": "App/...", "logboom:allow-write": "/out",
            "logboom:allow-state": "true",
        },
    )
    fresh.functions.get_waiter("function_active_v2").wait(FunctionName="writer", WaiterConfig={"Delay": 0.1})
    fresh.sns.create_topic(Name="ops")
    fresh.logs.create_log_group(logGroupName="/out")
    fresh.logs.create_log_group(logGroupName="/app")
    fresh.logs.put_subscription_filter(
        logGroupName="/app", filterName="all", filterPattern="",
        destinationArn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:writer",
    )
    fresh.put("/app", "s", [CANARY])

    def has_run():
        try:
            return any("now 2" in line for line in messages(fresh, "/aws/lambda/writer"))
        except fresh.logs.exceptions.ResourceNotFoundException:
            return False

    eventually(has_run)
    assert holding(fresh, CANARY) == set()
    assert holding(fresh, "behaviour") == set(), "names of variables, and the code that knows them"
    fresh.kill()
    assert holding(fresh, CANARY) == set() and os.path.getsize(fresh.folder / "data" / "meta.redb") > len(wasm.read_bytes())
