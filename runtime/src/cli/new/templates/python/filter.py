"""Decides event by event: keep it, drop it, or replace its text. Pure: the same batch gives the same answer."""

from wit_world import exports
from wit_world.exports.filter import Verdict_Drop, Verdict_Keep


class Filter(exports.Filter):
    def apply(self, context, events):
        return [Verdict_Drop() if "DEBUG" in event.message else Verdict_Keep() for event in events]
