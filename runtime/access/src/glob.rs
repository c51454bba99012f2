//! IAM's wildcards: `*` for any run of characters, `?` for exactly one. Pure matching, no IAM terms.

/// Whether the whole of `text` matches `pattern`. Time is at most proportional to the product of the
/// lengths, whatever the pattern.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    if pattern.is_ascii() && text.is_ascii() {
        return run(pattern.as_bytes(), text.as_bytes(), b'*', b'?');
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    run(&pattern, &text, '*', '?')
}

/// As [`matches`], ASCII letters in any case: how IAM compares actions.
pub(crate) fn matches_any_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// ARNs section by section: a wildcard does not reach over the first five colons.
pub(crate) fn matches_arn(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<&str>, Vec<&str>) =
        (pattern.splitn(6, ':').collect(), text.splitn(6, ':').collect());
    pattern.len() == text.len() && pattern.iter().zip(&text).all(|(pattern, text)| matches(pattern, text))
}

/// Only the last `*` ever needs to be retried: what an earlier one took is settled by the match after it.
fn run<T: PartialEq + Copy>(pattern: &[T], text: &[T], star: T, one: T) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == star {
            retry = Some((p + 1, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == one || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, taken)) = retry {
            retry = Some((after_star, taken + 1));
            p = after_star;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|item| *item == star)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_policies_use() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("logs:*", "logs:PutLogEvents", true),
            ("logs:Put*", "logs:GetLogEvents", false),
            (
                "arn:aws:logs:*:*:log-group:/app/*",
                "arn:aws:logs:us-east-1:000000000000:log-group:/app/x:*",
                true,
            ),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("", "a", false),
            ("*a", "aaab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(matches_any_case("LOGS:put*", "logs:PutLogEvents"));
        assert!(!matches_arn("arn:aws:*", "arn:aws:logs:us-east-1:1:x"));
        assert!(matches_arn("arn:aws:logs:*:*:log-group:*", "arn:aws:logs:us-east-1:1:log-group:a:b"));
        assert!(!matches_arn("arn:aws:*:1:x", "arn:aws:logs:us-east-1:1:x"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a".repeat(500) + "b";
        assert!(!matches(&pattern, &"a".repeat(5000)));
    }

    /// The definition, exponential and obvious.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, _) => text.is_empty(),
            (Some('*'), _) => {
                by_definition(&pattern[1..], text) || (!text.is_empty() && by_definition(pattern, &text[1..]))
            }
            (Some('?'), Some(_)) => by_definition(&pattern[1..], &text[1..]),
            (Some(wanted), Some(found)) => wanted == found && by_definition(&pattern[1..], &text[1..]),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(rounds()))]
        #[test]
        fn agrees_with_the_definition(pattern in "[ab?*é]{0,10}", text in "[abé]{0,10}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), by_definition(&p, &t));
        }
    }

    fn rounds() -> u32 {
        if std::env::var_os("LOGBOOM_LONG").is_some() { 100_000 } else { 2_000 }
    }
}
