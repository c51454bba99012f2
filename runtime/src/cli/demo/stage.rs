//! What the demo needs before it can begin: built guests, a running server, an inbox for webhooks.
//!
//! Owns the server process and ends it with the demo. Refuses to know the story.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::DemoArgs;
use super::inbox::Inbox;
use super::screen::Screen;
use crate::cli::client::{Client, ClientError, Endpoint};
use crate::clock::Clock;

/// The guests of the demo, by package name.
pub(super) const GUESTS: &[&str] = &["redact", "latency-extractor", "error-digest", "slack-action"];
const TARGET: &str = "wasm32-wasip2";

/// Everything the story is played on.
pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) clock: Clock,
    pub(super) inbox: Inbox,
    pub(super) guests: PathBuf,
    server: Child,
}

impl Stage {
    /// Builds the guests and starts the server.
    pub(super) async fn set(
        args: &DemoArgs,
        clock: Clock,
        screen: &mut Screen,
    ) -> Result<Stage, ClientError> {
        screen.step("Build the example guests (Rust, compiled to WebAssembly components)");
        let guests = match &args.guests {
            Some(folder) => folder.clone(),
            None => build_guests().await?,
        };
        for name in GUESTS {
            let size = std::fs::metadata(guests.join(module_file(name)))
                .map_err(|e| trouble(format!("{}: {e}", guests.join(module_file(name)).display())))?;
            screen.good(&format!("{name:<18} {:>4} KiB", size.len() / 1024));
        }
        screen.step("Start a server on embedded defaults");
        let data = args.data.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("logboom-demo-{:08x}", clock.random_u64() as u32))
        });
        let inbox = Inbox::open().await.map_err(|e| trouble(format!("webhook inbox: {e}")))?;
        let (server, url) = start_server(&args.listen, &data).await?;
        screen.good(&format!("{url} answers; data in {}", data.display()));
        let endpoint = Endpoint {
            endpoint: url,
            region: "us-east-1".to_owned(),
            access_key: "demo".to_owned(),
            secret_key: "demo".to_owned(),
            ca_file: None,
        };
        Ok(Stage { client: Client::new(endpoint, clock.clone()), clock, inbox, guests, server })
    }

    /// The built module of a guest.
    pub(super) fn module(&self, name: &str) -> Result<Vec<u8>, ClientError> {
        let path = self.guests.join(module_file(name));
        std::fs::read(&path).map_err(|e| trouble(format!("{}: {e}", path.display())))
    }

    /// Ends the server as Ctrl-C would, and waits for it.
    pub(super) async fn close(&mut self) {
        if let Some(pid) = self.server.id() {
            // The child is ours and not yet waited for, so its pid cannot have been given to another process.
            let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        }
        let _ = self.server.wait().await;
    }

    /// Prints what to try and serves until Ctrl-C.
    pub(super) async fn serve_on(&mut self, screen: &Screen) {
        let url = self.client.url().to_owned();
        println!("\n{}", screen.paint("1", "The server goes on. Three commands to try in another terminal:"));
        let endpoint = format!("--endpoint-url {url} --region us-east-1");
        println!("  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo");
        println!(
            "  aws {endpoint} logs filter-log-events --log-group-name /demo/api --filter-pattern '{{ $.status >= 500 }}'"
        );
        println!(
            "  aws {endpoint} logs get-log-events --log-group-name /aws/lambda/error-digest --log-stream-name \"$(aws {endpoint} logs describe-log-streams --log-group-name /aws/lambda/error-digest --query 'logStreams[0].logStreamName' --output text)\""
        );
        println!("  aws {endpoint} cloudwatch describe-alarm-history --alarm-name demo-server-errors");
        println!("\nCtrl-C ends it. `logboom serve` is the daily command.");
        tokio::select! {
            _ = self.server.wait() => {}
            _ = tokio::signal::ctrl_c() => self.close().await,
        }
    }
}

/// An error of the demo itself.
pub(super) fn trouble(text: String) -> ClientError {
    ClientError::Unreachable(text)
}

fn module_file(name: &str) -> String {
    format!("{}.wasm", name.replace('-', "_"))
}

/// Builds the guests in the repository this binary was built from.
async fn build_guests() -> Result<PathBuf, ClientError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let packages = GUESTS.iter().flat_map(|name| ["-p", name]);
    let cargo = Command::new("cargo")
        .args(["build", "--locked", "--quiet", "--profile", "guest", "--target", TARGET])
        .args(packages)
        .current_dir(&root)
        .status()
        .await
        .map_err(|e| trouble(format!("cargo: {e}; --guests names a folder with built guests")))?;
    if !cargo.success() {
        return Err(trouble(format!(
            "the guests do not build; is the target there? (rustup target add {TARGET})"
        )));
    }
    Ok(root.join("target").join(TARGET).join("guest"))
}

/// Starts `logboom serve` and reads the address it listens on.
async fn start_server(listen: &str, data: &Path) -> Result<(Child, String), ClientError> {
    let me = std::env::current_exe().map_err(|e| trouble(format!("this program: {e}")))?;
    let mut server = Command::new(me)
        .args(["serve", "--listen", listen, "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| trouble(format!("logboom serve: {e}")))?;
    let output = server.stdout.take().ok_or_else(|| trouble("logboom serve has no output".to_owned()))?;
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(url) = line.strip_prefix("listening on ") {
            return Ok((server, url.trim().to_owned()));
        }
    }
    Err(trouble(format!("logboom serve ended; is {listen} taken? (--listen 127.0.0.1:0 takes a free port)")))
}
