//! Owns the errors of this room, in CloudWatch's words. Refuses to know how a protocol encodes them.

use std::fmt;

/// CloudWatch's error codes, as the query protocol spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A member has a value that is not allowed.
    InvalidParameterValue,
    /// Members that exclude each other, or more datapoints than one call may return.
    InvalidParameterCombination,
    /// A member that must be there is absent.
    MissingParameter,
    /// What the alarm operations answer for bad input.
    ValidationError,
    /// A limit was reached.
    LimitExceeded,
    /// The named alarm does not exist.
    ResourceNotFound,
    /// A paging token that no call of ours returned.
    InvalidNextToken,
    /// A member that must be JSON is not.
    InvalidFormat,
    /// AWS has it and Logboom has not; the message names it.
    Unsupported,
}

impl Code {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidParameterValue => "InvalidParameterValue",
            Code::InvalidParameterCombination => "InvalidParameterCombination",
            Code::MissingParameter => "MissingParameter",
            Code::ValidationError => "ValidationError",
            Code::LimitExceeded => "LimitExceeded",
            Code::ResourceNotFound => "ResourceNotFound",
            Code::InvalidNextToken => "InvalidNextToken",
            Code::InvalidFormat => "InvalidFormat",
            Code::Unsupported => "UnsupportedOperation",
        }
    }

    /// The HTTP status that goes with the code.
    pub fn status(self) -> u16 {
        if self == Code::ResourceNotFound { 404 } else { 400 }
    }
}

/// A refusal: a code and a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of refusal.
    pub code: Code,
    /// The text for the caller, in AWS's words where they are known.
    pub message: String,
}

impl Fault {
    /// A refusal with the given code and text.
    pub fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }

    pub(crate) fn value(message: impl Into<String>) -> Fault {
        Fault::new(Code::InvalidParameterValue, message)
    }

    pub(crate) fn combination(message: impl Into<String>) -> Fault {
        Fault::new(Code::InvalidParameterCombination, message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Fault {
        Fault::new(Code::MissingParameter, message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Fault {
        Fault::new(Code::ValidationError, message)
    }

    /// `what` completes the sentence "Logboom does not support ... yet.".
    pub(crate) fn unsupported(what: impl fmt::Display) -> Fault {
        Fault::new(Code::Unsupported, format!("Logboom does not support {what} yet."))
    }

    /// A bad NextToken.
    pub(crate) fn next_token() -> Fault {
        Fault::new(Code::InvalidNextToken, "The NextToken value is invalid.")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Fault {}
