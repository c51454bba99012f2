//! What is wrong with a pattern or a value selector, in AWS's words first and then in ours.
//!
//! Owns the wording of errors; refuses to know the grammar that found them.

use std::fmt;

/// Where a pattern is used: AWS opens its error texts differently for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// FilterLogEvents, Live Tail, TestMetricFilter.
    #[default]
    Filter,
    /// PutMetricFilter.
    MetricFilter,
    /// PutSubscriptionFilter.
    SubscriptionFilter,
}

/// The opening sentence of an error, as AWS writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Headline {
    /// `Invalid filter pattern`, worded by place.
    Invalid,
    /// `Invalid character(s) in term '...'`.
    Characters(Box<str>),
    /// `If a filter pattern starts with '{' it must end with '}'`.
    Unclosed(char, char),
    /// The whole message is AWS's validation error; nothing is added.
    TooLong(Box<str>),
}

/// A pattern that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// Byte offset into the pattern text as given.
    pub offset: usize,
    /// The full message for people; starts with the sentence AWS uses for FilterLogEvents.
    pub message: String,
    /// What would have been right at `offset`.
    pub expected: String,
    /// The nearest valid spelling, when there is one worth offering.
    pub suggestion: Option<String>,
    headline: Headline,
}

impl ParseError {
    pub(crate) fn new(offset: usize, expected: impl Into<String>) -> Self {
        ParseError {
            offset,
            message: String::new(),
            expected: expected.into(),
            suggestion: None,
            headline: Headline::Invalid,
        }
        .worded()
    }

    pub(crate) fn headline(mut self, headline: Headline) -> Self {
        self.headline = headline;
        self.worded()
    }

    pub(crate) fn suggest(mut self, spelling: impl Into<String>) -> Self {
        self.suggestion = Some(spelling.into());
        self.worded()
    }

    fn worded(mut self) -> Self {
        self.message = self.message_for(Place::Filter);
        self
    }

    /// The message with the opening sentence that AWS uses in `place`.
    pub fn message_for(&self, place: Place) -> String {
        let opening = match (&self.headline, place) {
            (Headline::TooLong(text), _) => return text.to_string(),
            (Headline::Characters(term), _) => format!("Invalid character(s) in term '{term}'"),
            (Headline::Unclosed(open, close), _) => {
                format!("If a filter pattern starts with '{open}' it must end with '{close}'")
            }
            (Headline::Invalid, Place::Filter) => "Invalid filter pattern".to_string(),
            (Headline::Invalid, Place::MetricFilter) => "Invalid metric filter pattern".to_string(),
            (Headline::Invalid, Place::SubscriptionFilter) => {
                "Invalid subscription filter pattern".to_string()
            }
        };
        let mut message = format!("{opening}: expected {} at offset {}", self.expected, self.offset);
        if let Some(spelling) = &self.suggestion {
            message.push_str("; did you mean ");
            message.push_str(spelling);
            message.push('?');
        }
        message
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

/// A metric value or dimension that cannot be parsed, or that its pattern cannot provide.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SelectorError {
    /// Byte offset into the selector text; 0 when the selector as a whole does not fit.
    pub offset: usize,
    /// The full message; starts with AWS's sentence where AWS has one.
    pub message: String,
}

impl SelectorError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        SelectorError { offset, message: message.into() }
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SelectorError {}
