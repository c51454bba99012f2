//! Owns the spellings of times: reading and writing them by a format of fixed width.
//! Refuses to know columns, zones (a constant difference to UTC is a difference like any other) and the clock.

use super::{ByteSet, digits};

/// The formats; their numbers are part of the stored format, so new ones go to the end.
/// `YYYY` or `yy` (of this century) year, `MM` or `NNN` (Jan) month, `DD` day, `hh` hour, `mm` minute, `ss` second,
/// `f`s fraction of a second; all other bytes stand for themselves.
pub(super) const FORMATS: [Format; 31] = [
    Format { text: b"YYYY-MM-DDThh:mm:ss.fffZ" },
    Format { text: b"YYYY-MM-DDThh:mm:ssZ" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.ffffffZ" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.fffffffffZ" },
    Format { text: b"YYYY-MM-DDThh:mm:ss" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.fff" },
    Format { text: b"YYYY-MM-DDThh:mm:ss,fff" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.ffffff" },
    Format { text: b"YYYY-MM-DDThh:mm:ss+00:00" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.fff+00:00" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.ffffff+00:00" },
    Format { text: b"YYYY-MM-DDThh:mm:ss+0000" },
    Format { text: b"YYYY-MM-DDThh:mm:ss.fff+0000" },
    Format { text: b"YYYY-MM-DD hh:mm:ss" },
    Format { text: b"YYYY-MM-DD hh:mm:ss.fff" },
    Format { text: b"YYYY-MM-DD hh:mm:ss,fff" },
    Format { text: b"YYYY-MM-DD hh:mm:ss.ffffff" },
    Format { text: b"YYYY/MM/DD hh:mm:ss" },
    Format { text: b"DD/NNN/YYYY:hh:mm:ss" },
    Format { text: b"DD/NNN/YYYY:hh:mm:ss +0000" },
    Format { text: b"hh:mm:ss" },
    Format { text: b"hh:mm:ss.fff" },
    Format { text: b"hh:mm:ss,fff" },
    Format { text: b"hh:mm:ss.ffffff" },
    Format { text: b"hhmmss" },
    Format { text: b"YYYYMMDDThhmmssZ" },
    Format { text: b"YYYYMMDDThhmmss" },
    Format { text: b"YYYY-MM-DD-hh.mm.ss.ffffff" },
    Format { text: b"yy/MM/DD hh:mm:ss" },
    Format { text: b"yyMMDD hhmmss" },
    Format { text: b"fff" },
];

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY_S: i64 = 86_400;
const FIELDS: &[u8; 9] = b"YyMNDhmsf";

/// One spelling of times.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) text: &'static [u8],
}

/// Days since 1970 of a date (the proleptic Gregorian calendar; years start in March, so that the leap day is last).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let century = year.div_euclid(400);
    let of_century = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    century * 146_097 + of_century * 365 + of_century / 4 - of_century / 100 + of_year - 719_468
}

/// Year, month and day of days since 1970.
fn date_of(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let century = days.div_euclid(146_097);
    let of_century = days.rem_euclid(146_097);
    let year = (of_century - of_century / 1460 + of_century / 36_524 - of_century / 146_096) / 365;
    let of_year = of_century - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (century * 400 + year, if month < 10 { month + 3 } else { month - 9 });
    (if month <= 2 { year + 1 } else { year }, month as u32, day as u32)
}

/// Calls `each(letter, start, end)` for every field, until it says false.
fn for_each_field(text: &[u8], mut each: impl FnMut(u8, usize, usize) -> bool) -> bool {
    let mut at = 0;
    while at < text.len() {
        let letter = text[at];
        let start = at;
        at += 1;
        if FIELDS.contains(&letter) {
            while at < text.len() && text[at] == letter {
                at += 1;
            }
            if !each(letter, start, at) {
                return false;
            }
        }
    }
    true
}

impl Format {
    pub(super) fn scale(&self) -> Scale {
        let per_second = 10_i64.pow(self.text.iter().filter(|&&byte| byte == b'f').count() as u32);
        let seconds = if self.text.contains(&b'h') { DAY_S } else { 1 };
        let cycle = (!self.text.contains(&b'D')).then(|| seconds * per_second);
        Scale { per_second, per_ms: (per_second / 1000).max(1), ms: (1000 / per_second).max(1), cycle }
    }

