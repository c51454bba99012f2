//! What a name means at some stage: a column defined before, a path into one, or a field of the log.

use std::collections::HashMap;
use std::sync::Arc;

use crate::discover::Wanted;
use crate::run::node::Node;
use crate::run::rank::{Base, Key, Ordered};
use crate::run::sink::Barrier;
use crate::run::stage::{Definition, SYSTEM_FIELDS, Slot, Stage, Step, System};
use crate::text::syntax::{Name, PathStep};

/// A stage while it is planned.
pub(crate) struct Draft {
    pub(crate) slots: Vec<Definition>,
    names: HashMap<String, Slot>,
    fields: HashMap<String, Slot>,
    wanted: Vec<String>,
    wanted_slots: Vec<Slot>,
    pub(crate) steps: Vec<DraftStep>,
    pub(crate) order: Ordered,
    /// None while the stage is open.
    pub(crate) barrier: Option<Barrier>,
}

/// A step while it is planned: filters can still move.
pub(crate) enum DraftStep {
    Filter(Node),
    Fixed(Arc<dyn Step>),
}

impl Draft {
    fn new(base: Base) -> Draft {
        Draft {
            slots: Vec::new(),
            names: HashMap::new(),
            fields: HashMap::new(),
            wanted: Vec::new(),
            wanted_slots: Vec::new(),
            steps: Vec::new(),
            order: Ordered { keys: Vec::new(), base },
            barrier: None,
        }
    }

    pub(crate) fn add(&mut self, definition: Definition) -> Slot {
        self.slots.push(definition);
        self.slots.len() - 1
    }

    /// The column of an expression.
    pub(crate) fn slot_of(&mut self, node: Node) -> Slot {
        match node {
            Node::Slot(slot) => slot,
            node => self.add(Definition::Computed(node)),
        }
    }

    /// The stage as it will run.
    pub(crate) fn build(self, steps: Vec<Arc<dyn Step>>, typed: Vec<usize>, barrier: Barrier) -> Stage {
        Stage {
            slots: self.slots,
            wanted: Wanted::new(self.wanted),
            wanted_slots: self.wanted_slots,
            steps,
            typed,
            barrier,
        }
    }

    /// The name of a discovered field.
    pub(crate) fn discovered(&self, slot: Slot) -> Option<&str> {
        match self.slots[slot] {
            Definition::Discovered(field) => Some(&self.wanted[field]),
            _ => None,
        }
    }
}

/// All stages so far; the last one is open.
pub(crate) struct Scope {
    pub(crate) stages: Vec<Draft>,
}

impl Scope {
    pub(crate) fn new() -> Scope {
        Scope { stages: vec![Draft::new(Base::Newest)] }
    }

    /// The number of the open stage.
    pub(crate) fn last(&self) -> usize {
        self.stages.len() - 1
    }

    /// The open stage.
    pub(crate) fn open(&mut self) -> &mut Draft {
        let last = self.last();
        &mut self.stages[last]
    }

    /// Ends the open stage and starts the next, whose rows keep the order they come in.
    pub(crate) fn close(&mut self, barrier: Barrier) {
        self.open().barrier = Some(barrier);
        self.stages.push(Draft::new(Base::Oldest));
    }

    /// Gives a name to an expression in the open stage.
    pub(crate) fn define(&mut self, name: &str, node: Node) -> Slot {
        let draft = self.open();
        let slot = draft.slot_of(node);
        draft.names.insert(name.to_owned(), slot);
        slot
    }

    /// The columns that have names in a stage, sorted.
    pub(crate) fn names(&self, at: usize) -> Vec<&str> {
        let mut names: Vec<&str> = self.stages[at].names.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// A column defined by an earlier command.
    pub(crate) fn lookup(&mut self, at: usize, name: &str) -> Option<Slot> {
        if let Some(slot) = self.stages[at].names.get(name) {
            return Some(*slot);
        }
        let below = at.checked_sub(1)?;
        let slot = self.lookup(below, name)?;
        let slot = self.import(at, slot)?;
        self.stages[at].names.insert(name.to_owned(), slot);
        Some(slot)
    }

    /// A field of the log events; None behind a `stats`.
    pub(crate) fn field(&mut self, at: usize, name: &str) -> Option<Slot> {
        if let Some(slot) = self.stages[at].fields.get(name) {
            return Some(*slot);
        }
        let slot = if at == 0 {
            self.log_field(name)
        } else {
            if matches!(self.stages[at - 1].barrier, Some(Barrier::Groups(_))) {
                return None;
            }
            let slot = self.field(at - 1, name)?;
            self.import(at, slot)?
        };
        self.stages[at].fields.insert(name.to_owned(), slot);
        Some(slot)
    }

    fn log_field(&mut self, name: &str) -> Slot {
        let draft = &mut self.stages[0];
        if let Some((_, system)) = SYSTEM_FIELDS.iter().find(|(field, _)| *field == name) {
            return draft.add(Definition::System(*system));
        }
        let slot = draft.add(Definition::Discovered(draft.wanted.len()));
        draft.wanted.push(name.to_owned());
        draft.wanted_slots.push(slot);
        slot
    }

    /// Brings a column of the stage below through its barrier.
    fn import(&mut self, at: usize, slot: Slot) -> Option<Slot> {
        let column = self.stages[at - 1].barrier.as_mut()?.export(slot)?;
        Some(self.stages[at].add(Definition::Input(column)))
    }

    /// What a name means: None if nothing, which can only be behind a `stats`.
    pub(crate) fn resolve(&mut self, at: usize, name: &Name) -> Option<Node> {
        if let Some(node) = self.resolve_defined(at, name) {
            return Some(node);
        }
        self.field(at, &name.text).map(Node::Slot)
    }

    /// A defined column, or a path into one.
    pub(crate) fn resolve_defined(&mut self, at: usize, name: &Name) -> Option<Node> {
        if let Some(slot) = self.lookup(at, &name.text) {
            return Some(Node::Slot(slot));
        }
        if name.quoted {
            return None;
        }
        for (dot, _) in name.text.rmatch_indices('.') {
            if let Some(slot) = self.lookup(at, &name.text[..dot]) {
                let keys = name.text[dot + 1..].split('.');
                return Some(keys.fold(Node::Slot(slot), |node, key| {
                    Node::Access(Box::new(node), PathStep::Key(key.to_owned()))
                }));
            }
        }
        None
    }

    /// Sorts the rows of the open stage; earlier sorts decide between equals.
    pub(crate) fn sort(&mut self, mut keys: Vec<Key>) {
        let first = self.last() == 0;
        let draft = self.open();
        let by_time = keys.last().is_some_and(|key| {
            first && matches!(draft.slots[key.slot], Definition::System(System::Timestamp))
        });
        if by_time {
            // Rows are in order of time anyway: the key only says in which direction.
            let descending = keys.pop().is_some_and(|key| key.descending);
            let base = if descending { Base::Newest } else { Base::Oldest };
            draft.order = Ordered { keys, base };
            return;
        }
        keys.extend(std::mem::take(&mut draft.order.keys));
        draft.order.keys = keys;
    }
}
