"""Alarms at work, under the virtual clock: what falls due within an advance has happened when it returns."""

import json
import queue
import urllib.parse

import pytest
from conftest import ACCOUNT, REGION

MINUTE_MS = 60_000


def put_alarm(server, name="alarm", **changes):
    put = {
        "AlarmName": name,
        "Namespace": "App",
        "MetricName": "errors",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        **changes,
    }
    server.cloudwatch.put_metric_alarm(**put)


def data(server, value, metric="errors", ago_s=1, **more):
    moment = (server.now_ms() - int(ago_s * 1000)) / 1000
    datum = {"MetricName": metric, "Value": value, "Timestamp": moment, **more}
    server.cloudwatch.put_metric_data(Namespace="App", MetricData=[datum])


def state(server, name="alarm"):
    (shown,) = server.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return shown["StateValue"]


def history(server, name="alarm", kind=None):
    ask = {"HistoryItemType": kind} if kind else {}
    answer = server.cloudwatch.describe_alarm_history(AlarmName=name, ScanBy="TimestampAscending", **ask)
    return answer["AlarmHistoryItems"]


def summaries(server, name="alarm", kind=None):
    return [item["HistorySummary"] for item in history(server, name, kind)]


@pytest.fixture
def topic(virtual, webhook):
    return subscribed(virtual, webhook)


def subscribed(server, webhook, name="alerts"):
    """A topic whose messages arrive at the webhook."""
    topic = server.sns.create_topic(Name=name)["TopicArn"]
    server.sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=webhook.url)
    token = json.loads(webhook.next()["body"])["Token"]
    server.sns.confirm_subscription(TopicArn=topic, Token=token)
    return topic


def message(webhook):
    """The alarm's message that the webhook received, with its subject."""
    notification = json.loads(webhook.requests.get_nowait()["body"])
    assert notification["Type"] == "Notification"
    return notification["Subject"], json.loads(notification["Message"])


def is_quiet(webhook):
    with pytest.raises(queue.Empty):
        webhook.requests.get_nowait()
    return True


