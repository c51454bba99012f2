// The error digest in JavaScript: counts the events of a batch by kind, writes a digest to its own log, and publishes
// it if the setting TOPIC names a topic. Two events are of one kind when they differ in numbers and ids only.

import { get as setting } from 'logboom:extension/config@0.1.0';
import { write } from 'logboom:extension/log@0.1.0';
import { publish } from 'logboom:extension/notify@0.1.0';

const SHOWN = 10;

// Words with a digit become `#`.
function kind(message) {
  const words = message.match(/[\p{Alphabetic}\p{N}-]+/gu) ?? [];
  return words.map((word) => (/[0-9]/.test(word) ? '#' : word)).join(' ');
}

function digest(context, events) {
  const kinds = new Map();
  for (const event of events) {
    const key = kind(event.message);
    if (!kinds.has(key)) kinds.set(key, { count: 0, first: event });
    kinds.get(key).count += 1;
  }
  const rows = [...kinds.values()].sort(
    (a, b) => b.count - a.count || Number(a.first.timestamp - b.first.timestamp),
  );
  const lines = [`${events.length} events of ${rows.length} kinds in ${context.logGroup}`];
  for (const { count, first } of rows.slice(0, SHOWN)) {
    const example = [...first.message.trimEnd()].slice(0, 200).join('').replace(/[\r\n]/g, ' ');
    lines.push(`${String(count).padStart(6)} x ${example}`);
  }
  if (rows.length > SHOWN) lines.push(`and ${rows.length - SHOWN} more kinds`);
  return lines;
}

export const subscription = {
  handle(context, events) {
    if (events.length === 0) return { failed: [] };
    const lines = digest(context, events);
    lines.forEach((line) => write('info', line));
    const topic = setting('TOPIC');
    if (topic !== null) {
      const subject = `${events.length} errors in ${context.logGroup}`;
      const message = lines.join('\n') + '\n';
      try {
        publish(topic, { subject, message, attributes: [], dedupKey: context.deliveryId });
      } catch (error) {
        const { tag, val } = error.payload ?? error;
        throw { tag: 'permanent', val: `${topic} was not told: ${tag} ${val ?? ''}` };
      }
    }
    return { failed: [] };
  },
};