    /// A value in units of the resolution, since 1970 or since midnight. Only what `Writer` writes is read.
    pub(super) fn parse(&self, value: &[u8]) -> Option<i64> {
        if value.len() != self.text.len() {
            return None;
        }
        let (mut year, mut month, mut day, mut seconds, mut fraction) = (1970, 1, 1, 0, 0);
        let number = |bytes: &[u8], most: u64| {
            digits::parse(bytes).filter(|&number| number <= most).map(u64::cast_signed)
        };
        let read = for_each_field(self.text, |letter, start, end| {
            let bytes = &value[start..end];
            let field = match letter {
                b'Y' => number(bytes, 2200).filter(|&found| found >= 1970).map(|found| year = found),
                b'y' => number(bytes, 99).map(|found| year = 2000 + found),
                b'M' => number(bytes, 12).map(|found| month = found),
                b'N' => MONTHS.iter().position(|name| *name == bytes).map(|index| month = index as i64 + 1),
                b'D' => number(bytes, 31).map(|found| day = found),
                b'h' => number(bytes, 23).map(|found| seconds += found * 3600),
                b'm' => number(bytes, 59).map(|found| seconds += found * 60),
                b's' => number(bytes, 59).map(|found| seconds += found),
                _ => number(bytes, u64::MAX).map(|found| fraction = found),
            };
            field.is_some()
        });
        if !read || month == 0 || day == 0 {
            return None;
        }
        let scale = self.scale();
        let days = if scale.cycle.is_none() { days_of(year, month, day) } else { 0 };
        let value_in_units = (days * DAY_S + seconds).checked_mul(scale.per_second)?.checked_add(fraction)?;
        Writer::new(self).is(value_in_units, value).then_some(value_in_units)
    }

    /// False when no time in this format contains the text.
    pub(super) fn may_contain(&self, needle: &[u8]) -> bool {
        let fits = |start: usize| {
            needle.iter().zip(start..).all(|(byte, at)| {
                let letter = self.text[at];
                let first = at == 0 || self.text[at - 1] != letter;
                let highest = match letter {
                    b'N' => return byte.is_ascii_alphabetic(),
                    b'M' if first => b'1',
                    b'Y' | b'h' if first => b'2',
                    b'D' if first => b'3',
                    b'm' | b's' if first => b'5',
                    _ if FIELDS.contains(&letter) => b'9',
                    _ => return letter == *byte,
                };
                (b'0'..=highest).contains(byte)
            })
        };
        self.text.len().checked_sub(needle.len()).is_some_and(|last| (0..=last).any(fits))
    }

    /// Every byte that values can have.
    pub(super) fn bytes(&self) -> ByteSet {
        let mut set = ByteSet::DIGITS;
        self.text.iter().filter(|byte| !FIELDS.contains(byte)).for_each(|&byte| set.insert(byte));
        if self.text.contains(&b'N') {
            MONTHS.iter().copied().flatten().for_each(|&byte| set.insert(byte));
        }
        set
    }
}

/// The resolution of a format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    per_second: i64,
    /// Units per millisecond, or 1.
    per_ms: i64,
    /// Milliseconds per unit, or 1.
    ms: i64,
    /// Without a date: after how many units the values start anew.
    cycle: Option<i64>,
}

impl Scale {
    /// Milliseconds as units of the resolution, rounded down.
    #[inline]
    fn units(&self, ms: i64) -> i64 {
        if self.ms == 1 { ms.wrapping_mul(self.per_ms) } else { ms.div_euclid(self.ms) }
    }

    /// Values are stored in this format only if they all are so much earlier or later than their events, give or
    /// take: 10 s, or a tenth of the cycle if that is less.
    pub(super) fn spread(&self) -> i64 {
        self.units(10_000).min(self.cycle.map_or(i64::MAX, |cycle| cycle / 10))
    }

