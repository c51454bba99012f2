//! The table of contents of the process: builds the rooms, joins them, starts the background workers.
//! Refuses to know what any of them does.

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::limits::Limits;
use crate::meta::Meta;

/// Opens the data directory and builds everything on it.
///
/// # Errors
/// A sentence that says what cannot be opened.
pub(crate) async fn build(config: Config, clock: Clock, folder: &DataDir) -> Result<Arc<App>, String> {
    let limits = Limits::from_config(&config)?;
    let keys = config.access_keys().map_err(|error| error.to_string())?;
    let path = folder.meta();
    let opening =
        tokio::task::spawn_blocking(move || Meta::open(&path)).await.map_err(|error| error.to_string())?;
    let meta = opening.map_err(|error| error.to_string())?;
    Ok(Arc::new(App { clock, meta, config, keys, limits }))
}

/// Starts every background worker; each ends when `stopping` changes.
pub(crate) fn start_workers(_app: &Arc<App>, _stopping: &watch::Receiver<bool>) {}
