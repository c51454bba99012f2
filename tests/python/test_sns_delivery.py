"""What leaves the process: real HTTP and SMTP receivers, signatures verified with an independent library."""

import base64
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import ACCOUNT, REGION, eventually
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def topic(server, name, **attributes):
    return server.sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]


def verify(envelope):
    """Raises unless the signature is that of the certificate it names."""
    with urllib.request.urlopen(envelope["SigningCertURL"], timeout=20) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    text = "".join(f"{n}\n{envelope[n]}\n" for n in SIGNED[envelope["Type"]] if n in envelope)
    algorithm = {"1": hashes.SHA1, "2": hashes.SHA256}[envelope["SignatureVersion"]]()
    signature = base64.b64decode(envelope["Signature"])
    certificate.public_key().verify(signature, text.encode(), padding.PKCS1v15(), algorithm)
    return certificate


def visit(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def subscribed(server, webhook, arn, path="/", **attributes):
    """An HTTP subscription whose handshake is finished; gives its ARN."""
    answer = server.sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=webhook.url + path, Attributes=attributes)
    assert answer["SubscriptionArn"] == "pending confirmation"
    handshake = json.loads(webhook.next()["body"])
    return server.sns.confirm_subscription(TopicArn=arn, Token=handshake["Token"])["SubscriptionArn"]


def dead_letters(server):
    return json.loads(server.http("GET", "/_logboom/dead-letters?limit=1000")[2])["deadLetters"]


