//! The records of `wit/types.wit` and `wit/exports.wit` as the host passes them: borrowed on the
//! way in, owned on the way out. Field order is the WIT's; a guest of every world is in the tests.

use wasmtime::component::{ComponentType, Lift, Lower};

use crate::Pieces;

/// One event, lowered straight from the caller's text into guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct LogEvent<'a> {
    /// Milliseconds since the Unix epoch, as given by the producer.
    pub timestamp: i64,
    /// Milliseconds since the Unix epoch, as stamped at ingestion.
    #[component(name = "ingestion-time")]
    pub ingestion_time: i64,
    /// The text.
    pub message: &'a str,
}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Attribute {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Where a batch came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct BatchContext {
    /// The account, 12 digits.
    #[component(name = "account-id")]
    pub account_id: String,
    /// The region.
    pub region: String,
    /// The group's name.
    #[component(name = "log-group")]
    pub log_group: String,
    /// The stream's name; empty when the batch spans streams.
    #[component(name = "log-stream")]
    pub log_stream: String,
    /// Name of the subscription or metric filter that matched.
    pub binding: String,
    /// Stable over retries of the same batch.
    #[component(name = "delivery-id")]
    pub delivery_id: String,
    /// 1 on the first attempt.
    pub attempt: u32,
    /// Sequence key of the first event.
    #[component(name = "first-sequence")]
    pub first_sequence: u64,
    /// Open-ended facts about the batch.
    pub attributes: Vec<Attribute>,
}

/// How a batch handler failed.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum HandlerError {
    #[component(name = "retry")]
    Retry(RetryError),
    #[component(name = "permanent")]
    Permanent(String),
}

#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct RetryError {
    pub(crate) message: String,
    #[component(name = "after-ms")]
    pub(crate) after_ms: u32,
}

/// Which events of a batch come again.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct BatchOutcome {
    pub(crate) failed: Vec<u32>,
}

/// What a filter decided about one event.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub enum Verdict {
    /// Keep it as it is.
    #[component(name = "keep")]
    Keep,
    /// Drop it.
    #[component(name = "drop")]
    Drop,
    /// Keep it with this text in place of the message.
    #[component(name = "replace")]
    Replace(String),
}

/// The unit of a metric value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are CloudWatch's")]
pub enum MetricUnit {
    #[default]
    #[component(name = "none")]
    None,
    #[component(name = "seconds")]
    Seconds,
    #[component(name = "microseconds")]
    Microseconds,
    #[component(name = "milliseconds")]
    Milliseconds,
    #[component(name = "bytes")]
    Bytes,
    #[component(name = "kilobytes")]
    Kilobytes,
    #[component(name = "megabytes")]
    Megabytes,
    #[component(name = "gigabytes")]
    Gigabytes,
    #[component(name = "terabytes")]
    Terabytes,
    #[component(name = "bits")]
    Bits,
    #[component(name = "kilobits")]
    Kilobits,
    #[component(name = "megabits")]
    Megabits,
    #[component(name = "gigabits")]
    Gigabits,
    #[component(name = "terabits")]
    Terabits,
    #[component(name = "percent")]
    Percent,
    #[component(name = "count")]
    Count,
    #[component(name = "bytes-per-second")]
    BytesPerSecond,
    #[component(name = "kilobytes-per-second")]
    KilobytesPerSecond,
    #[component(name = "megabytes-per-second")]
    MegabytesPerSecond,
    #[component(name = "gigabytes-per-second")]
    GigabytesPerSecond,
    #[component(name = "terabytes-per-second")]
    TerabytesPerSecond,
    #[component(name = "bits-per-second")]
    BitsPerSecond,
    #[component(name = "kilobits-per-second")]
    KilobitsPerSecond,
    #[component(name = "megabits-per-second")]
    MegabitsPerSecond,
    #[component(name = "gigabits-per-second")]
    GigabitsPerSecond,
    #[component(name = "terabits-per-second")]
    TerabitsPerSecond,
    #[component(name = "count-per-second")]
    CountPerSecond,
}

/// Each unit and CloudWatch's spelling of it, in the order of the WIT enum.
const UNITS: [(MetricUnit, &str); 27] = [
    (MetricUnit::None, "None"),
    (MetricUnit::Seconds, "Seconds"),
    (MetricUnit::Microseconds, "Microseconds"),
    (MetricUnit::Milliseconds, "Milliseconds"),
    (MetricUnit::Bytes, "Bytes"),
    (MetricUnit::Kilobytes, "Kilobytes"),
    (MetricUnit::Megabytes, "Megabytes"),
    (MetricUnit::Gigabytes, "Gigabytes"),
    (MetricUnit::Terabytes, "Terabytes"),
    (MetricUnit::Bits, "Bits"),
    (MetricUnit::Kilobits, "Kilobits"),
    (MetricUnit::Megabits, "Megabits"),
    (MetricUnit::Gigabits, "Gigabits"),
    (MetricUnit::Terabits, "Terabits"),
    (MetricUnit::Percent, "Percent"),
    (MetricUnit::Count, "Count"),
    (MetricUnit::BytesPerSecond, "Bytes/Second"),
    (MetricUnit::KilobytesPerSecond, "Kilobytes/Second"),
    (MetricUnit::MegabytesPerSecond, "Megabytes/Second"),
    (MetricUnit::GigabytesPerSecond, "Gigabytes/Second"),
    (MetricUnit::TerabytesPerSecond, "Terabytes/Second"),
    (MetricUnit::BitsPerSecond, "Bits/Second"),
    (MetricUnit::KilobitsPerSecond, "Kilobits/Second"),
    (MetricUnit::MegabitsPerSecond, "Megabits/Second"),
    (MetricUnit::GigabitsPerSecond, "Gigabits/Second"),
    (MetricUnit::TerabitsPerSecond, "Terabits/Second"),
    (MetricUnit::CountPerSecond, "Count/Second"),
];

