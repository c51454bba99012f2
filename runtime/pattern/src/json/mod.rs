//! JSON patterns: `{ $.selector operator value }` and what is built from them.
//!
//! Owns the module list only; each file says what it owns.

mod evaluate;
mod expression;
mod many;
mod parse;
mod path;
mod prefilter;
mod scan;
mod tape;

pub(crate) use expression::JsonPattern;
pub(crate) use many::{Found, NOWHERE, Names, holds_at};
pub(crate) use parse::{guest_name, parse};
pub(crate) use path::Selector;
pub(crate) use scan::{has_control, object_into as scan_object_into};
pub(crate) use tape::{Tape, Value};
