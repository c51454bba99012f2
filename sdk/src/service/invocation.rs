//! Facts about the running call.

use super::imported;

/// The id of this call, as in its START and END lines.
pub fn request_id() -> String {
    imported::invocation::request_id()
}

/// The name the function was deployed under.
pub fn function_name() -> String {
    imported::invocation::function_name()
}

/// The version that runs: a number, or `$LATEST`.
pub fn function_version() -> String {
    imported::invocation::function_version()
}

/// Milliseconds until the host ends the call.
pub fn remaining_ms() -> u64 {
    imported::invocation::remaining_ms()
}

/// Bytes the instance may hold, over all its memories.
pub fn memory_limit_bytes() -> u64 {
    imported::invocation::memory_limit_bytes()
}
