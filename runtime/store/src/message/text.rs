//! Owns finding the variables of a message that is not JSON. Refuses to know columns and templates.
//!
//! Variables are what stands between double quotes, and outside of them everything with a digit in it. They
//! begin and end where a word does, or at a quote or space.

use super::split::Slot;

/// Letters, digits, `_` and everything beyond ASCII: what words are made of.
const WORD: u8 = 1;
/// Holds words together in names, numbers, addresses and times.
const JOIN: u8 = 2;
const DIGIT: u8 = 4;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => WORD | DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => WORD,
            b'.' | b':' | b'/' | b'+' | b'-' | b'@' | b'%' | b'$' => JOIN,
            _ => 0,
        };
        byte += 1;
    }
    table
}

#[inline]
fn class(byte: u8) -> u8 {
    CLASS[byte as usize]
}

/// Whether a word goes on from the first of these bytes to the second.
#[cfg(test)]
pub(super) fn joins_words(left: u8, right: u8) -> bool {
    class(left) & class(right) & WORD != 0
}

/// The end of the run that starts here, and the classes of its bytes.
#[inline]
fn run(message: &[u8], start: usize) -> (usize, u8) {
    let (mut at, mut all) = (start, 0);
    loop {
        while let Some(&byte) = message.get(at) {
            let class = class(byte);
            if class == 0 {
                break;
            }
            all |= class;
            at += 1;
        }
        // `04:00:00,086` and `1,024` are one; `a=1,b=2` and `1, 2` are not.
        let comma = message.get(at) == Some(&b',') && at > start && message[at - 1].is_ascii_digit();
        if !(comma && message.get(at + 1).is_some_and(u8::is_ascii_digit)) {
            return (at, all);
        }
        at += 1;
    }
}

/// Cuts off what holds no words together at the end of a run that has a word.
#[inline]
fn trim_end(message: &[u8], mut end: usize) -> usize {
    while class(message[end - 1]) & WORD == 0 {
        end -= 1;
    }
    end
}

/// Finds the variables of a message; false when they are too many.
pub(super) fn split(message: &[u8], spans: &mut Vec<(u32, u32)>, slots: &mut Vec<Slot>, max: usize) -> bool {
    let mut at = 0;
    let mut closed = true;
    while at < message.len() {
        let byte = message[at];
        if class(byte) != 0 {
            let (end, all) = run(message, at);
            if all & DIGIT != 0 {
                let first = message[at..end].iter().position(|&byte| class(byte) & WORD != 0).unwrap_or(0);
                let signed = first == 1 && byte == b'-' && message[at + 1].is_ascii_digit();
                let start = if signed { at } else { at + first };
                spans.push((start as u32, trim_end(message, end) as u32));
                slots.push(Slot::Run);
            }
            at = end;
        } else if byte == b'"' && closed {
            match quote_end(message, at + 1) {
                Some(end) => {
                    quoted(message, at + 1, end, spans, slots);
                    at = end + 1;
                }
                None => {
                    closed = false;
                    at += 1;
                }
            }
        } else {
            at += 1;
        }
        if spans.len() > max {
            return false;
        }
    }
    true
}

/// The next quote that no backslash precedes.
#[inline]
fn quote_end(message: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr(b'"', &message[at..])?;
        if message[start..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 0 {
            return Some(at);
        }
        at += 1;
    }
}

/// Up to this many tokens between quotes are variables of their own.
const TOKENS_MAX: usize = 3;

fn spaces(text: &[u8]) -> usize {
    memchr::memchr_iter(b' ', text).take(TOKENS_MAX).count()
}

fn quoted(message: &[u8], start: usize, end: usize, spans: &mut Vec<(u32, u32)>, slots: &mut Vec<Slot>) {
    let inside = &message[start..end];
    if spaces(inside) >= TOKENS_MAX {
        spans.push((start as u32, end as u32));
        slots.push(Slot::Sentence);
        return;
    }
    let mut at = start;
    for token in inside.split(|&byte| byte == b' ') {
        spans.push((at as u32, (at + token.len()) as u32));
        slots.push(Slot::Token);
        at += token.len() + 1;
    }
}

/// Where a variable of this kind that starts here ends; `None` if there is none.
#[inline]
pub(super) fn slot_end(slot: Slot, message: &[u8], start: usize) -> Option<usize> {
    match slot {
        Slot::Run => {
            let first = class(*message.get(start)?);
            let signed = message[start] == b'-' && message.get(start + 1).is_some_and(u8::is_ascii_digit);
            if first & WORD == 0 && !signed {
                return None;
            }
            let (end, all) = run(message, start);
            (all & DIGIT != 0).then(|| trim_end(message, end))
        }
        Slot::Token => {
            let end = quote_end(message, start)?;
            Some(memchr::memchr(b' ', &message[start..end]).map_or(end, |space| start + space))
        }
        Slot::Sentence => {
            let end = quote_end(message, start)?;
            (spaces(&message[start..end]) >= TOKENS_MAX).then_some(end)
        }
        Slot::Quoted | Slot::Scalar | Slot::Whole => None,
    }
}
