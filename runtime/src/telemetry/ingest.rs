//! Owns what is shown of log data: what came in and where it is. Refuses to count it: the store does.

use super::exposition::{Kind, Page};
use crate::app::App;
use crate::ingest::activity::{Activity, OfGroup};

/// Name, what it counts, where it stands.
type Line = (&'static str, Kind, &'static str, fn(&store::Counters) -> u64);

const LINES: &[Line] = &[
    ("logboom_ingested_events_total", Kind::Counter, "Log events acknowledged.", |c| c.appended_events),
    (
        "logboom_ingested_bytes_total",
        Kind::Counter,
        "Their messages as AWS counts them: UTF-8 and 26 bytes for each.",
        |c| c.appended_bytes,
    ),
    ("logboom_intake_commits_total", Kind::Counter, "Commits of the intake log, each with one fsync.", |c| {
        c.commits
    }),
    (
        "logboom_intake_commit_failures_total",
        Kind::Counter,
        "Commits that failed; after one, writes are refused until the next start.",
        |c| c.failed_commits,
    ),
    (
        "logboom_intake_bytes",
        Kind::Gauge,
        "Acknowledged bytes that are not sealed yet: in memory and in the intake log.",
        |c| c.intake_bytes,
    ),
    ("logboom_segments", Kind::Gauge, "Segment files.", |c| c.segments),
    ("logboom_segment_bytes", Kind::Gauge, "Bytes of segment files.", |c| c.segment_bytes),
    ("logboom_block_cache_bytes", Kind::Gauge, "Bytes of decoded parts of blocks kept.", |c| c.cache.bytes),
    (
        "logboom_block_cache_hit_bytes_total",
        Kind::Counter,
        "Bytes of decoded parts that were found in the cache.",
        |c| c.cache.hit_bytes,
    ),
    ("logboom_block_cache_miss_bytes_total", Kind::Counter, "Bytes of parts that had to be decoded.", |c| {
        c.cache.miss_bytes
    }),
    ("logboom_segments_sealed_total", Kind::Counter, "Segments written from memory.", |c| c.sealed_segments),
    (
        "logboom_seal_failures_total",
        Kind::Counter,
        "Attempts to write one that failed and are repeated.",
        |c| c.failed_seals,
    ),
    (
        "logboom_segments_rewritten_total",
        Kind::Counter,
        "Segments written anew without what was deleted.",
        |c| c.rewritten_segments,
    ),
    ("logboom_segments_dropped_total", Kind::Counter, "Segments deleted.", |c| c.dropped_segments),
];

/// Name, what it counts, its part in a group.
type OfGroups = (&'static str, &'static str, fn(&OfGroup) -> u64);

const OF_GROUPS: &[OfGroups] = &[
    (
        "logboom_ingest_throttled_batches",
        "Batches refused because they came faster than they can be stored; of groups that exist.",
        |group| group.throttled.get(),
    ),
    (
        "logboom_emf_errors",
        "Events in embedded metric format that are no JSON or break its rules; of groups that exist.",
        |group| group.emf_parsing_errors.get() + group.emf_validation_errors.get(),
    ),
];

pub(super) fn families(app: &App, page: &mut Page) {
    let counters = app.store.counters();
    for (name, kind, help, read) in LINES {
        page.single(name, *kind, help, read(&counters));
    }
    let help = "1 after a write failed: batches are refused until the next start.";
    page.single("logboom_intake_refusing", Kind::Gauge, help, u64::from(app.store.is_refusing()));
    let help = "Live tails that are open, those of `logboom tail` included.";
    page.single("logboom_live_tails", Kind::Gauge, help, app.tails.open_now());
    let activity: &Activity = app.fan_out.activity();
    let groups = activity.groups();
    for (name, help, read) in OF_GROUPS {
        // A group that is deleted takes its counts along, so these are no counters in Prometheus' sense.
        page.single(name, Kind::Gauge, help, groups.iter().map(|(_, group)| read(group)).sum::<u64>());
    }
}
