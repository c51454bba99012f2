//! Owns the command line: one file per subcommand, this one lists them. Refuses to know what they do.
//!
//! Exit codes are for scripts: 0 done, 1 failed, 2 wrong usage or configuration, 3 the data directory is in
//! use by another process. The reason is one line on stderr.

mod serve;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// CloudWatch Logs in one binary that you own, extended with WebAssembly.
#[derive(Parser)]
#[command(name = "logboom", version, about, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the AWS APIs until stopped (SIGTERM and Ctrl-C finish what is in flight)
    Serve(serve::ServeArgs),
}

/// Why a command ended badly.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something went wrong while running: exit code 1.
    pub(crate) fn failed(message: impl fmt::Display) -> Failure {
        Failure { code: 1, message: message.to_string() }
    }

    /// The command line or the configuration is wrong: exit code 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure { code: 2, message: message.to_string() }
    }

    /// Another process has the data directory: exit code 3.
    pub(crate) fn in_use(message: impl fmt::Display) -> Failure {
        Failure { code: 3, message: message.to_string() }
    }
}

/// Parses the command line and runs what it names.
pub(crate) fn run() -> ExitCode {
    let line = CommandLine::parse();
    let outcome = match line.command {
        Command::Serve(args) => serve::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("logboom: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
