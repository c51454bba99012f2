//! `logboom demo`: the main job on sample logs, step by step, then a server that goes on serving.
//!
//! Owns the order of the story. Everything it does goes through the public API of a server it starts for itself, so
//! nothing here is possible only here.

mod inbox;
mod samples;
mod screen;
mod stage;
mod story;

use clap::Args;
use std::path::PathBuf;

use super::client::ClientError;
use crate::clock::Clock;
use screen::Screen;
use stage::Stage;

/// Shows the main job on sample logs, then keeps serving.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Address to serve on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4586")]
    listen: String,
    /// Folder for the data; a new temporary one is the default.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder of built guests (*.wasm); without it they are built from the repository.
    #[arg(long)]
    guests: Option<PathBuf>,
    /// End after the story instead of serving on.
    #[arg(long)]
    once: bool,
}

/// Tells the story; then serves until it is interrupted.
pub(crate) async fn run(args: DemoArgs, clock: Clock) -> Result<(), ClientError> {
    let mut screen = Screen::new();
    let mut stage = Stage::set(&args, clock, &mut screen).await?;
    let told = story::tell(&mut stage, &mut screen).await;
    if told.is_err() || args.once {
        stage.close().await;
        return told;
    }
    stage.serve_on(&screen).await;
    Ok(())
}
