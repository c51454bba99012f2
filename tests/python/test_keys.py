"""A server with access keys: who is let in, who is refused and with which words; and the two ways `serve` refuses
to start."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError
from conftest import BINARY, CLEAN, ROOT, Server

KEY, SECRET = "AKIDRIVERDRIVER", "correct/horse+battery"
READER, READERS_SECRET = "AKIDREADERREADER", "reads-only"
CONFIG = f"""
[[keys]]
id = "{READER}"
secret = "{READERS_SECRET}"
account = "222222222222"
name = "reader"
policies = [
  {{ Version = "2012-10-17", Statement = [
    {{ Effect = "Allow", Action = ["logs:Describe*", "logs:FilterLogEvents", "logs:CreateLogGroup"], Resource = "*" }},
    {{ Effect = "Deny", Action = "logs:*", Resource = "arn:aws:logs:*:*:log-group:secret*" }},
  ] }},
]
"""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "keys.toml").write_text(CONFIG)
    one = Server(folder, "--config", str(folder / "keys.toml"), env={"LOGBOOM_KEYS": f"{KEY}:{SECRET}"})
    yield one
    one.stop()


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_the_right_key_is_let_in(keyed, name):
    client, group = keyed.client("logs", key=KEY, secret=SECRET), name("keyed")
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="s p a c e")
    event = [{"timestamp": int(time.time() * 1000), "message": "signed, with ünïcode"}]
    client.put_log_events(logGroupName=group, logStreamName="s p a c e", logEvents=event)
    assert len(client.filter_log_events(logGroupName=group)["events"]) == 1
    identity = keyed.client("sts", key=KEY, secret=SECRET).get_caller_identity()
    assert identity["Account"] == "000000000000" and identity["Arn"].endswith(f"user/{KEY}")


def test_the_aws_cli_with_the_right_and_a_wrong_secret(keyed):
    cli = Path(os.environ.get("LOGBOOM_PYTHON", ROOT / ".venv" / "bin" / "python")).parent / "aws"
    environment = {
        **CLEAN, "AWS_ENDPOINT_URL": keyed.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    describe = lambda secret: subprocess.run(
        [str(cli), "logs", "describe-log-groups"], capture_output=True, text=True,
        env={**environment, "AWS_SECRET_ACCESS_KEY": secret})
    right, wrong = describe(SECRET), describe(SECRET + "x")
    assert right.returncode == 0 and "logGroups" in json.loads(right.stdout), right.stderr
    assert wrong.returncode != 0 and "InvalidSignatureException" in wrong.stderr


def test_a_wrong_secret(keyed):
    status, code, text = refused(keyed.client("logs", key=KEY, secret="wrong").describe_log_groups)
    assert code == "InvalidSignatureException" and status in (400, 403)
    assert text.startswith("The request signature we calculated does not match the signature you provided.")
    status, code, _ = refused(keyed.client("sns", key=KEY, secret="wrong").list_topics)
    assert (status, code) == (403, "SignatureDoesNotMatch")


def test_an_unknown_key(keyed):
    for key in ("test", "111111111111"):
        status, code, text = refused(keyed.client("logs", key=key, secret=SECRET).describe_log_groups)
        assert code == "UnrecognizedClientException" and "security token" in text, "twelve digits are no pass here"
    assert refused(keyed.client("sns", key="test", secret="x").list_topics)[1] == "InvalidClientTokenId"


def test_no_signature_at_all(keyed):
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Logs_20140328.DescribeLogGroups"}
    status, _, answer = keyed.http("POST", "/", b"{}", headers)
    assert status in (400, 403) and b"MissingAuthenticationToken" in answer
    forged = "AWS4-HMAC-SHA256 Credential=%s/20260101/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=00"
    status, _, answer = keyed.http("POST", "/", b"{}", {**headers, "authorization": forged % KEY})
    assert status in (400, 403) and b"logGroups" not in answer


def signed(keyed, body, service="logs", at=None, secret=SECRET, tamper=None):
    """A DescribeLogGroups as botocore's signer signs it at another time."""
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "Logs_20140328.DescribeLogGroups",
        "host": f"127.0.0.1:{keyed.port}",
    }
    request = botocore.awsrequest.AWSRequest("POST", keyed.url + "/", headers=headers, data=body)
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(KEY, secret), service, "us-east-1")
    moment = (at or datetime.now(timezone.utc)).strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = moment
    request.headers["X-Amz-Date"] = moment
    request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)
    return keyed.http("POST", "/", tamper or body, dict(request.headers))


def test_a_clock_that_is_off(keyed):
    now = datetime.now(timezone.utc)
    for minutes, wanted in ((0, 200), (-14, 200), (14, 200), (-16, None), (16, None), (-60 * 48, None)):
        status, _, answer = signed(keyed, b"{}", at=now + timedelta(minutes=minutes))
        if wanted:
            assert status == wanted, (minutes, answer)
        else:
            error = json.loads(answer)
            assert status in (400, 403) and error["__type"] == "InvalidSignatureException", error
            assert "Signature expired" in error["message"] or "not yet current" in error["message"]


def test_a_body_that_was_changed_on_the_way(keyed):
    assert signed(keyed, b'{"limit":1}')[0] == 200
    assert signed(keyed, b'{"limit":1}', tamper=b'{"limit":2}')[0] in (400, 403)
    assert signed(keyed, b'{"limit":1}', service="sns")[0] in (400, 403)


