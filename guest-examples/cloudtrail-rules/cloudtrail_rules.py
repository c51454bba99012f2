"""Security rules over CloudTrail events: publishes what somebody should look at. Subscribe it to the log group that
CloudTrail writes to (pattern: none). Settings: TOPIC; TRUSTED, account ids that may be handed things (comma separated).

Each finding has a key of rule and CloudTrail event, so that a batch that comes again alerts nobody twice."""

import json

from wit_world import exports
from wit_world.imports import config, log, notify
from wit_world.imports.types import BatchOutcome

TRAIL_OFF = {"StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "DeleteFlowLogs", "DeleteDetector"}
OPEN = ("0.0.0.0/0", "::/0")
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


def strings(value):
    """Every text inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def root_used(event, _given):
    identity = event.get("userIdentity", {})
    return identity.get("type") == "Root" and "invokedBy" not in identity and event.get("eventType") != "AwsServiceEvent"


def login_without_mfa(event, _given):
    extra, answer = event.get("additionalEventData") or {}, event.get("responseElements") or {}
    return event["eventName"] == "ConsoleLogin" and answer.get("ConsoleLogin") == "Success" and extra.get("MFAUsed") == "No"


def audit_switched_off(event, _given):
    return event["eventName"] in TRAIL_OFF


def open_to_the_world(event, given):
    return event["eventName"] == "AuthorizeSecurityGroupIngress" and any(text in OPEN for text in given)


def made_administrator(event, given):
    return event["eventName"].startswith(("Attach", "Put")) and "Policy" in event["eventName"] and ADMIN in given


def given_away(event, given):
    trusted = (config.get("TRUSTED") or "").split(",") + [event.get("recipientAccountId", "")]
    shared = event["eventName"].startswith(("ModifySnapshotAttribute", "ModifyImageAttribute", "ModifyDBSnapshotAttribute"))
    return shared and any(text == "all" or (text.isdigit() and len(text) == 12 and text not in trusted) for text in given)


RULES = [root_used, login_without_mfa, audit_switched_off, open_to_the_world, made_administrator, given_away]


class Subscription(exports.Subscription):
    def handle(self, context, events):
        topic = config.get("TOPIC")
        for record in events:
            try:
                event = json.loads(record.message)
                given = list(strings(event.get("requestParameters") or {}))
                hits = [rule.__name__.replace("_", " ") for rule in RULES if not event.get("errorCode") and rule(event, given)]
            except (ValueError, KeyError, AttributeError):
                continue  # Not CloudTrail's.
            for rule in hits:
                who = event.get("userIdentity", {}).get("arn", "somebody")
                text = f"{rule}: {event['eventName']} by {who} from {event.get('sourceIPAddress', '?')}"
                log.write(log.Level.WARN, text)
                if topic:
                    message = f"{text}\n{event.get('eventTime')} {event.get('awsRegion')}\n{record.message[:2000]}"
                    key = f"{rule}/{event.get('eventID')}"
                    notify.publish(topic, notify.Notification(rule, message, [], key))
        return BatchOutcome([])
