//! Owns the six fields of AWS's `cron(...)`: what AWS refuses is refused here, the rest is searched by `croner`.
//! Refuses to know time zones: it counts on the clock on the wall.

use chrono::{Datelike as _, NaiveDateTime, Timelike as _};
use croner::parser::{CronParser, Seconds, Year};

/// A calendar pattern.
#[derive(Clone, Debug)]
pub(crate) struct Cron(croner::Cron);

/// One field: what may stand in it.
struct Field {
    name: &'static str,
    least: u16,
    most: u16,
    /// Names of `least`, `least + 1`, ...
    names: &'static [&'static str],
    /// Which of `?`, `L`, `W` and `#` have a meaning.
    marks: &'static str,
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The last year of a schedule.
const LAST_YEAR: u16 = 2199;

const FIELDS: [Field; 6] = [
    Field { name: "minutes", least: 0, most: 59, names: &[], marks: "" },
    Field { name: "hours", least: 0, most: 23, names: &[], marks: "" },
    Field { name: "day-of-month", least: 1, most: 31, names: &[], marks: "?LW" },
    Field { name: "month", least: 1, most: 12, names: MONTHS, marks: "" },
    Field { name: "day-of-week", least: 1, most: 7, names: WEEKDAYS, marks: "?L#" },
    Field { name: "year", least: 1970, most: LAST_YEAR, names: &[], marks: "" },
];

impl Cron {
    /// Reads what stands in `cron(...)`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Cron, String> {
        let given: Vec<&str> = text.split_whitespace().collect();
        if given.len() != FIELDS.len() {
            let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
            return Err(format!("It has {} fields and needs six: {}.", given.len(), names.join(", ")));
        }
        match (given[2], given[4]) {
            ("?", "?") => return Err("One of day-of-month and day-of-week must say something.".to_owned()),
            ("?", _) | (_, "?") => {}
            _ => return Err("One of day-of-month and day-of-week must be `?`.".to_owned()),
        }
        let fields = FIELDS.iter().zip(given).map(|(field, text)| field.normal(text));
        // AWS has no seconds: they are always 0.
        let pattern = format!("0 {}", fields.collect::<Result<Vec<_>, _>>()?.join(" "));
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Required)
            .alternative_weekdays(true)
            .dom_and_dow(true)
            .sloppy_ranges(true)
            .build();
        parser.parse(&pattern).map(Cron).map_err(|error| format!("It cannot be read: {error}."))
    }

    /// The first time after `local` that the pattern names.
    pub(crate) fn next(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let found =
            self.0.find_next_occurrence(&local.with_nanosecond(0)?.and_utc(), false).ok()?.naive_utc();
        (found.year() <= i32::from(LAST_YEAR)).then_some(found)
    }
}

impl Field {
    /// The field with numbers for names and `*` for `?`, if AWS takes it.
    fn normal(&self, text: &str) -> Result<String, String> {
        if text == "?" && self.may(b'?') {
            return Ok("*".to_owned());
        }
        let items: Vec<&str> = text.split(',').collect();
        let alone = items.len() == 1;
        let items = items.iter().map(|item| self.item(item, alone));
        items
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(","))
            .ok_or_else(|| format!("`{text}` is no {} ({}).", self.name, self.described()))
    }

    fn may(&self, mark: u8) -> bool {
        self.marks.as_bytes().contains(&mark)
    }

    /// One of a list; `L`, `W` and `#` stand alone.
    fn item(&self, item: &str, alone: bool) -> Option<String> {
        if alone && let Some(marked) = self.marked(item) {
            return Some(marked);
        }
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let range = match range.split_once('-') {
            None if range == "*" => "*".to_owned(),
            None => self.number(range)?.to_string(),
            Some((first, last)) => {
                let (first, last) = (self.number(first)?, self.number(last)?);
                if first > last {
                    return None;
                }
                format!("{first}-{last}")
            }
        };
        match step {
            None => Some(range),
            Some(step) => {
                let step = whole(step).filter(|step| (1..=self.most).contains(step))?;
                Some(format!("{range}/{step}"))
            }
        }
    }

    fn marked(&self, item: &str) -> Option<String> {
        let item = item.to_ascii_uppercase();
        if self.may(b'W') {
            if item == "L" || item == "LW" {
                return Some(item);
            }
            return Some(format!("{}W", self.number(item.strip_suffix('W')?)?));
        }
        if self.may(b'#') {
            if let Some((day, nth)) = item.split_once('#') {
                let nth = whole(nth).filter(|nth| (1..=5).contains(nth))?;
                return Some(format!("{}#{nth}", self.number(day)?));
            }
            // `L` alone is the last day of the week, Saturday.
            return match item.strip_suffix('L')? {
                "" => Some(self.most.to_string()),
                day => Some(format!("{}L", self.number(day)?)),
            };
        }
        None
    }

    fn number(&self, text: &str) -> Option<u16> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(index) => self.least + u16::try_from(index).ok()?,
            None => whole(text)?,
        };
        (self.least..=self.most).contains(&number).then_some(number)
    }

    fn described(&self) -> String {
        let Field { least, most, names, marks, .. } = self;
        let names = match (names.first(), names.last()) {
            (Some(first), Some(last)) => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        let marks: String = marks.chars().flat_map(|mark| [' ', mark]).collect();
        format!("{least} to {most}{names}, and , - * /{marks}")
    }
}

/// Digits only: no sign, no space.
fn whole(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
