//! Expressions to nodes: names are looked up, calls are checked against the tables, constants are
//! folded. Knows no command.

use std::sync::Arc;

use super::planner::Planner;
use crate::aggregate;
use crate::error::CompileError;
use crate::function::{self, Argument, Build, Call, Function};
use crate::guest::Resolution;
use crate::run::groups::Measure;
use crate::run::matcher::Matcher;
use crate::run::node::{Apply, Handle, Node};
use crate::run::sink::Barrier;
use crate::run::stage::Definition;
use crate::text::lex::Span;
use crate::text::spelling::nearest;
use crate::text::syntax::{Expr, ExprKind, Name, PathStep};
use crate::value::Value;

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In a row of the given stage. Strict: a name that means nothing is an error, not an absent value.
    Row { stage: usize, strict: bool },
    /// In an item of the stats whose groups the open stage reads.
    Item,
}

type Compiled<T> = Result<T, CompileError>;

impl Planner<'_> {
    /// An expression over the rows of the open stage.
    pub(crate) fn expression(&mut self, expr: &Expr) -> Compiled<Node> {
        let stage = self.scope.last();
        self.compile(expr, Mode::Row { stage, strict: false })
    }

    pub(crate) fn compile(&mut self, expr: &Expr, mode: Mode) -> Compiled<Node> {
        let node = match &expr.kind {
            ExprKind::Literal(value) => return Ok(Node::Constant(value.clone())),
            ExprKind::Period(period) => {
                let what = format!("the period {period} cannot stand here: unexpected period");
                return Err(self.error(
                    expr.span,
                    &what,
                    "periods are arguments of bin, datefloor and dateceil",
                ));
            }
            ExprKind::Name(name) => return self.name(name, expr.span, mode),
            ExprKind::Access(inner, step) => return self.access(expr, inner, step, mode),
            ExprKind::Call { .. } => self.call(expr, mode)?,
            ExprKind::Negate(inner) => Node::Negate(Box::new(self.compile(inner, mode)?)),
            ExprKind::Not(inner) => Node::Not(Box::new(self.compile(inner, mode)?)),
            ExprKind::Arithmetic(op, a, b) => {
                Node::Arithmetic(*op, Box::new(self.compile(a, mode)?), Box::new(self.compile(b, mode)?))
            }
            ExprKind::Compare(op, a, b) => {
                Node::Compare(*op, Box::new(self.compile(a, mode)?), Box::new(self.compile(b, mode)?))
            }
            ExprKind::And(list) => Node::And(self.compile_all(list, mode)?),
            ExprKind::Or(list) => Node::Or(self.compile_all(list, mode)?),
            ExprKind::In { subject, negated, list } => Node::In {
                subject: Box::new(self.compile(subject, mode)?),
                negated: *negated,
                list: list.clone(),
            },
            ExprKind::Match { subject, negated, pattern, pattern_span } => {
                let matcher = Matcher::new(pattern).map_err(|why| self.error(*pattern_span, &why, ""))?;
                let subject = Box::new(self.compile(subject, mode)?);
                Node::Match { subject, negated: *negated, matcher: Arc::new(matcher) }
            }
        };
        Ok(node.constant().map_or(node, Node::Constant))
    }

    fn compile_all(&mut self, list: &[Expr], mode: Mode) -> Compiled<Vec<Node>> {
        list.iter().map(|expr| self.compile(expr, mode)).collect()
    }

    fn name(&mut self, name: &Name, span: Span, mode: Mode) -> Compiled<Node> {
        let (stage, strict) = match mode {
            Mode::Row { stage, strict } => (stage, strict),
            Mode::Item => {
                let last = self.scope.last();
                return match self.scope.resolve_defined(last, name) {
                    Some(node) => Ok(node),
                    None => {
                        let what = format!("the field '{}' is neither aggregated nor grouped by", name.text);
                        Err(self.error(span, &what, "put it into an aggregate such as max(), or after 'by'"))
                    }
                };
            }
        };
        match self.scope.resolve(stage, name) {
            Some(node) => Ok(node),
            None if strict => Err(self.undefined(name, span, stage)),
            None => Ok(Node::Constant(Value::Null)),
        }
    }

    fn undefined(&self, name: &Name, span: Span, stage: usize) -> CompileError {
        let what = format!("the field '{}' is not defined after stats", name.text);
        let names = self.scope.names(stage);
        let mut advice = format!("defined are: {}", names.join(", "));
        if let Some(near) = nearest(&name.text, names.iter().copied()) {
            advice.push_str(&format!("; did you mean '{near}'?"));
        }
        self.error(span, &what, &advice)
    }

    /// A path: into a defined column if there is one, else the flattened name of a field.
    fn access(&mut self, expr: &Expr, inner: &Expr, step: &PathStep, mode: Mode) -> Compiled<Node> {
        let stage = match mode {
            Mode::Row { stage, .. } => stage,
            Mode::Item => self.scope.last(),
        };
        let mut steps = vec![step];
        let mut base = inner;
        while let ExprKind::Access(next, step) = &base.kind {
            steps.push(step);
            base = next;
        }
        let root = match base.as_name() {
            Some(name) => self.scope.resolve_defined(stage, name),
            None => Some(self.compile(base, mode)?),
        };
        if let Some(root) = root {
            let node =
                steps.into_iter().rev().fold(root, |node, step| Node::Access(Box::new(node), step.clone()));
            return Ok(node);
        }
        let mut text = base.as_name().map(|name| name.text.clone()).unwrap_or_default();
        for step in steps.into_iter().rev() {
            match step {
                PathStep::Key(key) => text.push_str(&format!(".{key}")),
                PathStep::Index(index) => text.push_str(&format!(".{index}")),
            }
        }
        self.name(&Name { text, quoted: true }, expr.span, mode)
    }

    fn call(&mut self, expr: &Expr, mode: Mode) -> Compiled<Node> {
        let ExprKind::Call { name, name_span, arguments, star } = &expr.kind else {
            return Ok(Node::Constant(Value::Null));
        };
        if let Some(aggregate) = aggregate::find(name) {
            return match mode {
                Mode::Item => self.measure(aggregate, expr, arguments, *star),
                Mode::Row { .. } => {
                    let what = format!("the aggregate '{name}' can stand in the items of stats only");
                    Err(self.error(*name_span, &what, "give it an alias there and use the alias"))
                }
            };
        }
        if *star {
            let what = format!("'{name}(*)' is not an aggregate: unexpected symbol found *");
            return Err(self.error(expr.span, &what, "only count takes *"));
        }
        if let Some(function) = function::find(name) {
            return self.built_in(function, expr, arguments, mode);
        }
        // A name that the language has without Logboom having it yet is no other function's.
        if function::is_built_in(name) {
            return Err(self.unknown_function(name, *name_span));
        }
        match self.functions.resolve(name) {
            Resolution::Found(guest) => {
                let signature = guest.signature();
                let wanted = signature.parameters.len();
                let most = if signature.variadic { usize::MAX } else { wanted };
                let least = if signature.variadic { wanted.saturating_sub(1) } else { wanted };
                self.check_count(expr, name, arguments.len(), least, most)?;
                Ok(Node::Guest { guest: Handle(guest), arguments: self.compile_all(arguments, mode)? })
            }
            Resolution::Ambiguous(modules) => {
                let what = format!("the function '{name}' is ambiguous");
                Err(self.error(*name_span, &what, &format!("it is offered by {modules}")))
            }
            Resolution::Unknown => Err(self.unknown_function(name, *name_span)),
        }
    }

    fn unknown_function(&self, name: &str, span: Span) -> CompileError {
        let refused = function::UNSUPPORTED.iter().chain(aggregate::UNSUPPORTED);
        if refused.into_iter().any(|n| n.eq_ignore_ascii_case(name)) {
            return self.error(span, &format!("the function '{name}' is not supported"), "");
        }
        let outside = self.functions.names();
        let inside = function::all().flat_map(|f| f.names);
        let aggregates = aggregate::AGGREGATES.iter().flat_map(|a| a.names);
        let names = inside.chain(aggregates).copied().chain(outside.iter().map(String::as_str));
        let advice = nearest(name, names).map_or_else(String::new, |near| format!("did you mean '{near}'?"));
        self.error(span, &format!("unknown function '{name}'"), &advice)
    }

    fn check_count(&self, expr: &Expr, name: &str, got: usize, least: usize, most: usize) -> Compiled<()> {
        if (least..=most).contains(&got) {
            return Ok(());
        }
        let wanted = match (least, most) {
            (0, 0) => "no argument".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, usize::MAX) => format!("at least {least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        Err(self.error(expr.span, &format!("'{name}' takes {wanted}, not {got}"), ""))
    }

    fn built_in(
        &mut self,
        function: &'static Function,
        expr: &Expr,
        arguments: &[Expr],
        mode: Mode,
    ) -> Compiled<Node> {
        let name = function.names[0];
        self.check_count(expr, name, arguments.len(), function.least, function.most)?;
        if let Build::Row(body) = function.build {
            let arguments = self.compile_all(arguments, mode)?;
            let apply = Apply {
                name: name.to_owned(),
                body: Arc::new(body),
                arguments,
                structures: function.structures,
            };
            return Ok(Node::Apply(apply));
        }
        let (build, hidden) = match function.build {
            Build::OnTimestamp(build) => (build, true),
            Build::Special(build) => (build, false),
            Build::Row(_) => return Ok(Node::Constant(Value::Null)),
        };
        let mut compiled = Vec::new();
        if hidden {
            compiled.push(Argument::Node(self.timestamp(name, expr.span, mode)?));
        }
        for argument in arguments {
            compiled.push(match &argument.kind {
                ExprKind::Period(period) => Argument::Period(*period),
                _ => Argument::Node(self.compile(argument, mode)?),
            });
        }
        let call = Call { name, arguments: compiled, now_ms: self.now_ms, window: self.window };
        let mut node = build(call).map_err(|refusal| {
            let index = refusal.argument.saturating_sub(usize::from(hidden));
            let span = arguments.get(index).map_or(expr.span, |a| a.span);
            self.error(span, &format!("'{name}': {}", refusal.message), "")
        })?;
        if let Node::Apply(apply) = &mut node {
            // The constants live in the closure: the whole call is the name.
            apply.name = expr.to_string();
        }
        Ok(node)
    }

    /// The event's time, for `bin` and for aggregates that depend on it.
    fn timestamp(&mut self, name: &str, span: Span, mode: Mode) -> Compiled<Node> {
        let timestamp = Name { text: "@timestamp".to_owned(), quoted: false };
        let found = match mode {
            Mode::Row { stage, .. } => self.scope.resolve(stage, &timestamp),
            Mode::Item => None,
        };
        found.ok_or_else(|| {
            let what = format!("'{name}' needs @timestamp, which is not defined here");
            self.error(span, &what, "after stats, use datefloor or dateceil on a column that holds a time")
        })
    }

    /// An aggregate: registered with the groups below, read from their table.
    fn measure(
        &mut self,
        aggregate: &'static aggregate::Aggregate,
        expr: &Expr,
        arguments: &[Expr],
        star: bool,
    ) -> Compiled<Node> {
        use aggregate::Reads;
        let name = aggregate.names[0];
        let below = self.scope.last() - 1;
        if star && aggregate.reads != Reads::RowsOrField {
            let what = format!("'{name}' takes a field: unexpected symbol found *");
            return Err(self.error(expr.span, &what, "only count takes *"));
        }
        let (least, most) = match aggregate.reads {
            Reads::RowsOrField => (0, 1),
            Reads::Field => (1, 1),
            Reads::FieldAndConstant => (2, 2),
        };
        self.check_count(expr, name, arguments.len(), least, most)?;
        let inside = Mode::Row { stage: below, strict: true };
        let field = match arguments.first() {
            Some(argument) => {
                let node = self.compile(argument, inside)?;
                Some(self.scope.stages[below].slot_of(node))
            }
            None => None,
        };
        let parameter = match arguments.get(1) {
            Some(argument) => self.constant_argument(aggregate, argument)?,
            None => aggregate.fixed,
        };
        let time = if aggregate.timed {
            let node = self.timestamp(name, expr.span, inside)?;
            Some(self.scope.stages[below].slot_of(node))
        } else {
            None
        };
        let Some(Barrier::Groups(groups)) = &mut self.scope.stages[below].barrier else {
            return Ok(Node::Constant(Value::Null));
        };
        groups.time = groups.time.or(time);
        groups.measures.push(Measure { aggregate, field, parameter });
        let column = groups.keys.len() + groups.measures.len() - 1;
        Ok(Node::Slot(self.scope.open().add(Definition::Input(column))))
    }

    fn constant_argument(
        &mut self,
        aggregate: &'static aggregate::Aggregate,
        argument: &Expr,
    ) -> Compiled<f64> {
        let stage = self.scope.last() - 1;
        let node = self.compile(argument, Mode::Row { stage, strict: true })?;
        let number = node.constant().and_then(|value| value.cell().number());
        let (least, most) = aggregate.constant.unwrap_or((f64::MIN, f64::MAX));
        match number.map(crate::value::number::Number::float) {
            Some(x) if (least..=most).contains(&x) => Ok(x),
            _ => {
                let what = format!("'{}' takes a number from {least} to {most} here", aggregate.names[0]);
                Err(self.error(argument.span, &what, ""))
            }
        }
    }
}
