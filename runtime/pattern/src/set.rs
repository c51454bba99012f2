//! Many patterns over many messages at once: the metric filters of a log group over a page of its events.
//!
//! Owns what is shared between patterns and between messages: literals are searched over the whole text of a page,
//! a message is parsed and split once for all patterns, members are looked up once for all conditions, and nothing
//! is allocated for a message that no pattern wants. Refuses to decide: each kind of pattern owns its own truth.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use memchr::memmem::Finder;

use crate::columns::Field;
use crate::document::Document;
use crate::guests::NoGuests;
use crate::json::{self, Found, JsonPattern, NOWHERE, Names, Tape};
use crate::matcher::Matcher;
use crate::number::Number;
use crate::pattern::Pattern;
use crate::selector::ValueSelector;

/// Messages that stand one after another in one text.
#[derive(Debug, Clone, Copy)]
pub struct Messages<'t> {
    /// The text; what is not UTF-8 in it counts as U+FFFD.
    pub text: &'t [u8],
    /// Where the first message starts.
    pub start: usize,
    /// Where each message ends; the next one starts there.
    pub ends: &'t [u32],
}

/// A text to be looked for.
#[derive(Debug, Clone)]
pub struct Literal(Finder<'static>);

impl Literal {
    /// Prepares the search for a text that is not empty.
    pub fn new(text: &str) -> Literal {
        Literal(Finder::new(text).into_owned())
    }
}

impl<'t> Messages<'t> {
    /// Calls `found` for the messages that hold the literal, rising, each once.
    pub fn each_with(&self, literal: &Literal, found: &mut dyn FnMut(usize)) {
        self.each_row_with(&literal.0, found);
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn message(&self, row: usize) -> &'t [u8] {
        let start = if row == 0 { self.start } else { self.ends[row - 1] as usize };
        &self.text[start..self.ends[row] as usize]
    }

    /// All of it.
    fn whole(&self) -> &'t [u8] {
        let end = self.ends.last().map_or(self.start, |end| *end as usize);
        &self.text[self.start..end]
    }

    /// Calls `found` for the rows that hold the needle, rising, each once.
    fn each_row_with(&self, needle: &Finder<'_>, found: &mut dyn FnMut(usize)) {
        let (text, width) = (self.whole(), needle.needle().len());
        let (mut at, mut row) = (0, 0);
        while let Some(hit) = text.get(at..).and_then(|rest| needle.find(rest)) {
            let from = at + hit;
            while self.ends[row] as usize <= self.start + from {
                row += 1;
            }
            let end = self.ends[row] as usize - self.start;
            if from + width <= end {
                found(row);
                at = end;
            } else {
                // It begins in one message and ends in the next: in neither.
                at = from + 1;
            }
        }
    }
}

/// Shorter literals are in nearly every message.
const SHORTEST: usize = 2;

/// Literals of one pattern that are kept to choose from.
const CHOICES_MAX: usize = 4;

/// Of this many rows ...
const RATE: u32 = 256;

/// ... a literal in more of them is no use: the rows are looked at one by one.
const USEFUL_MAX: u32 = 96;

/// One way to rule messages out: a match holds one of these.
#[derive(Debug)]
struct Choice {
    needles: Vec<Finder<'static>>,
    /// Rows of the last pages that held one, of [`RATE`]. It falls while the choice is not taken, so that it is
    /// tried again.
    rate: AtomicU32,
}

#[derive(Debug)]
struct Member {
    pattern: Pattern,
    choices: Vec<Choice>,
    /// The choices hold only for messages without a backslash.
    unless_escaped: bool,
    /// A message that holds the literal matches.
    decides: bool,
    /// Where the conditions of a JSON pattern begin.
    places: Vec<u16>,
    /// What is read from a match.
    values: Vec<Value>,
}

/// A value to read from a match, and how to get at it.
#[derive(Debug)]
struct Value {
    selector: ValueSelector,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// From a member of the root that is looked up for everyone.
    Member(u16),
    /// From a slot of a space-delimited pattern.
    Slot(usize),
    /// As the selector says.
    Selector,
}

