//! `extractor`: metric values out of events. Pure.

use super::run::Export;
use super::{Batch, World, batch_bytes, failed, newest};
use crate::host::Host;
use crate::lower::Events;
use crate::pure::Pure;
use crate::{BatchContext, Call, Extracted, InvokeError, Invoked, LogEvent, Module, Role};

type Answer = (Result<Vec<Extracted>, String>,);

pub(crate) const WORLD: World = World {
    role: Role::Extractor,
    interface: "extractor",
    functions: &[("extract", |f, c| f.typecheck::<Batch<'_>, Answer>(&c.instance_type()))],
};

impl Host {
    /// The values found, each with the index of its event (in range, checked) and within
    /// CloudWatch's rules (checked). Whether the function may write the namespace is checked too.
    pub async fn extract(
        &self,
        module: &Module,
        call: &Call,
        context: &BatchContext,
        events: &[LogEvent<'_>],
    ) -> Invoked<Vec<Extracted>> {
        let pure = Some(Pure::new(newest(events), &context.delivery_id));
        let bytes_in = batch_bytes(events);
        let export = Export { module, call, pure, world: &WORLD, function: "extract", bytes_in };
        self.export(export, (context, Events(events)), |(answer,): Answer| {
            let found = answer.map_err(failed)?;
            let limit = self.limits().effects;
            if found.len() > limit {
                let message = format!("The extractor gave {} values; {limit} are allowed.", found.len());
                return Err(InvokeError::Refused(message));
            }
            for Extracted { event, datum } in &found {
                if *event as usize >= events.len() {
                    let message =
                        format!("The extractor named event {event} of a batch of {}.", events.len());
                    return Err(InvokeError::Refused(message));
                }
                datum
                    .check()
                    .map_err(|rule| InvokeError::Refused(format!("The extractor broke a rule: {rule}.")))?;
            }
            let bytes = found.len() * size_of::<f64>();
            Ok((found, bytes))
        })
        .await
    }
}
