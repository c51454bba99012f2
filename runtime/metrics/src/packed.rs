//! Owns how a stored point looks as bytes: points are the rows of which there are many. Refuses to know where they
//! are kept, and to read anything but what it wrote.
//!
//! A packed point, version 1. A *varint* is LEB128: 7 bits per byte, lowest first. A *zigzag* varint holds `2n` for
//! `n >= 0` and `-2n - 1` for `n < 0`. A *number* is a double: the varint 0 and its 8 bytes, little-endian, or, for a
//! whole number within 2^53, one more than its zigzag varint. A *text* is its length, a varint, and its UTF-8.
//!
//! 1. version, 1 byte; the tier, 1 byte: 0 second, 1 minute, 2 five minutes, 3 hour
//! 2. the unit, a text; the bucket in milliseconds, zigzag
//! 3. count, sum, minimum and maximum: numbers
//! 4. what is known of the values, 1 byte. 0, all: their number, then each with its count, numbers. 1, a sketch: its
//!    level, 1 byte; the count of zeros, a number; for positive and then for negative values the number of buckets,
//!    then for each the zigzag difference of its index to the one before (the first to 0) and its count, a number.
//!    2: nothing
//! 5. the number of sources of events; for each the id of its group, a varint, and its text
//! 6. the number of events; for each, newest first: the number of its source, from 0, a varint; the zigzag differences
//!    of its time (the first to the bucket) and of its position (the first to 0) to the event before; the id of its
//!    stream, a varint

use std::sync::Arc;

use crate::distribution::{Distribution, Samples};
use crate::point::{EVENTS_MAX, EventReference, Point, PointKey, StoredPoint, Tier};
use crate::sketch::Sketch;
use crate::unit::Unit;

const VERSION: u8 = 1;

const EXACT: u8 = 0;
const SKETCH: u8 = 1;
const OPAQUE: u8 = 2;

/// Whole numbers up to here are exact as doubles.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Appends a point to `out`.
pub fn pack(StoredPoint { key, point }: &StoredPoint, out: &mut Vec<u8>) {
    out.push(VERSION);
    out.push(Tier::ALL.iter().position(|tier| *tier == key.tier).unwrap_or_default() as u8);
    put_text(out, key.unit.as_str());
    put_signed(out, key.bucket_ms);
    put_distribution(out, &point.values);
    put_events(out, key.bucket_ms, &point.events);
}

