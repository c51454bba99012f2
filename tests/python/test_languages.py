"""Guests in five languages: the same handler handles the same events with the same result, and errors arrive."""

import json
import os

import pytest

from conftest import ACCOUNT, GUESTS, REGION
from test_functions import deploy, guest, lines, update, zipped

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
LANGUAGES = ["rust", "js", "python", "c", "go"]


def foreign(module):
    """A guest that sdk/build.py built. Skips loudly, with the reason, where its language could not be had."""
    path = GUESTS / f"{module}.wasm"
    if path.exists():
        return path.read_bytes()
    skipped = GUESTS / "skipped.json"
    assert skipped.exists(), f"{path} is missing: run `./run test` (or python3 sdk/build.py)"
    reasons = json.loads(skipped.read_text())
    assert reasons and os.environ.get("CI") != "true", f"{path} is missing, and no language was skipped"
    pytest.skip(f"{module} is not built: {reasons}")


def deploy_slowly(server, name, code, **settings):
    """As `deploy`, for modules of many megabytes: packed for the way, and a debug build needs a while to compile them."""
    deploy(server, name, zipped(code), wait=False, **settings)
    waiter = server.functions.get_waiter("function_active_v2")
    waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 3000})


def subscribe(server, group, function, pattern=""):
    server.logs.create_log_group(logGroupName=group)
    server.logs.put_subscription_filter(
        logGroupName=group, filterName="f", filterPattern=pattern, destinationArn=ARN + function
    )


def said(server, name):
    """What the function's calls wrote, without the lines of the platform and without levels."""
    frame = ("START ", "END ", "REPORT ")
    return [line.removeprefix("[INFO] ").rstrip("\n") for line in lines(server, name) if not line.startswith(frame)]


MESSAGES = [
    "ERROR no user 3",
    "ERROR no user 4\n",
    "ERROR   no, user: 5",
    "ERROR disk-1 full",
    "ERROR disk-2 full\r\nat line 7",
    "ERROR größe 12 überschritten: ключ",
    "ERROR größe 13 überschritten: ключ",
    "ERROR " + "ü" * 300,
    '{"level":"ERROR","id":17,"msg":"no"}',
    '{"level":"ERROR","id":18,"msg":"no"}',
    '{"level":"ERROR","id":18,"msg":"no","x":"a1b2"}',
    *[f"ERROR of kind {'abcdefghij'[i]}" for i in range(10)],
    "ERROR",
]
DIGEST = [
    "22 events of 18 kinds in GROUP",
    "     3 x ERROR no user 3",
    "     2 x ERROR größe 12 überschritten: ключ",
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_five_languages_say_the_same_about_the_same_events(virtual, language):
    group = "/" + language
    code = guest("error_digest") if language == "rust" else foreign(f"error_digest_{language}")
    deploy_slowly(virtual, language, code)
    subscribe(virtual, group, language, "ERROR")
    virtual.put(group, "s", ["INFO fine", *MESSAGES, "WARN odd"], virtual.now_ms() - 60_000)
    virtual.advance(1)
    output = [line.replace(group, "GROUP") for line in said(virtual, language)]
    assert output == expected(), language


def expected():
    """The digest, made here a sixth time."""
    kinds = {}
    for message in MESSAGES:
        words = "".join(c if c.isalnum() or c == "-" else " " for c in message).split()
        kinds.setdefault(" ".join("#" if any(c in "0123456789" for c in w) else w for w in words), []).append(message)
    rows = sorted(kinds.values(), key=lambda same: -len(same))
    shown = [f"{len(same):>6} x " + same[0].rstrip()[:200].replace("\n", " ").replace("\r", " ") for same in rows[:10]]
    digest = [f"{len(MESSAGES)} events of {len(rows)} kinds in GROUP", *shown, f"and {len(rows) - 10} more kinds"]
    assert digest[:3] == DIGEST
    return digest


def test_a_digest_is_published_and_a_refusal_is_told(virtual, webhook):
    language = "js"
    topic = virtual.sns.create_topic(Name="ops")["TopicArn"]
    virtual.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"})
    settings = {"Environment": {"Variables": {"TOPIC": "ops"}}, "Tags": {"logboom:allow-publish": "ops"}}
    deploy_slowly(virtual, language, foreign(f"error_digest_{language}"), **settings)
    subscribe(virtual, "/app", language, "ERROR")
    virtual.put("/app", "s", ["ERROR one", "ERROR two"])
    virtual.advance(1)
    body = webhook.next()["body"].decode()
    assert "2 errors in /app" in body and "2 events of 2 kinds" in body
    # What is not granted is an error that says so, in every language.
    update(virtual, language, TOPIC="other")
    virtual.sns.create_topic(Name="other")
    virtual.put("/app", "s", ["ERROR three"])
    virtual.advance(1)
    output = "\n".join(lines(virtual, language))
    assert "other" in output and "llowed" in output, output
