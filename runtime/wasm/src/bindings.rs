//! The generated host side of the interfaces a guest may import (`wit/host.wit`).
#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({ world: "services", path: "../../wit" });
