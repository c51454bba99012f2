//! Random events and random queries over them: a few fields whose values have the same shape in most
//! stories and every shape in some, lines of text, broken JSON, and ties everywhere.

use std::fmt;

use super::BASE;
use crate::MemoryEvent;
use crate::text::syntax::QuotedText;

/// Small, fast and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("fits")
    }

    pub(super) fn of<'l>(&mut self, list: &[&'l str]) -> &'l str {
        list[self.below(list.len())]
    }

    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Random) -> T) -> Vec<T> {
        (0..1 + self.below(most)).map(|_| make(self)).collect()
    }
}

/// Fields of the events, as a query names them.
const FIELDS: &[&str] =
    &["n", "lat", "fx", "uid", "level", "s", "num", "t", "d.e", "d.f.0", "big", "mix", "req.id"];

/// What a field's values look like in one story.
const SHAPES: &[fn(&mut Random) -> String] = &[
    |r| r.below(12).to_string(),
    |r| (r.below(9) as i64 - 4).to_string(),
    |r| format!("{:?}", r.below(80) as f64 / 8.0),
    |r| format!("{:.2}", r.below(40) as f64 / 4.0),
    |r| format!("\"u-{:07}\"", r.below(9)),
    |r| format!("\"u-{}\"", r.below(12)),
    |r| format!("\"{}\"", r.of(&["INFO", "WARN", "ERROR", "DEBUG"])),
    |r| {
        format!(
            "\"{}\"",
            r.of(&["", "x", "a b", "\\u0078", "q\\\"q", "tab\\t", "ünï", "null", "true", "a\\/b"])
        )
    },
    |r| format!("\"{}\"", r.of(&["007", "7", "7.0", "1e3", "1000", "-5", " 5", "0", "00", "5."])),
    |r| r.of(&["true", "false", "null", "1", "0"]).to_owned(),
    |r| {
        r.of(&["1e3", "1E-1", "9007199254740993", "9007199254740992", "18446744073709551616", "-0", "0.0"])
            .to_owned()
    },
    |r| r.of(&["null", "\"x\"", "3", "2.5", "\"3\"", "true", "\"2.5\"", "[]", "{}", "[1,\"y\"]"]).to_owned(),
    |r| format!("\"{:08x}-{:04x}\"", r.below(5) * 0x1234_5678 + 1, r.below(3) * 0xabc),
    |r| format!("\"{}\"", r.below(4) * 250),
];

/// The shape that a field has in most stories.
const USUAL: &[usize] = &[0, 2, 3, 4, 6, 7, 8, 9, 0, 1, 10, 11, 12];

/// Lines of text that fill in numbers.
const LINES: &[&str] = &[
    "10.0.0.# - - [20/Nov/2026:04:00:0#] \"GET /api/v1/item-# HTTP/1.1\" 20# #35 \"-\" \"curl/8.7.#\"",
    "10.0.0.# - - [20/Nov/2026:04:00:0#] \"POST /healthz HTTP/1.1\" 50# - \"-\" \"Mozilla/5.0 (X#; y) k/#\"",
    "worker-# upstream timed out after #0ms on host-#",
    "worker-# upstream reset after ##00ms",
    "upstream reset after noms",
    "level=INFO user=u-# took #ms",
    "level=ERROR user=u-# took #.#ms timeout",
    "2 123456789010 eni-# 10.0.0.# 10.0.0.9 2# 49# 6 2# #24 14#0 14#1 ACCEPT OK",
    "1.0 2026-11-20T04:00:0#Z Z# example.com A NOERROR UDP HEL5# 10.0.0.# -",
    "plain words only",
    "Error # error",
    "",
    " ",
    "{\"n\": #",
    "{\"n\": #} trailing",
    "  {\"n\": #, \"level\": \"INFO\"}  ",
    "{\"n\":#,\"n\":\"again\",\"level\":null,\"level\":\"late\"}",
    "{\"d.e\":#,\"d\":{\"e\":\"inner\"}}",
    "[#, 2]",
    "{}",
    "START RequestId: 0000000#-0000-0000-0000-000000000000 Version: $LATEST",
    "REPORT RequestId: 0000000#-0000-0000-0000-000000000000\tDuration: #.5 ms\tMemory Size: #28 MB\t",
    "2026-11-20T04:00:00Z\tINFO\tgot {\"n\": #, \"level\": \"WARN\"} and {\"n\": 9}",
    "key: value # : \"two words\" \"one\" ünï#",
    "**#** a*b",
];

