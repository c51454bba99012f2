"""Tells about each kind of error once: publishes the first event of a kind, stays silent about the next ones for
SILENCE seconds (3600 if not given), then says how many there were. Subscribe it with a pattern such as `ERROR`.
Settings: TOPIC, SILENCE. Needs `state`, and the topic to publish to.

Kinds are kept in the function's state, which changes together with the position of the subscription: a batch that
comes again after a crash neither counts nor alerts twice."""

import hashlib
import json
import re

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import config, log, notify, state
from wit_world.imports.types import BatchOutcome, HandlerError_Permanent


def kind(message):
    """Words with a digit in them, and what stands in quotes, do not tell kinds apart."""
    text = re.sub(r"\"[^\"]*\"|'[^']*'", "?", message.strip())
    return " ".join("#" if re.search(r"\d", word) else word for word in re.findall(r"[\w-]+|\?", text))[:500]


def publish(topic, subject, event, key):
    notify.publish(topic, notify.Notification(subject, event.message[:4000], [], key))


class Subscription(exports.Subscription):
    def handle(self, context, events):
        topic, silence = config.get("TOPIC"), int(config.get("SILENCE") or 3600)
        if topic is None:
            raise Err(HandlerError_Permanent("the setting TOPIC names no topic"))
        known = {}
        for event in events:
            key = "kind/" + hashlib.sha256(kind(event.message).encode()).hexdigest()[:32]
            if key not in known:
                entry = state.get(key)
                known[key] = json.loads(entry.value) if entry else None
            seen = known[key]
            # The event's own time, so that a batch that comes late is judged as it would have been in time.
            if seen and event.timestamp < seen["since"] + silence * 1000:
                seen["count"] += 1
                continue
            more = f" ({seen['count']} more since the last time)" if seen and seen["count"] else ""
            publish(topic, f"New in {context.log_group}{more}", event, f"{key}/{event.timestamp}")
            log.write(log.Level.INFO, f"told about: {kind(event.message)}{more}")
            known[key] = {"since": event.timestamp, "count": 0}
        for key, seen in known.items():
            # Twice the silence: the number of those that were not told lives until the next one is.
            state.put(key, json.dumps(seen).encode(), None, 2 * silence)
        return BatchOutcome([])
