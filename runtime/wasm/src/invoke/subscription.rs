//! `subscription`: a batch of matching events.

use super::run::Export;
use super::{Batch, World, batch_bytes};
use crate::abi::{BatchOutcome, HandlerError};
use crate::host::Host;
use crate::lower::Events;
use crate::{BatchContext, Call, InvokeError, Invoked, LogEvent, Module, Role};

type Answer = (Result<BatchOutcome, HandlerError>,);

pub(crate) const WORLD: World = World {
    role: Role::Subscription,
    interface: "subscription",
    functions: &[("handle", |f, c| f.typecheck::<Batch<'_>, Answer>(&c.instance_type()))],
};

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Indexes of events to hand over again, ascending, each once, all in range. Empty: all is done.
    pub failed: Vec<u32>,
}

impl Host {
    /// Hands a batch to a subscription handler.
    pub async fn subscription(
        &self,
        module: &Module,
        call: &Call,
        context: &BatchContext,
        events: &[LogEvent<'_>],
    ) -> Invoked<Outcome> {
        let bytes_in = batch_bytes(events);
        let export = Export { module, call, pure: None, world: &WORLD, function: "handle", bytes_in };
        self.export(export, (context, Events(events)), |(answer,): Answer| {
            let BatchOutcome { mut failed } = answer?;
            failed.sort_unstable();
            failed.dedup();
            if let Some(index) = failed.last().filter(|index| **index as usize >= events.len()) {
                let message = format!("The handler named event {index} of a batch of {}.", events.len());
                return Err(InvokeError::Refused(message));
            }
            Ok((Outcome { failed }, 0))
        })
        .await
    }
}
