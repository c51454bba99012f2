//! Owns alarms: what they are ([`spec`]), what they look at ([`window`]), how they decide ([`missing`],
//! [`evaluate`]), what they say about it ([`reason`], [`history`], [`message`], [`explain`]) and which log events
//! stand behind it ([`evidence`]). Refuses to know who is notified and how.

pub mod action;
pub mod evaluate;
pub mod evidence;
pub mod explain;
pub mod history;
pub mod message;
pub mod missing;
pub mod reason;
pub mod region;
pub mod spec;
pub mod state;
pub mod window;

pub use evaluate::{Evaluation, Transition, evaluate};
pub use spec::AlarmSpec;
pub use state::{AlarmState, EvaluationState, StateValue};