def test_a_presigned_url_works_for_get_until_it_expires(keyed):
    client = keyed.client("sts", key=KEY, secret=SECRET)
    url = client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:
        assert b"<Account>000000000000</Account>" in answer.read()
    path = url.removeprefix(keyed.url)
    assert keyed.http("GET", path.replace("Action=GetCallerIdentity", "Action=GetSessionToken"))[0] in (400, 403)
    parts = urllib.parse.urlsplit(path)
    asked = dict(urllib.parse.parse_qsl(parts.query))
    for name, value in (("X-Amz-Expires", "3600"), ("X-Amz-Signature", "0" * 64), ("X-Amz-Expires", "9999999")):
        changed = urllib.parse.urlencode({**asked, name: value})
        assert keyed.http("GET", f"{parts.path}?{changed}")[0] in (400, 403)
    assert keyed.http("POST", path, b"")[0] in (400, 403), "presigned POST is not served"


def test_policies_decide(keyed, name):
    reader = keyed.client("logs", key=READER, secret=READERS_SECRET)
    group = name("readable")
    reader.create_log_group(logGroupName=group)
    (shown,) = reader.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert ":222222222222:" in shown["arn"], "the account is the key's"
    status, code, text = refused(reader.delete_log_group, logGroupName=group)
    assert code == "AccessDeniedException" and status in (400, 403)
    assert "arn:aws:iam::222222222222:user/reader is not authorized to perform: logs:DeleteLogGroup" in text
    assert "no identity-based policy allows" in text
    code, text = refused(reader.create_log_group, logGroupName="secret/plans")[1:]
    assert code == "AccessDeniedException" and "explicit deny" in text
    event = [{"timestamp": 1, "message": "x"}]
    where = {"logGroupName": group, "logStreamName": "s"}
    assert refused(reader.put_log_events, **where, logEvents=event)[1] == "AccessDeniedException"


def test_no_file_shows_a_secret(keyed):
    written = (keyed.folder / "server.log").read_bytes()
    for path in (keyed.folder / "data").rglob("*"):
        if path.is_file():
            written += path.read_bytes()
    assert SECRET.encode() not in written and READERS_SECRET.encode() not in written


def serve(tmp_path, *flags, env=None):
    command = [str(BINARY), "serve", "--data", str(tmp_path / "data"), *flags]
    return subprocess.run(command, env={**CLEAN, **(env or {})}, capture_output=True, text=True, timeout=20)


def test_an_open_server_does_not_listen_on_the_network(tmp_path):
    for listen in ("0.0.0.0:0", "[::]:0"):
        done = serve(tmp_path, "--listen", listen)
        assert done.returncode != 0 and done.stdout == ""
        assert listen in done.stderr and "LOGBOOM_KEYS" in done.stderr and "127.0.0.1" in done.stderr


def test_with_keys_the_network_is_served_under_any_host_name(tmp_path):
    server = Server.__new__(Server)
    command = [str(BINARY), "serve", "--data", str(tmp_path / "data"), "--listen", "0.0.0.0:0"]
    process = subprocess.Popen(
        command, env={**CLEAN, "LOGBOOM_KEYS": f"{KEY}:{SECRET}"}, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        server.url, server.port = f"http://127.0.0.1:{port}", port
        assert server.client("logs", key=KEY, secret=SECRET).describe_log_groups()["logGroups"] == []
        server.url = f"http://localhost:{port}"
        assert server.client("logs", key=KEY, secret=SECRET).describe_log_groups()["logGroups"] == []
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_a_second_server_on_the_same_data_says_so(fresh):
    done = serve(fresh.folder, "--listen", "127.0.0.1:0")
    assert done.returncode == 3 and done.stdout == ""
    assert "in use by another logboom" in done.stderr and str(fresh.process.pid) in done.stderr
    fresh.logs.create_log_group(logGroupName="still-here")


def test_settings_that_are_none_are_refused(tmp_path):
    done = serve(tmp_path, "--listen", "127.0.0.1:0", env={"LOGBOOM_KEY": "a:b"})
    assert done.returncode != 0 and "LOGBOOM_KEY" in done.stderr
    done = serve(tmp_path, "--listen", "127.0.0.1:0", env={"LOGBOOM_KEYS": "no-secret-here"})
    assert done.returncode != 0 and "id:secret" in done.stderr and "no-secret-here" not in done.stderr
    (tmp_path / "bad.toml").write_text("kyes = []\n")
    done = serve(tmp_path, "--config", str(tmp_path / "bad.toml"))
    assert done.returncode != 0 and "kyes" in done.stderr


@pytest.mark.parametrize("path", ["consumers", "dead-letters", "alarms/any/explain"])
def test_own_operations_that_show_data_need_a_key(keyed, path):
    status, _, body = keyed.http("GET", f"/_logboom/{path}")
    assert status in (400, 401, 403), body
    assert keyed.http("GET", "/_logboom/health")[0] == 200


@pytest.mark.parametrize("path", ["clock", "reset"])
def test_own_operations_that_change_the_server_need_a_key(keyed, path):
    status, _, body = keyed.http("POST", f"/_logboom/{path}", b'{"advance_ms": 1}')
    assert status == 403, body
