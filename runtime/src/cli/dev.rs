//! `logboom dev`: builds and deploys a function each time its sources change, and shows its log meanwhile.
//!
//! Owns the loop. Refuses to know how a function is built (`build`) and deployed (`deploy`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use super::client::{Client, ClientError, Endpoint};
use super::project::{FILE, Project};
use super::{build, deploy, tail};
use crate::clock::Clock;

/// Builds, deploys to a running server, and again at each change; prints what the function writes.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The folder with function.toml, or that file.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Grant what function.toml asks for without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    endpoint: Endpoint,
}

/// How often the sources are looked at.
const LOOK_MS: u64 = 300;

/// Folders that hold no sources, and files that builds write.
const NO_SOURCES: &[&str] = &["target", "node_modules", "__pycache__", "Cargo.lock", "package-lock.json"];

/// Files that are watched at most.
const WATCHED_MAX: usize = 10_000;

/// Runs the command until it is interrupted.
pub(crate) async fn run(args: DevArgs, clock: Clock) -> Result<(), ClientError> {
    let project = Project::read(&args.project).map_err(ClientError::Here)?;
    deploy::consent(&project, args.yes)?;
    let client = Client::new(args.endpoint.clone(), clock.clone());
    // Before the build: a server that is not there is said at once.
    let group = client.own_group(&project.name).await?;
    let lines = tail::TailArgs::lines_of(group, String::new(), 0, None, args.endpoint).plainly();
    tokio::select! {
        ended = tail::run(lines, clock.clone()) => ended,
        failed = watch(&args.project, project, &client, &clock) => failed,
    }
}

/// Builds and deploys now and at each change. A build that fails waits for the next change.
async fn watch(path: &Path, mut project: Project, client: &Client, clock: &Clock) -> Result<(), ClientError> {
    let mut granted = project.allow.clone();
    loop {
        let seen = sources(&project);
        let began_us = clock.monotonic_us();
        match swap(&project, client).await {
            Ok(()) => {
                let took_ms = clock.monotonic_us().saturating_sub(began_us) / 1_000;
                eprintln!("{} is live, {took_ms} ms after the change", project.name);
            }
            Err(error) => eprintln!("logboom: {error}"),
        }
        while sources(&project) == seen {
            clock.sleep(LOOK_MS).await;
        }
        match Project::read(path) {
            Ok(changed) if changed.allow != granted => {
                deploy::consent(&changed, false)?;
                granted = changed.allow.clone();
                project = changed;
            }
            Ok(changed) => project = changed,
            Err(error) => eprintln!("logboom: {error}"),
        }
    }
}

/// Builds, and swaps what the server runs.
async fn swap(project: &Project, client: &Client) -> Result<(), ClientError> {
    let built = project.clone();
    let build = tokio::task::spawn_blocking(move || build::build(&built)).await;
    build.unwrap_or_else(|panicked| Err(panicked.to_string())).map_err(ClientError::Here)?;
    deploy::deploy(client, project).await.map(drop)
}

/// When each source was last written. The module that is built is none.
fn sources(project: &Project) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let mut found = BTreeMap::new();
    let mut left: Vec<PathBuf> = project.watch.iter().map(|path| project.folder.join(path)).collect();
    left.push(project.folder.join(FILE));
    if project.watch.is_empty() {
        left.push(project.folder.clone());
    }
    while let Some(path) = left.pop() {
        if found.len() >= WATCHED_MAX {
            break;
        }
        if !path.is_dir() {
            if path.extension().is_none_or(|extension| extension != "wasm") {
                let written = std::fs::metadata(&path).and_then(|about| about.modified()).ok();
                found.insert(path, written);
            }
            continue;
        }
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') && !NO_SOURCES.contains(&name.as_ref()) {
                left.push(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_all_but_what_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for path in
            ["src/lib.rs", "target/a.rs", ".git/x", "node_modules/m/i.js", "out.wasm", "Cargo.lock", "a.js"]
        {
            put(path);
        }
        put(FILE);
        let mut project: Project = toml::from_str("name = 'x'\nwasm = 'out.wasm'").unwrap();
        project.folder = folder.path().to_owned();
        let names = |project: &Project| -> Vec<String> {
            let strip = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
            sources(project).keys().map(|path| strip(path)).collect()
        };
        assert_eq!(names(&project), ["a.js", FILE, "src/lib.rs"]);
        project.watch = vec!["src".into()];
        assert_eq!(names(&project), [FILE, "src/lib.rs"]);
        let before = sources(&project);
        put("src/more.rs");
        assert_ne!(sources(&project), before);
    }
}
