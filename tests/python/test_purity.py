"""What a pure world promises: the same stored events give the same verdicts, however often they are asked about."""

from test_functions import lines
from test_languages import deploy_slowly, foreign


def test_a_filter_in_python_replays_to_the_same_answer(virtual):
    deploy_slowly(virtual, "some", foreign("keep_some"), Timeout=10)
    messages = [f"event {i}" for i in range(1500)]
    start = virtual.now_ms() - 60_000
    for first in range(0, len(messages), 500):
        virtual.put("/app", f"s{first}", messages[first : first + 500], start + first)

    def replay():
        pages = virtual.logs.get_paginator("filter_log_events").paginate(logGroupName="/app", filterPattern="{ wasm:some }")
        return [(event["eventId"], event["message"]) for page in pages for event in page["events"]]

    def saw():
        return [line for line in lines(virtual, "some") if "saw " in line]

    once = replay()
    assert 0.4 < len(once) / len(messages) < 0.6, "the filter draws lots"
    first = saw()
    # Time goes by, and the process and its caches are others: nothing of that is seen.
    virtual.advance(3600)
    assert replay() == once
    virtual.restart()
    virtual.__dict__.pop("logs", None)
    virtual.__dict__.pop("functions", None)
    virtual.functions.get_waiter("function_active_v2").wait(
        FunctionName="some", WaiterConfig={"Delay": 0.2, "MaxAttempts": 3000}
    )
    assert replay() == once
    # Not only the verdicts: the clock, random bytes and hashes that the guest saw are the same each time, and it
    # kept nothing from one call to the next.
    seen = saw()
    assert len(first) > 0 and seen == first * 3
    assert all(" saw 1 " in line for line in seen)
    assert len({line.split("saw 1 ")[1].split()[2] for line in first}) == len(first), "each batch draws its own"
