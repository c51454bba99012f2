"""Every example guest that test_guests.py does not show, where it is meant to be used."""

import json

from conftest import eventually
from test_functions import deploy, guest, lines, update
from test_guests import messages
from test_languages import ARN, deploy_slowly, foreign, said, subscribe


def transformed(server, group, function):
    tags = {"logboom:transformer": function, "logboom:transformer-on-error": "fail"}
    server.logs.create_log_group(logGroupName=group, tags=tags)


def inbox(server, webhook):
    """A topic `ops` whose messages come to the webhook."""
    topic = server.sns.create_topic(Name="ops")["TopicArn"]
    server.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url, Attributes={"WebhookFormat": "json"})
    return {"Environment": {"Variables": {"TOPIC": "ops"}}, "Tags": {"logboom:allow-publish": "ops", "logboom:allow-state": "true"}}


def query(server, group, text):
    now = server.now_ms() // 1000
    started = server.logs.start_query(
        logGroupName=group, startTime=now - 7200, endTime=now + 7200, queryString=text
    )
    answer = eventually(
        lambda: (got := server.logs.get_query_results(queryId=started["queryId"]))["status"] not in ("Scheduled", "Running")
        and got
    )
    assert answer["status"] == "Complete", answer
    return [{field["field"]: field["value"] for field in row} for row in answer["results"]]


def test_json_normaliser_brings_loggers_into_one_shape(server, name):
    group, one = name("/normal"), name("normal")
    deploy_slowly(server, one, foreign("json_normaliser"))
    transformed(server, group, one)
    given = [
        '{"level":30,"time":1760104536123,"pid":7,"msg":"pino"}',
        '{"levelname":"WARNING","asctime":"2026-10-10T13:55:36Z","message":"python"}',
        '{"severity":"CRITICAL","ts":1760104536.5,"log.level":"x","message":"zap","http.status":200,"http":{"path":"/"}}',
        '{"timestamp":"yesterday","msg":"odd"}',
        "plain text",
        "{ not json",
        '["a list"]',
    ]
    server.put(group, "s", given)
    assert messages(server, group) == [
        '{"level":"info","time":"2025-10-10T13:55:36.123Z","msg":"pino","pid":7}',
        '{"level":"warn","time":"2026-10-10T13:55:36.000Z","msg":"python"}',
        '{"level":"fatal","time":"2025-10-10T13:55:36.500Z","msg":"zap","http":{"path":"/","status":200},"log":{"level":"x"}}',
        '{"time":"yesterday","msg":"odd"}',
        "plain text",
        "{ not json",
        '["a list"]',
    ]


def test_sampler_keeps_the_counts_exact(server, name):
    group, one = name("/sampled"), name("sampler")
    deploy(server, one, foreign("sampler"), Environment={"Variables": {"KEEP_ONE_IN": "10"}})
    transformed(server, group, one)
    given = [f'{{"level":"info","msg":"request served","ms":{i}}}' for i in range(95)]
    given += [f'{{"level":"ERROR","msg":"no user","id":{i}}}' for i in range(5)]
    given += ['{"level":"info","msg":"seen once"}', *(f"text line {i}" for i in range(12))]
    server.put(group, "s", given)
    stored = messages(server, group)
    assert len(stored) == 10 + 5 + 1 + 2, stored
    assert stored[0] == '{"sampleWeight":10,"level":"info","msg":"request served","ms":0}'
    assert [line for line in stored if line.startswith("text")] == ["text line 0 sampleWeight=10", "text line 10 sampleWeight=2"]
    rows = query(server, group, "stats sum(sampleWeight) as events by msg")
    assert {row.get("msg"): float(row["events"]) for row in rows if row.get("msg")} == {
        "request served": 95.0, "no user": 5.0, "seen once": 1.0,
    }
    update(server, one, KEEP_ONE_IN="1")
    server.put(group, "t", ["text line 1", "text line 2"])
    assert messages(server, group, logStreamNames=["t"]) == ["text line 1 sampleWeight=1", "text line 2 sampleWeight=1"]


TRAIL = {"eventSource": "x", "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.9", "recipientAccountId": "111111111111"}


def trail(number, event, who="arn:aws:iam::111111111111:user/ann", **more):
    identity = {"type": "IAMUser", "arn": who}
    return json.dumps({**TRAIL, "eventID": f"e{number}", "eventName": event, "userIdentity": identity, **more})


