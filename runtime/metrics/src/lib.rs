//! The `metrics` room owns datapoints, their statistics and the state of alarms.
//!
//! It refuses to know log storage, delivery, guests, wire encodings and the clock: every entry takes the time
//! as an argument, nothing here does I/O, and the same arguments give the same answer. What must be kept is
//! asked of the [`records::Records`] verbs, which the root implements over one transaction.
//!
//! Where to start reading: [`datum`] (what comes in), [`point`] (what is kept), [`statistic`] and [`rollup`]
//! (what is asked), [`alarm`] (what is decided from it), [`tick`] (when).

pub mod alarm;
pub mod datum;
pub mod distribution;
pub mod emf;
pub mod fault;
pub mod filter;
pub mod gather;
pub mod name;
pub mod number;
pub mod operation;
pub mod packed;
pub mod point;
pub mod records;
pub mod retention;
pub mod rollup;
pub mod sketch;
pub mod statistic;
pub mod tick;
pub mod time;
pub mod unit;

pub use fault::{Code, Fault};
pub use name::{Dimension, Metric, Scope};
pub use unit::Unit;

#[cfg(test)]
pub(crate) fn test_rounds(usual: u32) -> u32 {
    // `LOGBOOM_LONG=1` multiplies the rounds of every property test.
    if std::env::var_os("LOGBOOM_LONG").is_some() { usual * 50 } else { usual }
}
