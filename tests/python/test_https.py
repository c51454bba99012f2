"""HTTPS: a certificate of the server's own authority or one that is given, to boto3, the AWS CLI, the product's own
command line, fluent-bit and whoever speaks the wrong protocol."""

import datetime
import ipaddress
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from conftest import BINARY, CLEAN, REGION, eventually
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@pytest.fixture
def https(make_server):
    return make_server("--tls-self-signed")


def authority(server):
    return str(server.folder / "data" / "tls" / "ca.pem")


def client(server, service, verify, url=None):
    return boto3.client(
        service,
        endpoint_url=url or server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=verify,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30, connect_timeout=5),
    )


def own_certificate(folder, name="localhost", end_days=30):
    """A certificate that vouches for itself, as an administrator would bring it; gives its two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=end_days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def shown_certificate(port, name="localhost"):
    """The certificate that a server shows, unchecked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as secure:
            return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))


def exchange(port, request):
    """What a server answers to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_boto3_over_https_with_the_server_s_own_authority(https):
    assert https.url.startswith("https://127.0.0.1:")
    for url in (https.url, f"https://localhost:{https.port}"):
        logs = client(https, "logs", authority(https), url)
        group = f"/https/{'local' if 'localhost' in url else 'ip'}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        events = [{"timestamp": int(time.time() * 1000), "message": f"over tls {i}"} for i in range(500)]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
        found = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
        assert [e["message"] for e in found] == [e["message"] for e in events]
    # The links in messages are https too.
    sns = client(https, "sns", authority(https))
    arn = sns.create_topic(Name="t")["TopicArn"]
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["TopicArn"] == arn


def test_the_aws_cli_and_logboom_over_https(https):
    environment = {
        **CLEAN,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": authority(https),
        "AWS_ENDPOINT_URL": https.url,
        "AWS_MAX_ATTEMPTS": "1",
    }
    python = os.environ.get("LOGBOOM_PYTHON", str(Path(__file__).resolve().parents[2] / ".venv" / "bin" / "python"))
    cli = str(Path(python).parent / "aws")

    def run(*command, **changes):
        settings = {name: value for name, value in {**environment, **changes}.items() if value is not None}
        return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=90)

    made = run(cli, "logs", "create-log-group", "--log-group-name", "/cli/https")
    assert made.returncode == 0, made.stderr
    shown = run(cli, "logs", "describe-log-groups")
    assert [g["logGroupName"] for g in json.loads(shown.stdout)["logGroups"]] == ["/cli/https"]
    distrustful = run(cli, "logs", "describe-log-groups", AWS_CA_BUNDLE=None)
    assert distrustful.returncode != 0 and "certificate verify failed" in distrustful.stderr.lower()

    query = ("query", "fields @message", "--group", "/cli/https")
    options = ("--endpoint", https.url)
    assert run(str(BINARY), *query, *options).returncode == 0, "AWS_CA_BUNDLE is understood"
    trusting = run(str(BINARY), *query, *options, "--ca-file", authority(https), AWS_CA_BUNDLE=None)
    assert trusting.returncode == 0, trusting.stderr
    by_variable = run(str(BINARY), *query, *options, LOGBOOM_CA=authority(https), AWS_CA_BUNDLE=None)
    assert by_variable.returncode == 0, by_variable.stderr
    distrustful = run(str(BINARY), *query, *options, AWS_CA_BUNDLE=None)
    assert distrustful.returncode == 1 and "--ca-file" in distrustful.stderr
    nothing = run(str(BINARY), *query, *options, "--ca-file", "/does/not/exist")
    assert nothing.returncode == 1 and "/does/not/exist" in nothing.stderr


def test_a_client_that_trusts_another_authority_refuses_the_server(https, make_server):
    other = make_server("--tls-self-signed")
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        client(https, "logs", authority(other)).describe_log_groups()
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        client(https, "logs", None).describe_log_groups()


def test_plain_http_to_the_port_is_told_what_to_do(https):
    request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = exchange(https.port, request).decode()
    assert answer.startswith("HTTP/1.1 400 ") and "this port serves HTTPS" in answer
    health = exchange(https.port, b"GET /_logboom/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert health.startswith(b"HTTP/1.1 200 ") and b'"status":"ok"' in health
    context = ssl.create_default_context(cafile=authority(https))
    with urllib.request.urlopen(f"{https.url}/_logboom/health", context=context, timeout=20) as answer:
        assert json.load(answer)["status"] == "ok"
    logs = client(https, "logs", None, f"http://127.0.0.1:{https.port}")
    with pytest.raises(logs.exceptions.ClientError, match="this port serves HTTPS") as refused:
        logs.describe_log_groups()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_garbage_and_silence_hold_nothing_up(https):
    # A record that says it is a handshake, and is none.
    answer = exchange(https.port, b"\x16\x03\x01\x00\x05hello")
    assert b"HTTP" not in answer
    silent = [socket.create_connection(("127.0.0.1", https.port)) for _ in range(50)]
    half = socket.create_connection(("127.0.0.1", https.port))
    half.sendall(b"\x16\x03\x01\x02\x00\x01")
    began = time.monotonic()
    client(https, "logs", authority(https)).describe_log_groups()
    assert time.monotonic() - began < 5
    # Those who never finish are cut off.
    half.settimeout(20)
    assert half.recv(1) == b""
    assert time.monotonic() - began < 19
    for connection in silent:
        connection.close()


def test_the_authority_stays_and_its_keys_are_its_owner_s(https):
    folder = https.folder / "data" / "tls"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == ["ca-key.pem", "ca.pem", "server.pem"]
    for secret in ("ca-key.pem", "server.pem"):
        assert stat.S_IMODE((folder / secret).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate = shown_certificate(https.port)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "stream-localhost", "streaming-localhost"}
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert datetime.timedelta(days=300) < life <= datetime.timedelta(days=398)
    https.restart()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "nothing is made anew"
    client(https, "logs", authority(https)).describe_log_groups()
    # Another name makes another certificate; those who trust the authority need not be told.
    https.flags = ("--tls-self-signed", "--tls-name", "logs.example", "--tls-name", "10.9.8.7")
    https.restart()
    names = shown_certificate(https.port).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "streaming-logs.example" in names.get_values_for_type(x509.DNSName)
    assert "10.9.8.7" in {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}
    assert (folder / "ca.pem").read_bytes() == before["ca.pem"]


def test_a_given_certificate_and_another_after_a_hangup(make_server, tmp_path):
    certificate, key = own_certificate(tmp_path / "given")
    server = make_server("--tls-cert", certificate, "--tls-key", key)
    client(server, "logs", certificate).create_log_group(logGroupName="/given")
    first = shown_certificate(server.port).serial_number
    kept = client(server, "logs", certificate)
    kept.describe_log_groups()
    own_certificate(tmp_path / "given")
    server.process.send_signal(1)
    eventually(lambda: shown_certificate(server.port).serial_number != first)
    second = shown_certificate(server.port).serial_number
    assert kept.describe_log_groups()["logGroups"], "connections that are open go on"
    # What cannot be read changes nothing.
    (tmp_path / "given" / "key.pem").write_text("rubbish")
    server.process.send_signal(1)
    eventually(lambda: "the certificate stays as it was" in (server.folder / "server.log").read_text())
    assert shown_certificate(server.port).serial_number == second


def test_wrong_files_are_found_at_the_start(tmp_path):
    certificate, key = own_certificate(tmp_path / "a")
    _, other = own_certificate(tmp_path / "b")
    (tmp_path / "empty.pem").write_text("")
    empty = str(tmp_path / "empty.pem")
    cases = [
        (("--tls-cert", certificate, "--tls-key", other), 1, ["is not the key of the certificate", other]),
        (("--tls-cert", certificate, "--tls-key", "/no/key.pem"), 1, ["cannot read", "/no/key.pem"]),
        (("--tls-cert", empty, "--tls-key", key), 1, ["holds no certificate", empty]),
        (("--tls-cert", certificate, "--tls-key", certificate), 1, ["holds no private key", certificate]),
        (("--tls-cert", certificate), 2, ["tls.key"]),
        (("--tls-cert", certificate, "--tls-key", key, "--tls-self-signed"), 2, ["choose one"]),
        (("--tls-name", "x"), 2, ["tls.self_signed"]),
    ]
    for flags, code, words in cases:
        command = [str(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), *flags]
        done = subprocess.run(command, env=CLEAN, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (flags, done)
        assert all(word in done.stderr for word in words), (flags, done.stderr)


def test_settings_come_from_file_and_environment_too(make_server, tmp_path):
    certificate, key = own_certificate(tmp_path / "given")
    config = tmp_path / "logboom.toml"
    config.write_text(f"[tls]\ncert = {json.dumps(certificate)}\nkey = {json.dumps(key)}\n")
    server = make_server("--config", str(config))
    client(server, "logs", certificate).describe_log_groups()
    server = make_server(env={"LOGBOOM_TLS_SELF_SIGNED": "1", "LOGBOOM_TLS_NAMES": "a.example, b.example"})
    names = shown_certificate(server.port).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"a.example", "b.example"} <= set(names.get_values_for_type(x509.DNSName))


def test_fluent_bit_ships_over_https(https, tmp_path):
    tool = shutil.which("fluent-bit") or shutil.which("fluent-bit", path="/opt/fluent-bit/bin")
    if tool is None:
        pytest.skip("FLUENT-BIT IS NOT INSTALLED: shipping with it over https was NOT tested")
    lines = tmp_path / "app.log"
    lines.write_text("".join(f"line {i}\n" for i in range(20)))
    command = [
        tool, "-q", "-i", "tail", "-p", f"path={lines}", "-p", "read_from_head=true",
        "-o", "cloudwatch_logs", "-m", "*", "-p", f"region={REGION}", "-p", "log_group_name=/fluent/bit",
        "-p", "log_stream_name=s", "-p", "auto_create_group=true", "-p", "endpoint=localhost",
        "-p", f"port={https.port}", "-p", "tls=on", "-p", "tls.verify=on", "-p", f"tls.ca_file={authority(https)}",
        "-p", "log_key=log", "-f", "1",
    ]  # fmt: skip
    environment = {**CLEAN, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    shipper = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        logs = client(https, "logs", authority(https))

        def arrived():
            try:
                found = logs.get_log_events(logGroupName="/fluent/bit", logStreamName="s", startFromHead=True)
                return [e["message"] for e in found["events"]]
            except logs.exceptions.ResourceNotFoundException:
                return []

        eventually(lambda: arrived() == [f"line {i}" for i in range(20)], seconds=40)
    finally:
        shipper.terminate()
        shipper.wait(20)
