//! AWS encodings: bytes to typed operations and back, for every protocol AWS clients use here.
//! Knows models, protocols, signatures and error texts; refuses to know what an operation does, who may do
//! it, sockets, and the clock.

pub mod model;
pub mod shape;

pub use model::Service;
