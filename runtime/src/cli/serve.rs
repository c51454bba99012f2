//! Owns `logboom serve`: flags, start-up, signals and the end. Refuses to know requests.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use super::Failure;
use crate::app::App;
use crate::clock::{Clock, VIRTUAL_START_MS};
use crate::config::{Config, Overlay};
use crate::data_dir::DataDir;
use crate::doors;
use crate::scheduling;
use crate::server::Server;
use crate::telemetry::trace::{self, LogFormat};
use crate::telemetry::vended;
use crate::tls::Tls;
use crate::wiring;

/// How long requests in flight may take after a signal.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// How long functions may go on after a signal; then what runs is ended, and runs again after the next start.
const GUESTS_MAX: Duration = Duration::from_secs(2);

/// How long deliveries in flight may take after that.
const LAND_MAX: Duration = Duration::from_secs(5);

/// Seed of the ids under the virtual clock: the same run gives the same ids.
const VIRTUAL_SEED: u64 = 0x6c6f_6762_6f6f_6d21;

#[derive(Args)]
pub(super) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one (it is printed)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Data directory, made if missing; one process at a time
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File of the master key (by default logboom.key in the data directory); made if there are no data yet
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Account of every access key that is not twelve digits itself
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `real`, or `virtual[=START_MS]`: time moves only by POST /_logboom/clock
    #[arg(long, value_name = "CLOCK", default_value = "real", value_parser = parse_clock)]
    clock: ClockChoice,
    /// Give `[ERROR]` in filter patterns AWS's meaning (one column named ERROR)
    #[arg(long)]
    strict_patterns: bool,
    /// Serve POST /_logboom/reset, which empties everything
    #[arg(long)]
    allow_reset: bool,
    /// Enforce AWS's rate and count quotas
    #[arg(long)]
    aws_quotas: bool,
    /// Serve HTTPS with this certificate (PEM, with those that vouch for it)
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Serve HTTPS with a certificate of a local authority, made in the data directory
    #[arg(long)]
    tls_self_signed: bool,
    /// A name or address that certificate holds for too; may be repeated
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,
    /// What goes to stderr: a level (error, warn, info, debug, trace), or levels by module (info,store=debug)
    #[arg(long, value_name = "FILTER", env = "LOGBOOM_LOG", default_value = "info")]
    log: String,
    /// In which form
    #[arg(long, value_name = "FORMAT", env = "LOGBOOM_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy)]
enum ClockChoice {
    Real,
    Virtual(i64),
}

fn parse_clock(text: &str) -> Result<ClockChoice, String> {
    match text.split_once('=') {
        None if text == "real" => Ok(ClockChoice::Real),
        None if text == "virtual" => Ok(ClockChoice::Virtual(VIRTUAL_START_MS)),
        Some(("virtual", start)) => match start.parse() {
            Ok(start_ms @ 0..) => Ok(ClockChoice::Virtual(start_ms)),
            _ => Err(format!("{start:?} is not a time in epoch milliseconds")),
        },
        _ => Err("expected `real`, `virtual` or `virtual=START_MS`".to_owned()),
    }
}

impl ServeArgs {
    /// The flags that were given, as they lie over environment and file.
    fn overlay(&self) -> Overlay {
        let mut overlay = Overlay::default();
        if let Some(listen) = &self.listen {
            overlay.set("listen", listen.as_str());
        }
        if let Some(data) = &self.data {
            overlay.set("data", data.to_string_lossy().as_ref());
        }
        if let Some(key_file) = &self.key_file {
            overlay.set("key_file", key_file.to_string_lossy().as_ref());
        }
        if let Some(account) = &self.account {
            overlay.set("account", account.as_str());
        }
        let switches = [
            ("strict_patterns", self.strict_patterns),
            ("allow_reset", self.allow_reset),
            ("aws_quotas", self.aws_quotas),
            ("tls.self_signed", self.tls_self_signed),
        ];
        for (name, file) in [("tls.cert", &self.tls_cert), ("tls.key", &self.tls_key)] {
            if let Some(file) = file {
                overlay.set(name, file.to_string_lossy().as_ref());
            }
        }
        if !self.tls_name.is_empty() {
            overlay.set("tls.names", self.tls_name.clone());
        }
        for (name, _) in switches.into_iter().filter(|(_, on)| *on) {
            overlay.set(name, true);
        }
        overlay
    }
}

pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref(), &args.overlay()).map_err(Failure::usage)?;
    doors::check_listener(&config, matches!(args.clock, ClockChoice::Virtual(_))).map_err(Failure::usage)?;
    trace::start(&args.log, args.log_format).map_err(Failure::usage)?;
    let clock = match args.clock {
        ClockChoice::Real => Clock::real(),
        ClockChoice::Virtual(start_ms) => Clock::standing_at(start_ms, VIRTUAL_SEED),
    };
    // Before there are other threads: all that the server starts answer, but for those of guests.
    scheduling::come_soon();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let outcome = runtime.block_on(serve(config, clock));
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

async fn serve(config: Config, clock: Clock) -> Result<(), Failure> {
    let folder = DataDir::lock(&config.data)?;
    let app = wiring::build(config, clock, &folder).await.map_err(Failure::failed)?;
    let server = Server::bind(Arc::clone(&app)).await.map_err(Failure::failed)?;
    let (stop, stopping) = watch::channel(false);
    wiring::start_workers(&app, &stopping).await;
    announce(&app, &server);
    follow_hangups(&app);
    let serving = tokio::spawn(server.run(stopping));
    stop_requested().await.map_err(Failure::failed)?;
    tracing::info!("stopping: requests in flight are finished");
    // Receivers are the server and the workers; that all have gone is fine too.
    let _all_gone = stop.send(true);
    let ending = end_guests(&app);
    let drained = tokio::time::timeout(DRAIN_MAX, serving).await;
    if drained.is_err() {
        tracing::warn!("requests in flight took longer than {} s and were cut", DRAIN_MAX.as_secs());
    }
    if !app.clock.settle().await {
        tracing::warn!("background work did not come to rest; it goes on at the next start");
    }
    ending.abort();
    finish(app).await;
    drop(folder);
    Ok(())
}

/// Ends functions that go on for too long while the rest comes to its end.
fn end_guests(app: &Arc<App>) -> tokio::task::JoinHandle<()> {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        tokio::time::sleep(GUESTS_MAX).await;
        app.functions.stop();
    })
}

/// The one line that scripts read first; port 0 has become the port that was taken.
fn announce(app: &App, server: &Server) {
    let mut text = format!("listening on {}://{}\n", app.config.tls.scheme(), server.address());
    if let Some(file) = app.tls.as_ref().and_then(Tls::authority_file) {
        let file = file.display();
        text.push_str(&format!(
            "certificates are vouched for by {file}; clients trust it with AWS_CA_BUNDLE={file} \
             (AWS CLI and SDKs), tls.ca_file {file} (fluent-bit), --ca-file {file} (logboom)\n"
        ));
    }
    let mut out = std::io::stdout().lock();
    // A closed stdout is no reason not to serve.
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// SIGHUP reads the files of the certificate again. Without TLS it ends the process, as ever.
fn follow_hangups(app: &Arc<App>) {
    use tokio::signal::unix::{SignalKind, signal};
    if app.tls.is_none() {
        return;
    }
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return tracing::warn!(%error, "SIGHUP will not read the certificate again"),
    };
    let app = Arc::clone(app);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let held = Arc::clone(&app);
            match App::blocking(move || held.tls.as_ref().map_or(Ok(()), Tls::reload)).await {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(error, "the certificate stays as it was"),
            }
        }
    });
}

async fn finish(app: Arc<App>) {
    // What a receiver keeps waiting is sent again after the next start.
    let _landed = tokio::time::timeout(LAND_MAX, app.outbox.landed()).await;
    vended::finish(&app).await;
    let closing = tokio::task::spawn_blocking(move || app.close());
    if closing.await.is_err() {
        tracing::error!("closing the data directory panicked");
    }
}

async fn stop_requested() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}
