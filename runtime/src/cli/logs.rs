//! `logboom logs`: the log of a function, as `logboom tail` shows any.
//!
//! Owns which function that is. Refuses to know how it is shown.

use clap::Args;

use super::client::{Client, ClientError, Endpoint};
use super::{span, tail};
use crate::clock::Clock;

/// Prints what a function writes, as it writes it.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Name of the function.
    function: String,
    /// Filter pattern.
    #[arg(long, short = 'p', default_value = "")]
    pattern: String,
    /// Also print what is no older than this: 90s, 15m, 3h, 2d.
    #[arg(long, default_value = "10m", value_parser = span::parse)]
    since: i64,
    /// End after this many lines.
    #[arg(long)]
    count: Option<usize>,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Runs the command.
pub(crate) async fn run(args: LogsArgs, clock: Clock) -> Result<(), ClientError> {
    let LogsArgs { function, pattern, since, count, endpoint } = args;
    let client = Client::new(endpoint.clone(), clock.clone());
    // A name that is none is said, rather than followed.
    client.function(&function).await?;
    let group = client.own_group(&function).await?;
    tail::run(tail::TailArgs::lines_of(group, pattern, since, count, endpoint), clock).await
}
