//! `filter`: a verdict per event. Pure.

use super::run::Export;
use super::{Batch, World, batch_bytes, failed, newest};
use crate::host::Host;
use crate::lower::Events;
use crate::pure::Pure;
use crate::{BatchContext, Call, InvokeError, Invoked, LogEvent, Module, Role, Verdict};

type Answer = (Result<Vec<Verdict>, String>,);

pub(crate) const WORLD: World = World {
    role: Role::Filter,
    interface: "filter",
    functions: &[("apply", |f, c| f.typecheck::<Batch<'_>, Answer>(&c.instance_type()))],
};

impl Host {
    /// One verdict per event, in order. Answers are the same for the same batch: the clock stands
    /// at the newest ingestion time, randomness comes from `context.delivery_id`.
    pub async fn filter(
        &self,
        module: &Module,
        call: &Call,
        context: &BatchContext,
        events: &[LogEvent<'_>],
    ) -> Invoked<Vec<Verdict>> {
        let pure = Some(Pure::new(newest(events), &context.delivery_id));
        let bytes_in = batch_bytes(events);
        let export = Export { module, call, pure, world: &WORLD, function: "apply", bytes_in };
        self.export(export, (context, Events(events)), |(answer,): Answer| {
            let verdicts = answer.map_err(failed)?;
            if verdicts.len() != events.len() {
                return Err(wrong_count(verdicts.len(), events.len()));
            }
            let bytes =
                verdicts.iter().map(|v| if let Verdict::Replace(text) = v { text.len() } else { 0 }).sum();
            Ok((verdicts, bytes))
        })
        .await
    }
}

pub(super) fn wrong_count(found: usize, expected: usize) -> InvokeError {
    InvokeError::Refused(format!("The filter gave {found} verdicts for {expected} events."))
}
