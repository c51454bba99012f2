//! Lengths of time as people type and read them: `90s`, `15m`, `3h`, `2d`, `1w`.
//!
//! Owns the spelling. Refuses to know what time it is.

/// Milliseconds of a span such as `15m`; a number without a unit is an error that says so.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: i64 = number.parse().map_err(|_| format!("`{text}` does not start with a number"))?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return Err(format!("`{text}` needs one of the units ms, s, m, h, d, w (for example 15m)")),
    };
    number.checked_mul(unit_ms).ok_or_else(|| format!("`{text}` is too long"))
}

/// A span in its two largest units, whole seconds at least: `1m30s`.
pub(crate) fn shown(ms: i64) -> String {
    let mut left_s = ms.max(0) / 1_000;
    let mut out = String::new();
    let mut parts = 0;
    for (unit, unit_s) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if parts < 2 && (left_s >= unit_s || (unit == "s" && out.is_empty())) {
            out.push_str(&format!("{}{unit}", left_s / unit_s));
            left_s %= unit_s;
        }
        parts += usize::from(!out.is_empty());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{parse, shown};

    #[test]
    fn shows_the_two_largest_units() {
        let spans = [0, 999, 90_000, 3_600_000, 3_661_000, 200_000_000, -5].map(shown);
        assert_eq!(spans, ["0s", "0s", "1m30s", "1h", "1h1m", "2d7h", "0s"]);
    }

    #[test]
    fn reads_spans_and_refuses_what_has_no_unit() {
        assert_eq!(parse("90s"), Ok(90_000));
        assert_eq!(parse("2d"), Ok(172_800_000));
        for bad in ["", "15", "m", "1y", "-3h", "99999999999999999999s", "9999999999999999w"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