def test_handshake_then_signed_notification(server, webhook, name):
    arn = topic(server, name("handshake"))
    assert server.sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=webhook.url)["SubscriptionArn"] == (
        "pending confirmation"
    )
    server.sns.publish(TopicArn=arn, Message="too early")
    got = webhook.next()
    assert got["headers"]["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert got["headers"]["user-agent"] == "Amazon Simple Notification Service Agent"
    assert got["headers"]["content-type"] == "text/plain; charset=UTF-8"
    assert "x-amz-sns-subscription-arn" not in got["headers"]
    handshake = json.loads(got["body"])
    assert list(handshake) == [
        "Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion",
        "Signature", "SigningCertURL",
    ]  # fmt: skip
    assert handshake["Message"] == (
        f"You have chosen to subscribe to the topic {arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    assert handshake["SubscribeURL"].startswith(server.url + "/?Action=ConfirmSubscription&TopicArn=")
    verify(handshake)
    listed = server.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert listed == [
        {
            "SubscriptionArn": "PendingConfirmation",
            "Owner": ACCOUNT,
            "Protocol": "http",
            "Endpoint": webhook.url,
            "TopicArn": arn,
        }
    ]
    assert "<ConfirmSubscriptionResult><SubscriptionArn>" in visit(handshake["SubscribeURL"])
    assert "is confirmed" in visit(handshake["SubscribeURL"], "text/html,*/*"), "a link works twice"
    subscription = server.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"][0]["SubscriptionArn"]
    assert subscription.startswith(arn + ":")
    attributes = {
        "words": {"DataType": "String", "StringValue": "héllo"},
        "number": {"DataType": "Number", "StringValue": "3.015e2"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = server.sns.publish(TopicArn=arn, Message="línea 1\nlínea 2", Subject="Hi", MessageAttributes=attributes)
    got = webhook.next()
    note = json.loads(got["body"])
    assert note["MessageId"] == sent["MessageId"] == got["headers"]["x-amz-sns-message-id"]
    assert got["headers"]["x-amz-sns-subscription-arn"] == subscription
    assert (note["Type"], note["Message"], note["Subject"]) == ("Notification", "línea 1\nlínea 2", "Hi")
    assert note["MessageAttributes"] == {
        "words": {"Type": "String", "Value": "héllo"},
        "number": {"Type": "Number", "Value": "3.015e2"},
        "bytes": {"Type": "Binary", "Value": "AP8="},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", note["Timestamp"])
    assert note["SignatureVersion"] == "1"
    assert "BEGIN CERTIFICATE" in visit(note["SigningCertURL"]), "no credentials needed"
    verify(note)
    note["Message"] += "!"
    with pytest.raises(Exception):
        verify(note)
    assert webhook.requests.empty(), "what was published before the confirmation is not delivered"


def test_signature_version_2_and_unsubscribe_link(server, webhook, name):
    arn = topic(server, name("v2"), SignatureVersion="2")
    subscription = subscribed(server, webhook, arn)
    server.sns.publish(TopicArn=arn, Message="m")
    note = json.loads(webhook.next()["body"])
    assert note["SignatureVersion"] == "2"
    verify(note)
    assert "<UnsubscribeResponse" in visit(note["UnsubscribeURL"])
    farewell = webhook.next()
    assert farewell["headers"]["x-amz-sns-message-type"] == "UnsubscribeConfirmation"
    farewell = json.loads(farewell["body"])
    verify(farewell)
    assert server.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
    server.sns.publish(TopicArn=arn, Message="nobody listens")
    visit(farewell["SubscribeURL"])
    server.sns.publish(TopicArn=arn, Message="back again")
    back = webhook.next()
    assert json.loads(back["body"])["Message"] == "back again"
    assert back["headers"]["x-amz-sns-subscription-arn"] == subscription


def test_a_locked_subscription_is_not_ended_by_its_link(server, webhook, name):
    arn = topic(server, name("locked"))
    server.sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=webhook.url)
    token = json.loads(webhook.next()["body"])["Token"]
    confirmed = server.sns.confirm_subscription(TopicArn=arn, Token=token, AuthenticateOnUnsubscribe="true")
    server.sns.publish(TopicArn=arn, Message="m")
    url = json.loads(webhook.next()["body"])["UnsubscribeURL"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        visit(url)
    assert refused.value.code == 403 and b"<Code>AuthorizationError</Code>" in refused.value.read()
    server.sns.unsubscribe(SubscriptionArn=confirmed["SubscriptionArn"])
    assert server.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []


def test_raw_delivery_and_delivery_policy_content_type(server, webhook, name):
    arn = topic(server, name("raw"))
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    subscribed(server, webhook, arn, RawMessageDelivery="true", DeliveryPolicy=policy)
    server.sns.publish(TopicArn=arn, Message='{"a":1}', Subject="not shown")
    got = webhook.next()
    assert got["body"] == b'{"a":1}'
    assert got["headers"]["x-amz-sns-rawdelivery"] == "true"
    assert got["headers"]["content-type"] == "application/json"


def test_filter_policies_choose_subscribers(server, webhook, name):
    arn = topic(server, name("filter"))
    subscribed(server, webhook, arn, "/errors", FilterPolicy='{"level":["error",{"prefix":"fat"}]}')
    body = '{"status":[{"numeric":[">=",500]}]}'
    subscribed(server, webhook, arn, "/500", FilterPolicy=body, FilterPolicyScope="MessageBody")
    level = lambda text: {"level": {"DataType": "String", "StringValue": text}}  # noqa: E731
    server.sns.publish(TopicArn=arn, Message="1", MessageAttributes=level("info"))
    server.sns.publish(TopicArn=arn, Message="2", MessageAttributes=level("fatal"))
    got = webhook.next()
    assert (got["path"], json.loads(got["body"])["Message"]) == ("/errors", "2")
    server.sns.publish(TopicArn=arn, Message='{"status":499}')
    server.sns.publish(TopicArn=arn, Message='{"status":503}')
    got = webhook.next()
    assert (got["path"], json.loads(got["body"])["Message"]) == ("/500", '{"status":503}')
    time.sleep(0.1)
    assert webhook.requests.empty()


def test_variants_by_protocol_and_batches(server, webhook, name):
    arn = topic(server, name("variants"))
    subscribed(server, webhook, arn)
    text = json.dumps({"default": "d", "http": "for http", "email": "for mail"})
    server.sns.publish(TopicArn=arn, Message=text, MessageStructure="json")
    assert json.loads(webhook.next()["body"])["Message"] == "for http"
    entries = [{"Id": str(i), "Message": f"m{i}"} for i in range(10)]
    sent = server.sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    assert [e["Id"] for e in sent["Successful"]] == [str(i) for i in range(10)]
    got = [json.loads(webhook.next()["body"]) for _ in range(10)]
    assert {g["Message"] for g in got} == {f"m{i}" for i in range(10)}
    assert {g["MessageId"] for g in got} == {e["MessageId"] for e in sent["Successful"]}


def test_retries_after_5xx_under_the_virtual_clock(virtual, webhook, name):
    arn = topic(virtual, name("retry"))
    subscribed(virtual, webhook, arn)
    webhook.status = [500, 503, 200]
    virtual.sns.publish(TopicArn=arn, Message="again and again")
    first = webhook.next()
    virtual.advance(1)
    assert webhook.requests.empty(), "the default policy waits 20 s"
    virtual.advance(25)
    second = webhook.next()
    virtual.advance(25)
    third = webhook.next()
    assert first["body"] == second["body"] == third["body"], "every try is the same message"
    virtual.advance(3600)
    assert webhook.requests.empty() and dead_letters(virtual) == []


def test_retries_end_in_a_dead_letter(virtual, webhook, name):
    arn = topic(virtual, name("dead"))
    subscription = subscribed(virtual, webhook, arn)
    policy = {"healthyRetryPolicy": {"numRetries": 2, "minDelayTarget": 1, "maxDelayTarget": 5, "backoffFunction": "linear"}}
    virtual.sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy)
    )
    webhook.status = 500
    sent = virtual.sns.publish(TopicArn=arn, Message="never", Subject="S")
    virtual.advance(60)
    assert [webhook.next()["headers"]["x-amz-sns-message-id"] for _ in range(3)] == [sent["MessageId"]] * 3
    (letter,) = dead_letters(virtual)
    assert letter["attempts"] == 3 and letter["error"] == "127.0.0.1 answered 500"
    assert (letter["subscriptionArn"], letter["message"], letter["subject"]) == (subscription, "never", "S")
    virtual.advance(15 * 24 * 3600)
    assert dead_letters(virtual) == [], "dead letters are kept for two weeks"


def test_other_4xx_are_dead_at_once_and_429_is_not(virtual, webhook, name):
    arn = topic(virtual, name("bad"))
    subscribed(virtual, webhook, arn)
    webhook.status = [400, 429, 200]
    virtual.sns.publish(TopicArn=arn, Message="one")
    webhook.next()
    (letter,) = eventually(lambda: dead_letters(virtual))
    assert (letter["attempts"], letter["error"], letter["kind"]) == (1, "127.0.0.1 answered 400", "notification")
    virtual.sns.publish(TopicArn=arn, Message="two")
    webhook.next()
    virtual.advance(25)
    assert json.loads(webhook.next()["body"])["Message"] == "two"
    assert len(dead_letters(virtual)) == 1


def alarm_message():
    return json.dumps(
        {
            "AlarmName": "errors <!channel>",
            "AlarmDescription": "too many",
            "AWSAccountId": ACCOUNT,
            "NewStateValue": "ALARM",
            "OldStateValue": "OK",
            "NewStateReason": "Threshold Crossed: 1 datapoint",
            "StateChangeTime": "2026-01-01T00:00:00.000+0000",
            "Region": REGION,
            "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors",
            "Trigger": {"MetricName": "Errors", "Namespace": "App", "Threshold": 5.0},
            "LogboomEvidence": [
                {"logGroup": "/app", "logStream": "s", "timestamp": 0, "message": "[ERROR] boom <!here> @everyone"}
            ],
        }
    )


@pytest.mark.parametrize("format", ["slack", "discord", "teams", "json"])
def test_human_formats_need_no_handshake(server, webhook, name, format):
    arn = topic(server, name(f"human-{format}"))
    answer = server.sns.subscribe(
        TopicArn=arn, Protocol="http", Endpoint=webhook.url + "/hook", Attributes={"WebhookFormat": format}
    )
    assert answer["SubscriptionArn"].startswith(arn + ":")
    server.sns.publish(TopicArn=arn, Message=alarm_message(), Subject='ALARM: "errors" in US East')
    got = webhook.next()
    assert (got["path"], got["headers"]["content-type"]) == ("/hook", "application/json")
    body, text = json.loads(got["body"]), got["body"].decode()
    assert "Threshold Crossed: 1 datapoint" in text and "ERROR" in text and "boom" in text
    if format == "slack":
        assert "<!here>" not in text and "<!channel>" not in text and "&lt;!here&gt;" in text
    if format == "discord":
        assert body["allowed_mentions"] == {"parse": []}
    if format == "json":
        assert "ALARM" in json.dumps(body)


def test_human_formats_go_only_where_they_may(server, name):
    arn = topic(server, name("private"))
    for url, wrong in [
        ("http://10.1.2.3/hook", "may not go to 10.1.2.3"),
        ("https://169.254.169.254/latest", "may not go to 169.254.169.254"),
        ("http://hooks.slack.com/services/x", "needs an https URL"),
        ("https://hooks.slack.com.example.org/x", "may not go to"),
    ]:
        with pytest.raises(server.sns.exceptions.InvalidParameterException) as refused:
            server.sns.subscribe(
                TopicArn=arn, Protocol=url.split(":")[0], Endpoint=url, Attributes={"WebhookFormat": "slack"}
            )
        assert wrong in str(refused.value)
    assert server.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []


def test_a_private_address_is_never_connected_to(virtual, name):
    arn = topic(virtual, name("ssrf"))
    virtual.sns.subscribe(TopicArn=arn, Protocol="http", Endpoint="http://10.255.255.1:9/x")
    (letter,) = eventually(lambda: dead_letters(virtual))
    assert letter["kind"] == "handshake" and "private address" in letter["error"]


@pytest.fixture
def mailing(make_server, mail):
    return make_server(
        "--clock",
        "virtual",
        env={
            "LOGBOOM_SMTP_HOST": "127.0.0.1",
            "LOGBOOM_SMTP_PORT": str(mail.port),
            "LOGBOOM_SMTP_TLS": "none",
            "LOGBOOM_SMTP_FROM": "logboom@example.org",
        },
    )


def test_mail_is_confirmed_by_its_link_and_then_delivered(mailing, mail, name):
    arn = topic(mailing, name("mail"), DisplayName="Ops")
    mailing.sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="me@example.org")
    asking = mail.next()
    assert asking["to"] == ["me@example.org"] and asking["from"] == "logboom@example.org"
    text = asking["mail"].get_content()
    link = re.search(r"http://\S+Action=ConfirmSubscription\S+", text).group()
    assert "is confirmed" in visit(link, "text/html")
    mailing.sns.publish(TopicArn=arn, Message=alarm_message(), Subject='ALARM: "errors" in US East')
    got = mail.next()["mail"]
    assert got["subject"] == 'ALARM: "errors" in US East' and "Ops" in got["from"]
    text = got.get_content()
    assert "Threshold Crossed: 1 datapoint" in text and "[ERROR] boom" in text
    ending = re.search(r"http://\S+Action=Unsubscribe\S+", text).group()
    mailing.sns.publish(TopicArn=arn, Message="plain")
    got = mail.next()["mail"]
    assert got["subject"] == "AWS Notification Message" and got.get_content().startswith("plain")
    visit(ending)
    assert "has been ended" in mail.next()["mail"].get_content()
    mailing.sns.publish(TopicArn=arn, Message="nobody")
    mailing.advance(60)
    assert mail.mails.empty()


def test_mail_as_json_is_the_signed_envelope(mailing, mail, name):
    arn = topic(mailing, name("mailjson"))
    mailing.sns.subscribe(TopicArn=arn, Protocol="email-json", Endpoint="me@example.org")
    asking = json.loads(mail.next()["mail"].get_content())
    verify(asking)
    mailing.sns.confirm_subscription(TopicArn=arn, Token=asking["Token"])
    mailing.sns.publish(TopicArn=arn, Message="m", Subject="S")
    note = json.loads(mail.next()["mail"].get_content())
    assert (note["Type"], note["Message"], note["Subject"]) == ("Notification", "m", "S")
    verify(note)


def test_mail_without_a_mail_server_says_so(virtual, name):
    arn = topic(virtual, name("nomail"))
    virtual.sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="me@example.org")
    virtual.advance(24 * 3600)
    (letter,) = dead_letters(virtual)
    assert letter["error"] == "no mail server is configured (smtp)"


def test_a_pending_row_survives_kill_9(virtual, webhook, name):
    arn = topic(virtual, name("restart"))
    subscribed(virtual, webhook, arn)
    webhook.status = 500
    sent = virtual.sns.publish(TopicArn=arn, Message="kept")
    first = webhook.next()
    virtual.kill()
    webhook.status = 200
    virtual.start()
    virtual.advance(60)
    again = webhook.next()
    note = json.loads(again["body"])
    assert (note["Message"], note["MessageId"]) == ("kept", sent["MessageId"])
    assert again["headers"]["x-amz-sns-message-id"] == first["headers"]["x-amz-sns-message-id"]
    old = json.loads(first["body"])
    assert note["SigningCertURL"].rsplit("/", 1)[1] == old["SigningCertURL"].rsplit("/", 1)[1], "the key is kept"
    verify(note)
    virtual.advance(3600)
    assert webhook.requests.empty()


def test_what_was_never_tried_is_sent_after_a_kill(make_server, webhook, name):
    """The receiver hangs while the process is killed: in flight on one side, sent again from the other."""
    server = make_server()
    arn = topic(server, name("never"))
    subscribed(server, webhook, arn)
    for i in range(40):
        server.sns.publish(TopicArn=arn, Message=str(i))
    server.kill()
    server.start()
    got = set()
    eventually(lambda: (got.add(json.loads(webhook.next()["body"])["Message"]), len(got) == 40)[1])


def test_messages_of_a_deleted_topic_are_dropped(virtual, webhook, name):
    arn = topic(virtual, name("gone"))
    subscribed(virtual, webhook, arn)
    webhook.status = 500
    virtual.sns.publish(TopicArn=arn, Message="m")
    webhook.next()
    virtual.sns.delete_topic(TopicArn=arn)
    virtual.advance(3600)
    assert webhook.requests.empty() and dead_letters(virtual) == []


def test_the_key_file_is_private(virtual, webhook, name):
    arn = topic(virtual, name("key"))
    subscribed(virtual, webhook, arn)
    path = virtual.folder / "data" / "sns-signing-key.sealed"
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" not in path.read_bytes()
    assert virtual.http("GET", "/SimpleNotificationService-00.pem")[0] == 404


def test_a_receiver_that_hangs_holds_up_its_own_messages_alone(make_server, webhook, name):
    server = make_server()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        slow, quick = topic(server, name("slow")), topic(server, name("quick"))
        server.sns.subscribe(
            TopicArn=slow,
            Protocol="http",
            Endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}",
            Attributes={"WebhookFormat": "json"},
        )
        for _ in range(10):
            entries = [{"Id": str(i), "Message": "m"} for i in range(10)]
            server.sns.publish_batch(TopicArn=slow, PublishBatchRequestEntries=entries)
        subscribed(server, webhook, quick)
        server.sns.publish(TopicArn=quick, Message="on time")
        assert json.loads(webhook.next(timeout=5)["body"])["Message"] == "on time"
        server.kill()


