//! Filters on a batch: which rows an expression is true for, with as little read as possible.
//! Knows no command.

use super::batch::{Batch, Rows};
use super::condition::Condition;
use super::gather::Source;
use super::mask::{Mask, union};
use super::matcher::Matcher;
use super::node::Node;
use super::stage::{Definition, Slot, Stage, System};
use crate::block::Block;
use crate::error::Error;
use crate::lend::Texts;

/// Fewer rows than one in this many of a block are read rather than searched for.
const FEW: usize = 16;

impl<'b> Batch<'b> {
    /// The rows for which the expression is true.
    pub(crate) fn verdict(&mut self, stage: &Stage, node: &Node) -> Result<Mask, Error> {
        let len = self.len();
        match node {
            Node::Constant(value) => return Ok(Mask::whole(value.cell().truthy())),
            Node::Not(inner) => return Ok(self.verdict(stage, inner)?.not(len)),
            Node::And(list) => {
                let mut mask = Mask::All;
                for node in list {
                    if mask == Mask::None {
                        break;
                    }
                    mask = mask.and(self.verdict(stage, node)?);
                }
                return Ok(mask);
            }
            Node::Or(list) => {
                let mut mask = Mask::None;
                for node in list {
                    if mask == Mask::All {
                        break;
                    }
                    mask = mask.or(self.verdict(stage, node)?, len);
                }
                return Ok(mask);
            }
            _ => {}
        }
        if let Some((slot, condition)) = Condition::of(node) {
            return self.condition(stage, slot, condition);
        }
        self.load_all(stage, node)?;
        let verdict = node.evaluate(self)?;
        Ok(Mask::of(len, |row| verdict.get(row).truthy()))
    }

    fn condition(&mut self, stage: &Stage, slot: Slot, condition: Condition<'_>) -> Result<Mask, Error> {
        if !self.is_loaded(slot) {
            match (&stage.slots[slot], condition, self.block()) {
                (Definition::System(System::Message), Condition::Match { matcher, negated }, Some(block)) => {
                    if let Some(found) = self.search(block, matcher) {
                        return Ok(if negated { found.not(self.len()) } else { found });
                    }
                }
                (Definition::Discovered(field), condition, Some(_)) => {
                    if let Some(all) = self.decide(stage, *field, condition) {
                        return Ok(Mask::whole(all));
                    }
                }
                _ => {}
            }
        }
        self.load(stage, slot)?;
        Ok(condition.mask(self.get(slot), self.len()))
    }

    /// The condition's verdict on all rows, if the facts of their columns give it away.
    fn decide(&mut self, stage: &Stage, field: usize, condition: Condition<'_>) -> Option<bool> {
        let templates = self.block()?.templates()?;
        let fields = self.fields(stage)?;
        let sources = &fields[field];
        let used = self.gather(self.block()?, templates).used();
        let mut verdicts = Vec::new();
        for (at, template) in used.iter().enumerate() {
            // Templates share columns: a source is asked once.
            if used[..at].iter().any(|before| sources[*before] == sources[*template]) {
                continue;
            }
            verdicts.push(condition.decide(&sources[*template], templates)?);
        }
        let first = *verdicts.first()?;
        verdicts.iter().all(|verdict| *verdict == first).then_some(first)
    }

    /// Numbers between which all values of a field lie, as far as that is known without reading it.
    pub(super) fn bounds(&mut self, stage: &Stage, slot: Slot) -> Option<(f64, f64)> {
        let Definition::Discovered(field) = stage.slots[slot] else {
            return None;
        };
        let templates = self.block()?.templates()?;
        let fields = self.fields(stage)?;
        let mut bounds: Option<(f64, f64)> = None;
        for template in self.gather(self.block()?, templates).used() {
            let Source::Column(column, _) = fields[field][template] else {
                return None;
            };
            let facts = templates.facts(column);
            let (least, greatest) = bounds.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
            bounds = Some((least.min(facts.min?), greatest.max(facts.max?)));
        }
        bounds
    }

    /// The rows whose message matches, found by the texts that a match contains; messages are read of
    /// those rows only. None: the block cannot be searched, or reading its few rows is less work.
    fn search(&self, block: &'b dyn Block, matcher: &Matcher) -> Option<Mask> {
        let texts = matcher.any_of()?;
        if texts.iter().any(String::is_empty) {
            return None;
        }
        if self.len() * FEW < block.len() {
            return None;
        }
        let mut containing: Option<Vec<u32>> = None;
        for text in texts {
            let rows = block.rows_containing(text)?;
            containing = Some(containing.map_or_else(|| rows.clone(), |before| union(&before, &rows)));
        }
        let containing = containing.unwrap_or_default();
        let candidates = match &self.rows {
            Rows::All(len) => Mask::listed(containing, *len),
            Rows::Some(rows) => {
                let mut next = containing.into_iter().peekable();
                Mask::of(rows.len(), |at| {
                    while next.next_if(|row| *row < rows[at]).is_some() {}
                    next.peek() == Some(&rows[at])
                })
            }
        };
        if matcher.is_literal() || candidates == Mask::None {
            return Some(candidates);
        }
        let candidates = match candidates {
            Mask::Rows(rows) => rows,
            _ => (0..self.len()).filter_map(super::batch::index).collect(),
        };
        let by_parts = block.templates().map(|templates| self.gather(block, templates));
        if let Some(found) = by_parts.and_then(|gather| gather.matching(matcher, &candidates)) {
            return Some(Mask::listed(found, self.len()));
        }
        let mut messages = Texts::default();
        block.messages(&self.rows.pick(&candidates), &mut messages);
        let matching = candidates.into_iter().enumerate();
        let matching = matching.filter(|(at, _)| matcher.is_match(messages.get(*at))).map(|(_, row)| row);
        Some(Mask::listed(matching.collect(), self.len()))
    }
}
