//! The seam to guests: what a `wasm:NAME` term asks. Owns the question, not the answer.

/// Gives the verdict of a guest about the message that is being matched.
///
/// The caller knows which message that is; a pattern asks at most once per `wasm:NAME` term
/// and only when the native part of the pattern has not decided already.
pub trait Guests {
    /// Does the guest called `name` (as written after `wasm:`) accept the message?
    fn verdict(&mut self, name: &str) -> bool;
}

/// No guest accepts anything: for places where guests cannot be called.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGuests;

impl Guests for NoGuests {
    fn verdict(&mut self, _name: &str) -> bool {
        false
    }
}

/// Every guest might accept: what `may_match` asks with.
pub(crate) struct AnyVerdict;

impl Guests for AnyVerdict {
    fn verdict(&mut self, _name: &str) -> bool {
        true
    }
}