def test_log_lines_raise_an_alarm_that_shows_them(virtual, webhook, topic):
    """Six ERROR lines among INFO lines: exactly these are counted, and they are in the message."""
    virtual.logs.create_log_group(logGroupName="/myapp/errors")
    virtual.logs.put_metric_filter(
        logGroupName="/myapp/errors",
        filterName="DatabaseErrors",
        filterPattern="[ERROR]",
        metricTransformations=[
            {"metricName": "DatabaseErrors", "metricNamespace": "MyApplication", "metricValue": "1"}
        ],
    )
    put_alarm(
        virtual,
        "DatabaseErrorsAlarm",
        Namespace="MyApplication",
        MetricName="DatabaseErrors",
        Period=300,
        AlarmActions=[topic],
    )
    assert state(virtual, "DatabaseErrorsAlarm") == "INSUFFICIENT_DATA"
    virtual.advance(30)
    lines = []
    for number in range(6):
        lines += [f"[INFO] request {number}", f"[ERROR] Database connection timeout {number}"]
    virtual.put("/myapp/errors", "s", lines)
    assert is_quiet(webhook)
    virtual.advance(60)
    assert state(virtual, "DatabaseErrorsAlarm") == "ALARM"
    subject, told = message(webhook)
    assert subject == 'ALARM: "DatabaseErrorsAlarm" in US East (N. Virginia)'
    assert (told["NewStateValue"], told["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
    assert told["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:DatabaseErrorsAlarm"
    assert told["NewStateReason"].startswith("Threshold Crossed: 1 datapoint [6.0 (")
    assert told["NewStateReason"].endswith(")] was greater than the threshold (5.0).")
    assert told["StateChangeTime"] == "2026-01-01T00:01:00.000+0000"
    evidence = told["LogboomEvidence"]
    assert [line["message"] for line in evidence] == [line for line in reversed(lines) if "ERROR" in line]
    assert {(line["logGroup"], line["logStream"]) for line in evidence} == {("/myapp/errors", "s")}
    stored = virtual.logs.filter_log_events(logGroupName="/myapp/errors", filterPattern="[ERROR]")["events"]
    assert [line["eventId"] for line in evidence] == [event["eventId"] for event in reversed(stored)]
    assert is_quiet(webhook)
    assert summaries(virtual, "DatabaseErrorsAlarm") == [
        'Alarm "DatabaseErrorsAlarm" created',
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        f"Successfully executed action {topic}",
    ]


def test_data_raise_an_alarm_and_it_goes_back(virtual, webhook, topic):
    put_alarm(virtual, AlarmActions=[topic], OKActions=[topic], TreatMissingData="notBreaching")
    assert settled(virtual) and state(virtual) == "OK", "a new alarm is evaluated at once"
    assert message(webhook)[1]["NewStateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[NonBreaching]."
    )
    virtual.advance(10)
    data(virtual, 3)
    data(virtual, 4)
    virtual.advance(49.999)
    assert state(virtual) == "OK", "only complete minutes count"
    virtual.advance(0.001)
    assert state(virtual) == "ALARM"
    subject, told = message(webhook)
    assert told["NewStateReason"] == (
        "Threshold Crossed: 1 datapoint [7.0 (01/01/26 00:00:00)] was greater than the threshold (5.0)."
    )
    assert told["Trigger"]["Statistic"] == "SUM" and "LogboomEvidence" not in told
    virtual.advance(60)
    assert state(virtual) == "ALARM", "the datapoint is within the range that is fetched"
    virtual.advance(180)
    assert state(virtual) == "OK"
    assert message(webhook)[0] == 'OK: "alarm" in US East (N. Virginia)'
    assert is_quiet(webhook)
    changes = history(virtual, kind="StateUpdate")
    assert [item["HistorySummary"] for item in changes] == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
    ]
    told = json.loads(changes[1]["HistoryData"])
    assert (told["version"], told["newState"]["stateValue"]) == ("1.0", "ALARM")
    assert told["newState"]["stateReasonData"]["recentDatapoints"] == [7.0]
    assert told["oldState"]["stateValue"] == "OK"


def test_an_alarm_is_evaluated_at_once_when_it_is_put(virtual):
    data(virtual, 9)
    put_alarm(virtual)
    assert settled(virtual) and state(virtual) == "ALARM"
    put_alarm(virtual, Threshold=10)
    assert settled(virtual) and state(virtual) == "OK"


def settled(server):
    """Background work has come to rest; time has not moved."""
    server.advance(0)
    return True


def test_missing_data(virtual):
    for treatment in ("missing", "ignore", "breaching", "notBreaching"):
        put_alarm(virtual, treatment, TreatMissingData=treatment, MetricName="nothing")
    virtual.advance(120)
    states = {name: state(virtual, name) for name in ("missing", "ignore", "breaching", "notBreaching")}
    assert states == {
        "missing": "INSUFFICIENT_DATA",
        "ignore": "INSUFFICIENT_DATA",
        "breaching": "ALARM",
        "notBreaching": "OK",
    }
    assert summaries(virtual, "missing") == ['Alarm "missing" created']
    virtual.cloudwatch.set_alarm_state(AlarmName="missing", StateValue="OK", StateReason="r")
    virtual.cloudwatch.set_alarm_state(AlarmName="ignore", StateValue="OK", StateReason="r")
    virtual.advance(60)
    assert (state(virtual, "missing"), state(virtual, "ignore")) == ("INSUFFICIENT_DATA", "OK")
    last = history(virtual, "missing", "StateUpdate")[-1]
    reason = json.loads(last["HistoryData"])["newState"]["stateReason"]
    assert reason == "Insufficient Data: 1 datapoint was unknown."


def test_m_of_n(virtual):
    put_alarm(virtual, EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    seen = []
    for value in (9, 1, 9, 1, 1):
        virtual.advance(30)
        data(virtual, value)
        virtual.advance(30)
        seen.append(state(virtual))
    assert seen == ["OK", "OK", "ALARM", "OK", "OK"]
    reason = json.loads(history(virtual, kind="StateUpdate")[1]["HistoryData"])["newState"]["stateReason"]
    assert reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (01/01/26 00:02:00), 9.0 (01/01/26 00:00:00)] were "
        "greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )


@pytest.mark.parametrize("period", [10, 20, 30])
def test_high_resolution(virtual, period):
    put_alarm(virtual, Period=period)
    virtual.advance(5)
    data(virtual, 9, StorageResolution=1)
    virtual.advance(4.999)
    assert state(virtual) == "INSUFFICIENT_DATA"
    virtual.advance(0.001)
    assert state(virtual) == "ALARM", "these slide by ten seconds"


def test_set_alarm_state_runs_actions_until_the_next_evaluation(virtual, webhook, topic):
    put_alarm(virtual, AlarmActions=[topic], InsufficientDataActions=[topic, topic])
    virtual.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="a fire drill")
    assert settled(virtual)
    assert message(webhook)[1]["NewStateReason"] == "a fire drill"
    assert state(virtual) == "ALARM"
    virtual.cloudwatch.set_alarm_state(AlarmName="alarm", StateValue="ALARM", StateReason="again")
    assert settled(virtual) and is_quiet(webhook)
    virtual.advance(60)
    assert state(virtual) == "INSUFFICIENT_DATA"
    assert message(webhook)[0].startswith("INSUFFICIENT_DATA: ")
    assert is_quiet(webhook), "an action listed twice runs once"


def test_disabled_actions_stop_messages_not_states(virtual, webhook, topic):
    put_alarm(virtual, AlarmActions=[topic])
    virtual.cloudwatch.disable_alarm_actions(AlarmNames=["alarm"])
    data(virtual, 9)
    virtual.advance(60)
    assert state(virtual) == "ALARM"
    assert is_quiet(webhook)
    assert summaries(virtual, kind="Action") == []


def test_an_action_that_cannot_run_is_told_and_stops_no_other(virtual, webhook, topic):
    gone = f"arn:aws:sns:{REGION}:{ACCOUNT}:gone"
    put_alarm(virtual, AlarmActions=[gone, topic])
    data(virtual, 9)
    virtual.advance(60)
    message(webhook)
    items = history(virtual, kind="Action")
    assert [item["HistorySummary"] for item in items] == [
        f"Failed to execute action {gone}",
        f"Successfully executed action {topic}",
    ]
    told = json.loads(items[0]["HistoryData"])
    assert (told["actionState"], told["notificationResource"]) == ("Failed", gone)
    assert "Topic does not exist" in told["error"]


def test_default_values_of_a_filter_are_there_at_the_tick(virtual):
    virtual.logs.create_log_group(logGroupName="g")
    virtual.logs.put_metric_filter(
        logGroupName="g",
        filterName="f",
        filterPattern="ERROR",
        metricTransformations=[
            {"metricName": "errors", "metricNamespace": "App", "metricValue": "1", "defaultValue": 0}
        ],
    )
    put_alarm(virtual, Threshold=0, ComparisonOperator="LessThanOrEqualToThreshold")
    virtual.advance(30)
    virtual.put("g", "s", ["all is well"])
    virtual.advance(30)
    (shown,) = virtual.cloudwatch.describe_alarms(AlarmNames=["alarm"])["MetricAlarms"]
    assert shown["StateValue"] == "ALARM" and "EvaluationState" not in shown
    assert "[0.0 (01/01/26 00:00:00)] was less than or equal to" in shown["StateReason"]


def test_a_group_made_again_shows_no_lines_of_the_old_one(virtual, webhook, topic):
    for round in range(2):
        virtual.logs.create_log_group(logGroupName="g")
        virtual.logs.put_metric_filter(
            logGroupName="g",
            filterName="f",
            filterPattern="ERROR",
            metricTransformations=[{"metricName": "errors", "metricNamespace": "App", "metricValue": "1"}],
        )
        virtual.put("g", "s", [f"ERROR {round}"])
        assert settled(virtual)
        if round == 0:
            virtual.logs.delete_log_group(logGroupName="g")
    put_alarm(virtual, Threshold=1, AlarmActions=[topic])
    assert settled(virtual)
    told = message(webhook)[1]
    assert "[2.0 (" in told["NewStateReason"], "what was counted stays counted"
    assert [line["message"] for line in told["LogboomEvidence"]] == ["ERROR 1"]


def test_history_goes_after_thirty_days_and_points_grow_coarser(virtual):
    data(virtual, 3, ago_s=90)
    data(virtual, 4, ago_s=30)
    put_alarm(virtual)
    assert settled(virtual)
    virtual.cloudwatch.delete_alarms(AlarmNames=["alarm"])

    def points(period):
        ask = {"Namespace": "App", "MetricName": "errors", "Statistics": ["Sum"], "Period": period}
        ask |= {"StartTime": "2025-12-31T23:50:00Z", "EndTime": "2026-01-01T00:10:00Z"}
        return [point["Sum"] for point in virtual.cloudwatch.get_metric_statistics(**ask)["Datapoints"]]

    assert points(60) == [3.0, 4.0]
    virtual.advance(16 * 86_400)
    assert (points(300), points(60)) == ([7.0], []), "minutes are joined into five after 15 days"
    assert len(history(virtual)) == 3, "created, evaluated, deleted"
    virtual.advance(15 * 86_400)
    assert history(virtual) == []


def test_a_deleted_alarm_is_silent(virtual, webhook, topic):
    put_alarm(virtual, AlarmActions=[topic])
    data(virtual, 9, ago_s=-1)
    virtual.cloudwatch.delete_alarms(AlarmNames=["alarm"])
    virtual.advance(120)
    assert is_quiet(webhook)


def restarted(server, later_ms=0):
    """kill -9 and start again, at the same moment or later."""
    now_ms = server.now_ms()
    server.kill()
    server.flags = ("--clock", f"virtual={now_ms + later_ms}")
    for service in ("logs", "cloudwatch", "sns"):
        server.__dict__.pop(service, None)
    server.start()


def test_a_message_is_not_lost_between_state_and_delivery(virtual, webhook, topic):
    put_alarm(virtual, AlarmActions=[topic])
    data(virtual, 9)
    webhook.status = [500]
    virtual.advance(60)
    assert state(virtual) == "ALARM"
    message(webhook)  # refused by the receiver, to be sent again
    before = history(virtual)
    restarted(virtual)
    assert state(virtual) == "ALARM" and history(virtual) == before
    virtual.advance(59)
    assert message(webhook)[1]["NewStateValue"] == "ALARM"
    assert is_quiet(webhook)
    assert history(virtual) == before


def test_missed_ticks_are_made_up_for(virtual, webhook, topic):
    put_alarm(virtual, AlarmActions=[topic])
    virtual.advance(30)
    data(virtual, 9)
    restarted(virtual, later_ms=5 * MINUTE_MS)
    assert settled(virtual)
    assert summaries(virtual, kind="StateUpdate") == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to INSUFFICIENT_DATA",
    ]
    assert message(webhook)[1]["NewStateValue"] == "ALARM"
    restarted(virtual)
    assert settled(virtual) and is_quiet(webhook), "nothing is evaluated twice"


