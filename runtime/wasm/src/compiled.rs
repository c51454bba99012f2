//! Compiled code as bytes that a later start can load instead of compiling again. Owns the format, the
//! message authentication code over it, and the one place where this room trusts bytes as machine code.
//! Refuses to know where the bytes are kept.
//!
//! Layout, little-endian:
//!   0   4  magic `LBCW`
//!   4   1  version, 1
//!   5   1  kind: 0 a component, 1 a core module
//!   6   2  zero
//!   8   8  bytes of the WebAssembly it was made from
//!   16 32  HMAC-SHA256 over: label, digest of the WebAssembly, hash of the engine, bytes 0..16, code
//!   48     the code, as the engine wrote it

// The one `unsafe` of this room: see `trusted`.
#![allow(unsafe_code, reason = "code that the engine wrote is loaded without compiling it")]

use std::hash::{Hash, Hasher};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;

use crate::module::{Artifact, Code};
use crate::{CompileError, Host, Module};

const MAGIC: [u8; 4] = *b"LBCW";
const VERSION: u8 = 1;
const KIND_COMPONENT: u8 = 0;
const KIND_MODULE: u8 = 1;
const MAC_AT: usize = 16;
const CODE_AT: usize = 48;

/// Tells this use of the key from any other.
const LABEL: &[u8] = b"logboom compiled code 1";

/// The key that says that code was compiled here.
#[derive(Clone)]
pub struct CompiledKey([u8; 32]);

impl CompiledKey {
    /// A key that nobody outside this installation has, and that is used for nothing else.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The code over which nothing was written yet but its digest and engine.
    fn mac(&self, digest: &str, engine: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length");
        for part in [LABEL, digest.as_bytes(), engine.as_bytes()] {
            mac.update(part);
            mac.update(&[0]);
        }
        mac
    }
}

impl std::fmt::Debug for CompiledKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompiledKey")
    }
}

impl Host {
    /// What compiled code depends on besides the WebAssembly: engine version, settings, processor. Code of
    /// another engine is not loaded.
    pub fn engine_hash(&self) -> &str {
        self.engine_name()
    }

    /// The code of a module, to be given to [`Host::load`] after a restart.
    ///
    /// # Errors
    /// A sentence, when the engine cannot write it.
    pub fn unload(&self, module: &Module) -> Result<Vec<u8>, String> {
        let (kind, code) = match &module.0.code {
            Code::Component { pre, .. } => (KIND_COMPONENT, pre.component().serialize()),
            Code::Core(pre) => (KIND_MODULE, pre.module().serialize()),
        };
        let code = code.map_err(|error| format!("the compiled code cannot be written: {error:#}"))?;
        let mut bytes = Vec::with_capacity(CODE_AT + code.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, kind, 0, 0]);
        bytes.extend_from_slice(&(module.wasm_bytes() as u64).to_le_bytes());
        let mac = self.compiled_key().mac(module.digest(), self.engine_hash());
        let mac = mac.chain_update(&bytes).chain_update(&code).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        bytes.extend_from_slice(&code);
        Ok(bytes)
    }

    /// The module that [`Host::unload`] wrote for this digest on an engine like this one.
    ///
    /// # Errors
    /// A sentence: it was written by another engine, for another digest, with another key, or was changed
    /// since; then the WebAssembly is to be compiled again.
    pub fn load(&self, digest: &str, bytes: &[u8]) -> Result<Module, CompileError> {
        let refused = |what: &str| CompileError::Invalid(format!("The compiled code is not used: {what}."));
        let (head, rest) = bytes.split_at_checked(MAC_AT).ok_or_else(|| refused("it is cut"))?;
        let (mac, code) = rest.split_at_checked(CODE_AT - MAC_AT).ok_or_else(|| refused("it is cut"))?;
        let kind = head[5];
        if head[..4] != MAGIC || head[4] != VERSION {
            return Err(refused("it has another format"));
        }
        let expected = self.compiled_key().mac(digest, self.engine_hash());
        expected
            .chain_update(head)
            .chain_update(code)
            .verify_slice(mac)
            .map_err(|_| refused("it was not made here for this module and engine, or it was changed"))?;
        let mut length = [0; 8];
        length.copy_from_slice(&head[8..MAC_AT]);
        let artifact = trusted(self.engine(), kind, code)
            .map_err(|error| refused(&format!("the engine does not take it: {error:#}")))?;
        let wasm_bytes = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        self.assemble(digest.to_owned(), wasm_bytes, &artifact)
    }
}

/// Takes code as the engine wrote it.
fn trusted(engine: &Engine, kind: u8, code: &[u8]) -> wasmtime::Result<Artifact> {
    // SAFETY: `deserialize` runs what it is given as machine code, so it must be what `serialize` of this
    // version of the engine wrote, unchanged. The only caller has verified a MAC over exactly these bytes,
    // under a key that only this installation has and that only `Host::unload` uses, on what `serialize` gave
    // it a line before; the MAC covers the kind, and the hash of an engine with the same version, settings
    // and processor features. Bytes that come from anywhere else cannot have such a MAC.
    unsafe {
        match kind {
            KIND_COMPONENT => {
                wasmtime::component::Component::deserialize(engine, code).map(Artifact::Component)
            }
            KIND_MODULE => wasmtime::Module::deserialize(engine, code).map(Artifact::Module),
            other => Err(wasmtime::Error::msg(format!("kind {other}"))),
        }
    }
}

/// What [`Host::engine_hash`] is, in hexadecimal digits: stable over starts, unlike the standard hasher's.
pub(crate) fn engine_name(engine: &Engine) -> String {
    let mut hasher = Stable(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Stable(Sha256);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(first)
    }
}
