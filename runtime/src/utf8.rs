//! Owns reading bytes as text that came in as text. Refuses to know where they were kept.

use std::borrow::Cow;

/// The text of bytes; what was damaged since is replaced. Looking whether all is well is faster than repairing it.
pub(crate) fn repaired(bytes: &[u8]) -> Cow<'_, str> {
    simdutf8::basic::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_is_lent_and_the_rest_repaired() {
        assert!(matches!(repaired("zwölf".as_bytes()), Cow::Borrowed("zwölf")));
        assert_eq!(repaired(b"a\xffb"), "a\u{fffd}b");
    }
}
