//! The `log` crate's way into the function's own log (feature `log`): libraries that log through it are heard without
//! a line of set-up. The setting `LOG_LEVEL` (`off`, `error`, `warn`, `info`, `debug`, `trace`) says how much; `info`
//! if it is not there. In native tests call [`install`] once; lines are recorded like those of `info!`.

use ::log::{Level, LevelFilter, Log, Metadata, Record};

use crate::service::log::{self, Level as Ours};

struct Logger;

static LOGGER: Logger = Logger;

/// Makes the `log` crate write here; called by the SDK before a handler runs. A logger that the guest has set before
/// stays.
pub fn install() {
    if ::log::set_logger(&LOGGER).is_ok() {
        // The environment of a function is its settings.
        let level = std::env::var("LOG_LEVEL").ok().and_then(|level| level.parse().ok());
        ::log::set_max_level(level.unwrap_or(LevelFilter::Info));
    }
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error => Ours::Error,
            Level::Warn => Ours::Warn,
            Level::Info => Ours::Info,
            Level::Debug => Ours::Debug,
            Level::Trace => Ours::Trace,
        };
        log::write(level, &record.args().to_string());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_log_crate_writes_to_the_functions_log() {
        super::install();
        crate::native::reset(&[]);
        ::log::warn!("{} left", 3);
        ::log::debug!("not at the usual level");
        assert_eq!(crate::native::with(|r| r.lines.clone()), ["Level::Warn 3 left"]);
    }
}
