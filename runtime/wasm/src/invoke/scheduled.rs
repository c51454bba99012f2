//! `scheduled`: a run of a schedule.

use super::World;
use super::run::Export;
use crate::abi::HandlerError;
use crate::host::Host;
use crate::{Call, Invoked, Module, Role, Tick};

type Params<'a> = (&'a Tick,);
type Answer = (Result<(), HandlerError>,);

pub(crate) const WORLD: World = World {
    role: Role::Scheduled,
    interface: "scheduled",
    functions: &[("handle", |f, c| f.typecheck::<Params<'_>, Answer>(&c.instance_type()))],
};

impl Host {
    /// Hands a run to a scheduled handler.
    pub async fn scheduled(&self, module: &Module, call: &Call, tick: &Tick) -> Invoked<()> {
        let bytes_in = tick.input_json.len();
        let export = Export { module, call, pure: None, world: &WORLD, function: "handle", bytes_in };
        self.export(export, (tick,), |(answer,): Answer| Ok((answer?, 0))).await
    }
}
