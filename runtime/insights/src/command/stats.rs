//! `stats agg [as name], … [by e [as name], …]`: one row per group. Items may calculate with
//! aggregates and with the aliases of earlier items. Up to ten in a chain; later ones see only what
//! the one before defined.

use std::fmt;

use super::{Command, refuse_call};
use crate::aggregate;
use crate::error::CompileError;
use crate::plan::calls::Mode;
use crate::plan::planner::Planner;
use crate::run::groups::Groups;
use crate::run::node::Node;
use crate::run::sink::Barrier;
use crate::run::stage::Definition;
use crate::text::lex::Span;
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, ExprKind, Item, Items};

struct Stats {
    span: Span,
    items: Vec<Item>,
    keys: Vec<Item>,
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    if parser.at_word("by") {
        return Err(parser.unexpected("an aggregate such as count(*)", &[]));
    }
    let items = parser.items()?;
    let keys = if parser.eat_word("by")? { parser.items()? } else { Vec::new() };
    if parser.at_word("offset") {
        let at = parser.token().span;
        return Err(parser.error(at, "'offset' in stats is not supported", ""));
    }
    Ok(Box::new(Stats { span, items, keys }))
}

impl Command for Stats {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        planner.begin_stats(self.span)?;
        for item in self.items.iter().chain(&self.keys) {
            refuse_call(planner, &item.expr, "jsonParse", "stats", "use it in a fields command before")?;
        }
        let stage = planner.scope.last();
        let mut keys = Vec::new();
        for key in &self.keys {
            let node = planner.compile(&key.expr, Mode::Row { stage, strict: true })?;
            keys.push(planner.scope.open().slot_of(node));
        }
        planner.scope.close(Barrier::Groups(Groups { keys, measures: Vec::new(), time: None }));
        let mut labels = Vec::new();
        for (column, key) in self.keys.iter().enumerate() {
            let slot = planner.scope.open().add(Definition::Input(column));
            planner.scope.define(&key.name, Node::Slot(slot));
            labels.push(key.name.clone());
        }
        let mut aliases: Vec<&str> = Vec::new();
        for item in &self.items {
            check_item(planner, item, &aliases)?;
            let node = planner.compile(&item.expr, Mode::Item)?;
            planner.scope.define(&item.name, node);
            labels.push(item.name.clone());
            aliases.push(&item.name);
        }
        planner.show_groups(labels);
        Ok(())
    }
}

/// An item has an aggregate in it, or the alias of an earlier item.
fn check_item(planner: &Planner<'_>, item: &Item, aliases: &[&str]) -> Result<(), CompileError> {
    let found = item.expr.find(&mut |inner: &Expr| match &inner.kind {
        ExprKind::Call { name, .. } => aggregate::find(name).map(|_| ()),
        ExprKind::Name(name) => aliases.contains(&name.text.as_str()).then_some(()),
        _ => None,
    });
    if found.is_some() {
        return Ok(());
    }
    // A misspelt or unsupported call is reported as such.
    let call = item.expr.find(&mut |inner: &Expr| matches!(inner.kind, ExprKind::Call { .. }).then_some(()));
    if call.is_some() {
        return Ok(());
    }
    let what = "an item of stats needs an aggregate";
    Err(planner.error(item.expr.span, what, "for example count(*) or max(field)"))
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stats {}", Items(&self.items))?;
        if self.keys.is_empty() { Ok(()) } else { write!(f, " by {}", Items(&self.keys)) }
    }
}
