//! `logboom deploy`: brings a wasm module into a running server and attaches it.
//!
//! Owns the order of the calls (function, grants, attachments). Refuses to know what a module may export: the
//! server compiles it and says.

use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

use super::client::{Client, ClientError, Endpoint};
use crate::clock::Clock;

/// Deploys a wasm module (a component, or a wasi program) as a function.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The module: a .wasm file, or a zip that holds one.
    module: PathBuf,
    /// Name of the function; the file's name is the default.
    #[arg(long)]
    name: Option<String>,
    /// Time a call may take, in seconds.
    #[arg(long, default_value_t = 3)]
    timeout: u32,
    /// Memory a call may use, in MiB.
    #[arg(long, default_value_t = 128)]
    memory: u32,
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
    #[arg(long, default_value = "")]
    pattern: String,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// The tag that carries a grant of this kind.
const GRANT_TAG: &str = "logboom:allow-";

/// Runs the command.
pub(crate) async fn run(args: DeployArgs, clock: Clock) -> Result<(), ClientError> {
    let path = args.module.display().to_string();
    let code = std::fs::read(&args.module).map_err(|e| ClientError::Unreachable(format!("{path}: {e}")))?;
    let stem = args.module.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = args.name.or(stem).unwrap_or_else(|| "function".to_owned());
    let client = Client::new(args.endpoint, clock);
    let environment: Map<String, Value> = object(&args.settings, "");
    // A tag of the Lambda API holds no `*`: there `...` says the same.
    let allow: Vec<_> =
        args.allow.iter().map(|(kind, what)| (kind.clone(), what.replace('*', "..."))).collect();
    let tags = object(&allow, GRANT_TAG);
    let settings = json!({
        "Timeout": args.timeout, "MemorySize": args.memory,
        "Environment": {"Variables": environment}, "Tags": tags,
    });
    client.deploy(&name, &code, settings).await?;
    for (kind, value) in &args.allow {
        eprintln!("{name} may {kind}: {value}");
    }
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let function = client.lambda(hyper::Method::GET, &path, Value::Null).await?;
    println!("{}", function["FunctionArn"].as_str().unwrap_or_default());
    for group in &args.on {
        let filter = json!({
            "logGroupName": group, "filterName": name, "filterPattern": args.pattern,
            "destinationArn": function["FunctionArn"],
        });
        client.logs("PutSubscriptionFilter", filter).await?;
        eprintln!(
            "{name} receives {} of {group}",
            if args.pattern.is_empty() { "all events" } else { &args.pattern }
        );
    }
    Ok(())
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
        let tags = object(&pairs, GRANT_TAG);
        assert_eq!(tags["logboom:allow-publish"], "ops oncall");
        assert_eq!(tags["logboom:allow-state"], "true");
        assert!(pair("publish").is_err() && pair("=x").is_err());
    }
}
