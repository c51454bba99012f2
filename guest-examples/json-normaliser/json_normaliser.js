// Brings JSON events of many loggers (pino, zap, logrus, winston, bunyan, ECS, python-json-logger) into one shape, so
// that one query fits all: `level` as a word, `time` as ISO 8601, `msg`, and the rest sorted by name, `a.b` nested as
// `{"a": {"b": ...}}`. What is no JSON object stays as it is. Attach it to a log group as its inline transformer.

const NAMES = {
  level: ['level', 'severity', 'levelname', 'log.level', 'lvl', 'loglevel'],
  time: ['time', 'timestamp', 'ts', '@timestamp', 'asctime', 't'],
  msg: ['msg', 'message', 'event', 'text'],
};
// pino and bunyan count; syslog's words and zap's abbreviations have longer names.
const LEVELS = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };
const WORDS = {
  warning: 'warn', err: 'error', critical: 'fatal', crit: 'fatal', emergency: 'fatal', emerg: 'fatal',
  alert: 'fatal', panic: 'fatal', dpanic: 'fatal', notice: 'info', information: 'info', verbose: 'debug',
};

function level(value) {
  if (LEVELS[value] !== undefined) return LEVELS[value];
  const word = String(value).toLowerCase();
  return WORDS[word] ?? word;
}

// Seconds, milliseconds, microseconds or nanoseconds since 1970, or a date as text.
function time(value) {
  let number = typeof value === 'number' ? value : /^\d+(\.\d+)?$/.test(value) ? Number(value) : Date.parse(value);
  if (!Number.isFinite(number)) return value;
  if (typeof value === 'number' || !Number.isNaN(Number(value))) {
    if (number < 1e11) number *= 1000;
    while (number > 1e14) number /= 1000;
  }
  return new Date(Math.round(number)).toISOString();
}

function nested(target, path, value) {
  const names = path.split('.');
  const last = names.pop();
  for (const name of names) {
    if (typeof target[name] !== 'object' || target[name] === null) target[name] = {};
    target = target[name];
  }
  target[last] = value;
}

function normalised(message) {
  if (!message.startsWith('{')) return undefined;
  let given;
  try {
    given = JSON.parse(message);
  } catch {
    return undefined;
  }
  const out = {};
  for (const [name, spellings] of Object.entries(NAMES)) {
    const found = spellings.find((spelling) => Object.hasOwn(given, spelling));
    if (found === undefined) continue;
    out[name] = name === 'level' ? level(given[found]) : name === 'time' ? time(given[found]) : given[found];
    delete given[found];
  }
  for (const name of Object.keys(given).sort()) nested(out, name, given[name]);
  return JSON.stringify(out);
}

export const filter = {
  apply(_context, events) {
    return events.map(({ message }) => {
      const text = normalised(message);
      return text === undefined || text === message ? { tag: 'keep' } : { tag: 'replace', val: text };
    });
  },
};