def test_throttle_policy_spreads_deliveries(virtual, webhook, name):
    arn = topic(virtual, name("throttle"))
    policy = json.dumps({"throttlePolicy": {"maxReceivesPerSecond": 2}})
    subscribed(virtual, webhook, arn, DeliveryPolicy=policy)
    entries = [{"Id": str(i), "Message": str(i)} for i in range(5)]
    virtual.sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    for seconds, sent in ((0.5, 2), (1, 4), (1, 5)):
        virtual.advance(seconds)
        eventually(lambda sent=sent: webhook.requests.qsize() >= sent)
        assert webhook.requests.qsize() == sent
    assert dead_letters(virtual) == []


def test_with_keys_links_need_none_and_loopback_must_be_listed(make_server, webhook, tmp_path, name):
    config = tmp_path / "logboom.toml"
    port = webhook.url.rsplit(":", 1)[1]
    config.write_text(
        'public_url = "https://logs.example.org/"\n'
        '[[keys]]\nid = "AKIDEXAMPLE"\nsecret = "secret"\n'
        f'[egress]\nallow = ["127.0.0.1:{port}"]\n'
    )
    server = make_server("--config", config)
    sns = server.client("sns", key="AKIDEXAMPLE", secret="secret")
    server.sns = sns
    arn = topic(server, name("keys"))
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=webhook.url)
    handshake = json.loads(webhook.next()["body"])
    assert handshake["SubscribeURL"].startswith("https://logs.example.org/?Action=ConfirmSubscription&")
    status, _, body = server.http("GET", handshake["SubscribeURL"].removeprefix("https://logs.example.org"))
    assert status == 200 and b"<SubscriptionArn>" in body
    shown = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"][0]["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=shown)["Attributes"]
    assert attributes["ConfirmationWasAuthenticated"] == "false"
    certificate = handshake["SigningCertURL"].removeprefix("https://logs.example.org")
    assert server.http("GET", certificate)[2].startswith(b"-----BEGIN CERTIFICATE-----")
    assert server.http("GET", "/?Action=ListTopics&Version=2010-03-31")[0] == 403
    sns.subscribe(TopicArn=arn, Protocol="http", Endpoint="http://127.0.0.1:9/")
    assert server.http("GET", "/_logboom/dead-letters")[0] == 403

    def letters():
        signed = AWSRequest("GET", server.url + "/_logboom/dead-letters")
        SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "sns", REGION).add_auth(signed)
        status, _, body = server.http("GET", "/_logboom/dead-letters", headers=dict(signed.headers))
        assert status == 200, body
        return json.loads(body)["deadLetters"]

    (letter,) = eventually(letters)
    assert "loopback address" in letter["error"]


