//! Tests of `cbor`.
