//! Owns CloudWatch Logs: one file per family of operations, listed here. Refuses to know encodings.

mod describe_groups;
mod describe_streams;
mod filter_events;
mod get_events;
mod groups;
pub(crate) mod kms;
pub(crate) mod live_tail;
pub(crate) mod lookup;
mod metric_filters;
mod put_events;
mod queries;
mod records;
mod retention;
mod streams;
mod subscription_filters;
mod tags;

use super::table::Operation;

/// The families of this service.
pub(crate) const FAMILIES: &[&[Operation]] = &[
    groups::OPERATIONS,
    describe_groups::OPERATIONS,
    streams::OPERATIONS,
    describe_streams::OPERATIONS,
    kms::OPERATIONS,
    retention::OPERATIONS,
    tags::OPERATIONS,
    put_events::OPERATIONS,
    get_events::OPERATIONS,
    filter_events::OPERATIONS,
    live_tail::OPERATIONS,
    queries::OPERATIONS,
    records::OPERATIONS,
    metric_filters::OPERATIONS,
    subscription_filters::OPERATIONS,
];
