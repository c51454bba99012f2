//! Owns page tokens: opaque texts that say where the next page begins. Refuses to know what is paged.
//!
//! A token is base64url of a JSON object whose `of` names the operation, so that one operation's token is
//! not taken by another.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::Fault;

/// Longest token that is looked at.
const TOKEN_CHARS_MAX: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Token<T> {
    of: String,
    at: T,
}

/// The token that leads to `at` in the pages of `operation`.
pub(crate) fn token<T: Serialize>(operation: &str, at: T) -> String {
    let token = Token { of: operation.to_owned(), at };
    // Positions are made of names and numbers, which JSON can hold; an empty token is refused when it returns.
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

/// Where the page that `token` asks for begins; `None` without a token.
///
/// # Errors
/// `InvalidParameterException` with AWS's sentence for a token that is not one of `operation`'s.
pub(crate) fn position<T: DeserializeOwned>(
    operation: &str,
    token: Option<&str>,
) -> Result<Option<T>, Fault> {
    let Some(token) = token else { return Ok(None) };
    let parsed = (token.len() <= TOKEN_CHARS_MAX)
        .then(|| BASE64_URL_SAFE_NO_PAD.decode(token).ok())
        .flatten()
        .and_then(|bytes| serde_json::from_slice::<Token<T>>(&bytes).ok())
        .filter(|token| token.of == operation);
    parsed.map(|token| Some(token.at)).ok_or_else(invalid)
}

/// AWS's answer to a token that it did not give.
pub(crate) fn invalid() -> Fault {
    Fault::new("InvalidParameterException", "The specified nextToken is invalid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_and_others_are_refused() {
        let one = token("List", ("name", 7));
        assert_eq!(position::<(String, i32)>("List", Some(&one)).unwrap(), Some(("name".to_owned(), 7)));
        assert_eq!(position::<String>("List", None).unwrap(), None);
        for bad in ["", "x", "!!", &token("Other", ("name", 7)), &one[1..]] {
            let fault = position::<(String, i32)>("List", Some(bad)).unwrap_err();
            assert_eq!(fault.message(), "The specified nextToken is invalid.", "{bad}");
        }
    }
}
