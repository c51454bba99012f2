//! Masks personal data (skeleton).
