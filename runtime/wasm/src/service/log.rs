//! `log`: lines for the function's own log group.

use crate::bindings::logboom::extension::log::{Host, Level};
use crate::guest::Guest;
use crate::{LogLevel, LogSource};

impl Host for Guest {
    fn write(&mut self, level: Level, message: String) {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.output.line(LogSource::Log(level), message.trim_end());
    }
}
