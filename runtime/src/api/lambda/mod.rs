//! Owns the Lambda API: one file per family of operations, listed here. Refuses to know encodings, compiling
//! and running (`functions`).

mod account;
mod aliases;
mod concurrency;
mod create;
mod delete;
mod event_invoke;
mod get;
mod invoke;
mod list;
mod lookup;
mod permissions;
mod publish;
mod runtime;
mod settings;
mod shown;
mod tags;
mod update_code;
mod update_configuration;

use super::table::Operation;

/// The families of this service.
pub(crate) const FAMILIES: &[&[Operation]] = &[
    create::OPERATIONS,
    get::OPERATIONS,
    list::OPERATIONS,
    update_code::OPERATIONS,
    update_configuration::OPERATIONS,
    delete::OPERATIONS,
    invoke::OPERATIONS,
    permissions::OPERATIONS,
    publish::OPERATIONS,
    aliases::OPERATIONS,
    concurrency::OPERATIONS,
    account::OPERATIONS,
    event_invoke::OPERATIONS,
    tags::OPERATIONS,
    runtime::OPERATIONS,
];
