//! What happens before a handler runs: panics become one clear text on stderr, which the host puts into the error of
//! the call and the function's log; with the feature `log`, the `log` crate writes to that log.

/// For worlds that may write to the log.
pub(crate) fn enter() {
    enter_silently();
    #[cfg(all(feature = "log", target_family = "wasm"))]
    crate::logger::install();
}

/// For worlds without imports.
pub(crate) fn enter_silently() {
    #[cfg(target_family = "wasm")]
    panics();
}

/// The usual text without the thread (there is one) and the advice about `RUST_BACKTRACE` (the host has the trace).
#[cfg(target_family = "wasm")]
fn panics() {
    use std::sync::Once;

    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map_or_else(|| "?".to_owned(), ToString::to_string);
            eprintln!("panicked at {place}:\n{}", panic.payload_as_str().unwrap_or("(no text)"));
        }));
    });
}
