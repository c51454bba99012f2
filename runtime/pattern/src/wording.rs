//! Spellings from other languages that people try here, and what to write instead.
//!
//! Owns the table; refuses to know where in a pattern the word stood.

/// Operators and keywords of other query languages, with the spelling that works here.
const FOREIGN: &[(&str, &str)] = &[
    ("!", "!="),
    ("&", "&&"),
    ("<>", "!="),
    ("=<", "<="),
    ("==", "="),
    ("=>", ">="),
    ("=~", "= %regex%"),
    ("AND", "&&"),
    ("BETWEEN", "$.x >= 1 && $.x <= 9"),
    ("CONTAINS", "= \"*text*\""),
    ("ENDS", "= \"*text\""),
    ("EQ", "="),
    ("EXISTS", "= *"),
    ("GE", ">="),
    ("GT", ">"),
    ("ILIKE", "= \"*text*\""),
    ("IN", "$.x = a || $.x = b"),
    ("IS", "IS NULL, IS TRUE or IS FALSE"),
    ("LE", "<="),
    ("LIKE", "= \"*text*\""),
    ("LT", "<"),
    ("MATCHES", "= %regex%"),
    ("NE", "!="),
    ("NOT", "NOT EXISTS"),
    ("OR", "||"),
    ("STARTS", "= \"text*\""),
    ("|", "||"),
    ("~", "= %regex%"),
];

/// The spelling to offer for `found`, a word or a run of symbols as the user wrote it.
pub(crate) fn instead_of(found: &str) -> Option<&'static str> {
    let upper = found.to_ascii_uppercase();
    FOREIGN.binary_search_by(|(foreign, _)| foreign.cmp(&upper.as_str())).ok().map(|at| FOREIGN[at].1)
}

/// The run of symbols, or the word, that `rest` starts with: the unit people misspell.
pub(crate) fn unit(rest: &str) -> &str {
    let symbol = |c: char| matches!(c, '=' | '!' | '<' | '>' | '~' | '&' | '|');
    let word = |c: char| c.is_ascii_alphabetic();
    let run = |accept: &dyn Fn(char) -> bool| rest.find(|c| !accept(c)).unwrap_or(rest.len());
    match rest.chars().next() {
        Some(c) if symbol(c) => &rest[..run(&symbol)],
        Some(c) if word(c) => &rest[..run(&word)],
        _ => "",
    }
}

/// The word of `known` that `found` is a slip of: equal but for case, or one or two edits away.
pub(crate) fn nearest(found: &str, known: &[&'static str]) -> Option<&'static str> {
    let upper = found.to_ascii_uppercase();
    let near = |word: &&'static str| (distance(&upper, word), *word);
    let (edits, word) = known.iter().map(near).min()?;
    (edits <= 2 && edits < word.len() / 2 + 1 && !found.is_empty()).then_some(word)
}

/// Edits (insert, delete, replace) from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_or_two_edits() {
        let words = ["NULL", "TRUE", "FALSE"];
        for (found, expected) in [
            ("null", Some("NULL")),
            ("NUL", Some("NULL")),
            ("Ture", Some("TRUE")),
            ("EMPTY", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, &words), expected, "{found}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(FOREIGN.is_sorted_by(|a, b| a.0 < b.0));
        assert!(FOREIGN.iter().all(|(foreign, _)| instead_of(foreign).is_some()));
    }

    #[test]
    fn a_unit_is_a_run_of_one_sort() {
        assert_eq!(unit("== 5"), "==");
        assert_eq!(unit("like \"x\""), "like");
        assert_eq!(unit("\"x\""), "");
        assert_eq!(instead_of("like"), Some("= \"*text*\""));
        assert_eq!(instead_of("frob"), None);
    }
}
