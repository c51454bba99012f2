//! Expressions, by recursive descent: or, and, not, comparison, sum, product, power, unary, primary.
//! Knows no function and no field.

use super::lex::{Kind, Span};
use super::parser::Parser;
use super::syntax::{Expr, ExprKind, PathStep, Pattern, RESERVED};
use crate::error::CompileError;
use crate::limits::{MAX_DEPTH, MAX_NESTING};
use crate::value::Value;
use crate::value::compare::Comparison;
use crate::value::number::Arithmetic;

type Parsed<T> = Result<T, CompileError>;

const COMPARISONS: &[(&str, Comparison)] = &[
    ("=", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
];
const SUMS: &[(&str, Arithmetic)] = &[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)];
const PRODUCTS: &[(&str, Arithmetic)] =
    &[("*", Arithmetic::Multiply), ("/", Arithmetic::Divide), ("%", Arithmetic::Remainder)];

impl Parser<'_> {
    /// One expression.
    pub(crate) fn expression(&mut self) -> Parsed<Expr> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let what = format!("the expression is nested more than {MAX_NESTING} deep");
            return Err(self.error(self.token().span, &what, ""));
        }
        let expr = self.or();
        self.nesting -= 1;
        expr
    }

    fn build(&self, kind: ExprKind, span: Span) -> Parsed<Expr> {
        let below = match &kind {
            ExprKind::Literal(_) | ExprKind::Period(_) | ExprKind::Name(_) => 0,
            ExprKind::Access(inner, _) | ExprKind::Negate(inner) | ExprKind::Not(inner) => inner.depth,
            ExprKind::Match { subject, .. } | ExprKind::In { subject, .. } => subject.depth,
            ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) => a.depth.max(b.depth),
            ExprKind::And(list) | ExprKind::Or(list) | ExprKind::Call { arguments: list, .. } => {
                list.iter().map(|e| e.depth).max().unwrap_or(0)
            }
        };
        if below >= MAX_DEPTH {
            let what = format!("the expression has more than {MAX_DEPTH} operators inside each other");
            return Err(self.error(span, &what, ""));
        }
        Ok(Expr { kind, span, depth: below + 1 })
    }

    fn or(&mut self) -> Parsed<Expr> {
        let first = self.and()?;
        if !self.at_word("or") {
            return Ok(first);
        }
        let start = first.span;
        let mut list = vec![first];
        while self.eat_word("or")? {
            list.push(self.and()?);
        }
        self.build(ExprKind::Or(list), start.to(self.previous()))
    }

    fn and(&mut self) -> Parsed<Expr> {
        let first = self.not()?;
        if !self.at_word("and") {
            return Ok(first);
        }
        let start = first.span;
        let mut list = vec![first];
        while self.eat_word("and")? {
            list.push(self.not()?);
        }
        self.build(ExprKind::And(list), start.to(self.previous()))
    }

    fn not(&mut self) -> Parsed<Expr> {
        let start = self.token().span;
        let mut count = 0u16;
        while self.at_word("not") || self.at_symbol("!") {
            self.advance()?;
            count += 1;
            if count > MAX_NESTING {
                return Err(self.error(start, "too many negations", ""));
            }
        }
        let mut expr = self.comparison()?;
        for _ in 0..count {
            let span = start.to(expr.span);
            expr = self.build(ExprKind::Not(Box::new(expr)), span)?;
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let left = self.sum()?;
        let start = left.span;
        let found = COMPARISONS.iter().find(|(symbol, _)| self.at_symbol(symbol)).map(|(_, op)| *op);
        if let Some(op) = found {
            self.advance()?;
            let right = self.sum()?;
            let span = start.to(right.span);
            return self.build(ExprKind::Compare(op, Box::new(left), Box::new(right)), span);
        }
        if self.eat_symbol("=~")? {
            return self.matching(left, false);
        }
        let negated = self.eat_word("not")?;
        if self.eat_word("like")? {
            return self.matching(left, negated);
        }
        if self.eat_word("in")? {
            return self.membership(left, negated);
        }
        if negated {
            return Err(self.unexpected("'like' or 'in' after 'not'", &["like", "in"]));
        }
        Ok(left)
    }

    fn matching(&mut self, subject: Expr, negated: bool) -> Parsed<Expr> {
        let token = self.token().clone();
        let pattern = match token.kind {
            Kind::Text(text) => {
                self.advance()?;
                Pattern::Text(text)
            }
            Kind::Symbol("/") => Pattern::Regex(self.regex()?.0),
            _ => return Err(self.unexpected("a text in quotes or a regular expression between slashes", &[])),
        };
        let pattern_span = Span { start: token.span.start, end: self.previous().end };
        let span = subject.span.to(pattern_span);
        self.build(ExprKind::Match { subject: Box::new(subject), negated, pattern, pattern_span }, span)
    }

    fn membership(&mut self, subject: Expr, negated: bool) -> Parsed<Expr> {
        if self.at_symbol("(") {
            let what = "a subquery after 'in' is not supported";
            return Err(self.error(self.token().span, what, "use a list in square brackets"));
        }
        self.expect_symbol("[", "a list in square brackets after 'in'")?;
        let mut list = vec![self.literal()?];
        while self.eat_symbol(",")? {
            list.push(self.literal()?);
        }
        self.expect_symbol("]", "',' or ']'")?;
        let span = subject.span.to(self.previous());
        self.build(ExprKind::In { subject: Box::new(subject), negated, list }, span)
    }

    /// A literal value in a list.
    fn literal(&mut self) -> Parsed<Value> {
        let negative = self.eat_symbol("-")?;
        let value = match &self.token().kind {
            Kind::Int(n) => Value::Int(if negative { -n } else { *n }),
            Kind::Float(x) => Value::Float(if negative { -x } else { *x }),
            Kind::Text(text) if !negative => Value::text(text),
            Kind::Word(word) if !negative && word.eq_ignore_ascii_case("true") => Value::Bool(true),
            Kind::Word(word) if !negative && word.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => return Err(self.unexpected("a number or a text in quotes", &[])),
        };
        self.advance()?;
        Ok(value)
    }

    fn chain(
        &mut self,
        operators: &[(&str, Arithmetic)],
        operand: fn(&mut Self) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        let mut left = operand(self)?;
        loop {
            let Some(op) = operators.iter().find(|(symbol, _)| self.at_symbol(symbol)).map(|(_, op)| *op)
            else {
                return Ok(left);
            };
            self.advance()?;
            let right = operand(self)?;
            let span = left.span.to(right.span);
            left = self.build(ExprKind::Arithmetic(op, Box::new(left), Box::new(right)), span)?;
        }
    }

    fn sum(&mut self) -> Parsed<Expr> {
        self.chain(SUMS, Self::product)
    }

    fn product(&mut self) -> Parsed<Expr> {
        self.chain(PRODUCTS, Self::power)
    }

    fn power(&mut self) -> Parsed<Expr> {
        let base = self.unary()?;
        if !self.eat_symbol("^")? {
            return Ok(base);
        }
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.error(base.span, "too many powers inside each other", ""));
        }
        let exponent = self.power();
        self.nesting -= 1;
        let exponent = exponent?;
        let span = base.span.to(exponent.span);
        self.build(ExprKind::Arithmetic(Arithmetic::Power, Box::new(base), Box::new(exponent)), span)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let start = self.token().span;
        if !self.eat_symbol("-")? {
            return self.primary();
        }
        let inner = self.primary()?;
        let span = start.to(inner.span);
        self.build(ExprKind::Negate(Box::new(inner)), span)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let mut expr = self.atom()?;
        loop {
            let step = if self.eat_symbol(".")? {
                PathStep::Key(self.name("a name after '.'")?.text)
            } else if self.eat_symbol("[")? {
                let Kind::Int(index) = self.token().kind else {
                    return Err(self.unexpected("a whole number", &[]));
                };
                self.advance()?;
                self.expect_symbol("]", "']'")?;
                PathStep::Index(usize::try_from(index).unwrap_or(usize::MAX))
            } else {
                return Ok(expr);
            };
            let span = expr.span.to(self.previous());
            expr = self.build(ExprKind::Access(Box::new(expr), step), span)?;
        }
    }

    /// A field and the path into it, where no other expression may stand.
    pub(crate) fn field(&mut self, expected: &str) -> Parsed<Expr> {
        if !matches!(self.token().kind, Kind::Word(_) | Kind::Quoted(_)) {
            return Err(self.unexpected(expected, &[]));
        }
        self.primary()
    }

    fn atom(&mut self) -> Parsed<Expr> {
        let token = self.token().clone();
        let kind = match token.kind {
            Kind::Int(n) => ExprKind::Literal(Value::Int(n)),
            Kind::Float(x) => ExprKind::Literal(Value::Float(x)),
            Kind::Text(text) => ExprKind::Literal(Value::text(text)),
            Kind::Period(period) => ExprKind::Period(period),
            Kind::Symbol("(") => return self.bracketed(),
            Kind::Quoted(_) => ExprKind::Name(self.name("a name")?),
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => ExprKind::Literal(Value::Bool(true)),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => ExprKind::Literal(Value::Bool(false)),
            Kind::Word(ref word) if !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word)) => {
                let name = self.name("a name")?;
                if self.at_symbol("(") {
                    return self.call(name.text, token.span);
                }
                ExprKind::Name(name)
            }
            _ => return Err(self.unexpected("a field, a value, a function or '('", &[])),
        };
        if !matches!(kind, ExprKind::Name(_)) {
            self.advance()?;
        }
        self.build(kind, token.span)
    }

    fn bracketed(&mut self) -> Parsed<Expr> {
        let start = self.advance()?.span;
        let mut expr = self.expression()?;
        self.expect_symbol(")", "')' or an operator")?;
        // The column name is the expression as written, brackets included.
        expr.span = start.to(self.previous());
        Ok(expr)
    }

    fn call(&mut self, name: String, name_span: Span) -> Parsed<Expr> {
        if name.to_ascii_lowercase().starts_with("regex") {
            self.count_regex(name_span)?;
        }
        self.advance()?;
        let mut arguments = Vec::new();
        let star = self.eat_symbol("*")?;
        if !star && !self.at_symbol(")") {
            arguments.push(self.expression()?);
            while self.eat_symbol(",")? {
                arguments.push(self.expression()?);
            }
        }
        self.expect_symbol(")", if star { "')'" } else { "',' or ')'" })?;
        let span = name_span.to(self.previous());
        self.build(ExprKind::Call { name, name_span, arguments, star }, span)
    }
}
