//! `logboom tail`: prints events as they arrive.
//!
//! Owns its options and what happens where: plain lines in a pipe, a screen on a terminal. Refuses to know the
//! connection (`feed`), how an event looks (`line`) and what keys do (`screen`).

mod cells;
mod feed;
mod level;
mod line;
mod plain;
mod screen;
mod terminal;

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::client::{Client, ClientError, Endpoint};
use super::span;
use crate::clock::Clock;
use feed::Feed;
use line::Look;

/// Prints the events of log groups as they arrive.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Log groups to follow.
    #[arg(required = true)]
    groups: Vec<String>,
    /// Only this stream; repeat for several (one group only).
    #[arg(long, short = 's', conflicts_with = "prefix")]
    stream: Vec<String>,
    /// Only streams whose names begin with this, those to come included; repeat for several (one group only).
    #[arg(long)]
    prefix: Vec<String>,
    /// Filter pattern, for example `ERROR` or `{ $.status >= 500 }`.
    #[arg(long, short = 'p', default_value = "")]
    pattern: String,
    /// Also print what is no older than this: 90s, 15m, 3h, 2d.
    #[arg(long, default_value = "0s", value_parser = span::parse)]
    since: i64,
    /// End after this many events.
    #[arg(long)]
    count: Option<usize>,
    /// How an event is printed.
    #[arg(long, value_enum, default_value_t = Format::Full)]
    format: Format,
    /// Print each event as one JSON object: `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print these members of JSON messages instead of the whole message: `level,request.id,items.0`.
    #[arg(long, value_delimiter = ',')]
    fields: Vec<String>,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
    /// Print lines on a terminal too, without the screen that can be paused and searched.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Time, group where there are several, stream, message.
    Full,
    /// The message alone.
    Message,
    /// One JSON object a line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl TailArgs {
    /// The lines of one group.
    pub(crate) fn lines_of(
        group: String,
        pattern: String,
        since: i64,
        count: Option<usize>,
        endpoint: Endpoint,
    ) -> TailArgs {
        TailArgs {
            groups: vec![group],
            stream: Vec::new(),
            prefix: Vec::new(),
            pattern,
            since,
            count,
            format: Format::Full,
            json: false,
            fields: Vec::new(),
            color: Colour::Auto,
            plain: false,
            endpoint,
        }
    }

    /// Without the screen, on a terminal too.
    pub(crate) fn plainly(self) -> TailArgs {
        TailArgs { plain: true, ..self }
    }
}

/// Runs the command; ends with `--count`, with `q`, or when the reader of its output goes away.
pub(crate) async fn run(args: TailArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint.clone(), clock.clone());
    let feed = Feed::open(client, clock.clone(), asked(&args)).await?;
    let on_terminal = std::io::stdout().is_terminal();
    let has_colour = match args.color {
        Colour::Auto => on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        Colour::Always => true,
        Colour::Never => false,
    };
    let format = if args.json { Format::Json } else { args.format };
    let look = Look { format, fields: args.fields.clone(), with_group: args.groups.len() > 1, has_colour };
    let is_interactive = on_terminal && std::io::stdin().is_terminal();
    if is_interactive && !args.plain && args.count.is_none() && format != Format::Json {
        return terminal::run(feed, look, args.groups.join(" "), &clock).await;
    }
    plain::run(feed, &look, args.count).await
}

fn asked(args: &TailArgs) -> serde_json::Value {
    let mut asked = json!({
        "groups": args.groups, "streams": args.stream, "prefixes": args.prefix, "pattern": args.pattern,
    });
    if args.since > 0 {
        asked["sinceMs"] = args.since.into();
    }
    asked
}
