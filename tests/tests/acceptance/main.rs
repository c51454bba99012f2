//! The acceptance tests in Rust, one binary: rules about the code, every operation of the AWS models, the AWS SDK for
//! Rust. Real Python clients are in `tests/python`.

mod arrows;
mod operations;
mod sdk;
mod tidy;
