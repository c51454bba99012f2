//! `sort e [asc | desc], …`: natural order, absent values last.

use std::fmt;

use super::{Command, refuse_call};
use crate::error::CompileError;
use crate::plan::planner::Planner;
use crate::run::rank::Key;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::Expr;

struct Sort {
    span: Span,
    keys: Vec<(Expr, bool)>,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    // The documentation writes `sort by f` here and there.
    parser.eat_word("by")?;
    let mut keys = Vec::new();
    loop {
        let expr = parser.expression()?;
        let descending = parser.eat_word("desc")?;
        if !descending {
            parser.eat_word("asc")?;
        }
        keys.push((expr, descending));
        if !parser.eat_symbol(",")? {
            return Ok(Box::new(Sort { span, keys }));
        }
    }
}

impl Command for Sort {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        planner.mark_ordered(self.span);
        let mut keys = Vec::new();
        for (expr, descending) in &self.keys {
            refuse_call(planner, expr, "bin", "sort", "give it an alias ('bin(5m) as t') and sort by that")?;
            refuse_call(planner, expr, "jsonParse", "sort", "")?;
            let node = planner.expression(expr)?;
            let slot = planner.scope.open().slot_of(node);
            keys.push(Key { slot, descending: *descending });
        }
        planner.scope.sort(keys);
        Ok(())
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = |(expr, descending): &(Expr, bool)| {
            format!("{expr} {}", if *descending { "desc" } else { "asc" })
        };
        write!(f, "sort {}", self.keys.iter().map(key).collect::<Vec<_>>().join(", "))
    }
}
