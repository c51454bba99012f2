//! The `wasm` room (skeleton).
