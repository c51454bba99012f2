"""Retention: events beyond it are swept on schedule, under the virtual clock too."""

DAY = 86_400


def messages(server, group):
    found = server.logs.filter_log_events(logGroupName=group)["events"]
    return [event["message"] for event in found]


def test_events_go_when_their_days_are_over(virtual, name):
    short, kept = name("/retention/short"), name("/retention/kept")
    for group in (short, kept):
        virtual.put(group, "s", ["old 1", "old 2"])
    virtual.logs.put_retention_policy(logGroupName=short, retentionInDays=1)
    virtual.advance(DAY / 2)
    virtual.put(short, "s", ["younger"])
    assert messages(virtual, short) == ["old 1", "old 2", "younger"]
    virtual.advance(DAY / 2 + 3600)
    assert messages(virtual, short) == ["younger"]
    virtual.advance(DAY)
    assert messages(virtual, short) == []
    assert messages(virtual, kept) == ["old 1", "old 2"]
    virtual.put(short, "s", ["new"])
    assert messages(virtual, short) == ["new"]


def test_what_was_swept_stays_away_after_a_restart(make_server, name):
    server = make_server("--clock", "virtual")
    group = name("/retention/restart")
    server.put(group, "s", ["old"])
    server.logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    server.advance(2 * DAY)
    assert messages(server, group) == []
    server.restart()
    server.__dict__.pop("logs", None)
    assert messages(server, group) == []


def test_the_schedule_is_configured(make_server, name):
    server = make_server("--clock", "virtual", env={"LOGBOOM_RETENTION_SCHEDULE": "0 30 3 * * *"})
    group = name("/retention/nightly")
    server.put(group, "s", ["old"])
    server.logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    server.advance(DAY + 3 * 3600)
    assert messages(server, group) == ["old"], "it is swept at half past three"
    server.advance(1800)
    assert messages(server, group) == []