def test_a_stop_waits_for_the_delivery_in_flight(make_server, webhook, name):
    """The receiver takes its time: what it took is written down, so it is not sent again."""
    server = make_server()
    arn = topic(server, name("stop"))
    subscribed(server, webhook, arn)
    arrived = threading.Event()

    class Slowly(list):
        def pop(self, at):
            arrived.set()
            time.sleep(1)
            return super().pop(at)

    webhook.status = Slowly([200, 200])
    server.sns.publish(TopicArn=arn, Message="once")
    assert arrived.wait(10)
    server.restart()
    assert json.loads(webhook.next()["body"])["Message"] == "once"
    time.sleep(0.5)
    assert webhook.requests.empty()


def test_a_reset_forgets_topics_and_what_waits(make_server, webhook, name):
    server = make_server("--clock", "virtual", "--allow-reset")
    arn = topic(server, name("reset"))
    subscribed(server, webhook, arn)
    webhook.status = [400, 500]
    for _ in range(2):
        server.sns.publish(TopicArn=arn, Message="m")
        webhook.next()
    eventually(lambda: dead_letters(server))
    assert server.http("POST", "/_logboom/reset")[0] == 200
    assert server.sns.list_topics()["Topics"] == [] and dead_letters(server) == []
    server.advance(3600)
    assert webhook.requests.empty()
    assert topic(server, arn.rsplit(":", 1)[1]) == arn
    subscribed(server, webhook, arn)
    server.sns.publish(TopicArn=arn, Message="anew")
    assert json.loads(webhook.next()["body"])["Message"] == "anew"
