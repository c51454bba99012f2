//! Owns SNS: one file per family of operations, listed here, and the links in its messages. Refuses to know
//! encodings, message formats and delivery.

mod attributes;
mod confirm;
pub(crate) mod links;
mod lists;
mod lookup;
mod publish;
mod subscribe;
mod tags;
mod topics;

use super::table::Operation;

/// The families of this service.
pub(crate) const FAMILIES: &[&[Operation]] = &[
    topics::OPERATIONS,
    attributes::OPERATIONS,
    subscribe::OPERATIONS,
    confirm::OPERATIONS,
    lists::OPERATIONS,
    publish::OPERATIONS,
    tags::OPERATIONS,
];
