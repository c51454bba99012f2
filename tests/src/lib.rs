//! Acceptance harness (skeleton).
