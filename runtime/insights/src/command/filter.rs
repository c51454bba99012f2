//! `filter e`, `where e`: keeps the rows for which the expression is true; filters chain.

use std::fmt;

use super::Command;
use crate::error::CompileError;
use crate::plan::planner::Planner;
use crate::plan::scope::DraftStep;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, ExprKind};

struct Filter {
    span: Span,
    expr: Expr,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    Ok(Box::new(Filter { span, expr: parser.expression()? }))
}

impl Command for Filter {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        // Each conjunct filters by itself, so that the cheap ones can go first.
        let conjuncts = match &self.expr.kind {
            ExprKind::And(list) => list.as_slice(),
            _ => std::slice::from_ref(&self.expr),
        };
        for expr in conjuncts {
            let node = planner.expression(expr)?;
            planner.scope.open().steps.push(DraftStep::Filter(node));
        }
        Ok(())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter {}", self.expr)
    }
}
