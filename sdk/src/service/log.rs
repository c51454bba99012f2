//! Lines for the function's own log group. `println!` and `eprintln!` go there too.

use super::imported;
pub use crate::generated::services::logboom::extension::log::Level;

/// Writes one line; the macros [`crate::info`] and its kin are shorter.
pub fn write(level: Level, message: &str) {
    imported::log::write(level, message);
}

/// Writes a line at level debug: `debug!("{} events", n)`.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Debug, &format!($($arg)*)) };
}

/// Writes a line at level info.
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Info, &format!($($arg)*)) };
}

/// Writes a line at level warn.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Warn, &format!($($arg)*)) };
}

/// Writes a line at level error.
#[macro_export]
macro_rules! error {
    ($($arg:tt)*) => { $crate::log::write($crate::log::Level::Error, &format!($($arg)*)) };
}
