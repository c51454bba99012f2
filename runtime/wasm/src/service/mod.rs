//! The host functions of `wit/host.wit`, one interface per file. Each checks purity, grant and
//! bound here, asks [`crate::Services`] for facts, and collects what the call wants to change.

mod config;
mod invocation;
mod log;
mod log_sink;
mod metrics;
mod notify;
mod secrets;
mod state;

use crate::abi::Attribute;
use crate::bindings::logboom::extension::types;
use crate::guest::Guest;

impl types::Host for Guest {}

fn attributes(list: Vec<types::Attribute>) -> Vec<Attribute> {
    list.into_iter().map(|types::Attribute { key, value }| Attribute { key, value }).collect()
}

fn attribute_bytes(list: &[types::Attribute]) -> usize {
    list.iter().map(|a| a.key.len() + a.value.len()).sum()
}
