//! An instance that is made and dropped: whether a module starts under its limits, and what that costs.

use bytes::Bytes;

use super::run::{Run, limited};
use crate::host::Host;
use crate::module::Code;
use crate::{Call, Invoked, Module};

impl Host {
    /// Makes an instance, which runs the module's own start code, and drops it.
    pub async fn start(&self, module: &Module, call: &Call) -> Invoked<()> {
        let mut run = Run::new(self, call, None, Bytes::new(), None, 0).await;
        let limit = run.limit();
        let store = &mut run.store;
        let ended = limited(limit, async move {
            match &module.0.code {
                Code::Component { pre, .. } => pre.instantiate_async(&mut *store).await.map(drop),
                Code::Core(pre) => pre.instantiate_async(&mut *store).await.map(drop),
            }
        })
        .await;
        run.finish(ended, |(), _| Ok(((), 0)))
    }
}
