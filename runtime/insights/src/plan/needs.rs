//! What a query reads: told to the caller so that it fetches and opens no more than that.

use crate::run::rank::Base;
use crate::run::sink::Barrier;
use crate::run::stage::{Definition, Stage, System};

/// What a running query asks its blocks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Discovered fields, as [`crate::Block::column`] will be asked for them.
    pub fields: Vec<String>,
    /// `@message` itself is read, not only fields found in it.
    pub message: bool,
    /// `@logStream` is read.
    pub stream: bool,
    /// `@ingestionTime` is read.
    pub ingestion_time: bool,
    /// An event that lacks one of these cannot match: a block that lacks one need not be pushed.
    pub literals: Vec<Literal>,
    /// Of each list, an event that matches has at least one: a block that lacks all of one list need not
    /// be pushed.
    pub any_of: Vec<Vec<Literal>>,
    /// At most this many events make it into the rows, and `order` alone decides which.
    pub limit: Option<usize>,
    /// The order in which blocks are best pushed.
    pub order: Order,
}

/// Text that a matching event must have in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// `@message`, `@logStream`, `@log` or a discovered field. The decoded value is meant: in JSON text
    /// it may be written with escapes.
    pub field: String,
    /// The text.
    pub text: String,
    /// Whether it is the whole value.
    pub kind: LiteralKind,
}

/// How a [`Literal`] relates to the field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralKind {
    /// The value contains it.
    Contains,
    /// The value is it.
    Equals,
}

/// An order of events in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// No order helps.
    #[default]
    Any,
    /// Once there are `limit` rows, older events change nothing.
    NewestFirst,
    /// Once there are `limit` rows, newer events change nothing.
    OldestFirst,
}

impl Needs {
    /// Reads fields off the finished first stage.
    pub(crate) fn of(stage: &Stage, literals: Vec<Literal>) -> Needs {
        let reads = |wanted| stage.slots.iter().any(|s| matches!(s, Definition::System(s) if *s == wanted));
        let mut needs = Needs {
            fields: stage.wanted.names().to_vec(),
            message: reads(System::Message),
            stream: reads(System::LogStream),
            ingestion_time: reads(System::IngestionTime),
            literals,
            ..Needs::default()
        };
        needs.bound(stage);
        needs
    }

    /// Takes limit and order from the first barrier.
    pub(crate) fn bound(&mut self, stage: &Stage) {
        (self.limit, self.order) = match &stage.barrier {
            Barrier::Top(top) if top.any => (Some(top.limit), Order::Any),
            Barrier::Top(top) if top.order.keys.is_empty() => {
                let order = match top.order.base {
                    Base::Newest => Order::NewestFirst,
                    Base::Oldest => Order::OldestFirst,
                };
                (Some(top.limit), order)
            }
            Barrier::Top(_) | Barrier::Distinct(_) | Barrier::Groups(_) => (None, Order::Any),
        };
    }
}
