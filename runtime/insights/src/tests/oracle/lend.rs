//! A block that lends its events in one of many ways: whole messages, or templates and columns that
//! it makes of them by itself, in any shape that holds the values; with or without bounds, facts,
//! search, and rows that must not be seen.

use std::collections::HashMap;

use super::generate::Random;
use crate::value::json::{Next, Scalar, Scanner};
use crate::value::number::{self, Number};
use crate::{
    Block, Codes, Execution, Facts, Fraction, MemoryBlock, MemoryEvent, Numbers, Templates, Texts, Variable,
};

pub(super) struct Lent {
    inner: MemoryBlock,
    visible: Option<Vec<u32>>,
    bounds: Option<(i64, i64)>,
    search: bool,
    stream: Option<String>,
    made: Option<Made>,
}

struct Template {
    parts: Vec<String>,
    columns: Vec<u32>,
    object: bool,
}

struct Made {
    templates: Vec<Template>,
    of_rows: Option<Vec<u8>>,
    columns: Vec<Held>,
    /// Some values are given as texts.
    texts: bool,
}

struct Held {
    rows: Option<Vec<u32>>,
    shape: Shape,
    facts: Facts,
    /// The distinct values, if told.
    known: Option<Vec<String>>,
    /// The distinct values.
    all: Vec<String>,
}

enum Shape {
    Constant(String),
    Small(Vec<u8>, Vec<String>),
    Large(Vec<u16>, Vec<String>),
    Ints(Vec<i64>),
    Decimals(Vec<i64>, u8, Fraction),
    Numbered(String, String, u8, Vec<i64>),
    Texts(String, Vec<u32>),
}

/// A message in parts: its static texts, and its variables with what tells their columns apart.
#[derive(Default)]
struct Cut {
    parts: Vec<String>,
    variables: Vec<(String, String)>,
    object: bool,
}

impl Cut {
    fn whole(message: &str) -> Cut {
        Cut {
            parts: vec![String::new(); 2],
            variables: vec![("whole".to_owned(), message.to_owned())],
            object: false,
        }
    }

    fn object(message: &str) -> Option<Cut> {
        if !message.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return None;
        }
        let mut found = Vec::new();
        let mut scanner = Scanner::new(message, 0);
        walk(&mut scanner, message, "", &mut found)?;
        scanner.end()?;
        let mut cut = Cut { object: true, ..Cut::default() };
        let mut at = 0;
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (path, start, end) in found {
            cut.parts.push(message[at..start].to_owned());
            // The same path again is another column.
            let times = seen.entry(path.clone()).or_default();
            *times += 1;
            cut.variables.push((format!("{path} {times}"), message[start..end].to_owned()));
            at = end;
        }
        cut.parts.push(message[at..].to_owned());
        Some(cut)
    }

    /// Runs with a digit, and what stands in short quotes, are variables.
    fn text(message: &str) -> Cut {
        let mut cut = Cut::default();
        let is_part = |c: char| c.is_alphanumeric() || "_.:/+-".contains(c);
        let mut fixed = String::new();
        let mut rest = message;
        while let Some(first) = rest.chars().next() {
            let run = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let word = &rest[..run];
            let quoted = fixed.ends_with('"') && rest[run..].starts_with('"');
            if run == 0 {
                fixed.push(first);
                rest = &rest[first.len_utf8()..];
            } else {
                if quoted || word.contains(|c: char| c.is_ascii_digit()) {
                    let slot = cut.variables.len().to_string();
                    cut.parts.push(std::mem::take(&mut fixed));
                    cut.variables.push((slot, word.to_owned()));
                } else {
                    fixed.push_str(word);
                }
                rest = &rest[run..];
            }
        }
        cut.parts.push(fixed);
        cut
    }
}

fn walk(
    scanner: &mut Scanner<'_>,
    text: &str,
    path: &str,
    out: &mut Vec<(String, usize, usize)>,
) -> Option<()> {
    match scanner.next()? {
        Next::Scalar => {
            let start = scanner.place();
            let quoted = matches!(scanner.scalar()?, Scalar::Text(_));
            let end = scanner.place();
            assert!(text.is_char_boundary(start) && text.is_char_boundary(end));
            let inset = usize::from(quoted);
            out.push((format!("{path}{}", if quoted { " quoted" } else { "" }), start + inset, end - inset));
        }
        Next::Object => {
            let mut more = scanner.open(b'}')?;
            while more {
                let key = scanner.key()?.decode().into_owned();
                walk(scanner, text, &format!("{path}/{key}"), out)?;
                more = scanner.more(b'}')?;
            }
        }
        Next::Array => {
            let mut more = scanner.open(b']')?;
            let mut index = 0;
            while more {
                walk(scanner, text, &format!("{path}/{index}"), out)?;
                index += 1;
                more = scanner.more(b']')?;
            }
        }
    }
    Some(())
}