impl Value {
    fn new(selector: ValueSelector, pattern: &Pattern, names: &mut Names) -> Value {
        let way = match pattern.matcher() {
            Matcher::Json(_) => match selector.json().map(|selector| names.place_of(selector)) {
                Some(place) if place != NOWHERE => Way::Member(place),
                _ => Way::Selector,
            },
            Matcher::Columns(columns) => {
                let slot = selector.name().and_then(|name| columns.columns.slot_named(name));
                slot.map_or(Way::Selector, Way::Slot)
            }
            _ => Way::Selector,
        };
        Value { selector, way }
    }
}

/// A message that a pattern matches.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'h, 't> {
    /// Which message.
    pub row: usize,
    /// Which pattern.
    pub pattern: usize,
    document: &'h Document<'t>,
    member: &'h Member,
    /// Members of the document, if it is JSON and they were looked up.
    found: Option<&'h Found>,
}

impl<'h, 't> Hit<'h, 't> {
    /// The message.
    pub fn document(&self) -> &'h Document<'t> {
        self.document
    }

    /// What [`ValueSelector::number`] says, for the pattern's value at this index.
    pub fn number(&self, value: usize) -> Option<f64> {
        let Value { selector, way } = self.member.values.get(value)?;
        let text = match (way, self.found) {
            (Way::Member(place), Some(found)) if selector.json().is_some_and(json::Selector::is_member) => {
                return found.number(*place, self.document.object()?).map(Number::as_f64);
            }
            (Way::Selector, _) => return selector.number(&self.member.pattern, self.document),
            _ => self.text(value)?,
        };
        Number::parse(&text).map(Number::as_f64)
    }

    /// What [`ValueSelector::text`] says, for the pattern's value at this index.
    pub fn text(&self, value: usize) -> Option<Cow<'h, str>> {
        let Value { selector, way } = self.member.values.get(value)?;
        match (way, self.found, self.member.pattern.matcher()) {
            (Way::Member(place), Some(found), _) => {
                let first = found.value(*place, self.document.object()?)?;
                selector.json()?.first_behind_first(first)?.scalar()
            }
            (Way::Slot(slot), _, Matcher::Columns(columns)) => {
                columns.columns.in_slot(*slot, self.document).map(Cow::Borrowed)
            }
            _ => selector.text(&self.member.pattern, self.document),
        }
    }
}

/// Patterns that are asked together. Those with guests count as if every guest said no.
#[derive(Debug)]
pub struct Set {
    members: Vec<Member>,
    names: Names,
    /// Rows of the last pages that were parsed among those that a JSON pattern was asked about, of [`RATE`].
    parsed: AtomicU32,
}

impl Set {
    /// A set of patterns; they are called by their index. With each comes what is to be read from its matches.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, Vec<ValueSelector>)>) -> Set {
        let mut names = Names::default();
        let member = |(pattern, values)| Member::new(pattern, values, &mut names);
        let members = patterns.into_iter().map(member).collect();
        Set { members, names, parsed: AtomicU32::new(0) }
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Is there no pattern?
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Calls `hit` for every match, by rising row and pattern.
    pub fn each_match(&self, messages: &Messages<'_>, hit: &mut dyn FnMut(&Hit<'_, '_>)) {
        let Ok(text) = std::str::from_utf8(messages.whole()) else { return self.one_by_one(messages, hit) };
        let mut open = Open::new(self.members.len(), messages.len());
        let has_backslash = memchr::memchr(b'\\', text.as_bytes()).is_some();
        for (at, member) in self.members.iter().enumerate() {
            member.rule_out(messages, at, has_backslash, &mut open);
        }
        let mut rows = Rows::of(self, text, has_backslash);
        let mut start = 0;
        for (row, end) in messages.ends.iter().enumerate() {
            let end = *end as usize - messages.start;
            if open.is_wanted(row) {
                match text.get(start..end) {
                    Some(message) => rows.ask(row, message, &open, hit),
                    // A character across two messages: neither is UTF-8.
                    None => self.ask_one(row, messages.message(row), hit),
                }
            }
            start = end;
        }
        if rows.asked > 0 {
            learn(&self.parsed, rows.parsed, rows.asked);
        }
    }

