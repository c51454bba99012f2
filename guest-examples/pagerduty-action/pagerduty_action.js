// Opens and resolves PagerDuty incidents for an alarm, with the log lines behind it. It publishes PagerDuty's own JSON
// (Events API v2) to the topic named in TOPIC; subscribe PagerDuty to that topic once:
//     aws sns subscribe --topic-arn ... --protocol https --attributes RawMessageDelivery=true
//         --notification-endpoint https://events.pagerduty.com/v2/enqueue
// Settings: TOPIC, ROUTING_KEY, SEVERITY (critical, error, warning or info; error if not given), LINES (10).
// The same alarm has the same `dedup_key`, so that repetitions are one incident and OK resolves it.

import { get as setting } from 'logboom:extension/config@0.1.0';
import { write } from 'logboom:extension/log@0.1.0';
import { publish } from 'logboom:extension/notify@0.1.0';

const SEVERITIES = ['critical', 'error', 'warning', 'info'];

function fail(message) {
  throw { tag: 'permanent', val: message };
}

function evidence(details, most) {
  const lines = details.LogboomEvidence ?? [];
  return lines.slice(0, most).map((line) => `${line.logGroup} | ${String(line.message).slice(0, 300).trimEnd()}`);
}

function enqueue(event, details) {
  const change = { routing_key: setting('ROUTING_KEY') ?? fail('the setting ROUTING_KEY is missing') };
  change.dedup_key = event.alarmArn;
  if (event.current !== 'alarm') return { ...change, event_action: 'resolve' };
  const severity = setting('SEVERITY') ?? 'error';
  if (!SEVERITIES.includes(severity)) fail(`SEVERITY is ${severity}, not one of ${SEVERITIES.join(', ')}`);
  return {
    ...change,
    event_action: 'trigger',
    payload: {
      summary: `${event.alarmName}: ${event.reason}`.slice(0, 1024),
      source: details.Region ?? 'logboom',
      severity,
      timestamp: new Date(Number(event.changedAt)).toISOString(),
      custom_details: {
        description: event.description ?? '',
        lines: evidence(details, Number(setting('LINES') ?? 10)),
        metric: details.Trigger?.MetricName ?? '',
      },
    },
  };
}

export const alarmAction = {
  handle(event) {
    // Too little data neither opens nor resolves anything.
    if (event.current === 'insufficient-data') return;
    let details = {};
    try {
      details = JSON.parse(event.detailsJson);
    } catch {
      write('warn', 'the details of the alarm are not JSON');
    }
    const change = enqueue(event, details);
    const topic = setting('TOPIC') ?? fail('the setting TOPIC names no topic');
    const dedupKey = `${event.alarmArn}/${event.changedAt}`;
    publish(topic, { subject: event.alarmName, message: JSON.stringify(change), attributes: [], dedupKey });
    write('info', `${change.event_action} ${event.alarmName}`);
  },
};
