//! Any program is a handler: JSON on stdin, the exit code is the outcome (0 done, 75 try again,
//! other: failed), stdout is the answer or log lines. `wasi:cli/run` components and preview-1
//! modules. A component can only say 0 or 1: `wasi:cli/exit` has no more.

use bytes::Bytes;
use wasmtime_wasi::I32Exit;

use super::failed;
use super::run::{Run, bounded, limited, refused, roles};
use crate::compile::CLI_RUN;
use crate::host::Host;
use crate::module::Code;
use crate::{Call, InvokeError, Invoked, Module};

/// `EX_TEMPFAIL` of sysexits: try again.
const EX_TEMPFAIL: i32 = 75;

/// What stdout of a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// The answer (a synchronous invocation).
    Answer,
    /// Log lines (a delivery).
    Lines,
}

/// The answer of a program that exited with 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandOutput {
    /// stdout, if it was asked for as the answer.
    pub stdout: Vec<u8>,
}

impl Host {
    /// Runs a program with `payload` on stdin.
    pub async fn command(
        &self,
        module: &Module,
        call: &Call,
        payload: Bytes,
        stdout: Stdout,
    ) -> Invoked<CommandOutput> {
        let answer_limit = self.limits().answer_bytes;
        let bytes_in = payload.len();
        let kept = (stdout == Stdout::Answer).then_some(answer_limit);
        if !module.has(crate::Role::Command) {
            return refused(format!("The function is no program; it is: {}.", roles(module)));
        }
        let mut run = Run::new(self, call, None, payload, kept, bytes_in).await;
        let limit = run.limit();
        let store = &mut run.store;
        let ended = limited(limit, async move {
            let ran = match &module.0.code {
                Code::Component { pre, exports } => {
                    let index = exports.get(&(CLI_RUN, "run"));
                    let index =
                        index.ok_or_else(|| wasmtime::Error::msg("wasi:cli/run has no function run"))?;
                    let instance = pre.instantiate_async(&mut *store).await?;
                    let function = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, index)?;
                    function.call_async(&mut *store, ()).await.map(|(result,)| i32::from(result.is_err()))
                }
                Code::Core(pre) => {
                    let instance = pre.instantiate_async(&mut *store).await?;
                    let function = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
                    function.call_async(&mut *store, ()).await.map(|()| 0)
                }
            };
            ran.or_else(|error| error.downcast_ref::<I32Exit>().map(|exit| exit.0).ok_or(error))
        })
        .await;
        run.finish(ended, |code, written| {
            if code != 0 {
                let last = written.stderr_tail.lines().rev().map(str::trim).find(|l| !l.is_empty());
                let message =
                    format!("exit status {code}{}", last.map_or_else(String::new, |l| format!(": {l}")));
                return Err(match code {
                    EX_TEMPFAIL => InvokeError::Handler { message, retry: true, after_ms: 0 },
                    _ => failed(message),
                });
            }
            let bytes = written.answer_total;
            bounded((CommandOutput { stdout: std::mem::take(&mut written.answer) }, bytes), answer_limit)
        })
    }
}
