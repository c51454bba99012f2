//! Time as the root lends it. This room never reads a clock of its own.

/// The clock guests see and calls are timed with.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
    /// Microseconds since some fixed moment; never goes back.
    fn monotonic_us(&self) -> u64;
}
