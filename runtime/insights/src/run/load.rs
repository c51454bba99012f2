//! How the columns of a batch come to be: from the block, from its templates, from messages, from
//! other columns. Knows no command and no function.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::batch::{Batch, Origin, Rows};
use super::gather::{Gather, Source};
use super::node::Node;
use super::stage::{Definition, Producer, Slot, Stage, System};
use super::strings::Strings;
use super::vector::{Lent, Vector};
use crate::block::Block;
use crate::discover::Kind;
use crate::error::Error;
use crate::lend::{Templates, Texts};
use crate::value::Value;

/// Rows in one part of a block that are worth making the whole block readable for.
const MANY: usize = 4;

impl<'b> Batch<'b> {
    /// Makes sure the column is there.
    pub(crate) fn load(&mut self, stage: &Stage, slot: Slot) -> Result<(), Error> {
        if self.is_loaded(slot) {
            return Ok(());
        }
        match &stage.slots[slot] {
            Definition::System(system) => {
                let vector = self.system(*system);
                self.put(slot, vector);
            }
            Definition::Discovered(field) => self.discover(stage, *field),
            Definition::Input(column) => {
                if let Origin::Table(table) = self.origin {
                    let list = &table.columns[*column];
                    let values = (0..self.len()).map(|row| list[self.origin_row(row)].clone()).collect();
                    self.put(slot, Vector::Values(values));
                }
            }
            Definition::Computed(node) => {
                let vector = self.evaluate(stage, node)?;
                self.put(slot, vector);
            }
            Definition::Produced(producer) => self.produce(stage, producer, slot)?,
            // Filled by the step that makes the rows.
            Definition::Made => {}
        }
        Ok(())
    }

