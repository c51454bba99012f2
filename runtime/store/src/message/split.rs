//! Owns cutting messages into templates and variables, and the table of the templates of one block.
//! Refuses to know how variables are stored.
//!
//! Most messages look like one before them: the template that followed the last one the time before is tried
//! first, part by part, and only if it does not fit is the message scanned as if nothing were known.

use hashbrown::HashTable;

use super::{json, text};

/// What kind of thing a variable is: how its end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// Between the quotes of a JSON string.
    Quoted,
    /// A JSON number, true, false or null.
    Scalar,
    /// A piece of text with a digit in it.
    Run,
    /// Between quotes or spaces inside of quotes.
    Token,
    /// Between quotes, with spaces.
    Sentence,
    /// The whole message.
    Whole,
}

/// The template of messages that are one variable each.
pub(super) const WHOLE: u32 = 0;
/// So many templates are told apart while a block is split; the messages of others are one variable each.
const KNOWN_MAX: usize = 2048;
/// More variables are not worth their columns.
const SLOTS_MAX: usize = 512;

/// Where a variable starts and ends.
pub(super) type Span = (u32, u32);

/// A template as the splitter knows it.
#[derive(Debug)]
pub(super) struct Known {
    /// All static parts one behind the other.
    text: Vec<u8>,
    /// Where each part ends.
    ends: Vec<u32>,
    pub(super) slots: Vec<Slot>,
    pub(super) json: bool,
    /// The message it was made of, and its variables there.
    pub(super) example: (Vec<u8>, Vec<Span>),
    pub(super) rows: u32,
    /// The template that followed the last time.
    next: u32,
}

impl Known {
    fn new(message: &[u8], spans: &[Span], slots: &[Slot], json: bool) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let mut at = 0;
        for &(start, end) in spans {
            text.extend_from_slice(&message[at..start as usize]);
            ends.push(text.len() as u32);
            at = end as usize;
        }
        text.extend_from_slice(&message[at..]);
        ends.push(text.len() as u32);
        let example = (message.to_vec(), spans.to_vec());
        Self { text, ends, slots: slots.to_vec(), json, example, rows: 0, next: WHOLE }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        self.ends.iter().map(move |&end| {
            let part = &self.text[at..end as usize];
            at = end as usize;
            part
        })
    }

    /// Whether the message has exactly these static parts around its variables.
    fn is(&self, message: &[u8], spans: &[Span], json: bool) -> bool {
        if self.json != json || self.slots.len() != spans.len() {
            return false;
        }
        let mut at = 0;
        let mut parts = self.parts();
        for &(start, end) in spans {
            if parts.next() != Some(&message[at..start as usize]) {
                return false;
            }
            at = end as usize;
        }
        parts.next() == Some(&message[at..])
    }

    /// Finds the variables of a message that has this template.
    #[inline]
    fn follow(&self, message: &[u8], spans: &mut Vec<Span>) -> bool {
        let (mut at, mut from) = (0, 0);
        for (slot, &to) in self.slots.iter().zip(&self.ends) {
            let part = &self.text[from..to as usize];
            if !begins(&message[at..], part) {
                return false;
            }
            from = to as usize;
            at += part.len();
            let end = match slot {
                Slot::Quoted => json::string_end(message, at),
                Slot::Scalar => json::token_end(message, at),
                slot => text::slot_end(*slot, message, at),
            };
            let Some(end) = end else { return false };
            spans.push((at as u32, end as u32));
            at = end;
        }
        message[at..] == self.text[from..] && (!self.json || std::str::from_utf8(message).is_ok())
    }
}

/// The rows of one block, cut up.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pub(super) known: Vec<Known>,
    by_parts: HashTable<u32>,
    /// The template of each row.
    pub(super) of_rows: Vec<u32>,
    /// The variables of all rows, relative to their message; those of a row start at `starts[row]`.
    pub(super) spans: Vec<Span>,
    pub(super) starts: Vec<u32>,
    slots: Vec<Slot>,
    last: u32,
}

struct Scalars<'a> {
    spans: &'a mut Vec<Span>,
    slots: &'a mut Vec<Slot>,
}

