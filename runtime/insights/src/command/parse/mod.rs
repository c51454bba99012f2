//! `parse [f] "glob" as a, b` and `parse [f] /(?<name>…)/ [multi]`: columns from text.
//! An event that does not match stays, without the columns.

mod glob;
mod regular;
mod symbolic;

use std::fmt;
use std::sync::Arc;

use super::Command;
use crate::error::CompileError;
use crate::plan::planner::Planner;
use crate::plan::scope::DraftStep;
use crate::run::node::Node;
use crate::run::stage::Definition;
use crate::text::lex::{Kind, Span};
use crate::text::parser::Parser;
use crate::text::syntax::{Expr, PlainName, QuotedText};

use glob::Glob;
use regular::Regular;

struct Parse {
    span: Span,
    /// `@message` if left out.
    subject: Option<Expr>,
    how: How,
}

enum How {
    Glob { pattern: String, glob: Arc<Glob>, names: Vec<String> },
    Regex { regex: Arc<Regular>, multi: bool },
}

pub(super) fn parse(parser: &mut Parser<'_>, span: Span) -> Result<Box<dyn Command>, CompileError> {
    let at_pattern = matches!(parser.token().kind, Kind::Text(_) | Kind::Symbol("/"));
    let expected = "a field, a glob in quotes or a regular expression between slashes";
    let subject = if at_pattern { None } else { Some(parser.field(expected)?) };
    let token = parser.token().clone();
    let how = match token.kind {
        Kind::Text(pattern) => {
            parser.advance()?;
            parse_glob(parser, pattern, token.span)?
        }
        Kind::Symbol("/") => parse_regex(parser)?,
        Kind::Word(word) if is_unsupported(&word) => {
            let what = format!("'parse … {word}' is not supported");
            return Err(parser.error(token.span, &what, "use a glob or a regular expression"));
        }
        _ => return Err(parser.unexpected("a glob in quotes or a regular expression between slashes", &[])),
    };
    Ok(Box::new(Parse { span, subject, how }))
}

fn is_unsupported(word: &str) -> bool {
    ["logfmt", "csv", "xml"].iter().any(|w| w.eq_ignore_ascii_case(word))
}

fn parse_glob(parser: &mut Parser<'_>, pattern: String, span: Span) -> Result<How, CompileError> {
    let glob = Glob::new(&pattern);
    if glob.wildcards() == 0 {
        return Err(parser.error(span, "the glob of parse has no *", "each * becomes a column"));
    }
    if !parser.eat_word("as")? {
        return Err(parser.unexpected("'as' and a name for each *", &["as"]));
    }
    let start = parser.token().span;
    let names = parser.names("a name for a *")?;
    if names.len() != glob.wildcards() {
        let what = format!("the glob of parse has {} * but {} names", glob.wildcards(), names.len());
        return Err(parser.error(start.to(parser.previous()), &what, ""));
    }
    Ok(How::Glob { pattern, glob: Arc::new(glob), names })
}

fn parse_regex(parser: &mut Parser<'_>) -> Result<How, CompileError> {
    let (source, span) = parser.regex()?;
    let regex = Regular::new(&source).map_err(|why| parser.error(span, &why, ""))?;
    if regex.names().is_empty() {
        let what = "the regular expression of parse has no named group";
        return Err(parser.error(span, what, "write (?<name>…) around what becomes a column"));
    }
    let multi = parser.eat_word("multi")?;
    Ok(How::Regex { regex: Arc::new(regex), multi })
}

impl Command for Parse {
    fn span(&self) -> Span {
        self.span
    }

    fn plan(&self, planner: &mut Planner<'_>) -> Result<(), CompileError> {
        let message = Expr::message(self.span);
        let node = planner.expression(self.subject.as_ref().unwrap_or(&message))?;
        let draft = planner.scope.open();
        let input = draft.slot_of(node);
        let first = draft.slots.len();
        let names = match &self.how {
            How::Glob { names, .. } => names.clone(),
            How::Regex { regex, .. } => regex.names().to_vec(),
        };
        let targets: Vec<usize> = (first..first + names.len()).collect();
        match &self.how {
            How::Glob { glob, .. } => {
                let producer =
                    Arc::new(glob::Captures { glob: Arc::clone(glob), input, targets: targets.clone() });
                for _ in &names {
                    draft.add(Definition::Produced(producer.clone()));
                }
            }
            How::Regex { regex, multi: false } => {
                let producer =
                    Arc::new(regular::Captures { regex: Arc::clone(regex), input, targets: targets.clone() });
                for _ in &names {
                    draft.add(Definition::Produced(producer.clone()));
                }
            }
            How::Regex { regex, multi: true } => {
                names.iter().for_each(|_| {
                    draft.add(Definition::Made);
                });
                let step = regular::EveryMatch { regex: Arc::clone(regex), input, targets: targets.clone() };
                draft.steps.push(DraftStep::Fixed(Arc::new(step)));
            }
        }
        for (name, slot) in names.into_iter().zip(targets) {
            planner.scope.define(&name, Node::Slot(slot));
            planner.show(name, None);
        }
        Ok(())
    }
}

impl fmt::Display for Parse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parse ")?;
        if let Some(subject) = &self.subject {
            write!(f, "{subject} ")?;
        }
        match &self.how {
            How::Glob { pattern, names, .. } => {
                let names: Vec<String> = names.iter().map(|n| PlainName(n).to_string()).collect();
                write!(f, "{} as {}", QuotedText(pattern), names.join(", "))
            }
            How::Regex { regex, multi } => {
                write!(f, "/{}/{}", regex.source().replace('/', "\\/"), if *multi { " multi" } else { "" })
            }
        }
    }
}