/// Events of one log group.
pub(super) struct Story {
    pub(super) log: String,
    pub(super) events: Vec<MemoryEvent>,
}

impl Story {
    pub(super) fn new(random: &mut Random) -> Story {
        let group = random.of(&["/app", "/app", "/app", "/aws/lambda/f"]);
        let shapes: Vec<usize> = USUAL
            .iter()
            .map(|usual| if random.below(6) == 0 { random.below(SHAPES.len()) } else { *usual })
            .collect();
        let present: Vec<usize> = FIELDS.iter().map(|_| [0, 0, 0, 1, 2][random.below(5)]).collect();
        let lines: Vec<&str> = random.some(4, |r| r.of(LINES));
        let text = random.below(5);
        let spaced = random.below(4) == 0;
        let count = if random.below(5) == 0 { 120 } else { 30 };
        let count = random.below(count);
        let event = |(sequence, random): (usize, &mut Random)| {
            let message = if random.below(5) < text {
                random.of(&lines).split('#').fold(String::new(), |line, part| {
                    if line.is_empty() {
                        part.to_owned()
                    } else {
                        format!("{line}{}{part}", random.below(10))
                    }
                })
            } else {
                object(random, &shapes, &present, spaced)
            };
            let outside = if random.below(20) == 0 { -4_000_000 } else { 0 };
            MemoryEvent {
                timestamp: BASE + outside + (random.below(12) * 20_000) as i64,
                ingestion_time: BASE + random.below(3) as i64,
                stream: random.of(&["s1", "s2"]).to_owned(),
                message,
                position: (0, sequence as u64),
                pointer: format!("p{sequence}"),
            }
        };
        let events = (0..count).map(|sequence| event((sequence, random))).collect();
        Story { log: format!("1:{group}"), events }
    }
}

fn object(random: &mut Random, shapes: &[usize], present: &[usize], spaced: bool) -> String {
    let mut value = |field: usize| {
        let shape = if random.below(40) == 0 { random.below(SHAPES.len()) } else { shapes[field] };
        let there = match present[field] {
            0 => true,
            1 => random.below(3) > 0,
            _ => random.below(4) == 0,
        };
        there.then(|| SHAPES[shape](random))
    };
    let (colon, comma) = if spaced { (": ", ", ") } else { (":", ",") };
    let mut members = Vec::new();
    for field in [0, 1, 2, 3, 4, 5, 6, 7, 10, 11] {
        members.extend(value(field).map(|v| format!("\"{}\"{colon}{v}", FIELDS[field])));
    }
    if let (Some(e), f) = (value(8), value(9)) {
        let list = f.map_or_else(String::new, |f| format!("{comma}\"f\"{colon}[{f}]"));
        members.push(format!("\"d\"{colon}{{\"e\"{colon}{e}{list}}}"));
    }
    members.extend(value(12).map(|v| format!("\"req\"{colon}{{\"id\"{colon}{v}}}")));
    format!("{{{}}}", members.join(comma))
}

/// One aggregate of a `stats`.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) function: &'static str,
    pub(super) field: Option<String>,
    pub(super) parameter: Option<f64>,
    pub(super) alias: String,
}

