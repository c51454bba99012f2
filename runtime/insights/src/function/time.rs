//! Functions of time. Times are epoch milliseconds; `now()` is epoch seconds, as documented.

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset};

use super::{Argument, Build, Call, Function, Refusal, or_null, row, special, whole_of};
use crate::run::node::Node;
use crate::text::period::Period;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function { names: &["bin"], least: 1, most: 1, structures: false, build: Build::OnTimestamp(floor) },
    special(&["datefloor"], 2, 2, floor),
    special(&["dateceil"], 2, 2, |call| rounding(call, Period::ceil)),
    row(&["fromMillis"], 1, 1, |a| or_null(whole_of(a, 0).map(Value::Time))),
    row(&["toMillis"], 1, 1, |a| or_null(whole_of(a, 0).map(Value::Int))),
    special(&["now"], 0, 0, |call| Ok(Node::Constant(Value::Int(call.now_ms.div_euclid(1000))))),
    special(&["formatDate", "strftime"], 2, 3, format_date),
];

fn floor(call: Call<'_>) -> Result<Node, Refusal> {
    let period = call.period(1)?;
    match call.arguments.into_iter().next() {
        Some(Argument::Node(node)) => Ok(Node::Floor(period, Box::new(node))),
        _ => Call::refuse(0, "a period cannot stand here"),
    }
}

fn rounding(call: Call<'_>, how: fn(Period, i64) -> Option<i64>) -> Result<Node, Refusal> {
    let period = call.period(1)?;
    call.apply(1, move |cells| {
        let rounded = whole_of(cells, 0).and_then(|ms| how(period, ms));
        or_null(rounded.map(Value::Time))
    })
}

fn format_date(call: Call<'_>) -> Result<Node, Refusal> {
    let format = call.constant_text(1, "a format")?.unwrap_or_default();
    if StrftimeItems::new(&format).any(|item| item == Item::Error) {
        return Call::refuse(1, "the format is not valid");
    }
    let zone = call.constant_text(2, "a time zone")?;
    let Some(offset) = offset(zone.as_deref().unwrap_or("UTC")) else {
        return Call::refuse(2, "only UTC and offsets such as +02:00 are supported as time zones");
    };
    call.apply(1, move |cells| {
        let time = whole_of(cells, 0).and_then(DateTime::from_timestamp_millis);
        let text = time.and_then(|time| {
            let mut out = String::new();
            write!(out, "{}", time.with_timezone(&offset).format(&format)).ok()?;
            Some(out)
        });
        or_null(text.map(Value::text))
    })
}

/// `UTC`, `Z`, `+02:00`, `-0530`.
fn offset(zone: &str) -> Option<FixedOffset> {
    if zone.eq_ignore_ascii_case("utc") || zone.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = zone[1..].replace(':', "");
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits[..2].parse::<i32>().ok()?, digits[2..].parse::<i32>().ok()?);
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}