    /// What is to be written for an event time and a difference.
    #[inline]
    pub(super) fn moved(&self, time_ms: i64, difference: i64) -> i64 {
        let value = self.units(time_ms).wrapping_add(difference);
        self.cycle.map_or(value, |cycle| value.rem_euclid(cycle))
    }

    /// The difference of a value to an event time; between plus and minus half a cycle without a date.
    pub(super) fn difference(&self, value: i64, time_ms: i64) -> i64 {
        let difference = value.wrapping_sub(self.units(time_ms));
        self.cycle
            .map_or(difference, |cycle| difference.wrapping_add(cycle / 2).rem_euclid(cycle) - cycle / 2)
    }
}

const MAX_FIELDS: usize = 8;
const MAX_LENGTH: usize = 32;

/// Writes times in one format; dates are written only when they change.
#[derive(Debug)]
pub(super) struct Writer {
    /// The date, with the format's letters for the time of day.
    buffer: [u8; MAX_LENGTH],
    length: usize,
    fields: [(u8, u8, u8); MAX_FIELDS],
    /// How many of the fields belong to the date, and how many there are; those of the date come first.
    dates: usize,
    count: usize,
    per_second: i64,
    day: Option<i64>,
}

impl Writer {
    pub(super) fn new(format: &Format) -> Self {
        let mut buffer = [0; MAX_LENGTH];
        buffer[..format.text.len()].copy_from_slice(format.text);
        let mut fields = [(0, 0, 0); MAX_FIELDS];
        let (mut dates, mut count) = (0, 0);
        for_each_field(format.text, |letter, start, end| {
            fields[count] = (letter, start as u8, end as u8);
            count += 1;
            dates += usize::from(!matches!(letter, b'h' | b'm' | b's' | b'f'));
            true
        });
        let per_second = format.scale().per_second;
        Self { buffer, length: format.text.len(), fields, dates, count, per_second, day: None }
    }

    /// True when the text is the spelling of the value.
    #[inline]
    pub(super) fn is(&mut self, value: i64, text: &[u8]) -> bool {
        let mut place = [0; MAX_LENGTH];
        let length = self.write_to(value, &mut place);
        text == &place[..length]
    }

    /// Writes a value in units of the resolution to the start of a place that has room, and returns its length.
    #[inline]
    pub(super) fn write_to(&mut self, value: i64, place: &mut [u8]) -> usize {
        let (seconds, fraction) = match self.per_second {
            1 => (value, 0),
            1000 => (value.div_euclid(1000), value.rem_euclid(1000)),
            per_second => (value.div_euclid(per_second), value.rem_euclid(per_second)),
        };
        let (days, of_day) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S) as u32);
        if self.day != Some(days) {
            self.day = Some(days);
            self.write_date(days);
        }
        let place = &mut place[..self.length];
        place.copy_from_slice(&self.buffer[..self.length]);
        for &(letter, start, end) in &self.fields[self.dates..self.count] {
            let field = &mut place[usize::from(start)..usize::from(end)];
            match letter {
                b'h' => put_two(of_day / 3600, field),
                b'm' => put_two(of_day / 60 % 60, field),
                b's' => put_two(of_day % 60, field),
                _ => put(fraction.cast_unsigned(), field),
            }
        }
        self.length
    }

    #[cold]
    fn write_date(&mut self, days: i64) {
        let (year, month, day) = date_of(days);
        for &(letter, start, end) in &self.fields[..self.dates] {
            let place = &mut self.buffer[usize::from(start)..usize::from(end)];
            match letter {
                b'Y' | b'y' => put(year.cast_unsigned(), place),
                b'M' => put(u64::from(month), place),
                b'N' => place.copy_from_slice(MONTHS[month as usize - 1]),
                _ => put(u64::from(day), place),
            }
        }
    }
}

#[inline]
fn put_two(number: u32, place: &mut [u8]) {
    if let [tens, ones] = place {
        (*tens, *ones) = (b'0' + (number / 10) as u8, b'0' + (number % 10) as u8);
    }
}

/// Fills a place with the last digits of a number.
#[inline]
fn put(number: u64, place: &mut [u8]) {
    let mut rest = number;
    for byte in place.iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}