def test_cloudtrail_rules_find_what_somebody_should_look_at(virtual, webhook):
    deploy_slowly(virtual, "rules", foreign("cloudtrail_rules"), **inbox(virtual, webhook))
    subscribe(virtual, "/cloudtrail", "rules")
    ranges = {"items": [{"cidrIp": "10.0.0.0/8"}, {"cidrIp": "0.0.0.0/0"}]}
    admin = {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess", "userName": "bob"}
    share = {"createVolumePermission": {"add": {"items": [{"userId": "222222222222"}]}}}
    virtual.put(
        "/cloudtrail", "s",
        [
            trail(1, "StopLogging"),
            trail(2, "StopLogging", errorCode="AccessDenied"),
            trail(3, "DescribeInstances"),
            trail(4, "AuthorizeSecurityGroupIngress", requestParameters={"ipPermissions": ranges}),
            trail(5, "AttachUserPolicy", requestParameters=admin),
            trail(6, "ModifySnapshotAttribute", requestParameters=share),
            trail(7, "ModifySnapshotAttribute", requestParameters={"add": {"userId": "111111111111"}}),
            trail(8, "ConsoleLogin", responseElements={"ConsoleLogin": "Success"}, additionalEventData={"MFAUsed": "No"}),
            trail(9, "ListBuckets", userIdentity={"type": "Root", "arn": "arn:aws:iam::111111111111:root"}),
            "no event of CloudTrail", '{"neither": "this"}', "[1]",
        ],
    )
    virtual.advance(1)
    found = [line for line in lines(virtual, "rules") if line.startswith("[WARN]")]
    assert [line.removeprefix("[WARN] ").split(":")[0] for line in found] == [
        "audit switched off", "open to the world", "made administrator", "given away", "login without mfa", "root used",
    ]
    told = [webhook.next()["body"].decode() for _ in found]
    assert any("audit switched off: StopLogging by arn:aws:iam::111111111111:user/ann from 203.0.113.9" in body for body in told)


def test_dedupe_tells_about_each_kind_once(virtual, webhook):
    settings = inbox(virtual, webhook)
    settings["Environment"]["Variables"]["SILENCE"] = "600"
    deploy_slowly(virtual, "dedupe", foreign("dedupe"), **settings)
    subscribe(virtual, "/app", "dedupe", "ERROR")
    virtual.put("/app", "s", ["ERROR no user 1", "ERROR no user 2", "ERROR disk 'a' full", "INFO fine"])
    virtual.advance(1)
    virtual.put("/app", "s", ["ERROR no user 3", "ERROR disk 'b' full"])
    virtual.advance(1)
    told = [webhook.next()["body"].decode() for _ in range(2)]
    assert "no user 1" in told[0] + told[1] and "disk 'a' full" in told[0] + told[1]
    virtual.advance(700)
    virtual.put("/app", "s", ["ERROR no user 4"])
    virtual.advance(1)
    again = webhook.next()["body"].decode()
    assert "no user 4" in again and "2 more since the last time" in again
    assert webhook.requests.empty()


def test_access_metrics_make_metrics_of_access_logs(virtual):
    deploy_slowly(virtual, "access", foreign("access_metrics"), Environment={"Variables": {"NAMESPACE": "Web"}})
    subscribe(virtual, "/nginx", "access")
    start = virtual.now_ms()
    line = '203.0.113.9 - - [10/Oct/2026:13:55:36 +0000] "{} /x HTTP/1.1" {} {} "-" "curl/8"'
    given = [line.format("GET", 200, 100), line.format("GET", 204, "-"), line.format("GET", 503, 7), line.format("POST", 201, 50)]
    virtual.put("/nginx", "s", [*given, "not an access line"], start)
    virtual.advance(180)

    def total(metric, **dimensions):
        points = virtual.cloudwatch.get_metric_statistics(
            Namespace="Web", MetricName=metric, Period=60, Statistics=["Sum"], StartTime=start / 1000 - 60,
            EndTime=start / 1000 + 120, Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    assert total("Requests") == 4 and total("Errors") == 1 and total("Bytes") == 157
    assert total("Requests", Method="GET", Class="2xx") == 2
    assert total("Errors", Method="GET", Class="5xx") == 1


def test_error_rate_tells_rates_on_its_schedule(virtual, webhook):
    deploy(virtual, "rate", guest("error_rate"), **inbox(virtual, webhook))
    for group in ("/web", "/db"):
        subscribe(virtual, group, "rate")
    schedule = json.dumps({"expression": "cron(0 * * * ? *)", "function": "rate"}).encode()
    assert virtual.http("PUT", "/_logboom/schedules/hourly", schedule)[0] == 200
    virtual.put("/web", "s", ["fine", "ERROR one", "fine", "fine"])
    virtual.put("/db", "s", ["FATAL", "ok"])
    virtual.advance(1)
    virtual.put("/web", "s", ["fine", "fine", "fine", "fine"])
    virtual.advance(3600)
    told = json.loads(webhook.next()["body"])
    assert "Errors: 50.00 % at worst" in json.dumps(told)
    assert " 50.00 %  1 of 2 in /db\\n 12.50 %  1 of 8 in /web\\n" in json.dumps(told)
    virtual.put("/web", "s", ["ERROR", "ERROR"])
    virtual.advance(3600)
    assert "100.00 %  2 of 2 in /web" in webhook.next()["body"].decode(), "counts start over"
    assert webhook.requests.empty()


def test_ip_functions_in_queries(fresh):
    deploy(fresh, "ip", guest("ip_functions"))
    ips = ["10.1.2.3", "10.1.9.9", "8.8.8.8", "169.254.169.254", "2001:4860:4860::8888", "nonsense"]
    fresh.put("/web", "s", [json.dumps({"ip": ip}) for ip in ips])
    rows = query(fresh, "/web", "stats count(*) as n by ipClass(ip) as class | sort class asc")
    assert {row.get("class"): row["n"] for row in rows} == {
        None: "1", "instance metadata": "1", "private": "2", "public": "2",
    }
    rows = query(fresh, "/web", 'filter ipInside(ip, "10.0.0.0/8", "2001:4860::/32") | stats count(*) as n by ipNetwork(ip, 16) as net')
    assert {row["net"]: row["n"] for row in rows} == {"10.1.0.0/16": "2", "2001::/16": "1"}


SECRET = "audit-token-4711"


def with_secret(make_server, webhook, tmp_path, name):
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[secrets.{name}]\nvalue = "{SECRET}"\nhosts = ["{webhook.url}"]\n')
    return make_server("--config", str(settings), "--clock", "virtual")


def test_audit_forwarder_sends_events_on_with_a_key_and_a_secret(make_server, webhook, tmp_path):
    server = with_secret(make_server, webhook, tmp_path, "audit")
    deploy(
        server, "audit", guest("audit_forwarder"),
        Environment={"Variables": {"URL": webhook.url + "/in", "SECRET": "audit"}},
        Tags={"logboom:allow-http": webhook.url, "logboom:allow-secrets": "audit"},
    )
    subscribe(server, "/audit", "audit")
    webhook.status = [503]
    server.put("/audit", "s", ['{"user":"ann"}', "plain"])
    server.advance(1)
    first = webhook.next()
    server.advance(120)
    again = webhook.next()
    assert first["path"] == "/in" and first["headers"]["authorization"] == f"Bearer {SECRET}"
    assert first["body"] == again["body"], "after a 503 the same comes again"
    assert first["headers"]["idempotency-key"] == again["headers"]["idempotency-key"] != ""
    sent = [json.loads(line) for line in again["body"].splitlines()]
    assert [line["message"] for line in sent] == [{"user": "ann"}, "plain"]
    assert {line["logGroup"] for line in sent} == {"/audit"}
    assert "2 events sent, status 200" in said(server, "audit")
    assert not any(SECRET in line for line in lines(server, "audit"))


def test_pagerduty_action_opens_and_resolves(make_server, webhook, tmp_path):
    server = with_secret(make_server, webhook, tmp_path, "pagerduty")
    deploy(
        server, "pager", guest("pagerduty_action"), Environment={"Variables": {"URL": webhook.url}},
        Tags={"logboom:allow-http": webhook.url, "logboom:allow-secrets": "pagerduty"},
    )
    server.cloudwatch.put_metric_alarm(
        AlarmName="Errors", Namespace="App", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
        AlarmActions=[ARN + "pager"], OKActions=[ARN + "pager"],
    )
    server.cloudwatch.put_metric_data(
        Namespace="App", MetricData=[{"MetricName": "Errors", "Value": 5, "Timestamp": server.now_ms() / 1000}]
    )
    server.advance(600)
    changes = []
    while not changes or changes[-1]["event_action"] != "resolve" or len(changes) < 2:
        changes.append(json.loads(webhook.next()["body"]))
    opened = [change for change in changes if change["event_action"] == "trigger"]
    assert len(opened) == 1 and opened[0]["payload"]["summary"].startswith("Errors: Threshold Crossed")
    assert {change["routing_key"] for change in changes} == {SECRET}
    assert len({change["dedup_key"] for change in changes}) == 1, "one alarm is one incident"
