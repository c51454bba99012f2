//! Plans one command after another: the rules about their order, what is shown, and the stages.
//! What each command means is said in its own file.

use super::filters::arrange;
use super::query::{Plan, Window};
use super::scope::Scope;
use crate::command::Command;
use crate::error::CompileError;
use crate::guest::Functions;
use crate::limits::{MAX_ROWS, MAX_STATS};
use crate::plan::needs::Needs;
use crate::run::node::Node;
use crate::run::sink::Barrier;
use crate::run::stage::Stage;
use crate::run::top::Top;
use crate::text::lex::Span;
use crate::text::parser::error_at;
use crate::text::syntax::{Item, Name};

/// A column of the result.
#[derive(Debug, Clone)]
struct Shown {
    label: String,
    /// The field as named, looked up at the end; None: the label is a defined column.
    name: Option<Name>,
}

/// The state of planning.
pub(crate) struct Planner<'p> {
    text: &'p str,
    pub(super) functions: &'p dyn Functions,
    pub(super) now_ms: i64,
    pub(super) window: Window,
    pub(crate) scope: Scope,
    /// `fields` was used, or `stats` made columns.
    listed: bool,
    shown: Vec<Shown>,
    /// From the last `display`.
    displayed: Option<Vec<Shown>>,
    stats: usize,
    /// The first `sort` or `limit`.
    ordered: Option<Span>,
    deduplicated: bool,
    limited: bool,
}

