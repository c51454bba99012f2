//! Owns which templates and columns a block gets. Refuses to know how columns are encoded.
//!
//! A column costs its head and its place whatever it holds, and long columns compress better than many short
//! ones. So rare templates are given up, and templates share the columns of variables that say the same:
//! in JSON those under one path, in text those behind the same beginning of the message, and those whose look
//! tells what they are (ids, addresses, times).

use std::collections::HashMap;

use super::head::Template;
use super::json;
use super::split::{Known, Slot, WHOLE};

/// More templates need two bytes per row, and gain little.
const TEMPLATES_MAX: usize = 255;
/// More columns are not worth their places in the directory.
const COLUMNS_MAX: usize = 1024;
/// Text templates of fewer rows than this are given up when there are others.
const ROWS_MIN: u32 = 4;
/// JSON templates mostly use the columns of others.
const JSON_ROWS_MIN: u32 = 2;

/// The templates of a block, and what the splitter's numbers mean in it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) templates: Vec<Template>,
    /// By the splitter's number; those given up have the number of the whole message.
    pub(super) number: Vec<u16>,
    /// By the splitter's number: whether the message is one variable instead.
    pub(super) given_up: Vec<bool>,
    pub(super) columns: u32,
}

/// What a column is the column of. Texts that make two of them equal merge them, which costs space only.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Whole,
    Json(Vec<u8>, u32),
    Behind(Vec<u8>),
    Look(Vec<u8>, u32),
}

impl Plan {
    /// Decides for templates with their numbers of rows.
    pub(super) fn of(known: &[Known]) -> Self {
        let mut order: Vec<u32> = (1..known.len() as u32).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(known[number as usize].rows));
        let few = order.len() <= 2;
        let mut chosen = Vec::new();
        let mut keys: HashMap<Key, u32> = HashMap::new();
        let mut plan = Self { given_up: vec![true; known.len()], ..Self::default() };
        let mut whole = known[WHOLE as usize].rows > 0;
        for number in order {
            let template = &known[number as usize];
            let min = if template.json { JSON_ROWS_MIN } else { ROWS_MIN };
            if chosen.len() == TEMPLATES_MAX || (template.rows < min && !few) {
                whole = true;
                continue;
            }
            match columns(template, &mut keys) {
                Some(columns) => chosen.push((number, columns)),
                None => whole = true,
            }
        }
        if whole {
            let next = keys.len() as u32;
            let column = *keys.entry(Key::Whole).or_insert(next);
            chosen.push((WHOLE, vec![column]));
        }
        // In the order in which they appear first; those given up are number 0, the whole message.
        chosen.sort_by_key(|&(number, _)| number);
        plan.number = vec![0; known.len()];
        for (at, (number, columns)) in chosen.into_iter().enumerate() {
            let known = &known[number as usize];
            plan.number[number as usize] = at as u16;
            plan.given_up[number as usize] = false;
            let parts = known.parts().map(<[u8]>::to_vec).collect();
            plan.templates.push(Template { parts, columns, json: known.json });
        }
        plan.columns = keys.len() as u32;
        plan
    }
}

/// The columns of a template, or nothing when there would be too many.
fn columns(template: &Known, keys: &mut HashMap<Key, u32>) -> Option<Vec<u32>> {
    if keys.len() + template.slots.len() > COLUMNS_MAX {
        return None;
    }
    let wanted = if template.json { json_keys(template) } else { text_keys(template) };
    let mut columns = Vec::with_capacity(wanted.len());
    for key in wanted {
        let next = keys.len() as u32;
        columns.push(*keys.entry(key).or_insert(next));
    }
    Some(columns)
}

/// The same key, counted up until the template has it only once.
fn distinct(taken: &mut HashMap<Vec<u8>, u32>, name: Vec<u8>, make: impl Fn(Vec<u8>, u32) -> Key) -> Key {
    let count = taken.entry(name.clone()).or_default();
    *count += 1;
    make(name, *count - 1)
}

#[derive(Default)]
struct Paths {
    path: Vec<u8>,
    outer: Vec<usize>,
    taken: HashMap<Vec<u8>, u32>,
    keys: Vec<Key>,
}

impl json::Visit for Paths {
    fn key(&mut self, key: &[u8]) {
        // Keys hold no bytes below 0x20.
        self.outer.push(self.path.len());
        self.path.push(1);
        self.path.extend_from_slice(key);
    }

    fn element(&mut self, index: usize) {
        self.outer.push(self.path.len());
        self.path.push(2);
        self.path.extend_from_slice(index.to_string().as_bytes());
    }

    fn leave(&mut self) {
        let length = self.outer.pop().unwrap_or_default();
        self.path.truncate(length);
    }

    fn scalar(&mut self, _: usize, _: usize, quoted: bool) {
        let mut name = self.path.clone();
        name.push(3 + u8::from(quoted));
        self.keys.push(distinct(&mut self.taken, name, Key::Json));
    }
}

fn json_keys(template: &Known) -> Vec<Key> {
    let mut paths = Paths::default();
    let _ = json::walk(&template.example.0, &mut paths);
    paths.keys
}

fn text_keys(template: &Known) -> Vec<Key> {
    let (message, spans) = &template.example;
    let mut taken = HashMap::new();
    let mut begin = Vec::new();
    let mut keys = Vec::with_capacity(spans.len());
    let parts = template.parts();
    for ((&(start, end), slot), part) in spans.iter().zip(&template.slots).zip(parts) {
        begin.extend_from_slice(part);
        // Two variables of one template differ in the lengths of what is before them.
        begin.push(*slot as u8);
        begin.push(0);
        let look = look(&message[start as usize..end as usize]);
        keys.push(match look {
            Some(look) if *slot != Slot::Sentence => distinct(&mut taken, look, Key::Look),
            _ => Key::Behind(begin.clone()),
        });
    }
    keys
}

/// Letters and digits of which ids are made: shorter ones say nothing.
const ID_BYTES: usize = 16;

/// What a value looks like, if that says what it is: digits stand for any digits.
fn look(value: &[u8]) -> Option<Vec<u8>> {
    let hex = value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if hex && value.len() >= ID_BYTES {
        return Some(value.iter().map(|&byte| if byte == b'-' { b'-' } else { b'h' }).collect());
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == value.len() || digits < 4 {
        return None;
    }
    let mut look = Vec::with_capacity(value.len());
    for &byte in value {
        match byte.is_ascii_digit() {
            true if look.last() == Some(&b'#') => {}
            true => look.push(b'#'),
            false => look.push(byte),
        }
    }
    Some(look)
}