/// A command as data; prints as the language writes it.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Fields(Vec<(String, Option<String>)>),
    Filter(String),
    Glob { subject: Option<String>, pattern: String, names: Vec<String> },
    Regex { subject: Option<String>, pattern: String, names: Vec<String>, multi: bool },
    Sort(Vec<(String, bool)>),
    Limit(usize),
    Dedup(Vec<String>),
    Stats { items: Vec<Aggregate>, keys: Vec<(String, String)> },
    Display(Vec<String>),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Fields(list) => {
                let item = |(e, alias): &(String, Option<String>)| match alias {
                    Some(alias) => format!("{e} as {alias}"),
                    None => e.clone(),
                };
                write!(f, "fields {}", list.iter().map(item).collect::<Vec<_>>().join(", "))
            }
            Command::Filter(e) => write!(f, "filter {e}"),
            Command::Glob { subject, pattern, names } => {
                let subject = subject.as_deref().unwrap_or("@message");
                write!(f, "parse {subject} {} as {}", QuotedText(pattern), names.join(", "))
            }
            Command::Regex { subject, pattern, multi, .. } => {
                let subject = subject.as_deref().unwrap_or("@message");
                write!(f, "parse {subject} /{pattern}/{}", if *multi { " multi" } else { "" })
            }
            Command::Sort(keys) => {
                let key = |(e, down): &(String, bool)| format!("{e} {}", if *down { "desc" } else { "asc" });
                write!(f, "sort {}", keys.iter().map(key).collect::<Vec<_>>().join(", "))
            }
            Command::Limit(rows) => write!(f, "limit {rows}"),
            Command::Dedup(names) => write!(f, "dedup {}", names.join(", ")),
            Command::Stats { items, keys } => {
                let item = |item: &Aggregate| {
                    let parameter = item.parameter.map_or_else(String::new, |p| format!(", {p}"));
                    let field = item.field.as_deref().unwrap_or("*");
                    format!("{}({field}{parameter}) as {}", item.function, item.alias)
                };
                write!(f, "stats {}", items.iter().map(item).collect::<Vec<_>>().join(", "))?;
                let key = |(e, alias): &(String, String)| format!("{e} as {alias}");
                if keys.is_empty() {
                    return Ok(());
                }
                write!(f, " by {}", keys.iter().map(key).collect::<Vec<_>>().join(", "))
            }
            Command::Display(names) => write!(f, "display {}", names.join(", ")),
        }
    }
}

/// Names that mean something where the next command stands.
struct Names {
    list: Vec<String>,
    events: bool,
}

const SYSTEM: &[&str] = &[
    "@message",
    "@message",
    "@timestamp",
    "@logStream",
    "@ingestionTime",
    "@log",
    "nosuch",
    "bytes",
    "protocol",
];

const REGEXES: &[&str] = &[
    r"upstream (timed out|reset) after \d{3,}ms",
    r"upstream (timed out|reset) after \d+ms",
    "timeout|reset|curl",
    "level=(INFO|ERROR) user=u-[0-9]",
    r#""n": ?\d+,"lat""#,
    "(GET|POST) /[a-z]+",
    "host-[0-5]",
    "Error [0-4]",
    "(took|got|user=u-) ?[0-6]+",
    "[0-4] (err|up)",
    "u-0*[1-4]",
    "1[.](1|6)",
    "[Ee]rror",
    "(?i)error",
    "^GET|POST",
    r"u-\d+",
    r"^\d",
    "I?NFO",
    "(ERROR|WARN)",
    r#""n": ?[1-3]"#,
    "x|",
    ".",
    r"\s\d+$",
    "[13579]$",
    "(0|5)0",
];

const GLOBS: &[(&str, usize)] = &[
    ("* - - [*] \"* * *\" * * *", 8),
    ("* - - [*]", 2),
    ("level=* user=* took *ms", 3),
    ("user=*", 1),
    ("\"*\"", 1),
    ("* after *", 2),
    ("\"n\":*,", 1),
    ("*:*", 2),
    ("\"uid\":\"u-*\"", 1),
    (" * ", 1),
    ("**", 2),
    ("HTTP/*\" *", 2),
    ("0*0", 1),
    ("*", 1),
];

/// A piece of some message, to be looked for as it is.
fn piece(story: &Story, random: &mut Random) -> String {
    if story.events.is_empty() {
        return "x".to_owned();
    }
    let chars: Vec<char> = story.events[random.below(story.events.len())].message.chars().collect();
    if chars.is_empty() {
        return "error".to_owned();
    }
    let start = random.below(chars.len());
    let end = (start + 1 + random.below(8)).min(chars.len());
    chars[start..end].iter().filter(|c| **c != '\t').collect()
}

