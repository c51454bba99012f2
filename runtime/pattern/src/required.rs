//! Literals that a matching message must contain. Owns their algebra; refuses to know which
//! grammar they came from.
//!
//! They are for skipping whole blocks: a message that lacks any of them cannot match. A set that
//! is too small is slow, one literal too many is a wrong answer; so in doubt a literal is left
//! out.

/// The set without literals that are parts of others, longest first.
pub(crate) fn minimal(mut literals: Vec<String>) -> Vec<String> {
    literals.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    let mut kept: Vec<String> = Vec::with_capacity(literals.len());
    for literal in literals {
        if !literal.is_empty() && !kept.iter().any(|longer| longer.contains(&literal)) {
            kept.push(literal);
        }
    }
    kept
}

/// What both of two alternatives require: a literal of one that is part of a literal of the
/// other.
pub(crate) fn either(left: &[String], right: &[String]) -> Vec<String> {
    let implied = |by: &[String], literal: &String| by.iter().any(|longer| longer.contains(literal.as_str()));
    let from_left = left.iter().filter(|literal| implied(right, literal));
    let from_right = right.iter().filter(|literal| implied(left, literal));
    minimal(from_left.chain(from_right).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn minimal_drops_what_is_implied() {
        assert_eq!(minimal(strings(&["ERR", "ERROR", "x", "", "ERROR"])), strings(&["ERROR", "x"]));
    }

    #[test]
    fn either_keeps_what_both_sides_imply() {
        let (left, right) = (strings(&["timeout", "abc"]), strings(&["time", "xabcx"]));
        assert_eq!(either(&left, &right), strings(&["time", "abc"]));
        assert!(either(&left, &[]).is_empty());
    }
}
