//! What a handler may call. Compiled for wasm, each function is a call of the host; compiled
//! natively, it talks to [`crate::native`].

pub mod config;
#[cfg(feature = "http")]
pub mod http;
pub mod invocation;
pub mod log;
pub mod log_sink;
pub mod metrics;
pub mod notify;
pub mod secrets;
pub mod state;

#[cfg(target_family = "wasm")]
use crate::generated::services::logboom::extension as imported;
#[cfg(not(target_family = "wasm"))]
use crate::native::imported;
