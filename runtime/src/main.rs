//! Logboom: the composition root. Rooms meet here and nowhere else; start reading at `wiring.rs`.

mod alarms;
mod api;
mod app;
mod cli;
mod clock;
mod config;
mod data_dir;
mod doors;
mod functions;
mod ingest;
mod keyring;
mod limits;
mod meta;
mod outbox;
mod own;
#[cfg(test)]
mod power;
mod query;
mod records;
mod retention;
mod schedules;
mod scheduling;
mod server;
mod sweeps;
mod tail;
mod telemetry;
mod tls;
mod utf8;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
