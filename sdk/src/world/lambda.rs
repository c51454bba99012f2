//! The world `lambda-handler`.

use super::Exported;
use crate::InvokeError;
use crate::generated::lambda::exports::logboom::extension::lambda::Guest;

/// AWS Lambda's own contract: JSON in, JSON out.
pub trait Lambda {
    /// Answers one payload.
    ///
    /// # Errors
    /// [`InvokeError`]: the caller gets it as the function's error.
    fn invoke(payload: Vec<u8>) -> Result<Vec<u8>, InvokeError>;
}

impl From<String> for InvokeError {
    fn from(message: String) -> Self {
        Self::FunctionError(message)
    }
}

impl From<&str> for InvokeError {
    fn from(message: &str) -> Self {
        Self::FunctionError(message.to_owned())
    }
}

impl<T: Lambda> Guest for Exported<T> {
    fn invoke(payload: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        super::entry::enter();
        T::invoke(payload)
    }
}
