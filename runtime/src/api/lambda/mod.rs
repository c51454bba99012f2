//! Owns the Lambda API: one file per family of operations, listed here. Refuses to know encodings, compiling
//! and running (`functions`).

mod create;
mod delete;
mod get;
mod invoke;
mod list;
mod lookup;
mod permissions;
mod settings;
mod shown;
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
];
