"""The error digest in Python: counts the events of a batch by kind, writes a digest to its own log, and publishes it
if the setting TOPIC names a topic. Two events are of one kind when they differ in numbers and ids only."""

import re

from wit_world import exports
from wit_world.imports import config, notify
from wit_world.imports.types import BatchOutcome

SHOWN = 10


def kind(message):
    """Words with a digit become `#`."""
    words = re.findall(r"(?:[^\W_]|-)+", message)
    return " ".join("#" if re.search("[0-9]", word) else word for word in words)


def digest(context, events):
    kinds = {}
    for event in events:
        kinds.setdefault(kind(event.message), []).append(event)
    rows = sorted(kinds.values(), key=lambda same: (-len(same), same[0].timestamp))
    yield f"{len(events)} events of {len(rows)} kinds in {context.log_group}"
    for same in rows[:SHOWN]:
        example = same[0].message.rstrip()[:200].replace("\n", " ").replace("\r", " ")
        yield f"{len(same):>6} x {example}"
    if len(rows) > SHOWN:
        yield f"and {len(rows) - SHOWN} more kinds"


class Subscription(exports.Subscription):
    def handle(self, context, events):
        if not events:
            return BatchOutcome([])
        lines = list(digest(context, events))
        for line in lines:
            print(line)
        topic = config.get("TOPIC")
        if topic is not None:
            subject = f"{len(events)} errors in {context.log_group}"
            message = "".join(line + "\n" for line in lines)
            notify.publish(topic, notify.Notification(subject, message, [], context.delivery_id))
        return BatchOutcome([])
