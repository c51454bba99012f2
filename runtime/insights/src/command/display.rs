//! `display e [as name], …`: only these columns are shown; the last one wins.

use std::fmt;

use super::Command;
use super::fields::define_items;
use crate::error::CompileError;
use crate::plan::planner::Planner;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::{Item, Items};

struct Display {
    span: Span,
    items: Vec<Item>,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    Ok(Box::new(Display { span, items: parser.items()? }))
}

impl Command for Display {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        define_items(planner, &self.items)?;
        planner.display_items(&self.items);
        Ok(())
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "display {}", Items(&self.items))
    }
}
