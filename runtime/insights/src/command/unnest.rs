//! `unnest f into name`: one row per element of a list; scalars and maps are lists of one.

use std::fmt;
use std::sync::Arc;

use super::Command;
use crate::error::{CompileError, Error};
use crate::plan::planner::Planner;
use crate::plan::scope::DraftStep;
use crate::run::batch::{Batch, check_made_rows};
use crate::run::node::Node;
use crate::run::stage::{Definition, Slot, Stage, Step};
use crate::run::vector::Vector;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, PlainName};
use crate::value::{Cell, Value};

struct Unnest {
    span: Span,
    list: Expr,
    name: String,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    let list = parser.expression()?;
    if !parser.eat_word("into")? {
        return Err(parser.unexpected("'into' and a name", &["into"]));
    }
    let name = parser.name("a name after 'into'")?.text;
    Ok(Box::new(Unnest { span, list, name }))
}

impl Command for Unnest {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        let node = planner.expression(&self.list)?;
        let draft = planner.scope.open();
        let input = draft.slot_of(node);
        let output = draft.add(Definition::Made);
        draft.steps.push(DraftStep::Fixed(Arc::new(Spread { input, output })));
        planner.scope.define(&self.name, Node::Slot(output));
        planner.show(self.name.clone(), None);
        Ok(())
    }
}

impl fmt::Display for Unnest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unnest {} into {}", self.list, PlainName(&self.name))
    }
}

#[derive(Debug)]
struct Spread {
    input: Slot,
    output: Slot,
}

impl Step for Spread {
    fn run(&self, stage: &Stage, batch: &mut Batch<'_>) -> Result<(), Error> {
        batch.load(stage, self.input)?;
        let mut counts = Vec::with_capacity(batch.len());
        let mut made = Vec::new();
        for row in 0..batch.len() {
            let before = made.len();
            match batch.cell(self.input, row) {
                // An event without the field stays, without the new one.
                Cell::Null => made.push(Value::Null),
                Cell::List(items) => made.extend(items.iter().cloned()),
                cell => made.push(cell.to_value()),
            }
            counts.push(made.len() - before);
            check_made_rows(made.len())?;
        }
        batch.expand(&counts);
        batch.put(self.output, Vector::Values(made));
        Ok(())
    }
}
