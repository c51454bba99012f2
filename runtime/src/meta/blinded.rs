//! Owns which keys of tables are not to be read on disk, and up to where they are. Refuses to know values.
//!
//! Keys order rows, so most stay as they are: ids, times, and the names of resources. In the tables listed here
//! a key may hold what came out of a log line or a guest; there everything behind the clear part is replaced by
//! 16 bytes that only the master key leads to, and the whole key is sealed with the value.

use std::borrow::Cow;

/// How many bytes of a key stay clear.
pub(super) type ClearPart = fn(&[u8]) -> usize;

/// The tables, and how much of a key (in bytes) stays clear. The clear parts of two different keys are equal, or
/// neither begins with the other; so rows with the same clear part are neighbours, in the order of the true keys.
const BLINDED: &[(&str, ClearPart)] = &[
    // (function id, key chosen by a guest)
    ("function_state", number),
    // (function id, topic and key chosen by a guest)
    ("function_sent_keys", number),
    // (account, region, namespace|name|dimensions): values of dimensions come out of log lines
    ("metric_series", metric),
    // tokens that confirm or end a subscription
    ("sns_subscription_tokens", nothing),
    ("sns_departed", nothing),
];

/// The rule of a table, if its keys are blinded.
pub(super) fn clear_part_of(table: &str) -> Option<ClearPart> {
    BLINDED.iter().find(|(name, _)| *name == table).map(|(_, rule)| *rule)
}

fn nothing(_key: &[u8]) -> usize {
    0
}

/// One number.
fn number(key: &[u8]) -> usize {
    key.len().min(8)
}

/// Two texts, then a third up to its second `|` (a `\` before one takes its meaning away).
fn metric(key: &[u8]) -> usize {
    let mut at = 0;
    for _ in 0..2 {
        at += text(&key[at..]);
    }
    let mut bars = 0;
    let mut escaped = false;
    for (index, byte) in key[at..].iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'|' => bars += 1,
            _ => {}
        }
        if bars == 2 {
            return at + index + 1;
        }
    }
    key.len()
}

/// The bytes of a text with its terminator (see `key.rs`), or all there are.
fn text(key: &[u8]) -> usize {
    let mut at = 0;
    while at + 1 < key.len() {
        match (key[at], key[at + 1]) {
            (0, 1) => return at + 2,
            (0, _) => at += 2,
            _ => at += 1,
        }
    }
    key.len()
}

/// The smallest key above every key that begins with `prefix`.
pub(super) fn above(prefix: &[u8]) -> Option<Cow<'static, [u8]>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut key = prefix[..=last].to_vec();
    key[last] += 1;
    Some(Cow::Owned(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Key;

    #[test]
    fn what_stays_clear_is_what_the_table_says() {
        let clear = |table: &str, key: &Key| {
            let bytes = key.bytes().to_vec();
            let length = clear_part_of(table).unwrap()(&bytes);
            bytes[..length].to_vec()
        };
        assert_eq!(clear("function_state", &Key::of((7u64, "secret"))), 7u64.to_be_bytes());
        assert!(clear("sns_departed", &Key::of("token")).is_empty());
        let series = |dimensions: &str| Key::of(("1", "r", &format!(r"My\|App\\|Errors|{dimensions}")));
        let expected = Key::of(("1", "r")).starting(r"My\|App\\|Errors|");
        for dimensions in ["", "user=secret|", r"a=\||b=|"] {
            assert_eq!(clear("metric_series", &series(dimensions)), expected.bytes());
        }
        let odd = Key::of(("a\0b", "r\0", "n|m|d=1|"));
        assert_eq!(clear("metric_series", &odd), Key::of(("a\0b", "r\0")).starting("n|m|").bytes());
        assert!(clear_part_of("log_groups").is_none());
    }

    #[test]
    fn above_a_prefix_is_the_next_one() {
        assert_eq!(above(b"ab").unwrap().as_ref(), b"ac");
        assert_eq!(above(&[1, 0xFF]).unwrap().as_ref(), [2]);
        assert_eq!(above(&[0xFF]), None);
        assert_eq!(above(b""), None);
    }
}
