//! `logboom invoke`: calls a function and prints its answer.
//!
//! Owns where the payload comes from. Refuses to know what the function does with it.

use std::io::Read as _;

use clap::Args;

use super::client::{Client, ClientError, Endpoint};
use crate::clock::Clock;

/// Calls a function with a JSON payload and prints the answer.
#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// Name of the function.
    function: String,
    /// The payload; `-` reads it from standard input.
    #[arg(default_value = "{}")]
    payload: String,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// Runs the command.
pub(crate) async fn run(args: InvokeArgs, clock: Clock) -> Result<(), ClientError> {
    let mut payload = args.payload;
    if payload == "-" {
        payload.clear();
        let read = std::io::stdin().read_to_string(&mut payload);
        read.map_err(|e| ClientError::Unreachable(format!("standard input: {e}")))?;
    }
    let answer = Client::new(args.endpoint, clock).invoke(&args.function, payload.into()).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}
