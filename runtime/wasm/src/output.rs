//! What a guest writes to stdout, stderr and the `log` interface: cut into lines, handed over live,
//! bounded. Over the bound the guest goes on and its output is dropped after one line that says so.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::{LogLine, LogSource, Services};

/// Bytes of stderr kept for error reports.
const STDERR_TAIL: usize = 4 << 10;

/// What a stream accepts at once.
const PERMIT: usize = 64 << 10;

/// The output of one call.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Inner>>);

struct Inner {
    services: Arc<dyn Services>,
    limit: usize,
    used: usize,
    lines: u64,
    truncated: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_tail: Vec<u8>,
    answer: Option<Answer>,
}

/// stdout kept as the answer of a program.
struct Answer {
    bytes: Vec<u8>,
    total: usize,
    limit: usize,
}

/// What was written, once the call is over.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) lines: u64,
    pub(crate) truncated: bool,
    pub(crate) stderr_tail: String,
    /// stdout, if it was kept as the answer, and how many bytes it really had.
    pub(crate) answer: Vec<u8>,
    pub(crate) answer_total: usize,
}

impl Output {
    /// `answer_limit`: keep stdout as the answer, up to so many bytes, instead of cutting it into lines.
    pub(crate) fn new(services: Arc<dyn Services>, limit: usize, answer_limit: Option<usize>) -> Self {
        let answer = answer_limit.map(|limit| Answer { bytes: Vec::new(), total: 0, limit });
        Self(Arc::new(Mutex::new(Inner {
            services,
            limit,
            used: 0,
            lines: 0,
            truncated: false,
            stdout: Vec::new(),
            stderr: Vec::new(),
            stderr_tail: Vec::new(),
            answer,
        })))
    }

    pub(crate) fn stdout(&self) -> Stream {
        Stream { output: self.clone(), stderr: false }
    }

    pub(crate) fn stderr(&self) -> Stream {
        Stream { output: self.clone(), stderr: true }
    }

    /// A line of the `log` interface; line breaks inside stay.
    pub(crate) fn line(&self, source: LogSource, text: &str) {
        let mut inner = self.lock();
        let taken = inner.take(text.as_bytes());
        inner.emit(source, text[..text.floor_char_boundary(taken)].to_owned());
        inner.note_truncation();
    }

    /// Hands over what is left and closes the books.
    pub(crate) fn finish(&self) -> Written {
        let mut inner = self.lock();
        inner.emit_partial();
        let answer = inner.answer.take();
        Written {
            lines: inner.lines,
            truncated: inner.truncated,
            stderr_tail: String::from_utf8_lossy(&inner.stderr_tail).into_owned(),
            answer_total: answer.as_ref().map_or(0, |a| a.total),
            answer: answer.map(|a| a.bytes).unwrap_or_default(),
        }
    }

    /// A panic while the lock is held cannot leave half a line that matters.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, bytes: &[u8], stderr: bool) {
        if stderr {
            self.stderr_tail.extend_from_slice(&bytes[bytes.len().saturating_sub(STDERR_TAIL)..]);
            let excess = self.stderr_tail.len().saturating_sub(STDERR_TAIL);
            self.stderr_tail.drain(..excess);
        } else if let Some(answer) = &mut self.answer {
            answer.total = answer.total.saturating_add(bytes.len());
            let room = answer.limit.saturating_sub(answer.bytes.len()).min(bytes.len());
            answer.bytes.extend_from_slice(&bytes[..room]);
            return;
        }
        let taken = self.take(bytes);
        let source = if stderr { LogSource::Stderr } else { LogSource::Stdout };
        let mut partial = std::mem::take(if stderr { &mut self.stderr } else { &mut self.stdout });
        for piece in bytes[..taken].split_inclusive(|b| *b == b'\n') {
            partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.emit_bytes(source, &partial);
                partial.clear();
            }
        }
        *(if stderr { &mut self.stderr } else { &mut self.stdout }) = partial;
        self.note_truncation();
    }

    /// How many of these bytes still fit.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let room = self.limit.saturating_sub(self.used);
        let taken = bytes.len().min(room);
        self.used = self.used.saturating_add(bytes.len());
        taken
    }

    /// One line, once, when the bound was passed.
    fn note_truncation(&mut self) {
        if self.used > self.limit && !self.truncated {
            self.truncated = true;
            self.emit_partial();
            let text = format!("[output truncated: this call wrote more than {} bytes]", self.limit);
            self.emit(LogSource::Host, text);
        }
    }

    /// Lines that were begun.
    fn emit_partial(&mut self) {
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        self.emit_bytes(LogSource::Stdout, &stdout);
        self.emit_bytes(LogSource::Stderr, &stderr);
    }

    fn emit_bytes(&mut self, source: LogSource, bytes: &[u8]) {
        self.emit(source, String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned());
    }

    fn emit(&mut self, source: LogSource, text: String) {
        if !text.is_empty() {
            self.lines += 1;
            self.services.log(LogLine { source, text });
        }
    }
}

/// One of the two streams of a call.
#[derive(Clone)]
pub(crate) struct Stream {
    output: Output,
    stderr: bool,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.lock().write(&bytes, self.stderr);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.output.lock().write(bytes, self.stderr);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
