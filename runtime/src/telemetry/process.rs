//! Owns what the system says about the process, under the names that Prometheus' own libraries use. Refuses to know
//! systems without `/proc`: there the family is empty.

use std::fs;

use super::exposition::{Kind, Page};
use crate::app::App;

/// `/proc` counts CPU time in this; it is the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// `/proc/self/statm` counts in pages, of this many bytes on the machines we run on.
const PAGE_BYTES: u64 = 4_096;

pub(super) fn families(app: &App, page: &mut Page) {
    let started = app.telemetry.started_ms as f64 / 1e3;
    let help = "When the process began, seconds of the epoch.";
    page.single("process_start_time_seconds", Kind::Gauge, help, started);
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat)) {
        page.single("process_cpu_seconds_total", Kind::Counter, "CPU time, user and system.", seconds);
    }
    if let Some((all, resident)) = fs::read_to_string("/proc/self/statm").ok().and_then(|text| memory(&text))
    {
        page.single("process_virtual_memory_bytes", Kind::Gauge, "Address space.", all);
        page.single("process_resident_memory_bytes", Kind::Gauge, "Memory that is held.", resident);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder that is being read is one of them.
        let open = (open.count() as u64).saturating_sub(1);
        page.single("process_open_fds", Kind::Gauge, "File descriptors that are open.", open);
    }
    if let Some(max) = fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text)) {
        page.single("process_max_fds", Kind::Gauge, "File descriptors that may be open.", max);
    }
}

/// User and system time of `/proc/self/stat`: the 14th and 15th field. The second, a name in parentheses, may hold
/// anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn memory(statm: &str) -> Option<(u64, u64)> {
    let mut fields = statm.split_ascii_whitespace().map(str::parse::<u64>);
    let (all, resident) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((all * PAGE_BYTES, resident * PAGE_BYTES))
}

fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_files_are_read_whatever_the_process_is_called() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 9 0 100 1 1";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(cpu_seconds("42 nothing"), None);
        assert_eq!(memory("10 3 2 1 0 4 0"), Some((40_960, 12_288)));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
    }
}
