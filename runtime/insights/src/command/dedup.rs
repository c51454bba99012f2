//! `dedup f, …`: the first row of every combination of values; rows that lack one are all kept.

use std::fmt;

use super::Command;
use crate::error::CompileError;
use crate::limits::MAX_ROWS;
use crate::plan::planner::Planner;
use crate::run::distinct::Distinct;
use crate::run::sink::Barrier;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, ExprKind};

struct Dedup {
    span: Span,
    fields: Vec<Expr>,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    let mut fields = Vec::new();
    loop {
        let expr = parser.expression()?;
        if !matches!(expr.kind, ExprKind::Name(_) | ExprKind::Access(..)) {
            return Err(parser.error(
                expr.span,
                "dedup takes fields, not expressions",
                "name it with fields first",
            ));
        }
        fields.push(expr);
        if !parser.eat_symbol(",")? {
            return Ok(Box::new(Dedup { span, fields }));
        }
    }
}

impl Command for Dedup {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        let mut keys = Vec::new();
        for expr in &self.fields {
            let node = planner.expression(expr)?;
            keys.push(planner.scope.open().slot_of(node));
        }
        let order = planner.scope.open().order.clone();
        planner.scope.close(Barrier::Distinct(Distinct {
            keys,
            limit: MAX_ROWS,
            order,
            exports: Vec::new(),
        }));
        planner.mark_deduplicated();
        Ok(())
    }
}

impl fmt::Display for Dedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields.iter().map(ToString::to_string).collect();
        write!(f, "dedup {}", fields.join(", "))
    }
}