    /// The value of an expression in every row, as a column of its own.
    pub(crate) fn evaluate(&mut self, stage: &Stage, node: &Node) -> Result<Vector<'b>, Error> {
        self.load_all(stage, node)?;
        node.evaluate_owned(self)
    }

    /// Loads every column an expression reads.
    pub(crate) fn load_all(&mut self, stage: &Stage, node: &Node) -> Result<(), Error> {
        let mut slots = Vec::new();
        node.slots(&mut slots);
        slots.into_iter().try_for_each(|slot| self.load(stage, slot))
    }

    fn system(&self, system: System) -> Vector<'b> {
        let Origin::Block(block, _) = self.origin else {
            return Vector::absent();
        };
        let texts = |text: &dyn Fn(usize) -> &'b str| {
            Vector::Lent((0..self.len()).map(|row| Lent::Borrowed(text(self.origin_row(row)))).collect())
        };
        match system {
            System::Timestamp => Vector::Times(self.numbers(block.timestamps())),
            System::IngestionTime => Vector::Times(self.numbers(block.ingestion_times())),
            System::Message if block.templates().is_some() => {
                let mut messages = Texts::default();
                match &self.rows {
                    Rows::All(_) => block.messages(&self.rows.list(), &mut messages),
                    Rows::Some(rows) => block.messages(rows, &mut messages),
                }
                Vector::Texts(Strings::made(messages))
            }
            System::Message => texts(&|row| block.message(row)),
            System::LogStream => match block.stream() {
                Some(stream) => Vector::Constant(Value::text(stream)),
                None => texts(&|row| block.stream_name(row)),
            },
            System::Log => Vector::Constant(Value::text(block.log_identifier())),
            System::Account => {
                let account = block.log_identifier().split(':').next().unwrap_or("");
                Vector::Constant(Value::text(account))
            }
            System::Pointer => {
                let pointer = |row| Value::text(block.pointer(self.origin_row(row)));
                Vector::Values((0..self.len()).map(pointer).collect())
            }
        }
    }

    fn numbers(&self, all: &'b [i64]) -> Cow<'b, [i64]> {
        match &self.rows {
            Rows::All(len) => Cow::Borrowed(&all[..*len]),
            Rows::Some(rows) => rows.iter().map(|row| all[*row as usize]).collect(),
        }
    }

    /// Where the wanted fields come from, if the block has templates.
    pub(super) fn fields(&mut self, stage: &Stage) -> Option<Rc<Vec<Vec<Source>>>> {
        let Origin::Block(block, layouts) = self.origin else {
            return None;
        };
        let templates = block.templates()?;
        if self.fields.is_none() {
            let kind = Kind::of_log(block.log_identifier());
            let sources = layouts.borrow_mut().sources(&stage.wanted, kind, templates);
            self.fields = Some(Rc::new(sources));
        }
        self.fields.clone()
    }

    pub(super) fn gather<'r>(&'r self, block: &'b dyn Block, templates: &'b dyn Templates) -> Gather<'b, 'r> {
        Gather { templates, len: block.len(), rows: &self.rows }
    }

    /// Fills a discovered field; fills all of them if messages must be read, so that a message is read
    /// at most once.
    fn discover(&mut self, stage: &Stage, field: usize) {
        let Origin::Block(block, _) = self.origin else {
            return;
        };
        if let (Some(templates), Some(sources)) = (block.templates(), self.fields(stage)) {
            let gather = self.gather(block, templates);
            let used = gather.used();
            let unknown = |template: usize| sources.iter().any(|of| of[template] == Source::Messages);
            if !used.iter().any(|template| unknown(*template)) {
                let vector = gather.column(&sources[field], &mut |_| Vec::new());
                self.put(stage.wanted_slots[field], vector);
                return;
            }
            let members = gather.members(unknown);
            let mut found = self.extract(stage, block, Some(&members));
            for (field, slot) in stage.wanted_slots.iter().enumerate() {
                if self.is_loaded(*slot) {
                    continue;
                }
                let gather = self.gather(block, templates);
                let mut rest = |_: &[u32]| std::mem::take(&mut found[field]);
                let vector = gather.column(&sources[field], &mut rest);
                self.put(*slot, vector);
            }
            return;
        }
        let column = |field: usize| block.column(stage.wanted.name(field));
        if let Some(column) = column(field) {
            self.put(stage.wanted_slots[field], Vector::from_column(&column, &self.rows.list()));
            return;
        }
        let found = self.extract(stage, block, None);
        for (field, values) in found.into_iter().enumerate() {
            let slot = stage.wanted_slots[field];
            if !self.is_loaded(slot) && column(field).is_none() {
                self.put(slot, Vector::Lent(values));
            }
        }
    }

    /// The wanted fields of some rows of the batch, or of all, from their messages.
    fn extract(&self, stage: &Stage, block: &'b dyn Block, members: Option<&[u32]>) -> Vec<Vec<Lent<'b>>> {
        let fields = stage.wanted.names().len();
        let kind = Kind::of_log(block.log_identifier());
        let count = members.map_or(self.len(), <[u32]>::len);
        let mut columns: Vec<Vec<Lent<'b>>> = (0..fields).map(|_| Vec::with_capacity(count)).collect();
        let mut scratch = stage.wanted.scratch();
        if let Some(members) = members.filter(|members| members.len() * MANY < block.len()) {
            let mut messages = Texts::default();
            block.messages(&self.rows.pick(members), &mut messages);
            for row in 0..messages.len() {
                let mut values: Vec<Lent<'_>> = vec![Lent::Null; fields];
                stage.wanted.extract(kind, messages.get(row), &mut scratch, &mut values);
                for (column, value) in columns.iter_mut().zip(values) {
                    column.push(value.detached());
                }
            }
            return columns;
        }
        let mut values: Vec<Lent<'b>> = vec![Lent::Null; fields];
        for at in 0..count {
            let row = members.map_or(at, |members| members[at] as usize);
            stage.wanted.extract(kind, block.message(self.origin_row(row)), &mut scratch, &mut values);
            for (column, value) in columns.iter_mut().zip(&mut values) {
                column.push(std::mem::replace(value, Lent::Null));
            }
        }
        columns
    }

    /// Fills a column that a `parse` makes; the others with it, unless the templates show where each
    /// of them stands.
    fn produce(&mut self, stage: &Stage, producer: &Arc<dyn Producer>, slot: Slot) -> Result<(), Error> {
        let (input, targets) = (producer.input(), producer.targets());
        if let Some(block) = self.block()
            && let Some(templates) = block.templates()
            && matches!(stage.slots[input], Definition::System(System::Message))
            && !self.is_loaded(input)
            && let Some(sources) = self.cuts(&**producer, block, templates)
        {
            let gather = self.gather(block, templates);
            let unclear = gather.members(|template| sources[0][template] == Source::Messages);
            if unclear.len() * MANY <= self.len()
                && let Some(target) = targets.iter().position(|target| *target == slot)
            {
                let mut rest = |members: &[u32]| self.read(&**producer, block, members, target);
                let vector = gather.column(&sources[target], &mut rest);
                self.put(slot, vector);
                return Ok(());
            }
        }
        self.load(stage, input)?;
        let made = producer.produce(self.get(input), self.len());
        for (target, vector) in targets.iter().zip(made) {
            if !self.is_loaded(*target) {
                self.put(*target, vector);
            }
        }
        Ok(())
    }

    /// One column of a `parse` in some rows of the batch.
    fn read(
        &self,
        producer: &dyn Producer,
        block: &dyn Block,
        members: &[u32],
        target: usize,
    ) -> Vec<Lent<'b>> {
        let mut messages = Texts::default();
        block.messages(&self.rows.pick(members), &mut messages);
        let made = producer.produce(&Vector::Texts(Strings::made(messages)), members.len());
        let text = |row: usize| match made[target].get(row).text() {
            Some(text) => Lent::Owned(text.into()),
            None => Lent::Null,
        };
        (0..members.len()).map(text).collect()
    }

    /// Where the columns of a `parse` stand in the templates: `[target][template]`.
    fn cuts(
        &mut self,
        producer: &dyn Producer,
        block: &'b dyn Block,
        templates: &'b dyn Templates,
    ) -> Option<Rc<Vec<Vec<Source>>>> {
        let targets = producer.targets();
        let first = *targets.first()?;
        if let Some((_, sources)) = self.cuts.iter().find(|(slot, _)| *slot == first) {
            return Some(Rc::clone(sources));
        }
        let mut sources = vec![vec![Source::Messages; templates.len()]; targets.len()];
        for template in self.gather(block, templates).used() {
            let cut = producer.cut(templates, template).into_iter().flatten();
            sources.iter_mut().zip(cut).for_each(|(list, source)| list[template] = source);
        }
        let sources = Rc::new(sources);
        self.cuts.push((first, Rc::clone(&sources)));
        Some(sources)
    }
}
