//! Owns reading bytes as text that came in as text. Refuses to know where they were kept.

use std::borrow::Cow;

use store::Held;

/// The text of bytes; what was damaged since is replaced. Looking whether all is well is faster than repairing it.
pub(crate) fn repaired(bytes: &[u8]) -> Cow<'_, str> {
    simdutf8::basic::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Whether messages that stand as for [`push_messages`] are text, each for itself.
pub(crate) fn are_texts(text: &[u8], start: usize, ends: &[u32]) -> bool {
    let last = ends.last().map_or(start, |end| *end as usize);
    let whole = simdutf8::basic::from_utf8(&text[start..last]);
    whole.is_ok_and(|whole| ends.iter().all(|end| whole.is_char_boundary(*end as usize - start)))
}

/// The messages of events that are held.
pub(crate) fn messages(held: &[Held]) -> Vec<Cow<'_, str>> {
    let mut texts = Vec::with_capacity(held.iter().map(Held::len).sum());
    for lent in held.iter().map(Held::lend) {
        push_messages(lent.text(), lent.start(), lent.ends(), &mut texts);
    }
    texts
}

/// Adds messages that stand one after another in `text` from `start` on, each to one of `ends`. They are looked at
/// together: that is faster than one after the other.
fn push_messages<'a>(text: &'a [u8], start: usize, ends: &[u32], texts: &mut Vec<Cow<'a, str>>) {
    let last = ends.last().map_or(start, |end| *end as usize);
    let whole = simdutf8::basic::from_utf8(&text[start..last]).ok();
    let mut from = start;
    for end in ends.iter().map(|end| *end as usize) {
        // Two damaged neighbours may make one character together.
        let message = whole.and_then(|whole| whole.get(from - start..end - start));
        texts.push(message.map_or_else(|| repaired(&text[from..end]), Cow::Borrowed));
        from = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_is_lent_and_the_rest_repaired() {
        assert!(matches!(repaired("zwölf".as_bytes()), Cow::Borrowed("zwölf")));
        assert_eq!(repaired(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn messages_are_text_one_by_one() {
        let texts = |messages: &[&[u8]]| -> Vec<String> {
            let (mut text, mut ends) = (b"\xffbefore".to_vec(), Vec::new());
            for message in messages {
                text.extend_from_slice(message);
                ends.push(text.len() as u32);
            }
            text.extend_from_slice(b"\xffbehind");
            let mut found = Vec::new();
            push_messages(&text, 7, &ends, &mut found);
            let are_texts = found.iter().all(|text| matches!(text, Cow::Borrowed(_)));
            assert_eq!(super::are_texts(&text, 7, &ends), are_texts);
            found.into_iter().map(Cow::into_owned).collect()
        };
        assert_eq!(texts(&["zwölf".as_bytes(), b"", b"x"]), ["zwölf", "", "x"]);
        assert_eq!(texts(&[b"a\xff", b"b"]), ["a\u{fffd}", "b"]);
        let (first, second) = "ö".as_bytes().split_at(1);
        assert_eq!(
            texts(&[first, second]),
            ["\u{fffd}", "\u{fffd}"],
            "each is damaged, both together are not"
        );
        assert!(texts(&[]).is_empty());
    }
}
