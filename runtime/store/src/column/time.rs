//! Owns the kind Time: times in one spelling, near the time of their event. Refuses to know other kinds.

use super::choose::Input;
use super::planes::{put_numbers, read_numbers};
use super::spelling::{FORMATS, Format, Writer};
use super::{EncodedColumn, Facts, Head, Hits, Kind, Rows, Values, Variable, find_rendered, start_head};
use crate::codec::{Malformed, Reader};
use crate::filter::{Builder, KEY_BYTES, for_each_word};

// Layout.
// Head: u8 number of the format (see `spelling`).
// Body: nothing, if every value is the time of its event in that format, rounded down to its resolution (and to the
//   time of day, if the format has no date); else numbers (see `planes`): for each value its difference to that, in
//   units of the resolution, for formats without a date modulo a day (modulo a second without hours).

/// The number of the format of the sample.
fn format_of(input: &Input<'_>) -> Option<usize> {
    let first = input.values.get(*input.sample.rows.first()? as usize);
    if first.len() < 3 || !first.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let number = FORMATS.iter().position(|format| format.parse(first).is_some())?;
    let format = &FORMATS[number];
    let scale = format.scale();
    let (mut min, mut max) = (i64::MAX, i64::MIN);
    for &row in &input.sample.rows {
        let value = format.parse(input.values.get(row as usize))?;
        let difference = scale.difference(value, input.times[row as usize]);
        (min, max) = (min.min(difference), max.max(difference));
    }
    (max.checked_sub(min)? <= scale.spread()).then_some(number)
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let number = format_of(input)?;
    let format = &FORMATS[number];
    let (mut writer, scale) = (Writer::new(format), format.scale());
    let mut differences = Vec::with_capacity(input.values.len());
    let mut last = 0;
    for (value, &time) in input.values.iter().zip(input.times) {
        if !writer.is(scale.moved(time, last), value) {
            let parsed = format.parse(value)?;
            last = scale.difference(parsed, time);
            if !writer.is(scale.moved(time, last), value) {
                return None;
            }
        }
        differences.push(last);
    }
    feed(input, format, filter);
    let mut head = start_head(Kind::Time, differences.len());
    head.push(number as u8);
    let mut body = Vec::new();
    if differences.iter().any(|&difference| difference != 0) {
        put_numbers(&differences, &mut body);
    }
    Some(EncodedColumn { head, body })
}

/// All values have the same words but for their digits and the names of months.
fn feed(input: &Input<'_>, format: &Format, filter: &mut Builder) {
    let name = format.text.windows(3).position(|part| part == b"NNN");
    let month = |value: &[u8]| name.and_then(|at| value[at..].first_chunk::<3>().copied());
    let mut last = None;
    for value in input.values.iter() {
        if last != Some(month(value)) {
            last = Some(month(value));
            filter.add(value);
        }
    }
    let mut keys = false;
    for_each_word(input.values.get(0), |start, end, _| keys |= end - start >= KEY_BYTES);
    if keys {
        input.values.iter().for_each(|value| filter.add_keys(value));
    }
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let number = usize::from(reader.u8()?);
    if number >= FORMATS.len() {
        return Err(Malformed("unknown format of times"));
    }
    Ok(Box::new(TimeHead(number)))
}

#[derive(Debug)]
struct TimeHead(usize);

impl Head for TimeHead {
    fn kind(&self) -> Kind {
        Kind::Time
    }

    fn facts(&self) -> Facts {
        let format = &FORMATS[self.0];
        Facts { kind: Kind::Time, min: None, max: None, bytes: format.bytes(), longest: format.text.len() }
    }

    fn find(&self, needle: &[u8]) -> Option<Hits> {
        (!FORMATS[self.0].may_contain(needle)).then_some(Hits::None)
    }

    fn needs_times(&self) -> bool {
        true
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let scale = FORMATS[self.0].scale();
        if body.is_empty() {
            return Ok(Box::new(Times(self.0, times.iter().map(|&time| scale.moved(time, 0)).collect())));
        }
        let mut reader = Reader::new(body);
        let mut values = read_numbers(&mut reader, times.len())?;
        if reader.left() != 0 {
            return Err(Malformed("bytes behind times"));
        }
        for (value, &time) in values.iter_mut().zip(times) {
            *value = scale.moved(time, *value);
        }
        Ok(Box::new(Times(self.0, values)))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// The number of the format, and the times in its units.
#[derive(Debug)]
struct Times(usize, Vec<i64>);

impl Values for Times {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        let mut writer = Writer::new(&FORMATS[self.0]);
        rows.write(FORMATS[self.0].text.len(), out, ends, |row, place| writer.write_to(self.1[row], place));
    }

    fn variable(&self) -> Variable<'_> {
        Variable::Other
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.1.len() * 8
    }

    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        if FORMATS[self.0].may_contain(needle) { find_rendered(self, needle, rows) } else { Hits::None }
    }
}