fn literal(random: &mut Random) -> String {
    let token = SHAPES[random.below(9)](random);
    let is_plain = token.starts_with('"') && !token.contains('\\');
    let number = token.parse::<f64>().is_ok();
    if is_plain || number { token } else { "\"x\"".to_owned() }
}

fn name(names: &Names, random: &mut Random) -> String {
    names.list[random.below(names.list.len())].clone()
}

fn pattern(story: &Story, random: &mut Random) -> String {
    match random.below(4) {
        0 => QuotedText(&piece(story, random)).to_string(),
        1 => format!("/{}/", regex::escape(&piece(story, random)).replace('/', "\\/")),
        _ => format!("/{}/", random.of(REGEXES).replace('/', "\\/")),
    }
}

fn condition(names: &Names, story: &Story, random: &mut Random, depth: usize) -> String {
    let field = name(names, random);
    match random.below(if depth > 0 { 9 } else { 6 }) {
        0 => format!("{field} {} {}", random.of(&["=", "!=", "<", "<=", ">", ">="]), literal(random)),
        1 => format!("{field} {} {}", random.of(&["=", "!="]), literal(random)),
        2 | 3 => {
            let field = if names.events && random.below(3) > 0 { "@message".to_owned() } else { field };
            format!("{field} {} {}", random.of(&["like", "like", "not like"]), pattern(story, random))
        }
        4 => {
            let list = random.some(3, literal).join(", ");
            format!("{field} {} [{list}]", random.of(&["in", "not in"]))
        }
        5 => {
            let f = random.of(&["ispresent", "isempty", "isNumeric"]);
            if depth > 0 { format!("{f}({field})") } else { format!("{field} = {field}") }
        }
        6 => format!("not ({})", condition(names, story, random, depth - 1)),
        _ => {
            let op = random.of(&["and", "or"]);
            let (a, b) =
                (condition(names, story, random, depth - 1), condition(names, story, random, depth - 1));
            format!("({a}) {op} ({b})")
        }
    }
}

fn expression(names: &Names, story: &Story, random: &mut Random) -> String {
    let (a, b) = (name(names, random), name(names, random));
    match random.below(9) {
        0 => format!("{a} {} {}", random.of(&["+", "-", "*", "%"]), random.below(5)),
        1 => format!("{a} {} {b}", random.of(&["+", "-", "*"])),
        2 => format!("{}({a})", random.of(&["strlen", "toupper", "abs", "ispresent", "trim", "floor"])),
        3 => format!("{}({a}, {b})", random.of(&["coalesce", "concat", "greatest", "strcontains"])),
        4 if names.events => format!("bin({})", random.of(&["1m", "30s", "1h"])),
        5 => format!("datefloor({a}, 1m)"),
        6 => condition(names, story, random, 1),
        7 => format!("-{a}"),
        _ => a,
    }
}

fn aggregate(names: &Names, first: bool, number: usize, random: &mut Random) -> Aggregate {
    const ALL: &[&str] = &[
        "count",
        "count",
        "count",
        "count_distinct",
        "count_distinct",
        "sum",
        "avg",
        "min",
        "max",
        "pct",
        "pct",
        "stddev",
        "values",
        "earliest",
        "latest",
    ];
    let timed = first && names.list.iter().any(|n| n == "@timestamp");
    let function = ALL[random.below(if timed { ALL.len() } else { ALL.len() - 2 })];
    let field = (function != "count" || random.below(2) == 0).then(|| name(names, random));
    let parameter = (function == "pct").then(|| [0.0, 50.0, 90.0, 99.0, 100.0][random.below(5)]);
    Aggregate { function, field, parameter, alias: format!("s{number}") }
}

fn key(names: &Names, story: &Story, at: usize, random: &mut Random) -> (String, String) {
    let text = if random.below(3) == 0 { expression(names, story, random) } else { name(names, random) };
    (text, format!("k{at}"))
}

