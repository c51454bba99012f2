//! The guest SDK. Owns what an author of a handler writes against: one trait per world of `wit/`,
//! the services a handler may call, and [`export!`]. Refuses to know how the host runs it.
//! Start with [`Filter`] or [`Subscription`]; the folder `guest-examples` shows both in use.
//!
//! ```
//! use logboom_sdk::prelude::*;
//!
//! struct OnlyErrors;
//!
//! impl Filter for OnlyErrors {
//!     fn verdict(_: &Context, event: &Event<'_>) -> Verdict {
//!         if event.message.contains("ERROR") { Verdict::Keep } else { Verdict::Drop }
//!     }
//! }
//!
//! logboom_sdk::export!(OnlyErrors: filter);
//! ```
//!
//! One module may be several things: `export!(Watch: subscription, scheduled)`.
//!
//! Build with `cargo build --release --target wasm32-wasip2`, `crate-type = ["cdylib"]`.
//! Built natively, services are recorded instead of sent: see [`native`]. A panic reaches the host with its text and
//! place. Features: `log` (the `log` crate writes to the function's log), `http` (requests to granted hosts).

mod datum;
mod event;
#[doc(hidden)]
#[allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::unwrap_used,
    clippy::semicolon_if_nothing_returned,
    clippy::redundant_closure_for_method_calls,
    clippy::uninlined_format_args
)]
#[rustfmt::skip]
pub mod generated;
#[cfg(feature = "log")]
pub mod logger;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod service;
#[doc(hidden)]
pub mod world;

pub use event::Event;
pub use generated::alarm_action::exports::logboom::extension::alarm_action::{AlarmEvent, AlarmState};
pub use generated::extractor::exports::logboom::extension::extractor::Extracted;
pub use generated::filter::exports::logboom::extension::filter::Verdict;
pub use generated::lambda::exports::logboom::extension::lambda::InvokeError;
pub use generated::packed_filter::exports::logboom::extension::packed_filter::PackedBatch;
pub use generated::query_functions::exports::logboom::extension::query_functions::Signature;
pub use generated::scheduled::exports::logboom::extension::scheduled::Tick;
pub use generated::services::logboom::extension::log_sink::{NewEvent, SinkError};
pub use generated::services::logboom::extension::metrics::MetricError;
pub use generated::services::logboom::extension::notify::{Notification, NotifyError};
pub use generated::services::logboom::extension::secrets::SecretError;
pub use generated::services::logboom::extension::state::{Entry, StateError};
pub use generated::services::logboom::extension::types::{
    Attribute, BatchContext as Context, BatchOutcome, HandlerError, LogEvent, MetricDatum,
    MetricUnit as Unit, RetryError, Scalar, ScalarType,
};
#[cfg(feature = "http")]
pub use service::http;
pub use service::{config, invocation, log, log_sink, metrics, notify, secrets, state};
pub use world::alarm_action::AlarmAction;
pub use world::extractor::Extractor;
pub use world::filter::Filter;
pub use world::lambda::Lambda;
pub use world::outcome::{Outcome, done, failed, permanent, retry, retry_after};
pub use world::packed_filter::PackedFilter;
pub use world::query_functions::QueryFunctions;
pub use world::scheduled::Scheduled;
pub use world::subscription::Subscription;

/// Everything a handler usually needs, in one `use`.
pub mod prelude {
    #[cfg(feature = "http")]
    pub use crate::http;
    pub use crate::{
        AlarmAction, AlarmEvent, AlarmState, Attribute, BatchOutcome, Context, Event, Extractor, Filter,
        HandlerError, InvokeError, Lambda, LogEvent, MetricDatum, NewEvent, Notification, NotifyError,
        Outcome, PackedBatch, PackedFilter, QueryFunctions, Scalar, ScalarType, Scheduled, Signature,
        Subscription, Tick, Unit, Verdict, config, debug, done, error, failed, info, invocation, log_sink,
        metrics, notify, permanent, retry, retry_after, secrets, state, warn,
    };
}

/// Makes a type the handler of one or more worlds:
/// `export!(MyType: filter)`, `export!(MyType: subscription, lambda)`.
/// Worlds: `filter`, `packed_filter`, `extractor`, `subscription`, `alarm_action`, `scheduled`,
/// `lambda`, `query_functions`; the type implements the trait of the same name. A `filter` is exported as packed too: one
/// that has a `PackedFilter` of its own names both in the same `export!`.
#[macro_export]
macro_rules! export {
    ($handler:ident : $($world:ident),+ $(,)?) => {
        $( $crate::__export_world!($world $handler); )+
        $crate::__export_packed_too!($handler [] $($world)+);
    };
}

/// A filter is packed too, unless the module has a packed one of its own. Between brackets: `filter`, once it was seen.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_packed_too {
    ($handler:ident [$($seen:ident)?] packed_filter $($rest:ident)*) => {};
    ($handler:ident [$($seen:ident)?] filter $($rest:ident)*) => {
        $crate::__export_packed_too!($handler [filter] $($rest)*);
    };
    ($handler:ident [$($seen:ident)?] $other:ident $($rest:ident)*) => {
        $crate::__export_packed_too!($handler [$($seen)?] $($rest)*);
    };
    ($handler:ident [filter]) => {
        $crate::__export_with!(packed_filter export_packed_filter $crate::world::filter::Packed<$handler>);
    };
    ($handler:ident []) => {};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_world {
    (filter $handler:ident) => { $crate::__export_with!(filter export_filter $handler); };
    (packed_filter $handler:ident) => { $crate::__export_with!(packed_filter export_packed_filter $handler); };
    (extractor $handler:ident) => { $crate::__export_with!(extractor export_extractor $handler); };
    (subscription $handler:ident) => { $crate::__export_with!(subscription export_subscription $handler); };
    (alarm_action $handler:ident) => { $crate::__export_with!(alarm_action export_alarm_action $handler); };
    (scheduled $handler:ident) => { $crate::__export_with!(scheduled export_scheduled $handler); };
    (lambda $handler:ident) => { $crate::__export_with!(lambda export_lambda $handler); };
    (query_functions $handler:ident) => { $crate::__export_with!(query_functions export_query_functions $handler); };
    ($other:ident $handler:ident) => {
        compile_error!(concat!(
            "no world `", stringify!($other), "`: choose filter, packed_filter, extractor, subscription, ",
            "alarm_action, scheduled, lambda or query_functions"
        ));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_with {
    ($module:ident $export:ident $handler:ident) => {
        $crate::__export_with!($module $export $crate::world::Exported<$handler>);
    };
    ($module:ident $export:ident $exported:ty) => {
        const _: () = {
            // A name of its own: the author's type may be called anything.
            type LogboomExported = $exported;
            $crate::generated::$module::$export!(LogboomExported);
        };
    };
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    #[test]
    fn the_bindings_are_of_this_contract() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(wit).expect("the folder").map(|e| e.expect("an entry").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "wit"));
        paths.sort_unstable();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in paths.iter().flat_map(|path| std::fs::read(path).expect("a file")) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        assert_eq!(hash, crate::generated::CONTRACT, "stale bindings: run `cargo run` in sdk/bindgen");
    }
}
