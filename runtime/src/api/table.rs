//! Owns the table of operations. What is not in it is refused by name.

use std::pin::Pin;
use std::sync::Arc;

use wire::{Service, Target};

use super::{Answer, Call, Caller};
use crate::app::App;

/// One served operation.
pub(crate) struct Operation {
    /// The service.
    pub(crate) service: Service,
    /// Its name in the model.
    pub(crate) name: &'static str,
    /// From a call to its answer; made by [`operation!`].
    pub(crate) run: fn(Arc<App>, Arc<Caller>, Call) -> Answering,
}

/// An operation at work.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One line of a family's table.
///
/// `operation!(Logs::CreateLogGroup => create_log_group)` for an
/// `async fn(&Arc<App>, &Caller, Request) -> Result<Response, Fault>`; with `raw` before the arrow for an
/// `async fn(&Arc<App>, &Caller, &Call)` that decodes and encodes itself, into a `wire::Response` or an [`Answer`].
macro_rules! operation {
    ($service:ident :: $name:ident => $handler:path) => {
        $crate::api::table::Operation {
            service: wire::Service::$service,
            name: stringify!($name),
            run: |app, caller, call| {
                Box::pin(async move {
                    let result = match call.input(&caller) {
                        Ok(input) => $handler(&app, &caller, input).await,
                        Err(fault) => Err(fault),
                    };
                    call.answer(&caller, result).into()
                })
            },
        }
    };
    ($service:ident :: $name:ident raw => $handler:path) => {
        $crate::api::table::Operation {
            service: wire::Service::$service,
            name: stringify!($name),
            run: |app, caller, call| Box::pin(async move { $handler(&app, &caller, &call).await.into() }),
        }
    };
}
pub(crate) use operation;

/// Every service's families.
const SERVICES: &[&[&[Operation]]] = &[
    &[super::sts::OPERATIONS],
    super::logs::FAMILIES,
    super::cloudwatch::FAMILIES,
    super::sns::FAMILIES,
    super::lambda::FAMILIES,
    super::scheduler::FAMILIES,
];

fn all() -> impl Iterator<Item = &'static Operation> {
    SERVICES.iter().copied().flatten().copied().flatten()
}

/// The operation that `target` names, if it is served.
pub(crate) fn find(target: &Target) -> Option<&'static Operation> {
    all().find(|operation| operation.service == target.service && operation.name == target.operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_an_operation_of_the_model_once() {
        let mut seen = std::collections::BTreeSet::new();
        for operation in all() {
            let line = (operation.service, operation.name);
            assert!(operation.service.serves(operation.name), "{line:?} has no generated shapes");
            assert!(seen.insert(line), "{line:?} is listed twice");
        }
    }
}
