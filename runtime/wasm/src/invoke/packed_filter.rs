//! `packed-filter`: keep or drop, one byte per event, without an allocation per event. Pure.

use super::World;
use super::failed;
use super::filter::wrong_count;
use super::run::Export;
use crate::host::Host;
use crate::pure::Pure;
use crate::{BatchContext, Call, InvokeError, Invoked, Module, PackedBatch, Role};

type Params<'a> = (&'a BatchContext, &'a PackedBatch<'a>);
type Answer = (Result<Vec<u8>, String>,);

pub(crate) const WORLD: World = World {
    role: Role::PackedFilter,
    interface: "packed-filter",
    functions: &[("apply", |f, c| f.typecheck::<Params<'_>, Answer>(&c.instance_type()))],
};

impl Host {
    /// Whether to keep each event, in order. The clock stands at the newest ingestion time of the batch.
    pub async fn packed_filter(
        &self,
        module: &Module,
        call: &Call,
        context: &BatchContext,
        batch: &PackedBatch<'_>,
    ) -> Invoked<Vec<bool>> {
        let now_ms = batch.ingestion_times.iter().max().copied().unwrap_or(0);
        let pure = Some(Pure::new(now_ms, &context.delivery_id));
        let bytes_in = batch.text.bytes();
        let export = Export { module, call, pure, world: &WORLD, function: "apply", bytes_in };
        self.export(export, (context, batch), |(answer,): Answer| {
            let bytes = answer.map_err(failed)?;
            if bytes.len() != batch.ends.len() {
                return Err(wrong_count(bytes.len(), batch.ends.len()));
            }
            if let Some(other) = bytes.iter().find(|b| **b > 1) {
                return Err(InvokeError::Refused(format!(
                    "The packed filter answered {other}; only 0 and 1 mean something."
                )));
            }
            Ok((bytes.iter().map(|b| *b == 1).collect(), bytes.len()))
        })
        .await
    }
}
