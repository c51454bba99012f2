//! AWS encodings: bytes to typed operations and back, for every protocol AWS clients use here.
//! Knows models, protocols, signatures and error texts; refuses to know what an operation does, who may do
//! it, sockets, and the clock.
//!
//! The way of a request: [`identify`] -> [`sign::verify`] (when keys are configured) -> [`decode()`] ->
//! `serde_json::from_value` into a type of [`shape`] -> the operation -> [`encode_typed`] or [`encode()`].
//! What cannot be identified is answered by [`refuse`].

mod cbor;
mod decode;
mod encode;
pub mod event_stream;
mod fault;
mod form;
pub mod logs;
pub mod model;
pub mod request;
mod rest;
mod scalar;
pub mod shape;
pub mod sign;
mod target;
mod timestamp;
mod validate;
mod xml;

pub use decode::{MAX_DEPTH, decode};
pub use encode::{encode, encode_stream, encode_typed, refuse};
pub use fault::Fault;
pub use model::Service;
pub use request::{Request, Response, body};
pub use sign::Credential;
pub use target::{Protocol, Target, identify};