    /// How many of some patterns split the message.
    fn split_of(&self, members: impl Iterator<Item = usize>) -> usize {
        members.filter(|at| matches!(self.members[*at].pattern.matcher(), Matcher::Columns(_))).count()
    }

    fn one_by_one(&self, messages: &Messages<'_>, hit: &mut dyn FnMut(&Hit<'_, '_>)) {
        for row in 0..messages.len() {
            self.ask_one(row, messages.message(row), hit);
        }
    }

    fn ask_one(&self, row: usize, message: &[u8], hit: &mut dyn FnMut(&Hit<'_, '_>)) {
        let text = String::from_utf8_lossy(message);
        let document = Document::new(&text);
        for (at, member) in self.members.iter().enumerate() {
            if member.pattern.matches(&document, &mut NoGuests) {
                hit(&Hit { row, pattern: at, document: &document, member, found: None });
            }
        }
    }
}

/// Moves a rate a quarter of the way to what was seen.
fn learn(rate: &AtomicU32, seen: usize, of: usize) {
    let now = u32::try_from(seen * RATE as usize / of.max(1)).unwrap_or(RATE);
    let before = rate.load(Ordering::Relaxed);
    rate.store((before * 3 + now) / 4, Ordering::Relaxed);
}

impl Member {
    fn new(pattern: Pattern, values: Vec<ValueSelector>, names: &mut Names) -> Member {
        let choice = |texts: &[String]| Choice {
            needles: texts.iter().map(|text| Finder::new(text).into_owned()).collect(),
            rate: AtomicU32::new(0),
        };
        let is_useful = |text: &&String| text.len() >= SHORTEST;
        let required = pattern.required_literals_unless_escaped();
        let mut choices: Vec<Choice> = required
            .iter()
            .filter(is_useful)
            .take(CHOICES_MAX)
            .map(|text| choice(std::slice::from_ref(text)))
            .collect();
        let alternatives = pattern.matcher().alternatives();
        if !alternatives.is_empty()
            && alternatives.len() <= CHOICES_MAX
            && alternatives.iter().all(|text| is_useful(&text))
        {
            choices.push(choice(alternatives));
        }
        let decides = pattern.literal_only().is_some() && !choices.is_empty();
        let places = match pattern.matcher() {
            Matcher::Json(json) => json.places(names),
            _ => Vec::new(),
        };
        let unless_escaped = matches!(pattern.matcher(), Matcher::Json(_));
        let values = values.into_iter().map(|value| Value::new(value, &pattern, names)).collect();
        Member { pattern, choices, unless_escaped, decides, places, values }
    }

    /// The choice that leaves the fewest messages, if any leaves few enough.
    fn choice(&self) -> Option<&Choice> {
        let rate = |choice: &&Choice| choice.rate.load(Ordering::Relaxed);
        let best = self.choices.iter().min_by_key(rate)?;
        for other in
            self.choices.iter().filter(|other| !std::ptr::eq(*other, best) || rate(other) > USEFUL_MAX)
        {
            let before = rate(&other);
            other.rate.store(before.saturating_sub(1), Ordering::Relaxed);
        }
        (self.decides || rate(&best) <= USEFUL_MAX).then_some(best)
    }

    /// Marks the rows that may match.
    fn rule_out(&self, messages: &Messages<'_>, at: usize, has_backslash: bool, open: &mut Open) {
        let escaped = self.unless_escaped && has_backslash;
        let Some(choice) = self.choice() else { return open.all(at) };
        let mut found = 0;
        for needle in &choice.needles {
            messages.each_row_with(needle, &mut |row| found += usize::from(open.mark(row, at)));
        }
        learn(&choice.rate, found, messages.len());
        if escaped {
            let backslash = Finder::new("\\");
            messages.each_row_with(&backslash, &mut |row| {
                open.mark(row, at);
            });
        }
    }
}

/// Which patterns are open for which rows.
struct Open {
    words: usize,
    bits: Vec<u64>,
    /// Open for every row.
    always: Vec<u64>,
    has_always: bool,
}

impl Open {
    fn new(patterns: usize, rows: usize) -> Open {
        let words = patterns.div_ceil(64);
        Open { words, bits: vec![0; words * rows], always: vec![0; words], has_always: false }
    }

