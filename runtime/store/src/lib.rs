//! The `store` room (skeleton).
