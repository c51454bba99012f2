"""A filter that leans on everything a pure world has to fix: the clock, randomness of every kind, hashes of texts,
and what it has kept before. It writes what it saw, and keeps about half of the events."""

import os
import random
import time

from wit_world import exports
from wit_world.imports import log

CALLS = []


class Filter(exports.Filter):
    def apply(self, context, events):
        CALLS.append(1)
        system = random.SystemRandom()
        drawn = [system.random() < 0.5 for _ in events]
        seen = f"{len(CALLS)} {time.time()} {time.monotonic()} {os.urandom(8).hex()} {random.random()} {hash('x')}"
        log.write(log.Level.INFO, f"saw {seen} of {context.delivery_id}: {''.join('01'[keep] for keep in drawn)}")
        return [exports.filter.Verdict_Keep() if keep else exports.filter.Verdict_Drop() for keep in drawn]
