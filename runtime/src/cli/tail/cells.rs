//! Owns what text does to a terminal: how many cells a character takes, and what must never be sent raw.
//! Refuses to know lines and screens.

/// Characters that take two cells, as ranges: Hangul, CJK, full-width forms, emoji.
const WIDE: &[(char, char)] = &[
    ('\u{1100}', '\u{115f}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{33ff}'),
    ('\u{3400}', '\u{4dbf}'),
    ('\u{4e00}', '\u{9fff}'),
    ('\u{a000}', '\u{a4cf}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff00}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{1f300}', '\u{1f64f}'),
    ('\u{1f680}', '\u{1f6ff}'),
    ('\u{1f900}', '\u{1f9ff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// Characters that take none: combining marks, joiners, variation selectors.
const NONE: &[(char, char)] = &[
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{610}', '\u{61a}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
];

fn is_in(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Cells that a character takes.
pub(super) fn width(c: char) -> usize {
    if c.is_ascii() {
        return 1;
    }
    if is_in(NONE, c) {
        return 0;
    }
    1 + usize::from(is_in(WIDE, c))
}

/// Text that a terminal may be given: control characters, which could command it, are spelt out.
pub(super) fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            // Marks that turn the direction of text around can hide it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_and_what_is_spelt_out() {
        let widths: Vec<usize> = "aé漢👍\u{301}".chars().map(width).collect();
        assert_eq!(widths, [1, 1, 2, 2, 0]);
        assert_eq!(tame("a\tb\u{1b}[2J\r\u{9b}\u{202e}é"), "a    b\\x1b[2J\\x0d\\x9b\\u{202e}é");
    }
}
