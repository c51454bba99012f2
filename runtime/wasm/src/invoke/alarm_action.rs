//! `alarm-action`: an alarm changed state.

use super::World;
use super::run::Export;
use crate::abi::HandlerError;
use crate::host::Host;
use crate::{AlarmEvent, Call, Invoked, Module, Role};

type Params<'a> = (&'a AlarmEvent,);
type Answer = (Result<(), HandlerError>,);

pub(crate) const WORLD: World = World {
    role: Role::AlarmAction,
    interface: "alarm-action",
    functions: &[("handle", |f, c| f.typecheck::<Params<'_>, Answer>(&c.instance_type()))],
};

impl Host {
    /// Hands a change of state to an alarm action.
    pub async fn alarm_action(&self, module: &Module, call: &Call, event: &AlarmEvent) -> Invoked<()> {
        let bytes_in = event.details_json.len();
        let export = Export { module, call, pure: None, world: &WORLD, function: "handle", bytes_in };
        self.export(export, (event,), |(answer,): Answer| Ok((answer?, 0))).await
    }
}
