//! The table of contents of the process: builds the rooms, joins them, starts the background workers.
//! Refuses to know what any of them does.

use std::sync::Arc;

use store::{FsDisk, Store};

use tokio::sync::watch;

use crate::alarms;
use crate::api::InFlight;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::{DataDir, Paths};
use crate::functions::{self, Compiled, Functions, WayOut};
use crate::ingest::makers::Makers;
use crate::ingest::{metric_filters, subscriptions};
use crate::keyring::{Keyring, Kms, Wrapping, master};
use crate::limits::Limits;
use crate::meta::{Meta, MetaError, StoreManifest, Unopened};
use crate::outbox::{self, Outbox, Signing};
use crate::query::Queries;
use crate::schedules;
use crate::scheduling;
use crate::sweeps;
use crate::tail::Tails;
use crate::telemetry::disk::{Syncs, Timed};
use crate::telemetry::{self, Telemetry};
use crate::tls::Tls;

/// Opens the data directory and builds everything on it.
///
/// # Errors
/// A sentence that says what cannot be opened.
pub(crate) async fn build(config: Config, clock: Clock, folder: &DataDir) -> Result<Arc<App>, String> {
    let limits = Limits::from_config(&config)?;
    let tls = Tls::new(&config, &clock, &folder.paths().tls())?;
    let telemetry = Telemetry::new(&clock);
    let keys = config.access_keys().map_err(|error| error.to_string())?;
    let opened = {
        let (config, clock, folder) = (config.clone(), clock.clone(), folder.paths().clone());
        let (limits, syncs) = (limits.clone(), Arc::clone(&telemetry.syncs));
        App::blocking(move || open(&config, &clock, &folder, &limits, &syncs)).await?
    };
    let Opened { meta, keyring, store } = opened;
    let followers = Arc::default();
    let queries = Queries::new(&telemetry.queries);
    let fan_out = Arc::default();
    let makers = Makers::load(&meta, clock.now_ms()).map_err(|error| error.to_string())?;
    let alarms = Arc::default();
    let schedules = Arc::default();
    let outbox = Outbox::new(&config, &clock, Signing::at(&folder.paths().signing_key(), &clock, &keyring))?;
    let compiled = Compiled::at(&folder.paths().compiled(), &keyring);
    let way_out = WayOut::new(&config, &outbox.rules)?;
    let functions = Functions::new(&clock, compiled, way_out, limits.request_cores())?;
    Ok(Arc::new(App {
        clock,
        meta,
        keyring,
        store,
        followers,
        fan_out,
        makers: Arc::new(makers),
        queries,
        outbox,
        alarms,
        schedules,
        functions,
        config,
        keys,
        tls,
        telemetry,
        in_flight: InFlight::new(&limits.sizes),
        tails: Tails::new(&limits),
        limits,
    }))
}

struct Opened {
    meta: Meta,
    keyring: Arc<Keyring>,
    store: Arc<Store>,
}

/// Opens what is on disk: the master key, then metadata, since log data ask it for keys and for what still exists.
fn open(
    config: &Config,
    clock: &Clock,
    folder: &Paths,
    limits: &Limits,
    syncs: &Arc<Syncs>,
) -> Result<Opened, String> {
    let shown = |error: MetaError| format!("cannot open {}: {error}", folder.meta().display());
    let kms = Kms::load(&config.kms, clock)?;
    let kms_in_use = !kms.is_empty();
    let unopened = Unopened::at(&folder.meta()).map_err(shown)?;
    let data = master::Data {
        folder: &config.data,
        sealed_with: unopened.sealed_with(),
        without_metadata: unopened.is_empty() && folder.has_log_data(),
    };
    let master = master::of(&data, &folder.key(config.key_file.as_deref()), clock)?;
    let meta = unopened.open(&master, clock).map_err(shown)?;
    let keyring = Arc::new(Keyring::open(&meta, Wrapping::new(&master, kms, clock))?);
    let store_path = folder.store();
    let failed = |error: &dyn std::fmt::Display| format!("cannot open {}: {error}", store_path.display());
    let disk = FsDisk::new(&store_path).map_err(|error| failed(&error))?;
    let disk = Timed::new(disk, clock, syncs);
    let manifest = Arc::new(StoreManifest(meta.clone()));
    let mut options = store::Options {
        limits: limits.store(),
        on_sealer_start: Some(Arc::new(scheduling::aside(limits.request_cores()))),
        ..store::Options::default()
    };
    if kms_in_use {
        // After a clean stop nothing waits in the intake log: a start without a KMS key can read the rest.
        options.limits.close_seal_bytes = 0;
    }
    let store =
        Store::open(options, Arc::new(disk), manifest, keyring.clone()).map_err(|error| failed(&error))?;
    for damage in &store.report().damaged_intake {
        tracing::error!(damage, "the intake log is damaged; acknowledged events may be missing");
    }
    for (segment, damage) in &store.report().damaged_segments {
        tracing::error!(
            segment = segment.0,
            damage,
            "a segment is damaged; its events are missing, its file is kept"
        );
    }
    Ok(Opened { meta, keyring, store: Arc::new(store) })
}

/// Settles what the last process left, then starts every background worker; each ends when `stopping` changes.
pub(crate) async fn start_workers(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    app.tails.end_with(stopping);
    functions::settle(app).await;
    functions::start(app, stopping);
    sweeps::start(app, stopping.clone());
    metric_filters::start(app, stopping);
    subscriptions::start(app, stopping);
    alarms::ticker::start(app, stopping);
    schedules::ticker::start(app, stopping);
    outbox::start(app, stopping);
    telemetry::vended::start(app, stopping.clone());
}