impl MetricUnit {
    /// CloudWatch's name: `Milliseconds`, `Count/Second`.
    pub fn name(self) -> &'static str {
        UNITS[self as usize].1
    }

    /// The unit at an index of the WIT enum.
    pub(crate) fn from_index(index: usize) -> Self {
        UNITS.get(index).map_or(Self::None, |(unit, _)| *unit)
    }
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct MetricDatum {
    /// The namespace.
    pub namespace: String,
    /// The metric's name.
    pub name: String,
    /// The value; finite, as CloudWatch wants it.
    pub value: f64,
    /// Its unit.
    pub unit: MetricUnit,
    /// Dimensions, 30 at most.
    pub dimensions: Vec<Attribute>,
    /// Milliseconds since the Unix epoch; `None` is the event's own time.
    pub timestamp: Option<i64>,
}

/// A value an extractor found, and the index of the event it came from.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift)]
#[component(record)]
pub struct Extracted {
    /// Index into the batch; always in range (checked by the host).
    pub event: u32,
    /// The value.
    pub datum: MetricDatum,
}

/// The state of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum AlarmState {
    /// OK.
    #[component(name = "ok")]
    Ok,
    /// ALARM.
    #[component(name = "alarm")]
    Alarm,
    /// INSUFFICIENT_DATA.
    #[component(name = "insufficient-data")]
    InsufficientData,
}

/// A change of an alarm's state.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct AlarmEvent {
    /// The alarm's name.
    #[component(name = "alarm-name")]
    pub alarm_name: String,
    /// The alarm's ARN.
    #[component(name = "alarm-arn")]
    pub alarm_arn: String,
    /// Its description.
    pub description: Option<String>,
    /// The state before.
    pub previous: AlarmState,
    /// The state now.
    pub current: AlarmState,
    /// Why, in words.
    pub reason: String,
    /// The JSON text that SNS subscribers get.
    #[component(name = "details-json")]
    pub details_json: String,
    /// Milliseconds since the Unix epoch.
    #[component(name = "changed-at")]
    pub changed_at: i64,
    /// 1 on the first attempt.
    pub attempt: u32,
}

/// A run of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct Tick {
    /// The schedule's name.
    pub schedule: String,
    /// When the run was due, milliseconds since the Unix epoch.
    #[component(name = "due-at")]
    pub due_at: i64,
    /// 1 on the first attempt.
    pub attempt: u32,
    /// The input of the schedule's target.
    #[component(name = "input-json")]
    pub input_json: String,
}

/// A value of the query engine.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum Scalar {
    /// No value.
    #[component(name = "null")]
    Null,
    /// True or false.
    #[component(name = "boolean")]
    Boolean(bool),
    /// A whole number.
    #[component(name = "integer")]
    Integer(i64),
    /// A number.
    #[component(name = "number")]
    Number(f64),
    /// A text.
    #[component(name = "text")]
    Text(String),
}

/// The type of a parameter or result of a query function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ScalarType {
    #[component(name = "any")]
    Any,
    #[component(name = "boolean")]
    Boolean,
    #[component(name = "integer")]
    Integer,
    #[component(name = "number")]
    Number,
    #[component(name = "text")]
    Text,
}

/// A query function a guest offers.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct Signature {
    /// The name used in queries.
    pub name: String,
    /// Types of the parameters.
    pub parameters: Vec<ScalarType>,
    /// Whether the last parameter may repeat.
    pub variadic: bool,
    /// Type of the result.
    pub returns: ScalarType,
    /// One line for people.
    pub help: String,
}

/// A batch without an allocation per event: event i is `text[ends[i-1]..ends[i]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct PackedBatch<'a> {
    /// Milliseconds since the Unix epoch, per event.
    pub timestamps: &'a [i64],
    /// The same, as stamped at ingestion.
    #[component(name = "ingestion-times")]
    pub ingestion_times: &'a [i64],
    /// Where each event's text ends.
    pub ends: &'a [u32],
    /// All texts, one after the other. The contract vouches for each to be UTF-8.
    pub text: Pieces<'a>,
}

/// How a Lambda handler failed.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum LambdaError {
    #[component(name = "function-error")]
    FunctionError(String),
    #[component(name = "bad-input")]
    BadInput(String),
}

#[cfg(test)]
mod tests {
    use super::UNITS;

    #[test]
    fn the_table_of_units_is_in_the_order_of_the_enum() {
        for (index, (unit, _)) in UNITS.iter().enumerate() {
            assert_eq!(*unit as usize, index);
        }
    }
}
