//! `logboom promote`: makes a version the one that serves.
//!
//! Owns showing what is to change and asking first. Refuses to move anything: the server does.

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, ClientError, Endpoint, escape};
use super::deploy;
use crate::clock::Clock;

/// Makes a version the one that serves: the shadow's, unless --version names one.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// Name of the function.
    name: String,
    /// The version; the shadow's if none is given.
    #[arg(long, value_name = "V")]
    version: Option<String>,
    #[command(flatten)]
    how: How,
}

/// What moving a version has in common.
#[derive(Debug, Args)]
pub(super) struct How {
    /// The alias that is moved, or $LATEST; what is attached to the function says it if it is one.
    #[arg(long)]
    pub(super) alias: Option<String>,
    /// Replace $LATEST, and grant what that brings along, without asking.
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) endpoint: Endpoint,
}

/// Runs the command.
pub(crate) async fn run(args: PromoteArgs, clock: Clock) -> Result<(), ClientError> {
    move_to(args.name, "promote", args.version, args.how, clock).await
}

/// Shows what `operation` would do, asks where that replaces code or grants something, and does it.
pub(super) async fn move_to(
    name: String,
    operation: &str,
    version: Option<String>,
    how: How,
    clock: Clock,
) -> Result<(), ClientError> {
    let client = Client::new(how.endpoint, clock);
    let path = format!("/_logboom/functions/{}/{operation}", escape(&name));
    let mut body = json!({ "dryRun": true });
    for (member, value) in [("alias", how.alias), ("version", version)] {
        if let Some(value) = value {
            body[member] = value.into();
        }
    }
    let plan = client.own("lambda", Method::POST, &path, body.clone()).await?;
    eprint!("{}", shown(&plan));
    let grants = plan["granted"].as_array().is_some_and(|lines| !lines.is_empty());
    if plan["target"] == "$LATEST" || grants {
        deploy::ask("do this?", how.yes, "nothing was changed: --yes does it without asking")?;
    }
    // What was shown, should something else be meant by now.
    body["dryRun"] = false.into();
    body["alias"] = plan["target"].clone();
    if operation == "promote" {
        body["version"] = plan["to"]["version"].clone();
    }
    let done = client.own("lambda", Method::POST, &path, body).await?;
    println!("{}", arn_part(&done));
    Ok(())
}

fn shown(plan: &Value) -> String {
    let (target, name) = (text(&plan["target"]), text(&plan["function"]));
    let (from, to) = (serving(&plan["from"]), serving(&plan["to"]));
    let mut out = if target == "$LATEST" {
        format!("$LATEST of {name}, now {from}, gets the code and settings of version {to}\n")
    } else {
        format!("{target} of {name} moves from version {from} to {to}\n")
    };
    for (member, how) in [("attached", "for: "), ("granted", "may now: "), ("revoked", "may no longer: ")] {
        for line in plan[member].as_array().into_iter().flatten() {
            out.push_str(&format!("  {how}{}\n", text(line)));
        }
    }
    out
}

/// A version, or one with the shares of others.
fn serving(of: &Value) -> String {
    let others = of["additional"].as_object().into_iter().flatten();
    let others: Vec<String> = others.map(|(version, weight)| format!("{version} at {weight}")).collect();
    let version = text(&of["version"]);
    if others.is_empty() { version } else { format!("{version} with {}", others.join(", ")) }
}

fn arn_part(done: &Value) -> String {
    format!("{}:{} is version {}", text(&done["function"]), text(&done["target"]), serving(&done["to"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_moves_and_for_whom() {
        let mut plan = json!({
            "function": "f", "target": "live", "from": {"version": "1", "additional": {"2": 0.1}},
            "to": {"version": "2", "additional": {}}, "attached": ["subscription s of /g"],
            "granted": ["publish ops"], "revoked": [],
        });
        let told = "live of f moves from version 1 with 2 at 0.1 to 2\n  for: subscription s of /g\n  may now: publish ops\n";
        assert_eq!(shown(&plan), told);
        plan["target"] = "$LATEST".into();
        assert!(
            shown(&plan)
                .starts_with("$LATEST of f, now 1 with 2 at 0.1, gets the code and settings of version 2\n")
        );
        assert_eq!(arn_part(&plan), "f:$LATEST is version 2");
    }
}
