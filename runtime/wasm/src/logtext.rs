//! The lines of a function's log group: the guest's own, and Lambda's START, END and REPORT.

use std::fmt;

use crate::Report;

/// The level of a line written through the `log` interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    /// `INFO`, `WARN` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The guest's standard output.
    Stdout,
    /// The guest's standard error.
    Stderr,
    /// The `log` interface.
    Log(LogLevel),
    /// The host, for example that output was cut.
    Host,
}

/// One line a guest wrote. `Display` is what belongs into the log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Where it came from.
    pub source: LogSource,
    /// The text, without a newline at the end.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            LogSource::Log(level) => write!(f, "[{}] {}", level.name(), self.text),
            LogSource::Stdout | LogSource::Stderr | LogSource::Host => f.write_str(&self.text),
        }
    }
}

/// `START RequestId: … Version: …`, and behind Lambda's own words the digest of the module.
pub fn start_line(request_id: &str, version: &str, digest: &str) -> String {
    format!("START RequestId: {request_id} Version: {version} Digest: {digest}")
}

/// `END RequestId: …`
pub fn end_line(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// Lambda's `REPORT` line: milliseconds with two decimals, billed up to the next millisecond,
/// memory in MB rounded up.
pub fn report_line(request_id: &str, report: &Report, memory_mb: u32) -> String {
    let ms = report.duration_us as f64 / 1000.0;
    let billed = report.duration_us.div_ceil(1000).max(1);
    let used = report.memory_peak_bytes.div_ceil(1 << 20);
    format!(
        "REPORT RequestId: {request_id}\tDuration: {ms:.2} ms\tBilled Duration: {billed} ms\t\
         Memory Size: {memory_mb} MB\tMax Memory Used: {used} MB"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_line_is_lambdas() {
        let report = Report { duration_us: 1_234, memory_peak_bytes: (2 << 20) + 1, ..Report::default() };
        assert_eq!(
            report_line("r-1", &report, 128),
            "REPORT RequestId: r-1\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 3 MB"
        );
        assert_eq!(start_line("r-1", "$LATEST", "ab"), "START RequestId: r-1 Version: $LATEST Digest: ab");
    }

    #[test]
    fn a_level_is_shown_and_plain_output_is_not_touched() {
        let line = |source| LogLine { source, text: "x".to_owned() }.to_string();
        assert_eq!(line(LogSource::Log(LogLevel::Warn)), "[WARN] x");
        assert_eq!(line(LogSource::Stdout), "x");
    }
}
