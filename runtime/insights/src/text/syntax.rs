//! Syntax trees of expressions, and how they print back. Spans are bytes of the query text.
//! Knows no meaning.

use std::fmt;

use super::lex::{Span, is_plain_name};
use super::period::Period;
use crate::value::Value;
use crate::value::compare::Comparison;
use crate::value::number::Arithmetic;

/// Words that cannot stand as names without backticks.
pub(crate) const RESERVED: &[&str] = &["and", "or", "not", "in", "like", "as", "by", "true", "false"];

/// An expression, where it stands, and how deep it is.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    pub(crate) depth: u16,
}

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Was in backticks: dots in it separate nothing.
    pub(crate) quoted: bool,
}

/// One step into a map or list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathStep {
    Key(String),
    Index(usize),
}

/// The right side of `like` and `=~`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Text(String),
    Regex(String),
}

/// What an expression is.
#[derive(Debug, Clone)]
pub(crate) enum ExprKind {
    Literal(Value),
    Period(Period),
    Name(Name),
    Access(Box<Expr>, PathStep),
    /// `star` is the `*` of `count(*)`.
    Call {
        name: String,
        name_span: Span,
        arguments: Vec<Expr>,
        star: bool,
    },
    Negate(Box<Expr>),
    Not(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Match {
        subject: Box<Expr>,
        negated: bool,
        pattern: Pattern,
        pattern_span: Span,
    },
    In {
        subject: Box<Expr>,
        negated: bool,
        list: Vec<Value>,
    },
}

impl Expr {
    /// The field `@message`, where a command reads it without saying so.
    pub(crate) fn message(span: Span) -> Expr {
        let name = Name { text: "@message".to_owned(), quoted: false };
        Expr { kind: ExprKind::Name(name), span, depth: 1 }
    }

    /// The name, if the expression is nothing but one.
    pub(crate) fn as_name(&self) -> Option<&Name> {
        match &self.kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Calls `visit` with every expression inside, itself included, until it returns Some.
    pub(crate) fn find<'e, T>(&'e self, visit: &mut dyn FnMut(&'e Expr) -> Option<T>) -> Option<T> {
        if let Some(found) = visit(self) {
            return Some(found);
        }
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Period(_) | ExprKind::Name(_) => None,
            ExprKind::Access(inner, _) | ExprKind::Negate(inner) | ExprKind::Not(inner) => inner.find(visit),
            ExprKind::Match { subject, .. } | ExprKind::In { subject, .. } => subject.find(visit),
            ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) => {
                a.find(visit).or_else(|| b.find(visit))
            }
            ExprKind::And(list) | ExprKind::Or(list) => list.iter().find_map(|e| e.find(visit)),
            ExprKind::Call { arguments, .. } => arguments.iter().find_map(|e| e.find(visit)),
        }
    }

    fn is_atom(&self) -> bool {
        matches!(
            self.kind,
            ExprKind::Literal(_)
                | ExprKind::Period(_)
                | ExprKind::Name(_)
                | ExprKind::Access(..)
                | ExprKind::Call { .. }
        )
    }
}

/// Brackets around everything that is not atomic: prints back to the same tree.
struct Operand<'e>(&'e Expr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_atom() { write!(f, "{}", self.0) } else { write!(f, "({})", self.0) }
    }
}

/// A name, in backticks if it needs them.
pub(crate) struct PlainName<'n>(pub(crate) &'n str);

impl fmt::Display for PlainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reserved = RESERVED.iter().any(|w| w.eq_ignore_ascii_case(self.0));
        if is_plain_name(self.0) && !reserved { f.write_str(self.0) } else { write!(f, "`{}`", self.0) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { write!(f, "`{}`", self.text) } else { write!(f, "{}", PlainName(&self.text)) }
    }
}

/// A literal as the grammar reads it.
pub(crate) struct Literal<'v>(pub(crate) &'v Value);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Text(text) => write!(f, "{}", QuotedText(text)),
            Value::Bool(b) => write!(f, "{b}"),
            // A float keeps a point or exponent, so that it reads back as a float.
            Value::Float(x) => write!(f, "{x:?}"),
            other => f.write_str(&other.cell().print().unwrap_or_default()),
        }
    }
}

/// Text in double quotes.
pub(crate) struct QuotedText<'t>(pub(crate) &'t str);

impl fmt::Display for QuotedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Text(text) => write!(f, "{}", QuotedText(text)),
            Pattern::Regex(regex) => write!(f, "/{}/", regex.replace('/', "\\/")),
        }
    }
}

fn joined<T>(f: &mut fmt::Formatter<'_>, list: &[T], between: &str, show: fn(&T) -> String) -> fmt::Result {
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        f.write_str(&show(item))?;
    }
    Ok(())
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Literal(value) => write!(f, "{}", Literal(value)),
            ExprKind::Period(period) => write!(f, "{period}"),
            ExprKind::Name(name) => write!(f, "{name}"),
            ExprKind::Access(inner, PathStep::Key(key)) => write!(f, "{}.`{key}`", Operand(inner)),
            ExprKind::Access(inner, PathStep::Index(index)) => write!(f, "{}[{index}]", Operand(inner)),
            ExprKind::Call { name, star: true, .. } => write!(f, "{name}(*)"),
            ExprKind::Call { name, arguments, .. } => {
                write!(f, "{name}(")?;
                joined(f, arguments, ", ", ToString::to_string)?;
                f.write_str(")")
            }
            ExprKind::Negate(inner) => write!(f, "-{}", Operand(inner)),
            ExprKind::Not(inner) => write!(f, "not {}", Operand(inner)),
            ExprKind::Arithmetic(op, a, b) => write!(f, "{} {} {}", Operand(a), op.symbol(), Operand(b)),
            ExprKind::Compare(op, a, b) => write!(f, "{} {} {}", Operand(a), op.symbol(), Operand(b)),
            ExprKind::And(list) => joined(f, list, " and ", |e| Operand(e).to_string()),
            ExprKind::Or(list) => joined(f, list, " or ", |e| Operand(e).to_string()),
            ExprKind::Match { subject, negated, pattern, .. } => {
                write!(f, "{}{} like {pattern}", Operand(subject), if *negated { " not" } else { "" })
            }
            ExprKind::In { subject, negated, list } => {
                write!(f, "{}{} in [", Operand(subject), if *negated { " not" } else { "" })?;
                joined(f, list, ", ", |v| Literal(v).to_string())?;
                f.write_str("]")
            }
        }
    }
}

/// An expression and the column it makes.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) expr: Expr,
    /// The alias, or the expression as written.
    pub(crate) name: String,
    pub(crate) aliased: bool,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.expr.to_string();
        let plain = self.expr.as_name().is_some_and(|n| n.text == self.name && !self.aliased);
        if plain || (text == self.name && !self.aliased) {
            f.write_str(&text)
        } else {
            write!(f, "{text} as {}", PlainName(&self.name))
        }
    }
}

/// Items with commas between them.
pub(crate) struct Items<'i>(pub(crate) &'i [Item]);

impl fmt::Display for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, self.0, ", ", ToString::to_string)
    }
}
