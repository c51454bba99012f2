//! What can go wrong: while a package is taken in, and while a guest runs.

use std::fmt;

/// Why a package is not a function. `Display` is a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileError {
    /// Neither a zip nor WebAssembly, or a zip without WebAssembly.
    NotWasm(String),
    /// Larger than a limit allows.
    TooLarge(String),
    /// The zip is broken, encrypted, or does not say which of its modules is meant.
    BadPackage(String),
    /// WebAssembly that does not validate or uses a feature that is off.
    Invalid(String),
    /// No world this host runs.
    NothingSuitable(String),
    /// An import that is not there to be granted.
    Import(String),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWasm(m)
            | Self::TooLarge(m)
            | Self::BadPackage(m)
            | Self::Invalid(m)
            | Self::NothingSuitable(m)
            | Self::Import(m) => f.write_str(m),
        }
    }
}

impl std::error::Error for CompileError {}

/// Why a call gave no answer. What the guest wrote to stderr is in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvokeError {
    /// The guest trapped: a panic, a stack overflow, an exit.
    Trap {
        /// What happened, one line.
        message: String,
        /// The panic's own text, if the guest printed one.
        panic: Option<String>,
        /// Wasm frames, innermost first, one per line; empty if there are none.
        backtrace: String,
    },
    /// The call took longer than it may.
    Timeout {
        /// The limit, milliseconds.
        limit_ms: u64,
    },
    /// The host stops; the same call may run after its next start.
    Stopped,
    /// The function may not run now: what it may spend is spent. Nothing was run.
    Throttled {
        /// What is spent, a sentence without a full stop.
        reason: String,
        /// Milliseconds until it may run again.
        after_ms: u32,
    },
    /// The guest died after it was refused memory.
    OutOfMemory {
        /// The limit, bytes.
        limit_bytes: usize,
    },
    /// The answer is larger than it may be.
    OutputTooLarge {
        /// Bytes of the answer.
        bytes: usize,
        /// The limit, bytes.
        limit_bytes: usize,
    },
    /// The host refuses: a world the module does not have, an answer that breaks the contract.
    Refused(String),
    /// The handler itself says that it failed.
    Handler {
        /// Its message.
        message: String,
        /// `false`: never again.
        retry: bool,
        /// Milliseconds to wait before trying again; 0 leaves it to the host.
        after_ms: u32,
    },
}

impl InvokeError {
    /// Whether the same call may succeed later. A contract that is broken stays broken.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Trap { .. }
            | Self::Timeout { .. }
            | Self::OutOfMemory { .. }
            | Self::Stopped
            | Self::Throttled { .. } => true,
            Self::OutputTooLarge { .. } | Self::Refused(_) => false,
            Self::Handler { retry, .. } => *retry,
        }
    }

    /// Whether a single event may be to blame, so that splitting the batch helps.
    pub fn may_be_poison(&self) -> bool {
        !matches!(
            self,
            Self::Handler { retry: true, .. } | Self::Refused(_) | Self::Stopped | Self::Throttled { .. }
        )
    }

    /// Lambda's `errorType`.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "Runtime.ExitError",
            Self::Timeout { .. } => "Sandbox.Timedout",
            Self::Stopped => "Sandbox.Stopped",
            Self::Throttled { .. } => "TooManyRequestsException",
            Self::OutOfMemory { .. } => "Runtime.OutOfMemory",
            Self::OutputTooLarge { .. } => "Function.ResponseSizeTooLarge",
            Self::Refused(_) => "Runtime.InvalidEntrypoint",
            Self::Handler { .. } => "Function.Error",
        }
    }

    /// Lambda's error document, the payload of an invocation with `X-Amz-Function-Error`.
    pub fn lambda_payload(&self, request_id: &str) -> serde_json::Value {
        let message = match self {
            Self::Handler { message, .. } => message.clone(),
            Self::Trap { panic: Some(text), .. } => text.clone(),
            other => format!("RequestId: {request_id} Error: {other}"),
        };
        let mut document = serde_json::json!({ "errorType": self.error_type(), "errorMessage": message });
        if let Self::Trap { backtrace, .. } = self {
            let frames: Vec<&str> = backtrace.lines().collect();
            document["stackTrace"] = frames.into();
        }
        document
    }
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { message, panic: None, .. } => f.write_str(message),
            Self::Trap { panic: Some(text), .. } => write!(f, "guest panicked: {text}"),
            Self::Timeout { limit_ms } => {
                write!(f, "Task timed out after {}.{:02} seconds", limit_ms / 1000, limit_ms % 1000 / 10)
            }
            Self::OutOfMemory { limit_bytes } => {
                write!(f, "Runtime exited: out of memory (limit {} MB)", limit_bytes >> 20)
            }
            Self::OutputTooLarge { bytes, limit_bytes } => {
                write!(
                    f,
                    "Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({limit_bytes} bytes)."
                )
            }
            Self::Stopped => f.write_str("the server is stopping"),
            Self::Refused(message)
            | Self::Throttled { reason: message, .. }
            | Self::Handler { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for InvokeError {}