impl<'p> Planner<'p> {
    pub(crate) fn new(
        text: &'p str,
        functions: &'p dyn Functions,
        now_ms: i64,
        window: Window,
    ) -> Planner<'p> {
        Planner {
            text,
            functions,
            now_ms,
            window,
            scope: Scope::new(),
            listed: false,
            shown: Vec::new(),
            displayed: None,
            stats: 0,
            ordered: None,
            deduplicated: false,
            limited: false,
        }
    }

    pub(crate) fn error(&self, span: Span, what: &str, advice: &str) -> CompileError {
        error_at(self.text, span, what, advice)
    }

    /// Plans one command.
    pub(crate) fn command(&mut self, command: &dyn Command) -> Result<(), CompileError> {
        if self.deduplicated && !command.may_follow_dedup() {
            return Err(self.error(command.span(), "only limit may follow dedup: unexpected command", ""));
        }
        command.plan(self)
    }

    /// A `stats` comes: the rules about chains.
    pub(crate) fn begin_stats(&mut self, span: Span) -> Result<(), CompileError> {
        self.stats += 1;
        if self.stats > MAX_STATS {
            let what = format!("a query can have at most {MAX_STATS} stats commands: one too many");
            return Err(self.error(span, &what, ""));
        }
        match self.ordered {
            Some(ordered) if self.stats > 1 => {
                let what = "sort and limit cannot come before the last stats command: misplaced command";
                Err(self.error(ordered, what, "move it to the end"))
            }
            _ => Ok(()),
        }
    }

    /// The rows become groups: earlier columns are gone, these are shown.
    pub(crate) fn show_groups(&mut self, labels: Vec<String>) {
        self.listed = true;
        self.displayed = None;
        self.shown.clear();
        labels.into_iter().for_each(|label| self.show(label, None));
    }

    /// A `sort` or `limit` stands here.
    pub(crate) fn mark_ordered(&mut self, span: Span) {
        self.ordered.get_or_insert(span);
    }

    /// A `dedup` stands here: only `limit` may follow.
    pub(crate) fn mark_deduplicated(&mut self) {
        self.deduplicated = true;
    }

    /// `limit`: the first rows of the current order go on.
    pub(crate) fn limit(&mut self, rows: usize, any: bool) {
        self.limited = true;
        let last = self.scope.last();
        if last > 0
            && self.scope.stages[last].steps.is_empty()
            && let Some(Barrier::Distinct(distinct)) = &mut self.scope.stages[last - 1].barrier
        {
            distinct.limit = distinct.limit.min(rows);
        }
        let order = self.scope.open().order.clone();
        self.scope.close(Barrier::Top(Top { limit: rows, order, any, exports: Vec::new() }));
    }

    /// A column that a command other than `fields` and `display` made (`parse`, `unnest`).
    pub(crate) fn show(&mut self, label: String, name: Option<Name>) {
        push_shown(&mut self.shown, Shown { label, name });
    }

    /// `fields`: its items become columns.
    pub(crate) fn show_items(&mut self, items: &[Item]) {
        self.listed = true;
        for item in items {
            push_shown(&mut self.shown, shown(item));
        }
    }

    /// `display`: its items become the only columns.
    pub(crate) fn display_items(&mut self, items: &[Item]) {
        let mut list = Vec::new();
        for item in items {
            push_shown(&mut list, shown(item));
        }
        self.displayed = Some(list);
    }

    fn columns(&mut self) -> Vec<Shown> {
        if let Some(displayed) = self.displayed.take() {
            return displayed;
        }
        let mut columns = Vec::new();
        if !self.listed {
            for field in ["@timestamp", "@message"] {
                let name = Name { text: field.to_owned(), quoted: false };
                push_shown(&mut columns, Shown { label: field.to_owned(), name: Some(name) });
            }
        }
        for column in std::mem::take(&mut self.shown) {
            push_shown(&mut columns, column);
        }
        columns
    }

    /// The plan, with the final stage that orders, bounds and shows the rows.
    pub(crate) fn finish(mut self) -> Plan {
        let last = self.scope.last();
        let mut columns = Vec::new();
        let mut exports = Vec::new();
        let mut export = |label: String, slot: usize| {
            let column = exports.iter().position(|s| *s == slot).unwrap_or(exports.len());
            if column == exports.len() {
                exports.push(slot);
            }
            columns.push((label, column));
        };
        for shown in self.columns() {
            let node = match &shown.name {
                Some(name) => self.scope.resolve(last, name),
                None => self.scope.lookup(last, &shown.label).map(Node::Slot),
            };
            if let Some(node) = node {
                let slot = self.scope.open().slot_of(node);
                export(shown.label, slot);
            }
        }
        // Grouped rows have no pointer: there is no such field behind a stats.
        let pointed = columns_hold(&columns, "@ptr");
        if !pointed && let Some(slot) = self.scope.field(last, "@ptr") {
            let column = exports.iter().position(|s| *s == slot).unwrap_or(exports.len());
            if column == exports.len() {
                exports.push(slot);
            }
            columns.push(("@ptr".to_owned(), column));
        }
        let order = self.scope.open().order.clone();
        self.scope.open().barrier = Some(Barrier::Top(Top { limit: MAX_ROWS, order, any: false, exports }));
        self.build(columns)
    }

    fn build(self, columns: Vec<(String, usize)>) -> Plan {
        let mut stages: Vec<Stage> = Vec::new();
        let (mut required, mut any_of) = (Vec::new(), Vec::new());
        for mut draft in self.scope.stages {
            let Some(barrier) = draft.barrier.take() else {
                continue;
            };
            let arranged = arrange(&mut draft);
            if stages.is_empty() {
                (required, any_of) = (arranged.literals, arranged.any_of);
            }
            stages.push(draft.build(arranged.steps, arranged.typed, barrier));
        }
        let needs = Needs { any_of, ..Needs::of(&stages[0], required) };
        Plan::new(stages, columns, needs, self.limited)
    }
}

fn columns_hold(columns: &[(String, usize)], label: &str) -> bool {
    columns.iter().any(|(l, _)| l == label)
}

fn push_shown(list: &mut Vec<Shown>, column: Shown) {
    match list.iter_mut().find(|c| c.label == column.label) {
        Some(same) => *same = column,
        None => list.push(column),
    }
}

fn shown(item: &Item) -> Shown {
    let name = item.expr.as_name().filter(|_| !item.aliased).cloned();
    Shown { label: item.name.clone(), name }
}