    fn all(&mut self, pattern: usize) {
        self.always[pattern / 64] |= 1 << (pattern % 64);
        self.has_always = true;
    }

    /// Says whether it was not marked before.
    fn mark(&mut self, row: usize, pattern: usize) -> bool {
        let word = &mut self.bits[row * self.words + pattern / 64];
        let before = *word;
        *word |= 1 << (pattern % 64);
        *word != before
    }

    fn is_wanted(&self, row: usize) -> bool {
        self.has_always || self.bits[row * self.words..][..self.words].iter().any(|word| *word != 0)
    }

    /// The patterns open for a row, rising.
    fn of(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.words).flat_map(move |word| {
            let mut bits = self.bits[row * self.words + word] | self.always[word];
            std::iter::from_fn(move || {
                let at = bits.trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
                (at < 64).then_some(word * 64 + at)
            })
        })
    }
}

/// Buffers that go from message to message.
#[derive(Default)]
struct Scratch<'t> {
    tape: Tape,
    fields: Vec<Field<'t>>,
    found: Found,
}

/// The rows of one page, one after another.
struct Rows<'s, 't> {
    set: &'s Set,
    has_backslash: bool,
    /// Whether a look at the text of a message may save parsing it.
    look_first: bool,
    /// Whether it is known that there is neither backslash nor control character.
    is_plain: bool,
    scratch: Scratch<'t>,
    asked: usize,
    parsed: usize,
}

impl<'s, 't> Rows<'s, 't> {
    fn of(set: &'s Set, text: &str, has_backslash: bool) -> Rows<'s, 't> {
        // Where most rows are parsed in the end, a look at the text before costs more than it saves.
        let parsed = set.parsed.load(Ordering::Relaxed);
        let look_first = parsed <= RATE / 2;
        let is_plain = !look_first && !has_backslash && !json::has_control(text.as_bytes());
        Rows { set, has_backslash, look_first, is_plain, scratch: Scratch::default(), asked: 0, parsed: 0 }
    }

    fn ask(&mut self, row: usize, message: &'t str, open: &Open, hit: &mut dyn FnMut(&Hit<'_, '_>)) {
        let mut document = Document::new(message);
        if !self.has_backslash {
            document.has_no_backslash();
        }
        let (mut asked, mut is_found) = (false, false);
        for at in open.of(row) {
            let member = &self.set.members[at];
            let matched = match member.pattern.matcher() {
                _ if member.decides => true,
                Matcher::Json(json) => {
                    asked = true;
                    if !document.is_parsed() {
                        if self.look_first && !json.prefilter.may_match(&document) {
                            continue;
                        }
                        document.parse_into(std::mem::take(&mut self.scratch.tape), self.is_plain);
                    }
                    is_found = is_found || self.find(&document);
                    is_found && self.holds(json, member, &document)
                }
                Matcher::Columns(columns) => {
                    let possible = columns.is_possible(&document);
                    // For one pattern the line is split only as far as it needs.
                    if possible && !document.is_split() && self.set.split_of(open.of(row)) > 1 {
                        document.split_into(std::mem::take(&mut self.scratch.fields));
                    }
                    possible && columns.columns.matches(&document)
                }
                _ => member.pattern.matches(&document, &mut NoGuests),
            };
            if matched {
                let found = is_found.then_some(&self.scratch.found);
                hit(&Hit { row, pattern: at, document: &document, member, found });
            }
        }
        self.asked += usize::from(asked);
        self.parsed += usize::from(document.is_parsed());
        let (tape, fields) = document.into_parts();
        if let Some(tape) = tape {
            self.scratch.tape = tape;
        }
        if let Some(fields) = fields {
            self.scratch.fields = fields;
        }
    }

    /// Looks up the members that conditions begin with. `false` when the message is no JSON object.
    fn find(&mut self, document: &Document<'_>) -> bool {
        let Some(root) = document.object() else { return false };
        self.set.names.find(root, &mut self.scratch.found);
        true
    }

    fn holds(&self, json: &JsonPattern, member: &Member, document: &Document<'_>) -> bool {
        let Some(root) = document.object() else { return false };
        json::holds_at(json, root, &member.places, &self.scratch.found)
    }
}
