//! `fields e [as name], …`: adds columns; several add up. Later commands know the names.

use std::fmt;

use super::Command;
use crate::error::CompileError;
use crate::plan::planner::Planner;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::{Item, Items};

struct Fields {
    span: Span,
    items: Vec<Item>,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    Ok(Box::new(Fields { span, items: parser.items()? }))
}

impl Command for Fields {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        define_items(planner, &self.items)?;
        planner.show_items(&self.items);
        Ok(())
    }
}

/// Names the items' expressions; they do not see each other.
pub(super) fn define_items(planner: &mut Planner<'_>, items: &[Item]) -> Result<(), CompileError> {
    let nodes = items.iter().map(|item| planner.expression(&item.expr)).collect::<Result<Vec<_>, _>>()?;
    for (item, node) in items.iter().zip(nodes) {
        // A bare name stays a field of the log, so that `a` does not hide `a.b`.
        if item.aliased || item.expr.as_name().is_none() {
            planner.scope.define(&item.name, node);
        }
    }
    Ok(())
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fields {}", Items(&self.items))
    }
}
