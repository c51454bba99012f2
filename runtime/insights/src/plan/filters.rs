//! Where filters run and what they tell the caller: cheap ones first, and the texts that an event
//! must contain to get through.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::needs::{Literal, LiteralKind};
use super::scope::{Draft, DraftStep};
use crate::block::Block;
use crate::error::Error;
use crate::run::batch::Batch;
use crate::run::node::Node;
use crate::run::stage::{Definition, SYSTEM_FIELDS, Slot, Stage, Step, System};
use crate::value::Value;
use crate::value::compare::Comparison;
use crate::value::number;

/// Keeps the rows for which an expression is true.
#[derive(Debug)]
struct Keep(Node);

impl Step for Keep {
    fn run(&self, stage: &Stage, batch: &mut Batch<'_>) -> Result<(), Error> {
        let mask = batch.verdict(stage, &self.0)?;
        batch.keep(&mask);
        Ok(())
    }
}

/// Drops messages that cannot hold a wanted field's text, before they are read as JSON.
/// An escaped text has a backslash; where the block has the field as a column, nothing is gained.
#[derive(Debug)]
struct Screen {
    field: String,
    finder: Finder<'static>,
}

impl Step for Screen {
    fn run(&self, _stage: &Stage, batch: &mut Batch<'_>) -> Result<(), Error> {
        let reads = |block: &&dyn Block| block.templates().is_none() && block.column(&self.field).is_none();
        let Some(block) = batch.block().filter(reads) else {
            return Ok(());
        };
        let keep = |row: &u32| {
            let message = block.message(batch.origin_row(*row as usize)).as_bytes();
            self.finder.find(message).is_some() || memchr::memchr(b'\\', message).is_some()
        };
        let rows: Vec<u32> = (0..batch.len()).filter_map(crate::run::batch::index).filter(keep).collect();
        if rows.len() < batch.len() {
            batch.select(&rows);
        }
        Ok(())
    }
}

/// How expensive a filter is, cheapest first, where fields are found in messages. None: it depends on
/// rows that a step makes.
fn cost(draft: &Draft, node: &Node) -> Option<u8> {
    let mut slots = Vec::new();
    node.slots(&mut slots);
    let mut most = 0;
    node.visit(&mut |inner| {
        if matches!(inner, Node::Guest { .. }) {
            most = 5;
        }
    });
    for slot in slots {
        most = most.max(slot_cost(draft, slot)?);
    }
    Some(most)
}

fn slot_cost(draft: &Draft, slot: Slot) -> Option<u8> {
    match &draft.slots[slot] {
        Definition::System(System::Message) => Some(1),
        Definition::System(_) | Definition::Input(_) => Some(0),
        Definition::Discovered(_) => Some(3),
        Definition::Produced(producer) => slot_cost(draft, producer.input()).map(|cost| cost.max(4)),
        Definition::Computed(node) => cost(draft, node),
        Definition::Made => None,
    }
}

/// A screen costs less than reading JSON and more than looking at the message once.
const SCREEN_COST: u8 = 2;

/// The same where fields are columns: they cost less than searching messages.
const fn typed(cost: u8) -> u8 {
    match cost {
        1 | SCREEN_COST => 3,
        3 => 1,
        cost => cost,
    }
}

/// The filters of a stage as they run.
pub(crate) struct Arranged {
    pub(crate) steps: Vec<Arc<dyn Step>>,
    /// As [`Stage::typed`].
    pub(crate) typed: Vec<usize>,
    /// Texts that every row has that passes.
    pub(crate) literals: Vec<Literal>,
    /// Of each list, every row that passes has one.
    pub(crate) any_of: Vec<Vec<Literal>>,
}

/// The steps in the order they run, and the texts that the filters require.
pub(crate) fn arrange(draft: &mut Draft) -> Arranged {
    let mut movable: Vec<(u8, Arc<dyn Step>)> = Vec::new();
    let mut fixed: Vec<Arc<dyn Step>> = Vec::new();
    let (mut literals, mut any_of) = (Vec::new(), Vec::new());
    for step in std::mem::take(&mut draft.steps) {
        let node = match step {
            DraftStep::Fixed(step) => {
                fixed.push(step);
                continue;
            }
            DraftStep::Filter(node) => node,
        };
        any_of.extend(alternatives(draft, &node));
        if let Some(literal) = required(draft, &node) {
            if literal.discovered && is_distinctive(&literal.literal.text) {
                let finder = Finder::new(literal.literal.text.as_bytes()).into_owned();
                let field = literal.literal.field.clone();
                movable.push((SCREEN_COST, Arc::new(Screen { field, finder })));
            }
            literals.push(literal.literal);
        }
        match cost(draft, &node) {
            Some(cost) => movable.push((cost, Arc::new(Keep(node)))),
            None => fixed.push(Arc::new(Keep(node))),
        }
    }
    movable.sort_by_key(|(cost, _)| *cost);
    let mut order: Vec<usize> = (0..movable.len()).collect();
    order.sort_by_key(|at| typed(movable[*at].0));
    order.extend(movable.len()..movable.len() + fixed.len());
    let steps = movable.into_iter().map(|(_, step)| step).chain(fixed).collect();
    Arranged { steps, typed: order, literals, any_of }
}

/// Texts in `@message` of which an event must have one to pass this filter, if they are several.
fn alternatives(draft: &Draft, node: &Node) -> Option<Vec<Literal>> {
    let Node::Match { subject, negated: false, matcher } = node else {
        return None;
    };
    let Node::Slot(slot) = &**subject else {
        return None;
    };
    let message = matches!(draft.slots[*slot], Definition::System(System::Message));
    let literal = |text: &String| Literal {
        field: "@message".to_owned(),
        text: text.clone(),
        kind: LiteralKind::Contains,
    };
    let texts = matcher.any_of().filter(|texts| message && texts.len() > 1)?;
    Some(texts.iter().map(literal).collect())
}

struct Required {
    literal: Literal,
    discovered: bool,
}

/// The text that an event must have to pass this filter.
fn required(draft: &Draft, node: &Node) -> Option<Required> {
    let (slot, text, kind) = match node {
        Node::Match { subject, negated: false, matcher } => {
            (subject, matcher.required()?, LiteralKind::Contains)
        }
        Node::Compare(Comparison::Equal, subject, value) => match &**value {
            Node::Constant(Value::Text(text)) => (subject, &**text, LiteralKind::Equals),
            _ => return None,
        },
        _ => return None,
    };
    let Node::Slot(slot) = &**slot else {
        return None;
    };
    let discovered = draft.discovered(*slot);
    let field = match (&draft.slots[*slot], discovered) {
        (_, Some(field)) => field,
        (Definition::System(system), None) => SYSTEM_FIELDS.iter().find(|(_, s)| s == system)?.0,
        _ => return None,
    };
    if text.is_empty() || matches!(field, "@timestamp" | "@ingestionTime" | "@ptr") {
        return None;
    }
    // A number or boolean may be written in other words than the text it equals.
    if discovered.is_some() && !is_distinctive(text) {
        return None;
    }
    let literal = Literal { field: field.to_owned(), text: text.to_owned(), kind };
    Some(Required { literal, discovered: discovered.is_some() })
}

/// No number and no boolean prints like this or contains it.
fn is_distinctive(text: &str) -> bool {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    !text.chars().all(numeric) && number::parse(text).is_none() && !matches!(text, "true" | "false")
}
