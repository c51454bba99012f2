//! Lines of Lambda log groups: START, END and REPORT of the platform, and the request id in the
//! lines of the runtimes. Knows no JSON.

use crate::run::vector::Lent;
use crate::value::number::{self, Number};

const FIELDS: &[&str] = &[
    "@type",
    "@requestId",
    "@duration",
    "@billedDuration",
    "@memorySize",
    "@maxMemoryUsed",
    "@initDuration",
    "@xrayTraceId",
    "@xraySegmentId",
];

/// Label in a REPORT line, field, and what one unit of it counts.
const REPORT: &[(&str, &str, i64)] = &[
    ("Duration", "@duration", 1),
    ("Billed Duration", "@billedDuration", 1),
    ("Memory Size", "@memorySize", 1_000_000),
    ("Max Memory Used", "@maxMemoryUsed", 1_000_000),
    ("Init Duration", "@initDuration", 1),
];

/// Whether the name is one of the fields found here.
pub(super) fn has_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

fn platform(message: &str) -> Option<(&str, &str)> {
    ["START", "END", "REPORT"].into_iter().find_map(|kind| {
        let rest = message.strip_prefix(kind)?.strip_prefix(" RequestId: ")?;
        Some((&message[..kind.len()], rest))
    })
}

/// Whether the platform wrote the line.
pub(super) fn is_platform_line(message: &str) -> bool {
    platform(message).is_some()
}

/// Emits the fields of one line.
pub(super) fn fields<'b>(message: &'b str, emit: &mut dyn FnMut(&'static str, Lent<'b>)) {
    let Some((kind, rest)) = platform(message) else {
        let mut words = message.split([' ', '\t', '\n']).take(4);
        if let Some(id) = words.find(|word| is_request_id(word)) {
            emit("@requestId", Lent::Borrowed(id));
        }
        return;
    };
    emit("@type", Lent::Borrowed(kind));
    let mut parts = rest.split(['\t', '\n']).map(str::trim);
    if let Some(id) = parts.next().and_then(|part| part.split(' ').next()).filter(|id| !id.is_empty()) {
        emit("@requestId", Lent::Borrowed(id));
    }
    if kind != "REPORT" {
        return;
    }
    for part in parts {
        let Some((label, value)) = part.split_once(": ") else {
            continue;
        };
        match label {
            "XRAY TraceId" => emit("@xrayTraceId", Lent::Borrowed(value)),
            "SegmentId" => emit("@xraySegmentId", Lent::Borrowed(value)),
            _ => {
                if let Some((_, field, unit)) = REPORT.iter().find(|(name, ..)| *name == label) {
                    emit(field, quantity(value, *unit));
                }
            }
        }
    }
}

/// The number before the unit, in the field's own unit.
#[allow(clippy::cast_precision_loss)]
fn quantity(text: &str, unit: i64) -> Lent<'_> {
    match text.split(' ').next().and_then(number::parse) {
        Some(Number::Int(n)) => Lent::Int(n.saturating_mul(unit)),
        Some(Number::Float(x)) => Lent::Float(x * unit as f64),
        None => Lent::Null,
    }
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_request_id(word: &str) -> bool {
    word.len() == 36
        && word
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}
