"""Gets the events that match a subscription filter, in batches."""

from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import BatchOutcome


class Subscription(exports.Subscription):
    def handle(self, context, events):
        for event in events:
            log.write(log.Level.INFO, f"{context.log_group}: {event.message}")
        return BatchOutcome(failed=[])
