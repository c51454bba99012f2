//! Owns the target of a schedule: `NAME` or `NAME:QUALIFIER`, or the ARN of a function of the same account and
//! region. Refuses to call it.

use crate::app::App;
use crate::functions::attach::{self, Purpose, Unusable};
use crate::records::Scope;

/// Longest name of a function, and of a version or alias.
const NAME_CHARS_MAX: usize = 64;
const QUALIFIER_CHARS_MAX: usize = 128;

/// The function and its qualifier in what a schedule keeps.
pub(crate) fn parts(function: &str) -> (&str, Option<&str>) {
    function.split_once(':').map_or((function, None), |(name, qualifier)| (name, Some(qualifier)))
}

/// What a schedule keeps of `given`; the function need not be there yet.
///
/// # Errors
/// A sentence.
pub(crate) fn normal(scope: &Scope, given: &str) -> Result<String, String> {
    let here = format!("arn:aws:lambda:{}:{}:function:", scope.region, scope.account);
    let short = match given.strip_prefix("arn:") {
        None => given,
        Some(_) => given.strip_prefix(&here).ok_or_else(|| {
            format!(
                "The target {given} is not supported by Logboom: a schedule calls a function, {here}NAME."
            )
        })?,
    };
    let (name, qualifier) = parts(short);
    let good = |text: &str, most: usize| {
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !text.is_empty() && text.len() <= most && text.chars().all(is_good)
    };
    let qualified = qualifier.is_none_or(|text| text == "$LATEST" || good(text, QUALIFIER_CHARS_MAX));
    if good(name, NAME_CHARS_MAX) && qualified {
        return Ok(short.to_owned());
    }
    Err(format!("{given} is not the name of a function, NAME or NAME:QUALIFIER."))
}

/// Refuses a function that is there and cannot be called by a schedule.
///
/// # Errors
/// A sentence that says what it exports.
pub(crate) fn check(app: &App, scope: &Scope, function: &str) -> Result<(), String> {
    match attach::check(app, scope, parts(function).0, Purpose::Schedule) {
        Ok(()) | Err(Unusable::Missing) => Ok(()),
        Err(Unusable::Unfit(reason)) => {
            Err(format!("{function} cannot be the target of a schedule: {reason}."))
        }
    }
}

/// The ARN of what a schedule calls.
pub(crate) fn arn(scope: &Scope, function: &str) -> String {
    format!("arn:aws:lambda:{}:{}:function:{function}", scope.region, scope.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_functions_of_the_same_place() {
        let scope = Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
        let kept = |given: &str| normal(&scope, given);
        assert_eq!(kept("f").unwrap(), "f");
        assert_eq!(kept("f:live").unwrap(), "f:live");
        assert_eq!(kept("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST").unwrap(), "f:$LATEST");
        for bad in ["", "f:", ":x", "a b", "f:a:b", "../f", &"x".repeat(65)] {
            assert!(kept(bad).unwrap_err().contains("NAME:QUALIFIER"), "{bad}");
        }
        for foreign in
            ["arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:lambda:eu-west-1:000000000000:function:f"]
        {
            assert!(kept(foreign).unwrap_err().contains("not supported"), "{foreign}");
        }
    }
}
