//! The `wire` room (skeleton).
