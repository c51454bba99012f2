"""CloudWatch Logs as its users meet it: groups, streams, events, paging, retention, tags, Insights."""

import time

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION

DAY_MS = 86_400_000


def refused(call, **arguments):
    """The code and text of the error that the call must give."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def pages(call, key, size, **arguments):
    """All rows of an operation, page by page; each page but the last is full."""
    found, token = [], {}
    while True:
        answer = call(**arguments, limit=size, **token)
        found += answer[key]
        if "nextToken" not in answer:
            return found
        assert len(answer[key]) == size
        token = {"nextToken": answer["nextToken"]}


def query(client, text, start_ms, end_ms, **where):
    """Runs an Insights query to its end; gives the rows as dictionaries, without @ptr."""
    end = end_ms // 1000 + 1
    started = client.start_query(startTime=start_ms // 1000, endTime=end, queryString=text, **where)
    while True:
        answer = client.get_query_results(queryId=started["queryId"])
        if answer["status"] not in ("Scheduled", "Running"):
            break
        time.sleep(0.05)
    assert answer["status"] == "Complete"
    return [{f["field"]: f["value"] for f in row if f["field"] != "@ptr"} for row in answer["results"]]


def test_the_first_steps_with_boto3(server, name):
    client, group, stream = server.logs, name("app"), "web/1"
    for _ in range(2):
        try:
            client.create_log_group(logGroupName=group)
        except client.exceptions.ResourceAlreadyExistsException:
            pass
        try:
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        except client.exceptions.ResourceAlreadyExistsException:
            pass
    now = int(time.time() * 1000)
    events = [
        {"timestamp": now - 1, "message": "INFO it begins"},
        {"timestamp": now, "message": "ERROR it ended\r\n\twith a tab, a CR and ünïcode ☃"},
    ]
    answer = client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert "rejectedLogEventsInfo" not in answer and answer["nextSequenceToken"]
    got = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    assert [{k: e[k] for k in ("timestamp", "message")} for e in got] == events
    assert all(abs(e["ingestionTime"] - now) < 60_000 for e in got)
    found = client.filter_log_events(logGroupName=group, filterPattern="ERROR")
    assert [e["message"] for e in found["events"]] == [events[1]["message"]]
    event = found["events"][0]
    assert event["logStreamName"] == stream and event["timestamp"] == now and event["eventId"].isdigit()
    assert found["searchedLogStreams"] == []


def test_the_first_steps_with_the_aws_cli(server, name):
    group = name("/myapp/cli")
    server.aws("logs", "create-log-group", "--log-group-name", group, "--tags", "team=river")
    server.aws("logs", "create-log-stream", "--log-group-name", group, "--log-stream-name", "one")
    again = server.aws("logs", "create-log-group", "--log-group-name", group, check=False)
    assert again.returncode != 0 and "ResourceAlreadyExistsException" in again.stderr
    now = int(time.time() * 1000)
    events = f"timestamp={now},message=hello timestamp={now + 1},message=ERROR-world".split()
    where = ("--log-group-name", group, "--log-stream-name", "one")
    server.aws("logs", "put-log-events", *where, "--log-events", *events)
    got = server.aws("logs", "get-log-events", *where)
    assert [e["message"] for e in got["events"]] == ["hello", "ERROR-world"]
    found = server.aws("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", '"ERROR-world"')
    assert [e["message"] for e in found["events"]] == ["ERROR-world"]
    streams = server.aws("logs", "describe-log-streams", "--log-group-name", group)["logStreams"]
    assert [s["logStreamName"] for s in streams] == ["one"]
    server.aws("logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "7")
    (shown,) = server.aws("logs", "describe-log-groups", "--log-group-name-prefix", group)["logGroups"]
    assert shown["retentionInDays"] == 7 and shown["arn"].endswith(f":log-group:{group}:*")


def test_queries_and_tags_with_the_aws_cli(server, name):
    group = name("/myapp/query")
    server.put(group, "s", ["ERROR one", "INFO two"])
    now = int(time.time())
    text = "filter @message like /ERROR/ | stats count(*) as n"
    span = ("--start-time", now - 60, "--end-time", now + 60)
    query_id = server.aws("logs", "start-query", "--log-group-name", group, *span, "--query-string", text)["queryId"]
    answer = server.aws("logs", "get-query-results", "--query-id", query_id)
    assert answer["status"] == "Complete", "a small query is complete at the first poll"
    assert answer["results"] == [[{"field": "n", "value": "1"}]]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    server.aws("logs", "tag-resource", "--resource-arn", arn, "--tags", "stage=prod,team=river")
    server.aws("logs", "untag-resource", "--resource-arn", arn, "--tag-keys", "team")
    assert server.aws("logs", "list-tags-for-resource", "--resource-arn", arn) == {"tags": {"stage": "prod"}}
    server.aws("logs", "delete-log-stream", "--log-group-name", group, "--log-stream-name", "s")
    server.aws("logs", "delete-log-group", "--log-group-name", group)
    gone = server.aws("logs", "describe-log-streams", "--log-group-name", group, check=False)
    assert "The specified log group does not exist." in gone.stderr


def test_groups_are_described_by_prefix_pattern_class_and_identifier(server, name):
    client, stem = server.logs, name("groups")
    before = int(time.time() * 1000)
    for last in "cab":
        client.create_log_group(logGroupName=f"{stem}/{last}")
    client.create_log_group(logGroupName=f"{stem}/rare", logGroupClass="INFREQUENT_ACCESS")
    answer = client.describe_log_groups(logGroupNamePrefix=stem)
    shown = answer["logGroups"]
    assert [g["logGroupName"] for g in shown] == [f"{stem}/{last}" for last in ("a", "b", "c", "rare")]
    first, arn = shown[0], f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{stem}/a"
    assert (first["arn"], first["logGroupArn"]) == (f"{arn}:*", arn)
    assert (first["storedBytes"], first["metricFilterCount"], first["logGroupClass"]) == (0, 0, "STANDARD")
    assert before - 1000 <= first["creationTime"] <= before + 60_000 and "retentionInDays" not in first
    by_class = client.describe_log_groups(logGroupNamePrefix=stem, logGroupClass="INFREQUENT_ACCESS")["logGroups"]
    assert [g["logGroupName"] for g in by_class] == [f"{stem}/rare"]
    by_pattern = client.describe_log_groups(logGroupNamePattern=stem[2:] + "/b")["logGroups"]
    assert [g["logGroupName"] for g in by_pattern] == [f"{stem}/b"]
    by_identifier = client.describe_log_groups(logGroupIdentifiers=[f"{stem}/c", arn])["logGroups"]
    assert sorted(g["logGroupName"] for g in by_identifier) == [f"{stem}/a", f"{stem}/c"]
    listed = client.list_log_groups(logGroupNamePattern=f"^{stem}")["logGroups"]
    assert [g["logGroupName"] for g in listed] == [f"{stem}/{last}" for last in ("a", "b", "c", "rare")]
    assert listed[0] == {"logGroupName": f"{stem}/a", "logGroupArn": arn, "logGroupClass": "STANDARD"}


def test_every_listing_has_pages(server, name):
    client, stem = server.logs, name("pages")
    names = [f"{stem}/{n:02}" for n in range(7)]
    for group in names:
        client.create_log_group(logGroupName=group)
    shown = pages(client.describe_log_groups, "logGroups", 3, logGroupNamePrefix=stem)
    assert [g["logGroupName"] for g in shown] == names
    shown = pages(client.list_log_groups, "logGroups", 3, logGroupNamePattern=stem)
    assert [g["logGroupName"] for g in shown] == names
    streams = [f"s{n}" for n in range(7)]
    now = int(time.time() * 1000)
    for n, stream in enumerate(streams):
        client.create_log_stream(logGroupName=names[0], logStreamName=stream)
        one = [{"timestamp": now - n * 1000, "message": stream}]
        client.put_log_events(logGroupName=names[0], logStreamName=stream, logEvents=one)
    for descending in (False, True):
        order = list(reversed(streams)) if descending else streams
        where = {"logGroupName": names[0], "descending": descending}
        shown = pages(client.describe_log_streams, "logStreams", 2, **where)
        assert [s["logStreamName"] for s in shown] == order
        shown = pages(client.describe_log_streams, "logStreams", 3, orderBy="LastEventTime", **where)
        assert [s["logStreamName"] for s in shown] == list(reversed(order))
    found = [e for p in client.get_paginator("filter_log_events").paginate(
        logGroupName=names[0], PaginationConfig={"PageSize": 2}) for e in p["events"]]
    assert [e["message"] for e in found] == list(reversed(streams)), "in order of time"
    for _ in range(3):
        query(client, "stats count(*)", now - DAY_MS, now, logGroupName=names[0])
    first = client.describe_queries(logGroupName=names[0], maxResults=2)
    rest = client.describe_queries(logGroupName=names[0], maxResults=2, nextToken=first["nextToken"])
    seen = [q["queryId"] for q in first["queries"] + rest["queries"]]
    assert len(seen) == len(set(seen)) == 3 and "nextToken" not in rest


def test_get_log_events_goes_both_ways_and_repeats_its_token_at_the_end(server, name):
    client, group = server.logs, name("both-ways")
    server.put(group, "s", [str(n) for n in range(10)])
    where = {"logGroupName": group, "logStreamName": "s", "limit": 4}
    texts = lambda answer: [e["message"] for e in answer["events"]]
    page = client.get_log_events(**where, startFromHead=True)
    seen = texts(page)
    while True:
        after = client.get_log_events(**where, nextToken=page["nextForwardToken"], startFromHead=True)
        if after["nextForwardToken"] == page["nextForwardToken"]:
            break
        page = after
        seen += texts(page)
    assert after["events"] == [] and seen == [str(n) for n in range(10)]
    page = client.get_log_events(**where)
    assert texts(page) == ["6", "7", "8", "9"], "without startFromHead the newest"
    page = client.get_log_events(**where, nextToken=page["nextBackwardToken"])
    assert texts(page) == ["2", "3", "4", "5"]
    page = client.get_log_events(**where, nextToken=page["nextBackwardToken"])
    assert texts(page) == ["0", "1"]
    end = client.get_log_events(**where, nextToken=page["nextBackwardToken"])
    assert end["events"] == [] and end["nextBackwardToken"] == page["nextBackwardToken"]
    assert texts(client.get_log_events(**where, nextToken=end["nextForwardToken"])) == ["0", "1", "2", "3"]
    # What arrives later is behind the token of the end.
    server.put(group, "s", ["late"])
    assert texts(client.get_log_events(**where, nextToken=after["nextForwardToken"])) == ["late"]


def test_a_time_range_leaves_the_end_out_only_for_get_log_events(server, name):
    client, group, now = server.logs, name("range"), int(time.time() * 1000) - 10_000
    server.put(group, "s", ["a", "b", "c"], timestamp_ms=now)
    span = {"logGroupName": group, "startTime": now + 1, "endTime": now + 2}
    got = client.get_log_events(logStreamName="s", **span)["events"]
    assert [e["message"] for e in got] == ["b"]
    assert [e["message"] for e in client.filter_log_events(**span)["events"]] == ["b", "c"]


def test_filter_log_events_over_streams(server, name):
    client, group, now = server.logs, name("streams"), int(time.time() * 1000) - 10_000
    server.put(group, "web/1", ["GET /a 200", "GET /b 500"], timestamp_ms=now)
    server.put(group, "web/2", ["GET /c 500"], timestamp_ms=now + 1)
    server.put(group, "db/1", ['{"level":"ERROR","ms":12.5}', '{"level":"INFO","ms":3}'], timestamp_ms=now)

    def found(**arguments):
        answer = client.filter_log_events(logGroupName=group, **arguments)
        return [(e["logStreamName"], e["message"]) for e in answer["events"]]

    assert len(found()) == 5
    assert found(logStreamNames=["web/2"]) == [("web/2", "GET /c 500")]
    assert {s for s, _ in found(logStreamNamePrefix="web/")} == {"web/1", "web/2"}
    assert found(filterPattern="500") == [("web/1", "GET /b 500"), ("web/2", "GET /c 500")]
    assert found(filterPattern='{ $.level = "ERROR" && $.ms > 12 }') == [("db/1", '{"level":"ERROR","ms":12.5}')]
    assert found(filterPattern='[verb, path = "/a", status]') == [("web/1", "GET /a 200")]
    assert found(filterPattern="%GET /[bc] 5..%", logStreamNames=["web/1"]) == [("web/1", "GET /b 500")]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    by_arn = client.filter_log_events(logGroupIdentifier=arn, filterPattern='"/c"')
    assert [e["message"] for e in by_arn["events"]] == ["GET /c 500"]
    # Deprecated and without effect, but still sent by older clients.
    assert len(client.filter_log_events(logGroupName=group, interleaved=False)["events"]) == 5
    assert found(filterPattern="[ERROR]") == [], "the text [ERROR], not any line with one column"


def test_streams_are_described_with_their_times(server, name):
    client, group, now = server.logs, name("times"), int(time.time() * 1000) - 5000
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="empty")
    server.put(group, "full", ["a", "b"], timestamp_ms=now)
    empty, full = client.describe_log_streams(logGroupName=group)["logStreams"]
    assert (full["firstEventTimestamp"], full["lastEventTimestamp"]) == (now, now + 1)
    assert full["lastIngestionTime"] >= now and full["storedBytes"] == 0 and full["uploadSequenceToken"]
    assert full["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:full"
    assert "firstEventTimestamp" not in empty and "lastIngestionTime" not in empty
    only = client.describe_log_streams(logGroupIdentifier=group, logStreamNamePrefix="fu")["logStreams"]
    assert [s["logStreamName"] for s in only] == ["full"]
    (shown,) = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert shown["storedBytes"] > 0


def test_any_sequence_token_is_accepted(server, name):
    group = name("tokens")
    server.put(group, "s", ["one"])
    event = [{"timestamp": int(time.time() * 1000), "message": "two"}]
    where = {"logGroupName": group, "logStreamName": "s", "logEvents": event}
    for token in ("49590302773645118462440126430498", "nonsense"):
        assert server.logs.put_log_events(**where, sequenceToken=token)["nextSequenceToken"]
    assert len(server.logs.get_log_events(logGroupName=group, logStreamName="s")["events"]) == 3


def test_an_entity_is_refused_and_the_events_are_kept(server, name):
    group = name("entity")
    server.put(group, "s", ["one"])
    event = [{"timestamp": int(time.time() * 1000), "message": "two"}]
    entity = {"keyAttributes": {"Type": "Service", "Name": "checkout"}}
    answer = server.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=event, entity=entity)
    assert answer["rejectedEntityInfo"] == {"errorType": "UnsupportedLogGroupType"}
    assert len(server.logs.get_log_events(logGroupName=group, logStreamName="s")["events"]) == 2


def test_retention_takes_awss_values_only(server, name):
    client, group = server.logs, name("retention")
    client.create_log_group(logGroupName=group)
    kept = lambda: client.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0].get("retentionInDays")
    for days in (1, 14, 3653):
        client.put_retention_policy(logGroupName=group, retentionInDays=days)
        assert kept() == days
    code, text = refused(client.put_retention_policy, logGroupName=group, retentionInDays=2)
    assert code == "InvalidParameterException" and "Value '2' at 'retentionInDays'" in text
    assert kept() == 3653
    client.delete_retention_policy(logGroupName=group)
    assert kept() is None


def test_tags_by_arn_and_by_name(server, name):
    client, group = server.logs, name("tags")
    client.create_log_group(logGroupName=group, tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    client.tag_resource(resourceArn=arn, tags={"b": "2", "c": ""})
    client.untag_resource(resourceArn=arn, tagKeys=["a", "never-there"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2", "c": ""}
    # The spelling of before 2022, by name.
    client.tag_log_group(logGroupName=group, tags={"d": "4"})
    client.untag_log_group(logGroupName=group, tags=["b"])
    assert client.list_tags_log_group(logGroupName=group)["tags"] == {"c": "", "d": "4"}
    listed = client.list_log_groups(logGroupTags=[{"key": "d", "values": ["4"]}])["logGroups"]
    assert group in [g["logGroupName"] for g in listed]
    code, _ = refused(client.tag_resource, resourceArn=arn, tags={f"k{n}": "" for n in range(49)})
    assert code == "TooManyTagsException"
    assert len(client.list_tags_for_resource(resourceArn=arn)["tags"]) == 2


LINES = [
    '{"status":200,"httpMethod":"GET","path":"/","latency":12}',
    '{"status":500,"httpMethod":"POST","path":"/pay","latency":940.5}',
    '{"status":200,"httpMethod":"GET","path":"/a","latency":7}',
    "ERROR the disk is full",
    "ERROR the disk is still full",
    "INFO all is well",
]


@pytest.fixture(scope="module")
def sample(server):
    """A group of JSON lines and text lines, a second apart, inside one five-minute bin."""
    group, start = "insights-sample", (int(time.time()) // 300 - 2) * 300_000
    server.logs.create_log_group(logGroupName=group)
    server.logs.create_log_stream(logGroupName=group, logStreamName="s")
    events = [{"timestamp": start + 1000 * n, "message": line} for n, line in enumerate(LINES)]
    server.logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    return lambda text: query(server.logs, text, start, start + 300_000, logGroupName=group), start


def shown(ms):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}"


def test_a_query_for_error_lines_newest_first(sample):
    ask, start = sample
    rows = ask("fields @timestamp, @message | filter @message like /ERROR/ | sort @timestamp desc")
    assert rows == [
        {"@timestamp": shown(start + 4000), "@message": LINES[4]},
        {"@timestamp": shown(start + 3000), "@message": LINES[3]},
    ]


def test_a_query_that_counts_by_a_json_field(sample):
    rows = sample[0]("fields status | stats count(*) by status")
    assert {row.get("status"): row["count(*)"] for row in rows} == {"200": "2", "500": "1", None: "3"}


def test_a_query_for_the_slowest_requests(sample):
    rows = sample[0]("fields @timestamp, httpMethod, path, latency | sort latency desc | limit 10")
    assert [r["latency"] for r in rows if "latency" in r] == ["940.5", "12", "7"]
    assert (rows[0]["httpMethod"], rows[0]["path"]) == ("POST", "/pay")


def test_a_query_that_counts_errors_by_bins(sample):
    ask, start = sample
    rows = ask("filter @message like /ERROR/ | stats count(*) as errorCount by bin(5m)")
    assert rows == [{"bin(5m)": shown(start), "errorCount": "2"}]


def test_a_query_over_two_groups_and_one_record_by_its_pointer(server, name):
    client, one, two, now = server.logs, name("one"), name("two"), int(time.time() * 1000) - 2000
    server.put(one, "s", ['{"user":"ada"}'], timestamp_ms=now)
    server.put(two, "s", ["plain"], timestamp_ms=now + 1)
    span = {"startTime": now // 1000, "endTime": now // 1000 + 5}
    started = client.start_query(logGroupNames=[one, two], queryString="fields @message, @log", **span)
    answer = client.get_query_results(queryId=started["queryId"])
    assert answer["status"] == "Complete" and answer["statistics"]["recordsMatched"] == 2
    rows = [{f["field"]: f["value"] for f in row} for row in answer["results"]]
    assert {r["@log"]: r["@message"] for r in rows} == {
        f"{ACCOUNT}:{one}": '{"user":"ada"}',
        f"{ACCOUNT}:{two}": "plain",
    }
    pointer = next(r["@ptr"] for r in rows if r["@message"].startswith("{"))
    record = client.get_log_record(logRecordPointer=pointer)["logRecord"]
    assert record["user"] == "ada" and record["@logStream"] == "s" and record["@message"] == '{"user":"ada"}'
    fields = {f["name"]: f["percent"] for f in client.get_log_group_fields(logGroupName=one)["logGroupFields"]}
    assert fields["user"] == 100 and fields["@message"] == 100


def test_a_malformed_query_says_where(server, name):
    group, now = name("malformed"), int(time.time())
    server.put(group, "s", ["x"])
    with pytest.raises(server.logs.exceptions.MalformedQueryException) as error:
        server.logs.start_query(logGroupName=group, startTime=now, endTime=now, queryString="fields a | frobnicate b")
    place = error.value.response["queryCompileError"]["location"]
    assert place["startCharOffset"] == 11 and place["endCharOffset"] >= 20
    assert "frobnicate" in error.value.response["Error"]["Message"]


def test_a_finished_query_cannot_be_stopped_and_is_listed(server, name):
    client, group, now = server.logs, name("stop"), int(time.time() * 1000)
    server.put(group, "s", ["x"])
    query(client, "fields @message", now - 10_000, now, logGroupName=group)
    (listed,) = client.describe_queries(logGroupName=group)["queries"]
    assert listed["status"] == "Complete" and "fields @message" in listed["queryString"]
    assert refused(client.stop_query, queryId=listed["queryId"])[0] == "InvalidParameterException"
    assert refused(client.get_query_results, queryId="0" * 36)[0] == "ResourceNotFoundException"


MISSING_GROUP = "The specified log group does not exist."
MISSING_STREAM = "The specified log stream does not exist."
TOO_MUCH = (
    "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: "
    "Member must have value less than or equal to 10000"
)

# Operation, its arguments (G: a group that exists, with a stream `s`), code and text as AWS gives them.
ERRORS = [
    ("create_log_group", {"logGroupName": "G"}, "ResourceAlreadyExistsException",
     "The specified log group already exists"),
    ("create_log_stream", {"logGroupName": "G", "logStreamName": "s"}, "ResourceAlreadyExistsException",
     "The specified log stream already exists"),
    ("create_log_stream", {"logGroupName": "none", "logStreamName": "s"}, "ResourceNotFoundException", MISSING_GROUP),
    ("delete_log_group", {"logGroupName": "none"}, "ResourceNotFoundException", MISSING_GROUP),
    ("delete_log_stream", {"logGroupName": "none", "logStreamName": "s"}, "ResourceNotFoundException", MISSING_GROUP),
    ("delete_log_stream", {"logGroupName": "G", "logStreamName": "t"}, "ResourceNotFoundException", MISSING_STREAM),
    ("describe_log_streams", {"logGroupName": "none"}, "ResourceNotFoundException", MISSING_GROUP),
    ("describe_log_streams", {"logGroupName": "G", "logGroupIdentifier": "G"}, "ValidationException",
     "LogGroup name and LogGroup ARN are mutually exclusive parameters."),
    ("describe_log_groups", {"logGroupNamePrefix": "a", "logGroupNamePattern": "bcd"}, "InvalidParameterException",
     "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."),
    ("describe_log_groups", {"nextToken": "made-up"}, "InvalidParameterException",
     "The specified nextToken is invalid."),
    ("describe_log_streams", {"logGroupName": "G", "nextToken": "made-up"}, "InvalidParameterException",
     "The specified nextToken is invalid."),
    ("get_log_events", {"logGroupName": "none", "logStreamName": "s"}, "ResourceNotFoundException", MISSING_GROUP),
    ("get_log_events", {"logGroupName": "G", "logStreamName": "t"}, "ResourceNotFoundException", MISSING_STREAM),
    ("get_log_events", {"logGroupName": "G", "logStreamName": "s", "limit": 10001}, "InvalidParameterException",
     TOO_MUCH),
    ("get_log_events", {"logGroupName": "G", "logStreamName": "s", "nextToken": "made-up"},
     "InvalidParameterException", "The specified nextToken is invalid."),
    ("filter_log_events", {"logGroupName": "none"}, "ResourceNotFoundException", MISSING_GROUP),
    ("filter_log_events", {"logGroupName": "G", "logStreamNames": ["t"]}, "ResourceNotFoundException", MISSING_STREAM),
    ("filter_log_events", {"logGroupName": "G", "limit": 10001}, "InvalidParameterException", TOO_MUCH),
    ("filter_log_events", {"logGroupName": "G", "nextToken": "made-up"}, "InvalidParameterException",
     "The specified nextToken is invalid."),
    ("put_log_events", {"logGroupName": "none", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "x"}]},
     "ResourceNotFoundException", MISSING_GROUP),
    ("put_log_events", {"logGroupName": "G", "logStreamName": "t", "logEvents": [{"timestamp": 1, "message": "x"}]},
     "ResourceNotFoundException", MISSING_STREAM),
    ("put_retention_policy", {"logGroupName": "none", "retentionInDays": 1}, "ResourceNotFoundException",
     MISSING_GROUP),
    ("delete_retention_policy", {"logGroupName": "none"}, "ResourceNotFoundException", MISSING_GROUP),
    ("list_tags_log_group", {"logGroupName": "none"}, "ResourceNotFoundException", MISSING_GROUP),
]


@pytest.fixture(scope="module")
def existing(server):
    server.put("errors-of-logs", "s", ["x"])
    return "errors-of-logs"


@pytest.mark.parametrize("operation, arguments, code, text", ERRORS, ids=lambda v: v if isinstance(v, str) else "")
def test_errors_are_those_of_aws(server, existing, operation, arguments, code, text):
    arguments = {k: existing if v == "G" else v for k, v in arguments.items()}
    assert refused(getattr(server.logs, operation), **arguments) == (code, text)


def test_a_query_on_a_missing_group_has_awss_long_sentence(server):
    code, text = refused(server.logs.start_query, logGroupName="none", startTime=0, endTime=1, queryString="fields a")
    assert code == "ResourceNotFoundException"
    assert text.startswith(f"Log group 'none' does not exist for account ID '{ACCOUNT}' (Service: AWSLogs; ")
    assert "Error Code: ResourceNotFoundException; Request ID: " in text and text.endswith("; Proxy: null)")


def test_a_quota_holds_when_it_is_asked_for(make_server, tmp_path):
    config = tmp_path / "quota.toml"
    config.write_text("aws_quotas = true\n[limits]\nlog_groups = 2\n")
    server = make_server("--config", str(config))
    for group in ("a", "b"):
        server.logs.create_log_group(logGroupName=group)
    assert refused(server.logs.create_log_group, logGroupName="c") == (
        "LimitExceededException", "Resource limit exceeded.")


def test_accounts_and_regions_do_not_see_each_other(server, name):
    group = name("shared-name")
    callers = [("111111111111", "us-east-1"), ("222222222222", "us-east-1"), ("111111111111", "eu-west-1")]
    for account, region in callers:
        client = server.client("logs", key=account, region=region)
        client.create_log_group(logGroupName=group)
        client.create_log_stream(logGroupName=group, logStreamName="s")
        event = [{"timestamp": int(time.time() * 1000), "message": f"{account} {region}"}]
        client.put_log_events(logGroupName=group, logStreamName="s", logEvents=event)
    for account, region in callers:
        client = server.client("logs", key=account, region=region)
        (shown,) = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        assert shown["logGroupArn"] == f"arn:aws:logs:{region}:{account}:log-group:{group}"
        events = client.filter_log_events(logGroupName=group)["events"]
        assert [e["message"] for e in events] == [f"{account} {region}"]
    assert server.client("logs", key="333333333333").describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    foreign = f"arn:aws:logs:us-east-1:222222222222:log-group:{group}"
    client = server.client("logs", key="111111111111")
    assert refused(client.filter_log_events, logGroupIdentifier=foreign)[0] == "ResourceNotFoundException"


def test_a_restart_keeps_everything(fresh):
    fresh.put("kept", "s", [f"line {n}" for n in range(500)])
    fresh.logs.put_retention_policy(logGroupName="kept", retentionInDays=30)
    fresh.logs.tag_log_group(logGroupName="kept", tags={"a": "b"})
    fresh.logs.create_log_stream(logGroupName="kept", logStreamName="empty")

    def state(client):
        return (
            client.describe_log_groups()["logGroups"],
            client.describe_log_streams(logGroupName="kept")["logStreams"],
            client.list_tags_log_group(logGroupName="kept")["tags"],
            client.get_log_events(logGroupName="kept", logStreamName="s", startFromHead=True)["events"],
            client.filter_log_events(logGroupName="kept", filterPattern='"line 4"')["events"],
        )

    before = state(fresh.logs)
    assert len(before[3]) == 500
    for end in (fresh.stop, fresh.kill):
        end()
        fresh.restart()
        assert state(fresh.client("logs")) == before


def test_deleted_events_are_gone(server, name):
    client, group = server.logs, name("deleted")
    server.put(group, "a", ["one"])
    server.put(group, "b", ["two"])
    client.delete_log_stream(logGroupName=group, logStreamName="a")
    assert [e["message"] for e in client.filter_log_events(logGroupName=group)["events"]] == ["two"]
    client.create_log_stream(logGroupName=group, logStreamName="a")
    assert client.get_log_events(logGroupName=group, logStreamName="a")["events"] == []
    client.delete_log_group(logGroupName=group)
    assert client.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
