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
    use std::io::Write as _;

    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("(no text)");
        let (file, line) = panic.location().map_or(("?", 0), |place| (place.file(), place.line()));
        // One write: a process that panics cannot report that its stderr is gone.
        let _ = std::io::stderr().write_all(format!("panicked at {file}:{line}:\n{text}\n").as_bytes());
    }));
}
