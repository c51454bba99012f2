//! The `pattern` room (skeleton).