fn parse(story: &Story, fresh: &mut usize, random: &mut Random) -> Command {
    let mut names = |count: usize| -> Vec<String> {
        (0..count)
            .map(|_| {
                *fresh += 1;
                format!("v{fresh}")
            })
            .collect()
    };
    let subject = [None, None, None, Some("s"), Some("uid")][random.below(5)].map(str::to_owned);
    if random.below(4) == 0 {
        let names = names(1);
        let pattern = match random.below(3) {
            0 => format!(r"(?<{}>\d+)", names[0]),
            1 => format!(r"level=(?<{}>\w*)", names[0]),
            _ => format!("(?<{}>[a-z]+) ?[0-9]?", names[0]),
        };
        return Command::Regex { subject, pattern, names, multi: random.below(4) == 0 };
    }
    if random.below(3) == 0 {
        // A message with some of it left out.
        let message: Vec<String> = (0..2).map(|_| piece(story, random).replace(['*', '\\'], ".")).collect();
        let pattern = format!("{}*{}", message[0], if random.below(2) == 0 { &message[1] } else { "" });
        return Command::Glob { subject: None, pattern, names: names(1) };
    }
    let (pattern, count) = GLOBS[random.below(GLOBS.len())];
    Command::Glob { subject, pattern: pattern.to_owned(), names: names(count) }
}

/// Row commands, perhaps `stats` and what follows, and at the end what is shown.
pub(super) fn query(story: &Story, random: &mut Random) -> Vec<Command> {
    let list = FIELDS.iter().chain(FIELDS).chain(SYSTEM).map(ToString::to_string).collect();
    let mut names = Names { list, events: true };
    let mut commands = Vec::new();
    let (mut fresh, mut first) = (0, true);
    for _ in 0..random.below(5) {
        let command = match random.below(10) {
            0..4 => Command::Filter(condition(&names, story, random, 2)),
            4 => {
                fresh += 1;
                Command::Fields(vec![(expression(&names, story, random), Some(format!("x{fresh}")))])
            }
            5 | 6 => parse(story, &mut fresh, random),
            7 => Command::Sort(random.some(2, |r| (name(&names, r), r.below(2) == 0))),
            8 => {
                first = false;
                Command::Limit(1 + random.below(20))
            }
            _ => continue,
        };
        match &command {
            Command::Fields(list) => names.list.extend(list.iter().filter_map(|(_, alias)| alias.clone())),
            Command::Glob { names: new, .. } | Command::Regex { names: new, .. } => {
                names.list.extend(new.iter().cloned());
            }
            _ => {}
        }
        commands.push(command);
    }
    if random.below(2) == 0 {
        stats(&mut commands, &mut names, first, story, random);
    } else if random.below(3) > 0 {
        let key = name(&names, random);
        commands.push(Command::Sort(vec![(key, random.below(2) == 0)]));
    }
    let shown: Vec<String> = random.some(4, |r| name(&names, r));
    let mut display: Vec<String> = shown.into_iter().filter(|n| n != "@ptr").collect();
    display.sort();
    display.dedup();
    commands.push(Command::Display(display));
    match random.below(4) {
        0 if names.events => {
            let keys = random.some(2, |r| name(&names, r));
            commands.push(Command::Dedup(keys));
        }
        0 | 1 => commands.push(Command::Limit(1 + random.below(12))),
        _ => {}
    }
    commands
}

fn stats(commands: &mut Vec<Command>, names: &mut Names, first: bool, story: &Story, random: &mut Random) {
    let items: Vec<Aggregate> =
        (0..=random.below(3)).map(|number| aggregate(names, first, number, random)).collect();
    let keys: Vec<(String, String)> = (0..random.below(4)).map(|at| key(names, story, at, random)).collect();
    let plain = |item: &&Aggregate| item.function != "values";
    names.events = false;
    names.list = items.iter().filter(plain).map(|item| item.alias.clone()).collect();
    names.list.extend(keys.iter().map(|(_, alias)| alias.clone()));
    let shown: Vec<String> = items.iter().map(|item| item.alias.clone()).collect();
    commands.push(Command::Stats { items, keys });
    if names.list.is_empty() {
        names.list = shown;
        return;
    }
    if random.below(4) == 0 {
        let key = name(names, random);
        commands.push(Command::Filter(format!("{key} >= 1")));
    }
}
