//! Owns flow 1: how events come in, and who reads them by position afterwards. Refuses to know AWS's wire.

pub(crate) mod accept;
pub(crate) mod followers;