impl json::Visit for Scalars<'_> {
    #[inline]
    fn scalar(&mut self, start: usize, end: usize, quoted: bool) {
        self.spans.push((start as u32, end as u32));
        self.slots.push(if quoted { Slot::Quoted } else { Slot::Scalar });
    }
}

impl Splitter {
    /// Forgets the block before.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.by_parts.clear();
        self.of_rows.clear();
        self.spans.clear();
        self.starts.clear();
        self.last = WHOLE;
        self.known.push(Known::new(b"", &[(0, 0)], &[Slot::Whole], false));
    }

    /// Cuts up the message of the next row.
    pub(super) fn push(&mut self, message: &[u8]) {
        let start = self.spans.len();
        let guess = self.known[self.last as usize].next;
        let template = if guess != WHOLE && self.known[guess as usize].follow(message, &mut self.spans) {
            guess
        } else {
            self.spans.truncate(start);
            let found = self.scan(message, start);
            self.known[self.last as usize].next = found;
            found
        };
        self.last = template;
        self.known[template as usize].rows += 1;
        self.of_rows.push(template);
        self.starts.push(start as u32);
    }

    /// Cuts up a message of which nothing is known.
    fn scan(&mut self, message: &[u8], start: usize) -> u32 {
        self.slots.clear();
        let Self { spans, slots, .. } = self;
        let opens = message.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let json = opens && json::walk(message, &mut Scalars { spans, slots }).is_some();
        let fits = if json {
            spans.len() - start <= SLOTS_MAX
        } else {
            spans.truncate(start);
            slots.clear();
            text::split(message, spans, slots, start + SLOTS_MAX)
        };
        if fits && let Some(template) = self.template(message, start, json) {
            return template;
        }
        self.spans.truncate(start);
        self.spans.push((0, message.len() as u32));
        WHOLE
    }

    /// The number of the template of a message that is cut up.
    fn template(&mut self, message: &[u8], start: usize, json: bool) -> Option<u32> {
        let spans = &self.spans[start..];
        let hash = hash(message, spans) ^ u64::from(json);
        let same = |&number: &u32| self.known[number as usize].is(message, spans, json);
        if let Some(&number) = self.by_parts.find(hash, same) {
            return Some(number);
        }
        if self.known.len() > KNOWN_MAX {
            return None;
        }
        let number = self.known.len() as u32;
        self.known.push(Known::new(message, spans, &self.slots, json));
        let known = &self.known;
        self.by_parts.insert_unique(hash, number, |&number| {
            let known = &known[number as usize];
            hash_of(known.parts()) ^ u64::from(known.json)
        });
        Some(number)
    }
}

/// `starts_with` for short parts, for which a call would cost more than the comparison.
#[inline]
fn begins(text: &[u8], part: &[u8]) -> bool {
    let Some(text) = text.get(..part.len()) else { return false };
    match (text.last_chunk::<8>(), part.last_chunk::<8>()) {
        (Some(text_end), Some(part_end)) => {
            let words = text.as_chunks::<8>().0.iter().zip(part.as_chunks::<8>().0);
            text_end == part_end && words.into_iter().all(|(a, b)| a == b)
        }
        _ => text.iter().zip(part).all(|(a, b)| a == b),
    }
}

fn hash(message: &[u8], spans: &[Span]) -> u64 {
    let mut at = 0;
    let ends = spans.iter().map(|&(start, end)| (start as usize, end as usize));
    hash_of(ends.chain([(message.len(), 0)]).map(|(start, end)| {
        let part = &message[at..start];
        at = end;
        part
    }))
}

/// A quick hash of static parts. Whoever makes messages collide gets slower sealing, nothing else: the number
/// of templates is bounded.
fn hash_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = 0_u64;
    let mut mix = |word: u64| {
        let product = u128::from(hash ^ word).wrapping_mul(u128::from(MULTIPLIER));
        hash = (product as u64) ^ (product >> 64) as u64 ^ word.rotate_left(17);
    };
    for part in parts {
        mix(part.len() as u64);
        let (words, rest) = part.as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        mix(u64::from_le_bytes(last));
    }
    hash
}
