//! The `deliver` room (skeleton).