impl Lent {
    pub(super) fn new(log: &str, mut events: Vec<MemoryEvent>, random: &mut Random) -> Lent {
        let sorted = random.below(3) > 0;
        if sorted {
            events.sort_by_key(|event| (event.timestamp, event.position));
        }
        let mut visible = None;
        if random.below(3) == 0 {
            let (mut all, mut rows) = (Vec::new(), Vec::new());
            for event in events {
                while random.below(3) == 0 {
                    let message = random.of(&["{\"a\":1,\"n\":99}", "hidden error 500", &event.message]);
                    all.push(MemoryEvent { message: message.to_owned(), ..event.clone() });
                }
                rows.push(u32::try_from(all.len()).expect("few"));
                all.push(event);
            }
            events = all;
            visible = Some(rows);
        }
        let seen = |at: usize| visible.as_ref().is_none_or(|rows| rows.contains(&(at as u32)));
        let times = || (0..events.len()).filter(|at| seen(*at)).map(|at| events[at].timestamp);
        let bounds = times().min().zip(times().max()).filter(|_| random.below(2) == 0);
        let streams = events.windows(2).all(|pair| pair[0].stream == pair[1].stream);
        let stream = events.first().filter(|_| streams).map(|event| event.stream.clone());
        let made = (random.below(5) > 0 && !events.is_empty()).then(|| Made::new(&events, random));
        let search = random.below(3) > 0;
        Lent { inner: MemoryBlock::new(log, events), visible, bounds, search, stream, made }
    }

    /// Whether the execution still wants the block.
    pub(super) fn wanted(&self, _execution: &Execution) -> bool {
        !self.inner.is_empty()
    }
}

impl Made {
    fn new(events: &[MemoryEvent], random: &mut Random) -> Made {
        let texts = random.below(2) == 0;
        let mut made = Made { templates: Vec::new(), of_rows: None, columns: Vec::new(), texts };
        // Columns of text templates may be shared by slot.
        let (shared, whole) = (random.below(2) == 0, random.below(6));
        let mut known: HashMap<(Vec<String>, bool), u8> = HashMap::new();
        let mut columns: HashMap<String, u32> = HashMap::new();
        let mut values: Vec<Vec<(u32, String)>> = Vec::new();
        let mut of_rows = Vec::new();
        for (row, event) in events.iter().enumerate() {
            let mut cut = match Cut::object(&event.message) {
                Some(cut) if whole != 0 => cut,
                _ if random.below(8) == 0 || whole == 1 => Cut::whole(&event.message),
                _ => Cut::text(&event.message),
            };
            let next = u8::try_from(known.len()).expect("few");
            let template = *known.entry((cut.parts.clone(), cut.object)).or_insert(next);
            let mut list = Vec::new();
            for (name, value) in std::mem::take(&mut cut.variables) {
                let name = match cut.object {
                    true => format!("object {name}"),
                    false if shared => format!("{} {name}", cut.parts.len()),
                    false => format!("{template} {name}"),
                };
                let fresh = u32::try_from(columns.len()).expect("few");
                let column = *columns.entry(name).or_insert(fresh);
                values.resize_with(columns.len(), Vec::new);
                values[column as usize].push((u32::try_from(row).expect("few"), value));
                list.push(column);
            }
            if usize::from(template) == made.templates.len() {
                made.templates.push(Template { parts: cut.parts, columns: list, object: cut.object });
            }
            of_rows.push(template);
        }
        made.columns = values.into_iter().map(|column| Held::new(column, events.len(), random)).collect();
        made.of_rows = (made.templates.len() > 1 || random.below(2) == 0).then_some(of_rows);
        made
    }
}

