//! Guest SDK (skeleton).
