//! The `metrics` room (skeleton).
