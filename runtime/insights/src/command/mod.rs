//! The commands of the language, one per file, and their table. A command answers: how it parses,
//! how it prints back, and how it is planned; the fields it needs follow from the names it resolves,
//! and what it does to a block and how its states merge is in the steps and barriers it plans.

mod dedup;
mod display;
mod fields;
mod filter;
mod limit;
mod parse;
mod sort;
mod stats;
mod unnest;

use std::fmt;

use crate::error::CompileError;
use crate::plan::planner::Planner;
use crate::text::lex::{Kind, Span};
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, ExprKind};

/// One command of a query. Prints back as text that parses to it again.
pub(crate) trait Command: fmt::Display {
    /// Where its first word stands.
    fn span(&self) -> Span;

    /// Adds what it does to the plan.
    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError>;

    /// Whether it may stand after `dedup`.
    fn may_follow_dedup(&self) -> bool {
        false
    }
}

type ParseCommand = fn(&mut Parser<'_>, Span) -> Result<Box<dyn Command>, CompileError>;

/// Every command: its names and its parser, which starts after the name.
pub(crate) const COMMANDS: &[(&[&str], ParseCommand)] = &[
    (&["fields"], fields::parse),
    (&["display"], display::parse),
    (&["filter", "where"], filter::parse),
    (&["stats"], stats::parse),
    (&["sort"], sort::parse),
    (&["limit"], limit::parse),
    (&["parse"], parse::parse),
    (&["dedup"], dedup::parse),
    (&["unnest"], unnest::parse),
];

/// Commands of the current language that are not built yet: named in the refusal.
const UNSUPPORTED: &[&str] = &[
    "source",
    "pattern",
    "diff",
    "anomaly",
    "unmask",
    "filterIndex",
    "lookup",
    "join",
    "expand",
    "json",
    "head",
    "tail",
    "search",
    "order",
    "addtotals",
    "accum",
    "autoregress",
    "filldown",
    "fillmissing",
    "outlier",
    "sessionize",
    "appendcols",
    "countFrequent",
    "cidrlookup",
    "logcompare",
    "relevantfields",
    "datasource",
];

/// Parses the command that starts at the current token.
pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Box<dyn Command>, CompileError> {
    let token = parser.token().clone();
    if let Kind::Word(word) = &token.kind {
        let is = |name: &&str| name.eq_ignore_ascii_case(word);
        if let Some((_, parse)) = COMMANDS.iter().find(|(names, _)| names.iter().any(is)) {
            parser.advance()?;
            return parse(parser, token.span);
        }
        if let Some(name) = UNSUPPORTED.iter().find(|n| is(n)) {
            return Err(parser.error(token.span, &format!("the command '{name}' is not supported"), ""));
        }
    }
    let words: Vec<&str> = COMMANDS.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    Err(parser.unexpected(&format!("a command ({})", words.join(", ")), &words))
}

/// Refuses calls of `name` in a place where it makes no sense.
fn refuse_call(
    planner: &Planner<'_>,
    expr: &Expr,
    name: &str,
    place: &str,
    advice: &str,
) -> Result<(), CompileError> {
    let found = expr.find(&mut |inner| match &inner.kind {
        ExprKind::Call { name: called, .. } if called.eq_ignore_ascii_case(name) => Some(inner.span),
        _ => None,
    });
    match found {
        Some(span) => Err(planner.error(span, &format!("'{name}' cannot be used in {place}"), advice)),
        None => Ok(()),
    }
}
