//! Owns CloudWatch: one file per family of operations, listed here. Refuses to know encodings, and the rules
//! of metrics and alarms (`metrics` has them): operations here give its functions a transaction.

mod alarms;
mod describe;
mod metrics;
mod tags;

use std::sync::Arc;

use ::metrics::operation::{Failure, Outcome};
use wire::Fault;

use super::table::Operation;
use crate::app::App;
use crate::meta::{MetaError, Tx};

/// The families of this service.
pub(crate) const FAMILIES: &[&[Operation]] =
    &[metrics::OPERATIONS, alarms::OPERATIONS, describe::OPERATIONS, tags::OPERATIONS];

/// A refusal of the room's, as the wire carries it.
fn refusal(fault: ::metrics::Fault) -> Fault {
    Fault::new(fault.code.as_str(), fault.message).status(fault.code.status())
}

fn fault(failure: Failure<MetaError>) -> Fault {
    match failure {
        Failure::Fault(fault) => refusal(fault),
        Failure::Records(error) => error.into(),
    }
}

/// Reads a snapshot where that holds nobody up: a query may walk many points.
async fn read<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&mut Tx<'_>) -> Outcome<T, MetaError> + Send + 'static,
) -> Result<T, Fault> {
    let meta = app.meta.clone();
    App::blocking(move || meta.read(|tx| work(tx).map_err(fault))).await
}

/// One change of metadata.
async fn change<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&mut Tx<'_>) -> Outcome<T, MetaError> + Send + 'static,
) -> Result<T, Fault> {
    app.meta.change(move |tx| work(tx).map_err(fault)).await
}
