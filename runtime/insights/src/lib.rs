//! The `insights` room (skeleton).
