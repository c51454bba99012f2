//! The table of contents of the process: builds the rooms, joins them, starts the background workers.
//! Refuses to know what any of them does.

use std::path::Path;
use std::sync::Arc;

use store::{FsDisk, Store};

use tokio::sync::watch;

use crate::alarms;
use crate::api::InFlight;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::functions::{self, Functions};
use crate::ingest::{metric_filters, subscriptions};
use crate::limits::Limits;
use crate::meta::{Meta, StoreManifest};
use crate::outbox::{self, Outbox};
use crate::query::Queries;
use crate::sweeps;

/// Opens the data directory and builds everything on it.
///
/// # Errors
/// A sentence that says what cannot be opened.
pub(crate) async fn build(config: Config, clock: Clock, folder: &DataDir) -> Result<Arc<App>, String> {
    let limits = Limits::from_config(&config)?;
    let keys = config.access_keys().map_err(|error| error.to_string())?;
    let (meta_path, store_path) = (folder.meta(), folder.store());
    let (meta, store) = App::blocking(move || open(&meta_path, &store_path)).await?;
    let followers = Arc::default();
    let queries = Queries::default();
    let fan_out = Arc::default();
    let alarms = Arc::default();
    let outbox = Outbox::new(&config, &clock, &folder.signing_key())?;
    let functions = Functions::new(&clock)?;
    Ok(Arc::new(App {
        clock,
        meta,
        store,
        followers,
        fan_out,
        queries,
        outbox,
        alarms,
        functions,
        config,
        keys,
        in_flight: InFlight::new(&limits.sizes),
        limits,
    }))
}

/// Opens what is on disk: metadata first, since log data ask it what still exists.
fn open(meta_path: &Path, store_path: &Path) -> Result<(Meta, Arc<Store>), String> {
    let meta = Meta::open(meta_path).map_err(|error| error.to_string())?;
    let disk =
        FsDisk::new(store_path).map_err(|error| format!("cannot open {}: {error}", store_path.display()))?;
    let manifest = Arc::new(StoreManifest(meta.clone()));
    let keys = Arc::new(store::MemoryKeys::default());
    let store = Store::open(store::Options::default(), Arc::new(disk), manifest, keys);
    let store = store.map_err(|error| format!("cannot open {}: {error}", store_path.display()))?;
    for damage in &store.report().damaged_intake {
        tracing::error!(damage, "the intake log is damaged; acknowledged events may be missing");
    }
    Ok((meta, Arc::new(store)))
}

/// Starts every background worker; each ends when `stopping` changes.
pub(crate) fn start_workers(app: &Arc<App>, stopping: &watch::Receiver<bool>) {
    functions::start(app);
    sweeps::start(app, stopping.clone());
    metric_filters::start(app, stopping);
    subscriptions::start(app, stopping);
    alarms::ticker::start(app, stopping);
    outbox::start(app, stopping);
}