impl Held {
    fn new(column: Vec<(u32, String)>, len: usize, random: &mut Random) -> Held {
        let rows = (column.len() < len || random.below(2) == 0)
            .then(|| column.iter().map(|(row, _)| *row).collect());
        let values: Vec<String> = column.into_iter().map(|(_, value)| value).collect();
        let mut facts = Facts { min: None, max: None, bytes: [0; 4] };
        for byte in values.iter().flat_map(|value| value.bytes()) {
            facts.bytes[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        let numbers: Option<Vec<f64>> = values.iter().map(|v| number::parse(v).map(Number::float)).collect();
        if let Some(numbers) = numbers.filter(|_| random.below(3) > 0) {
            let slack = [0.0, 1.0][random.below(2)];
            facts.min = Some(numbers.iter().copied().fold(f64::INFINITY, f64::min) - slack);
            facts.max = Some(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max) + slack);
        }
        if random.below(4) == 0 {
            facts.bytes = [u64::MAX; 4];
        }
        let mut distinct = values.clone();
        distinct.sort();
        distinct.dedup();
        let known = (random.below(2) == 0 && distinct.len() < 20).then(|| distinct.clone());
        Held { rows, all: distinct.clone(), shape: Shape::new(&values, distinct, random), facts, known }
    }
}

impl Shape {
    /// One of the shapes that can hold the values, the special ones more often.
    fn new(values: &[String], mut distinct: Vec<String>, random: &mut Random) -> Shape {
        if distinct.len() == 1 && random.below(3) > 0 {
            return Shape::Constant(distinct.remove(0));
        }
        if random.below(4) > 0
            && let Some(shape) = Shape::special(values, random)
        {
            return shape;
        }
        if random.below(2) == 0 {
            if random.below(3) == 0 {
                distinct.push("never".to_owned());
            }
            let code = |value: &String| distinct.iter().position(|d| d == value).expect("is there");
            if distinct.len() <= 256 && random.below(2) == 0 {
                let codes = values.iter().map(|value| u8::try_from(code(value)).expect("fits")).collect();
                return Shape::Small(codes, distinct);
            }
            let codes = values.iter().map(|value| u16::try_from(code(value)).expect("fits")).collect();
            return Shape::Large(codes, distinct);
        }
        let mut text = String::new();
        let mut ends = Vec::new();
        for value in values {
            text.push_str(value);
            ends.push(u32::try_from(text.len()).expect("small"));
        }
        Shape::Texts(text, ends)
    }

    fn special(values: &[String], random: &mut Random) -> Option<Shape> {
        let ints: Option<Vec<i64>> = values.iter().map(|value| value.parse().ok()).collect();
        let candidates = [
            ints.map(Shape::Ints),
            Shape::decimals(values, Fraction::Fixed),
            Shape::decimals(values, Fraction::Trimmed),
            Shape::numbered(values),
        ];
        let exact = |shape: &Shape| {
            let variable = shape.variable();
            values.iter().enumerate().all(|(at, value)| {
                let mut out = String::new();
                variable.write(at, &mut out);
                out == *value
            })
        };
        let mut holding: Vec<Shape> = candidates.into_iter().flatten().filter(exact).collect();
        (!holding.is_empty()).then(|| holding.swap_remove(random.below(holding.len())))
    }

    fn decimals(values: &[String], fraction: Fraction) -> Option<Shape> {
        let digits = |value: &String| value.split_once('.').map(|(_, rest)| rest.len());
        let scale = values.iter().map(digits).max()??;
        let mantissa = |value: &String| {
            let (whole, rest) = value.split_once('.')?;
            format!("{whole}{rest}{}", "0".repeat(scale.checked_sub(rest.len())?)).parse().ok()
        };
        let mantissas: Option<Vec<i64>> = values.iter().map(mantissa).collect();
        Some(Shape::Decimals(mantissas?, u8::try_from(scale).ok()?, fraction))
    }

    fn numbered(values: &[String]) -> Option<Shape> {
        let first = values.first()?;
        let start = first.find(|c: char| c.is_ascii_digit())?;
        let end = first.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (prefix, suffix) = (&first[..start], &first[end..]);
        let middle = |value: &'_ String| {
            Some(value.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned()).filter(|v| !v.starts_with('+'))
        };
        let texts: Vec<String> = values.iter().map(middle).collect::<Option<_>>()?;
        let width = texts.iter().filter(|t| t.starts_with('0')).map(String::len).max().unwrap_or(0);
        let numbers: Option<Vec<i64>> =
            texts.iter().map(|t| t.parse().ok().filter(|n: &i64| *n >= 0)).collect();
        Some(Shape::Numbered(prefix.to_owned(), suffix.to_owned(), u8::try_from(width).ok()?, numbers?))
    }

