//! From a failed wasm call to a sentence: what trapped, the guest's own panic text, where.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::InvokeError;
use crate::memory::MemoryMeter;

/// Frames of a backtrace that are kept.
const FRAMES: usize = 32;

/// Bytes of a message that are kept.
const MESSAGE: usize = 2_000;

/// What to tell about an error that ended a guest.
pub(crate) fn classify(error: &wasmtime::Error, memory: &MemoryMeter, stderr: &str) -> InvokeError {
    if memory.refused() {
        return InvokeError::OutOfMemory { limit_bytes: memory.limit() };
    }
    let message = match (error.downcast_ref::<Trap>(), error.downcast_ref::<I32Exit>()) {
        (Some(trap), _) => trap.to_string(),
        (_, Some(exit)) => format!("Runtime exited with error: exit status {}", exit.0),
        _ => innermost(error),
    };
    InvokeError::Trap {
        message: cut(&message).to_owned(),
        panic: panic_text(stderr),
        backtrace: backtrace(error),
    }
}

/// The cause that is furthest down says most: outer layers say "error while executing at".
fn innermost(error: &wasmtime::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn backtrace(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let line = |frame: &wasmtime::FrameInfo| {
        let offset = frame.module_offset().map_or_else(String::new, |o| format!(" at 0x{o:x}"));
        let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangled);
        format!("{name}{offset}")
    };
    trace.frames().iter().take(FRAMES).map(line).collect::<Vec<_>>().join("\n")
}

fn demangled(name: &str) -> String {
    // The last part of a legacy Rust symbol is a hash: noise.
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            path.to_owned()
        }
        _ => name.to_owned(),
    }
}

/// The text of a Rust panic: `thread '…' panicked at FILE:LINE:COL:` and the message below it.
/// Other languages: the last line of stderr that is not empty.
fn panic_text(stderr: &str) -> Option<String> {
    let lines: Vec<&str> = stderr.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let at = lines.iter().rposition(|l| l.contains("panicked at "));
    let text = match at {
        Some(at) => {
            let place = lines[at].split("panicked at ").nth(1).unwrap_or_default().trim_end_matches(':');
            let message: Vec<&str> =
                lines[at + 1..].iter().take_while(|l| !l.starts_with("note: ")).copied().collect();
            format!("{} ({place})", message.join("\n"))
        }
        None => (*lines.last()?).to_owned(),
    };
    Some(cut(&text).to_owned())
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panic_of_a_rust_guest_is_found_in_its_stderr() {
        let stderr = "starting\n\nthread '<unnamed>' panicked at src/lib.rs:7:9:\nno such user: 7\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(panic_text(stderr).as_deref(), Some("no such user: 7 (src/lib.rs:7:9)"));
        assert_eq!(panic_text("Traceback\nValueError: x\n\n").as_deref(), Some("ValueError: x"));
        assert_eq!(panic_text("\n"), None);
    }

    #[test]
    fn a_symbol_hash_is_dropped() {
        assert_eq!(demangled("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(demangled("a::hello"), "a::hello");
    }
}