def script(server):
    """Something of everything; what the alarms say about it afterwards."""
    put_alarm(server, "a", TreatMissingData="notBreaching")
    put_alarm(server, "b", EvaluationPeriods=2, DatapointsToAlarm=1)
    put_alarm(server, "c", Period=10, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching")
    for step in range(12):
        data(server, step % 7, StorageResolution=1 + step % 2 * 59)
        server.advance(25 + step)
        if step == 5:
            server.cloudwatch.set_alarm_state(AlarmName="b", StateValue="OK", StateReason="by hand")
    return {name: (state(server, name), history(server, name)) for name in "abc"}


def test_the_same_script_gives_the_same_history(make_server):
    first, second = (script(make_server("--clock", "virtual")) for _ in range(2))
    assert first == second
    assert sum(len(items) for _, items in first.values()) > 8, "the script changes states"


def test_explain(virtual):
    put_alarm(virtual, "why not?")
    virtual.advance(30)
    data(virtual, 9)
    virtual.advance(30)
    status, headers, body = virtual.http("GET", f"/_logboom/alarms/{urllib.parse.quote('why not?')}/explain")
    text = body.decode()
    assert status == 200 and headers["content-type"].startswith("text/plain")
    assert text.startswith(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:why not?\n")
    assert 'Alarm "why not?": ALARM when 1 of 1 datapoints are greater than 5.0.' in text
    assert "9.0 (1.0 samples): breaching" in text and "stays ALARM" in text
    assert virtual.http("GET", "/_logboom/alarms/none/explain")[0] == 404
    assert virtual.http("POST", "/_logboom/alarms/none/explain", b"")[0] == 405
