//! `limit n`, `limit any n`: the first rows in order, or any so many.

use std::fmt;

use super::Command;
use crate::error::CompileError;
use crate::limits::MAX_ROWS;
use crate::plan::planner::Planner;
use crate::text::lex::{Kind, Span};
use crate::text::parser::Parser;

struct Limit {
    span: Span,
    rows: usize,
    any: bool,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    let any = parser.eat_word("any")?;
    let Kind::Int(rows) = parser.token().kind else {
        return Err(parser.unexpected("a number of rows", &["any"]));
    };
    let number = parser.advance()?.span;
    match usize::try_from(rows) {
        Ok(rows) if (1..=MAX_ROWS).contains(&rows) => Ok(Box::new(Limit { span, rows, any })),
        _ => Err(parser.error(number, &format!("limit takes a number from 1 to {MAX_ROWS}, not {rows}"), "")),
    }
}

impl Command for Limit {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        planner.mark_ordered(self.span);
        planner.limit(self.rows, self.any);
        Ok(())
    }

    fn may_follow_dedup(&self) -> bool {
        true
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit {}{}", if self.any { "any " } else { "" }, self.rows)
    }
}
