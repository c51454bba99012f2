//! Owns what goes to stderr: from which level on, in which form. Refuses to know who traces what.
//!
//! Nothing traces secrets, messages of log events or bodies, at any level; a test looks for them.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::{format, layer};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::gate::Gate;
use super::lines::{ForMachines, ForPeople, JsonFields};

/// The form of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts tracing. `filter` is a level (`error`, `warn`, `info`, `debug`, `trace`), or levels by module
/// (`info,store=debug`).
///
/// # Errors
/// A sentence that repeats a filter that is none.
pub(crate) fn start(filter: &str, form: LogFormat) -> Result<(), String> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| {
        format!(
            "{filter:?} is not a level (error, warn, info, debug, trace) or a list of module=level: {error}"
        )
    })?;
    let gate = Gate::new();
    let lines = match form {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            let people = ForPeople { gate: gate.clone(), form: format().with_ansi(colours) };
            let lines = layer().with_writer(std::io::stderr).with_ansi(colours).event_format(people);
            lines.with_filter(gate).boxed()
        }
        LogFormat::Json => {
            let machines = ForMachines { gate: gate.clone() };
            let lines = layer().with_writer(std::io::stderr).with_ansi(false).fmt_fields(JsonFields);
            lines.event_format(machines).with_filter(gate).boxed()
        }
    };
    tracing_subscriber::registry().with(parsed).with(lines).try_init().map_err(|error| error.to_string())
}
