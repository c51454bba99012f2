//! A compiled function: code that is ready to run, and what is known about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::ComponentExportIndex;

use crate::guest::Guest;

/// What a module can be used for, by what it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Handles batches of events.
    Subscription,
    /// Finds metric values in events.
    Extractor,
    /// Keeps, drops or rewrites events.
    Filter,
    /// A filter over packed batches.
    PackedFilter,
    /// Runs when an alarm changes state.
    AlarmAction,
    /// Runs on a schedule.
    Scheduled,
    /// Functions of the query language.
    QueryFunctions,
    /// JSON in, JSON out.
    Lambda,
    /// A program: JSON on stdin, the exit code is the outcome.
    Command,
    /// A `wasi:http` handler: an event is a POST to `/`, the status is the outcome.
    Http,
}

impl Role {
    /// The name in messages and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Extractor => "extractor",
            Self::Filter => "filter",
            Self::PackedFilter => "packed-filter",
            Self::AlarmAction => "alarm-action",
            Self::Scheduled => "scheduled",
            Self::QueryFunctions => "query-functions",
            Self::Lambda => "lambda",
            Self::Command => "command",
            Self::Http => "http",
        }
    }
}

/// A compiled module. Cheap to clone; made by [`crate::Host::compile`].
#[derive(Clone)]
pub struct Module(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) digest: String,
    pub(crate) wasm_bytes: usize,
    pub(crate) roles: Vec<Role>,
    pub(crate) imports: Vec<String>,
    pub(crate) code: Code,
}

/// Compiled code, before it was looked at.
pub(crate) enum Artifact {
    Component(wasmtime::component::Component),
    Module(wasmtime::Module),
}

pub(crate) enum Code {
    Component {
        pre: wasmtime::component::InstancePre<Guest>,
        /// Exported functions by interface (without package and version) and name.
        exports: BTreeMap<(&'static str, &'static str), ComponentExportIndex>,
    },
    Core(wasmtime::InstancePre<Guest>),
}

impl Module {
    /// SHA-256 of the WebAssembly, lower-case hex. Recorded with everything the module makes.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Bytes of the WebAssembly.
    pub fn wasm_bytes(&self) -> usize {
        self.0.wasm_bytes
    }

    /// What it can be used for, at least one.
    pub fn roles(&self) -> &[Role] {
        &self.0.roles
    }

    /// Whether it can be used for this.
    pub fn has(&self, role: Role) -> bool {
        self.0.roles.contains(&role)
    }

    /// Names of what it imports: what it could reach if it were granted.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({} {:?})", &self.0.digest[..12], self.0.roles)
    }
}