    fn variable(&self) -> Variable<'_> {
        match self {
            Shape::Constant(text) => Variable::Constant(text),
            Shape::Small(codes, values) => Variable::Dictionary {
                codes: Codes::U8(codes),
                values: values.iter().map(String::as_str).collect(),
            },
            Shape::Large(codes, values) => Variable::Dictionary {
                codes: Codes::U16(codes),
                values: values.iter().map(String::as_str).collect(),
            },
            Shape::Ints(values) => Variable::Ints(Numbers::I64(values)),
            Shape::Decimals(mantissas, scale, fraction) => {
                Variable::Decimals { mantissas: Numbers::I64(mantissas), scale: *scale, fraction: *fraction }
            }
            Shape::Numbered(prefix, suffix, width, values) => {
                Variable::Numbered { prefix, suffix, width: *width, values: Numbers::I64(values) }
            }
            Shape::Texts(text, ends) => Variable::Texts { text, ends },
        }
    }
}

impl Templates for Made {
    fn len(&self) -> usize {
        self.templates.len()
    }

    fn part(&self, template: usize, part: usize) -> &str {
        &self.templates[template].parts[part]
    }

    fn columns(&self, template: usize) -> &[u32] {
        &self.templates[template].columns
    }

    fn is_object(&self, template: usize) -> bool {
        self.templates[template].object
    }

    fn of_rows(&self) -> Option<&[u8]> {
        self.of_rows.as_deref()
    }

    fn column_rows(&self, column: u32) -> Option<&[u32]> {
        self.columns[column as usize].rows.as_deref()
    }

    fn facts(&self, column: u32) -> Facts {
        self.columns[column as usize].facts
    }

    fn values(&self, column: u32) -> Option<Vec<&str>> {
        Some(self.columns[column as usize].known.as_ref()?.iter().map(String::as_str).collect())
    }

    fn lacks(&self, column: u32, text: &str) -> bool {
        self.texts && !self.columns[column as usize].all.iter().any(|value| value.contains(text))
    }

    fn variable(&self, column: u32) -> Variable<'_> {
        self.columns[column as usize].shape.variable()
    }

    fn some_texts(&self, column: u32, indexes: &[u32], into: &mut Texts) -> bool {
        let variable = self.variable(column);
        for index in indexes.iter().filter(|_| self.texts) {
            let mut text = String::new();
            variable.write(*index as usize, &mut text);
            into.push(&text);
        }
        self.texts
    }
}

impl Block for Lent {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn visible(&self) -> Option<&[u32]> {
        self.visible.as_deref()
    }

    fn time_bounds(&self) -> Option<(i64, i64)> {
        self.bounds
    }

    fn timestamps(&self) -> &[i64] {
        self.inner.timestamps()
    }

    fn ingestion_times(&self) -> &[i64] {
        self.inner.ingestion_times()
    }

    fn message(&self, row: usize) -> &str {
        self.inner.message(row)
    }

    fn messages(&self, rows: &[u32], into: &mut Texts) {
        let Some(made) = &self.made else {
            rows.iter().for_each(|row| into.push(self.inner.message(*row as usize)));
            return;
        };
        for row in rows {
            let template = made.of_rows.as_ref().map_or(0, |list| usize::from(list[*row as usize]));
            let mut message = String::new();
            for (at, part) in made.templates[template].parts.iter().enumerate() {
                message.push_str(part);
                if let Some(column) = made.templates[template].columns.get(at) {
                    let held = &made.columns[*column as usize];
                    let index = held.rows.as_ref().map_or(*row as usize, |rows| {
                        rows.binary_search(row).expect("the row has the column")
                    });
                    held.shape.variable().write(index, &mut message);
                }
            }
            assert_eq!(message, self.inner.message(*row as usize), "the test's own templates are exact");
            into.push(&message);
        }
    }

    fn rows_containing(&self, text: &str) -> Option<Vec<u32>> {
        let contains = |row: &u32| self.inner.message(*row as usize).contains(text);
        self.search.then(|| (0..u32::try_from(self.len()).expect("few")).filter(contains).collect())
    }

    fn templates(&self) -> Option<&dyn Templates> {
        self.made.as_ref().map(|made| made as &dyn Templates)
    }

    fn stream_name(&self, row: usize) -> &str {
        self.inner.stream_name(row)
    }

    fn stream(&self) -> Option<&str> {
        self.stream.as_deref()
    }

    fn log_identifier(&self) -> &str {
        self.inner.log_identifier()
    }

    fn pointer(&self, row: usize) -> String {
        self.inner.pointer(row)
    }

    fn position(&self, row: usize) -> (u32, u64) {
        self.inner.position(row)
    }
}
