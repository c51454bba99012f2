//! Owns the one error shape of this room: an AWS error code, its text and its HTTP status.
//! Refuses to know how an error is written on the wire.

use std::fmt;

/// Why a request is refused, in AWS's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's short error code, for example `InvalidParameter`.
    pub code: &'static str,
    /// The text a client sees.
    pub message: String,
    /// HTTP status, 400 unless said otherwise.
    pub status: u16,
}

impl Refusal {
    /// Any code with status 400.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: 400 }
    }

    /// `InvalidParameter` with the usual prefix `Invalid parameter: `.
    pub fn invalid(detail: impl fmt::Display) -> Self {
        Self::new("InvalidParameter", format!("Invalid parameter: {detail}"))
    }

    /// A feature of AWS that this product does not have; `what` names it.
    pub fn unsupported(parameter: &str, what: impl fmt::Display) -> Self {
        Self::invalid(format_args!("{parameter} Reason: {what} not supported by Logboom"))
    }

    /// `NotFound`, 404: `Topic does not exist`.
    pub fn not_found(what: &str) -> Self {
        Self { code: "NotFound", message: format!("{what} does not exist"), status: 404 }
    }

    /// `ParameterValueInvalid`: how AWS refuses message attributes.
    pub fn attribute(message: impl Into<String>) -> Self {
        Self::new("ParameterValueInvalid", message)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}
