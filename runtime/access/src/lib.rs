//! The `access` room (skeleton).
