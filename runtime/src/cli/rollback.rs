//! `logboom rollback`: goes back to the version that served before the last promotion.
//!
//! Owns its options. Refuses to know more than `promote` does of what is shown and asked.

use clap::Args;

use super::client::ClientError;
use super::promote::{self, How};
use crate::clock::Clock;

/// Goes back to the version that served before the last `logboom promote`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// Name of the function.
    name: String,
    #[command(flatten)]
    how: How,
}

/// Runs the command.
pub(crate) async fn run(args: RollbackArgs, clock: Clock) -> Result<(), ClientError> {
    promote::move_to(args.name, "rollback", None, args.how, clock).await
}
