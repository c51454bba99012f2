//! Owns the command line: one file per subcommand, this one lists them. Refuses to know what they do.
//!
//! Exit codes are for scripts: 0 done, 1 failed, 2 wrong usage or configuration, 3 the data directory is in
//! use by another process. The reason is one line on stderr.

mod attach;
mod build;
mod client;
mod demo;
mod deploy;
mod dev;
mod functions;
mod grants;
mod invoke;
mod key;
mod logs;
mod new;
pub(crate) mod project;
mod promote;
mod query;
mod redrive;
mod rollback;
mod schedule;
mod serve;
mod shadow;
pub(crate) mod span;
mod tail;
mod test;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::Clock;
use client::ClientError;

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
    /// Show the main job on sample logs, then go on serving
    Demo(demo::DemoArgs),
    /// Change the master key of stopped data
    Key(key::KeyArgs),
    /// Make a folder with a handler, ready to build
    New(new::NewArgs),
    /// Build a function as its function.toml says
    Build(build::BuildArgs),
    /// Run a function here, on recorded events
    Test(test::TestArgs),
    /// Build, deploy to a running server, watch the sources, show the log
    Dev(dev::DevArgs),
    /// Deploy a function and attach it
    Deploy(deploy::DeployArgs),
    /// Show what functions did and cost
    Functions(functions::FunctionsArgs),
    /// Call a function and print its answer
    Invoke(invoke::InvokeArgs),
    /// Print what a function writes
    Logs(logs::LogsArgs),
    /// Make a version the one that serves
    Promote(promote::PromoteArgs),
    /// Run a Logs Insights query and print the rows
    Query(query::QueryArgs),
    /// Hand dead letters over again
    Redrive(redrive::RedriveArgs),
    /// Go back to the version that served before the last promote
    Rollback(rollback::RollbackArgs),
    /// Run functions at times: make, list, show, delete and run schedules
    Schedule(schedule::ScheduleArgs),
    /// Run a version beside the one that serves, and compare
    Shadow(shadow::ShadowArgs),
    /// Print events as they arrive
    Tail(tail::TailArgs),
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

/// Runs a command that talks to a server: it needs no more than one thread.
fn client<F>(command: impl FnOnce(Clock) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), ClientError>>,
{
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(command(Clock::real())).map_err(Failure::failed)
}

/// Parses the command line and runs what it names.
pub(crate) fn run() -> ExitCode {
    let line = CommandLine::parse();
    let outcome = match line.command {
        Command::Serve(args) => serve::run(&args),
        Command::Key(args) => key::run(&args),
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args, &Clock::real()),
        Command::Test(args) => client(|clock| test::run(args, clock)),
        Command::Dev(args) => client(|clock| dev::run(args, clock)),
        Command::Logs(args) => client(|clock| logs::run(args, clock)),
        Command::Demo(args) => client(|clock| demo::run(args, clock)),
        Command::Deploy(args) => client(|clock| deploy::run(args, clock)),
        Command::Invoke(args) => client(|clock| invoke::run(args, clock)),
        Command::Query(args) => client(|clock| query::run(args, clock)),
        Command::Redrive(args) => client(|clock| redrive::run(args, clock)),
        Command::Schedule(args) => client(|clock| schedule::run(args, clock)),
        Command::Functions(args) => client(|clock| functions::run(args, clock)),
        Command::Promote(args) => client(|clock| promote::run(args, clock)),
        Command::Rollback(args) => client(|clock| rollback::run(args, clock)),
        Command::Shadow(args) => client(|clock| shadow::run(args, clock)),
        Command::Tail(args) => client(|clock| tail::run(args, clock)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("logboom: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
