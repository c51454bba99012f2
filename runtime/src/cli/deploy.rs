//! `logboom deploy`: brings a function into a running server and attaches it.
//!
//! Owns the order of the calls (code, grants, attachments) and asking before something is granted. Refuses to know
//! what a module may export: the server compiles it and says.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::{Client, ClientError, Endpoint};
use super::project::{FILE, On, Project};
use super::{attach, grants};
use crate::clock::Clock;

/// Deploys a function: as function.toml says, or a bare wasm module (a component, or a wasi program).
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The folder with function.toml, that file, a .wasm file, or a zip that holds one.
    #[arg(default_value = ".")]
    what: PathBuf,
    /// Grant what function.toml asks for, or what --allow adds to a function that is there, without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    module: ModuleArgs,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// What is said of a module that comes without function.toml.
#[derive(Debug, Args)]
struct ModuleArgs {
    /// Name of the function; the file's name is the default.
    #[arg(long)]
    name: Option<String>,
    /// Time a call may take, in seconds (3).
    #[arg(long)]
    timeout: Option<u32>,
    /// Memory a call may use, in MiB (128).
    #[arg(long)]
    memory: Option<u32>,
    /// A setting the guest can read, NAME=VALUE; repeat for several.
    #[arg(long = "set", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// A grant, for example publish=ops, metrics=App/*, logs=/app/audit; repeat for several.
    #[arg(long = "allow", value_parser = pair)]
    allow: Vec<(String, String)>,
    /// Hand the events of this log group to the function (subscription filter); repeat for several.
    #[arg(long = "on")]
    on: Vec<String>,
    /// Filter pattern of the subscriptions made by --on.
    #[arg(long)]
    pattern: Option<String>,
}

impl ModuleArgs {
    fn is_empty(&self) -> bool {
        let Self { name, timeout, memory, settings, allow, on, pattern } = self;
        (name, timeout, memory, pattern) == (&None, &None, &None, &None)
            && settings.is_empty()
            && allow.is_empty()
            && on.is_empty()
    }
}

/// What is said when nobody is there to be asked.
pub(super) const NOT_GRANTED: &str = "nothing was deployed: --yes grants this without asking";

/// Runs the command.
pub(crate) async fn run(args: DeployArgs, clock: Clock) -> Result<(), ClientError> {
    let client = Client::new(args.endpoint, clock);
    let is_project = args.what.is_dir() || args.what.extension().is_some_and(|extension| extension == "toml");
    if !is_project {
        return module(&client, &args.what, args.module, args.yes).await;
    }
    if !args.module.is_empty() {
        let message = format!("{FILE} says it all: --yes and --endpoint are the only options beside it");
        return Err(ClientError::Here(message));
    }
    let project = Project::read(&args.what).map_err(ClientError::Here)?;
    consent(&project, args.yes)?;
    let arn = deploy(&client, &project).await?;
    println!("{arn}");
    Ok(())
}

/// Shows what a project asks for, and asks for a yes when there is somebody to give it.
///
/// # Errors
/// It was not given.
pub(crate) fn consent(project: &Project, is_given: bool) -> Result<(), ClientError> {
    let lines = project.allow.lines();
    for line in &lines {
        eprintln!("{} may {line}", project.name);
    }
    if lines.is_empty() { Ok(()) } else { ask("grant this?", is_given, NOT_GRANTED) }
}

/// Asks for a yes, unless it was given on the command line; `unasked` is said where there is nobody to ask.
///
/// # Errors
/// It was not given.
pub(super) fn ask(question: &str, is_given: bool, unasked: &str) -> Result<(), ClientError> {
    if is_given {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(ClientError::Here(unasked.to_owned()));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    // An unreadable answer is no yes.
    let _ = (std::io::stderr().flush(), std::io::stdin().lock().read_line(&mut answer));
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        let (done, _) = unasked.split_once(':').unwrap_or((unasked, ""));
        Err(ClientError::Here(done.to_owned()))
    }
}

/// Deploys a project as it was built, with all it is attached to; gives its ARN.
///
/// # Errors
/// The module is not there; the server refuses something.
pub(crate) async fn deploy(client: &Client, project: &Project) -> Result<String, ClientError> {
    let package = project.code().and_then(|code| project.package(&code)).map_err(ClientError::Here)?;
    let settings = json!({
        "Timeout": project.timeout_s, "MemorySize": project.memory_mb,
        "Environment": {"Variables": project.environment}, "Tags": {},
    });
    // What a project may do is in its file; tags of an earlier deployment go, which needs no yes.
    grants::consent(client, &project.name, &settings["Tags"], false).await?;
    client.deploy(&project.name, &package, settings).await?;
    let arn = arn(client, &project.name).await?;
    attach::attach(client, project, &arn).await?;
    Ok(arn)
}

async fn module(client: &Client, path: &Path, args: ModuleArgs, is_given: bool) -> Result<(), ClientError> {
    let shown = path.display();
    let code = std::fs::read(path).map_err(|error| ClientError::Here(format!("{shown}: {error}")))?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = args.name.or(stem).unwrap_or_else(|| "function".to_owned());
    // A tag of the Lambda API holds no `*`: there `...` says the same.
    let allow: Vec<_> =
        args.allow.iter().map(|(kind, what)| (kind.clone(), what.replace('*', "..."))).collect();
    let settings = json!({
        "Timeout": args.timeout.unwrap_or(3), "MemorySize": args.memory.unwrap_or(128),
        "Environment": {"Variables": object(&args.settings, "")}, "Tags": object(&allow, grants::TAG),
    });
    grants::consent(client, &name, &settings["Tags"], is_given).await?;
    client.deploy(&name, &code, settings).await?;
    for (kind, value) in &args.allow {
        eprintln!("{name} may {kind}: {value}");
    }
    let arn = arn(client, &name).await?;
    println!("{arn}");
    for group in args.on {
        let on = On { log_group: group, pattern: args.pattern.clone().unwrap_or_default() };
        attach::subscribe(client, &name, &arn, &on).await?;
    }
    Ok(())
}

async fn arn(client: &Client, name: &str) -> Result<String, ClientError> {
    let function = client.function(name).await?;
    Ok(function["FunctionArn"].as_str().unwrap_or_default().to_owned())
}

/// Several pairs of the same key become one value, separated by spaces.
fn object(pairs: &[(String, String)], prefix: &str) -> Map<String, Value> {
    let mut out: Map<String, Value> = Map::new();
    for (key, value) in pairs {
        let key = format!("{prefix}{key}");
        let joined = match out.get(&key).and_then(Value::as_str) {
            Some(before) => format!("{before} {value}"),
            None => value.clone(),
        };
        out.insert(key, joined.into());
    }
    out
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    if name.is_empty() {
        Err(format!("`{text}` has no name"))
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_of_one_kind_are_joined() {
        let pairs = [pair("publish=ops"), pair("publish=oncall"), pair("state=true")].map(Result::unwrap);
        let tags = object(&pairs, grants::TAG);
        assert_eq!(tags["logboom:allow-publish"], "ops oncall");
        assert_eq!(tags["logboom:allow-state"], "true");
        assert!(pair("publish").is_err() && pair("=x").is_err());
    }
}
