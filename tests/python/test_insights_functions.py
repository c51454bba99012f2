"""Functions of deployed modules in Logs Insights queries."""

import json
import time

import pytest

from conftest import ACCOUNT, REGION, eventually
from test_functions import deploy, error, guest, lines

GROUP = "/app"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    from conftest import Server

    one = Server(tmp_path_factory.mktemp("insights"))
    deploy(one, "columns", guest("columns_guest"))
    events = [
        json.dumps({"n": n, "ip": f"10.0.{n % 3}.{n}", "code": str(200 + n % 2 * 300), "note": "boom" if n == 7 else "ok"})
        for n in range(20)
    ]
    one.put(GROUP, "s", events)
    yield one
    one.stop()


def start(server, text, group=GROUP):
    now = int(time.time())
    return server.logs.start_query(logGroupName=group, startTime=now - 3600, endTime=now + 60, queryString=text)["queryId"]


def ended(server, query):
    return eventually(lambda: (got := server.logs.get_query_results(queryId=query))["status"] not in ("Scheduled", "Running") and got)


def rows(server, text, group=GROUP):
    got = ended(server, start(server, text, group))
    assert got["status"] == "Complete", reason(server, start(server, text, group))
    return [{cell["field"]: cell["value"] for cell in row if cell["field"] != "@ptr"} for row in got["results"]]


def reason(server, query):
    ended(server, query)
    return json.loads(server.http("GET", f"/_logboom/queries/{query}")[2])


def malformed(server, text):
    now = int(time.time())
    return error(
        "MalformedQueryException", server.logs.start_query, logGroupName=GROUP, startTime=now - 60, endTime=now, queryString=text
    )


def test_in_fields_filter_stats_and_sort(app):
    found = rows(app, "fields n, plus_one(n) as m, net_of(ip) as net | filter is_even(n) and n < 6 | sort n asc")
    assert found == [{"n": str(n), "m": str(n + 1), "net": f"10.0.{n % 3}"} for n in (0, 2, 4)]
    found = rows(app, "stats count(*) as events, max(plus_one(n)) as top by net_of(ip) as net | sort net asc")
    assert found == [
        {"net": "10.0.0", "events": "7", "top": "19"},
        {"net": "10.0.1", "events": "7", "top": "20"},
        {"net": "10.0.2", "events": "6", "top": "18"},
    ]
    # A text that is a number is one; a missing field is null; case does not count.
    assert rows(app, "fields Plus_One(code) as c | sort n asc | limit 2") == [{"c": "201"}, {"c": "501"}]
    assert rows(app, "fields coalesce(plus_one(missing), 'none') as c | limit 1") == [{"c": "none"}]
    assert rows(app, "fields glue('a', n, missing, 'b') as g | sort n desc | limit 1") == [{"g": "a19-b"}]
    assert rows(app, "filter plus_one(1 + 1) = 3 | stats count(*) as c") == [{"c": "20"}]
    assert rows(app, "fields plus_one(plus_one(n)) * 2 as x | sort plus_one(n) desc | limit 1") == [{"x": "42"}]


def test_the_language_has_the_last_word(app):
    assert rows(app, "fields toUpper(note) as u | sort n asc | limit 1") == [{"u": "OK"}]
    said = app.functions.get_function_configuration(FunctionName="columns")["StateReason"]
    assert "toUpper" in said and "plus_one" not in said


def test_mistakes_are_malformed_queries(app):
    assert "did you mean 'plus_one'" in malformed(app, "fields plus_onee(n)")
    assert "'plus_one' takes 1 argument, not 2" in malformed(app, "fields plus_one(n, 2)")
    assert "unknown function 'nowhere_near'" in malformed(app, "fields nowhere_near(n)")
    other = app.client("logs", key="111111111111")
    other.create_log_group(logGroupName=GROUP)
    now = int(time.time())
    text = error("MalformedQueryException", other.start_query, logGroupName=GROUP, startTime=now - 60, endTime=now, queryString="fields plus_one(n)")
    assert "unknown function" in text


@pytest.mark.parametrize(
    "call, said",
    [
        ("picky(note)", "does not like boom"),
        ("crash(n)", "no such column"),
        ("endless(n)", "timed out after 1.00 seconds"),
        ("liar(n)", "not of its type integer"),
    ],
)
def test_a_function_that_fails_fails_its_query_by_name(app, call, said):
    query = start(app, f"fields {call} as x")
    assert ended(app, query)["status"] == "Failed"
    why = reason(app, query)
    assert why["status"] == "Failed" and said in why["reason"], why
    name = call.split("(")[0]
    assert f"function '{name}' failed" in why["reason"] and ("columns" in why["reason"] or name == "liar")
    shown = app.logboom("query", f"fields {call} as x", "-g", GROUP, check=False)
    assert shown.returncode == 1 and said in shown.stderr
    # Nothing else is harmed, and rows that are filtered out first are not asked about.
    assert rows(app, "filter n < 5 | stats count(*) as c") == [{"c": "5"}]
    if name == "picky":
        assert len(rows(app, "filter note != 'boom' and picky(note) = 'fine' | fields n")) == 19


def test_the_thread_that_failed_says_why(app):
    """Blocks are read on several threads; those that another one's failure stops have nothing to say."""
    for stream in range(12):
        app.put("/many", f"s{stream}", ['{"note": "boom"}'] * 50)
    for _ in range(10):
        assert "does not like boom" in reason(app, start(app, "fields picky(note) as x", "/many"))["reason"]


def test_two_modules_with_one_name_are_ambiguous(fresh):
    for name in ("first", "second"):
        deploy(fresh, name, guest("columns_guest"))
    fresh.put(GROUP, "s", ['{"n": 1}'])
    said = malformed(fresh, "fields plus_one(n)")
    assert "ambiguous" in said and "first and second" in said
    fresh.functions.delete_function(FunctionName="first")
    assert rows(fresh, "fields plus_one(n) as m") == [{"m": "2"}]
    # After a restart the query is planned from what was written down.
    fresh.restart()
    del fresh.logs
    assert rows(fresh, "fields plus_one(n) as m") == [{"m": "2"}]
    assert lines(fresh, "second") == []