/// The point that these bytes are, and nothing else; `None` when they are none.
pub fn unpack(bytes: &[u8]) -> Option<StoredPoint> {
    let mut parts = Parts(bytes);
    if parts.byte()? != VERSION {
        return None;
    }
    let tier = *Tier::ALL.get(usize::from(parts.byte()?))?;
    let unit = Unit::parse(parts.text()?, "").ok()?;
    let key = PointKey { bucket_ms: parts.signed()?, tier, unit };
    let values = parts.distribution()?;
    let events = parts.events(key.bucket_ms)?;
    parts.0.is_empty().then_some(StoredPoint { key, point: Point { values, events } })
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

fn put_number(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    // Bits, not values: -0.0 is not 0.
    if value.abs() <= WHOLE_MAX && (whole as f64).to_bits() == value.to_bits() {
        return put_varint(out, zigzag(whole) + 1);
    }
    out.push(0);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_distribution(out: &mut Vec<u8>, values: &Distribution) {
    for number in [values.count, values.sum, values.min, values.max] {
        put_number(out, number);
    }
    match &values.samples {
        Samples::Exact(values) => {
            out.push(EXACT);
            put_varint(out, values.len() as u64);
            for (value, count) in values {
                put_number(out, *value);
                put_number(out, *count);
            }
        }
        Samples::Sketch(sketch) => {
            out.push(SKETCH);
            out.push(sketch.level);
            put_number(out, sketch.zero);
            for buckets in [&sketch.positive, &sketch.negative] {
                put_varint(out, buckets.len() as u64);
                let mut before = 0;
                for (index, count) in buckets {
                    put_signed(out, i64::from(*index) - before);
                    put_number(out, *count);
                    before = i64::from(*index);
                }
            }
        }
        Samples::Opaque => out.push(OPAQUE),
    }
}

fn put_events(out: &mut Vec<u8>, bucket_ms: i64, events: &[EventReference]) {
    let mut sources: Vec<(u64, &Arc<str>)> = Vec::new();
    let mut of = Vec::with_capacity(events.len());
    for event in events {
        let is_it = |(group, source): &&(u64, &Arc<str>)| {
            *group == event.group_id && (Arc::ptr_eq(source, &event.source) || **source == event.source)
        };
        of.push(sources.iter().position(|one| is_it(&one)).unwrap_or_else(|| {
            sources.push((event.group_id, &event.source));
            sources.len() - 1
        }));
    }
    put_varint(out, sources.len() as u64);
    for (group, source) in sources {
        put_varint(out, group);
        put_text(out, source);
    }
    put_varint(out, events.len() as u64);
    let (mut time, mut position) = (bucket_ms, 0);
    for (event, source) in events.iter().zip(of) {
        put_varint(out, source as u64);
        put_signed(out, event.timestamp_ms.wrapping_sub(time));
        put_signed(out, event.position.wrapping_sub(position) as i64);
        put_varint(out, event.stream_id);
        (time, position) = (event.timestamp_ms, event.position);
    }
}

/// What is not read yet.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn number(&mut self) -> Option<f64> {
        if let Some(above) = self.varint()?.checked_sub(1) {
            return Some(((above >> 1) as i64 ^ -((above & 1) as i64)) as f64);
        }
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    /// How many of something follow; each takes at least one byte, so damage does not ask for much memory.
    fn many(&mut self) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn distribution(&mut self) -> Option<Distribution> {
        let (count, sum, min, max) = (self.number()?, self.number()?, self.number()?, self.number()?);
        let samples = match self.byte()? {
            EXACT => {
                let many = self.many()?;
                Samples::Exact(
                    (0..many).map(|_| Some((self.number()?, self.number()?))).collect::<Option<_>>()?,
                )
            }
            SKETCH => Samples::Sketch(Sketch {
                level: self.byte()?,
                zero: self.number()?,
                positive: self.buckets()?,
                negative: self.buckets()?,
            }),
            OPAQUE => Samples::Opaque,
            _ => return None,
        };
        Some(Distribution { count, sum, min, max, samples })
    }

    fn buckets(&mut self) -> Option<Vec<(i32, f64)>> {
        let many = self.many()?;
        let mut before = 0i64;
        let bucket = |_| {
            before = before.checked_add(self.signed()?)?;
            Some((i32::try_from(before).ok()?, self.number()?))
        };
        (0..many).map(bucket).collect()
    }

    fn events(&mut self, bucket_ms: i64) -> Option<Vec<EventReference>> {
        let many = self.many()?;
        let sources: Vec<(u64, Arc<str>)> =
            (0..many).map(|_| Some((self.varint()?, self.text()?.into()))).collect::<Option<_>>()?;
        let many = self.many().filter(|many| *many <= EVENTS_MAX)?;
        let (mut time, mut position) = (bucket_ms, 0u64);
        let event = |_| {
            let (group_id, source) = sources.get(usize::try_from(self.varint()?).ok()?)?;
            time = time.wrapping_add(self.signed()?);
            position = position.wrapping_add(self.signed()? as u64);
            let (timestamp_ms, stream_id) = (time, self.varint()?);
            let (group_id, source) = (*group_id, Arc::clone(source));
            Some(EventReference { timestamp_ms, position, group_id, stream_id, source })
        };
        (0..many).map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(point: &StoredPoint) -> Vec<u8> {
        let mut out = Vec::new();
        pack(point, &mut out);
        out
    }

    fn minute(bucket_ms: i64) -> PointKey {
        PointKey { bucket_ms, tier: Tier::Minute, unit: Unit::Count }
    }

    fn event(timestamp_ms: i64, position: u64) -> EventReference {
        EventReference { timestamp_ms, position, group_id: 300, stream_id: 2, source: "e@1".into() }
    }

    /// What version 1 wrote stays readable.
    #[test]
    fn version_one_byte_by_byte() {
        let values = Distribution::values(&[(2.0, 1.0), (0.5, 3.0)]).unwrap();
        let point = Point::with_events(values, vec![event(60_001, 7), event(60_003, 5)]);
        let mut bytes = vec![1, 1, 5];
        bytes.extend_from_slice(b"Count");
        bytes.extend_from_slice(&[0xc0, 0xa9, 0x07]); // 60,000
        bytes.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 0x0c, 0x40]); // 4 and 3.5
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 5]); // 0.5 and 2
        bytes.extend_from_slice(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 7, 5, 3]);
        bytes.extend_from_slice(&[1, 0xac, 0x02, 3]);
        bytes.extend_from_slice(b"e@1");
        bytes.extend_from_slice(&[2, 0, 6, 10, 2, 0, 3, 4, 2]);
        let point = StoredPoint { key: minute(60_000), point };
        assert_eq!(packed(&point), bytes);
        assert_eq!(unpack(&bytes), Some(point));
    }

    #[test]
    fn what_is_no_point_is_none() {
        let events = (0..60).map(|at| event(at, at as u64)).collect();
        let values: Vec<(f64, f64)> = (0..200).map(|at| (f64::from(at) - 50.5, 1.5)).collect();
        let point = Point::with_events(Distribution::values(&values).unwrap(), events);
        let bytes = packed(&StoredPoint { key: minute(0), point });
        assert!(unpack(&bytes).is_some());
        for length in 0..bytes.len() {
            assert_eq!(unpack(&bytes[..length]), None, "{length}");
        }
        assert_eq!(unpack(&[&bytes[..], &[0]].concat()), None, "a byte too many");
        assert_eq!(unpack(&[&[2], &bytes[1..]].concat()), None, "another version");
        // More values than there are bytes.
        assert_eq!(
            unpack(&[1, 1, 4, b'N', b'o', b'n', b'e', 0, 1, 1, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            None
        );
    }

    fn points() -> impl Strategy<Value = Point> {
        let number = || {
            prop_oneof![
                (-500..500i32).prop_map(f64::from),
                -1e9..1e9f64,
                Just(-0.0),
                Just(0.1 + 0.2),
                Just(WHOLE_MAX),
                Just(-WHOLE_MAX),
                Just(crate::number::MAGNITUDE_MAX),
                Just(f64::MIN_POSITIVE),
            ]
        };
        let counts = prop_oneof![Just(1.0), 0.25..9.0f64];
        let plain = proptest::collection::vec((number(), counts), 1..400)
            .prop_map(|values| Distribution::values(&values).unwrap());
        let set = (number(), number()).prop_map(|(min, max)| Distribution::statistic_set(3.0, 7.5, min, max));
        let sources = prop_oneof![Just("errors@1"), Just("errors@2"), Just("äöü")];
        let event = (any::<i64>(), any::<u64>(), any::<u64>(), any::<u64>(), sources).prop_map(
            |(timestamp_ms, position, group_id, stream_id, source)| EventReference {
                timestamp_ms,
                position,
                group_id: group_id % 3,
                stream_id,
                source: source.into(),
            },
        );
        (prop_oneof![4 => plain, 1 => set], proptest::collection::vec(event, 0..70))
            .prop_map(|(values, events)| Point::with_events(values, events))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::test_rounds(64)))]
        #[test]
        fn a_point_reads_back_bit_by_bit(
            point in points(),
            bucket_ms in any::<i64>(),
            tier in 0..Tier::ALL.len(),
            unit in 0..Unit::ALL.len(),
        ) {
            let key = PointKey { bucket_ms, tier: Tier::ALL[tier], unit: Unit::ALL[unit] };
            let stored = StoredPoint { key, point };
            let bytes = packed(&stored);
            let read = unpack(&bytes).unwrap();
            // Equal values may differ in their bits (-0.0), bytes do not.
            prop_assert_eq!(packed(&read), bytes);
            prop_assert_eq!(read, stored);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
            let _ = unpack(&[&[1, 1, 4], &b"None"[..], &bytes].concat());
        }
    }
}
