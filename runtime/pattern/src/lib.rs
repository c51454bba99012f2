//! The filter-pattern language: one grammar for metric filters, subscription filters,
//! FilterLogEvents, Live Tail and TestMetricFilter.
//!
//! Owns the text of a pattern, its errors, the compiled matcher, and what a match extracts.
//! Refuses to know where messages come from, what happens to a match, and how a guest runs:
//! it reads no clock, does no I/O, and asks for a guest's verdict through [`Guests`].
//!
//! ```
//! use pattern::{Document, NoGuests, Options, Pattern};
//!
//! let slow = Pattern::parse("{ $.latency > 500 && $.method = GET }", Options::default())?;
//! let event = Document::new(r#"{"latency": 812, "method": "GET"}"#);
//! assert!(slow.matches(&event, &mut NoGuests));
//! assert_eq!(slow.extract(&event)[0], ("$.latency".to_string(), "812".to_string()));
//! # Ok::<(), pattern::ParseError>(())
//! ```

mod columns;
mod document;
mod error;
mod guests;
mod json;
mod lex;
mod limits;
mod matcher;
mod number;
mod operand;
mod pattern;
mod regex;
mod required;
mod selector;
mod set;
mod term;
mod wording;

pub use document::Document;
pub use error::{ParseError, Place, SelectorError};
pub use guests::{Guests, NoGuests};
pub use limits::Limits;
pub use pattern::{Kind, Options, Pattern};
pub use selector::ValueSelector;
pub use set::{Hit, Literal, Messages, Set};
