//! The generated types and tables, one module per service. Everything below is made by codegen/generate.py.

#![allow(missing_docs)]
// A table may carry facts that no protocol of that service reads.
#![allow(dead_code)]

pub mod cloudwatch;
pub mod lambda;
pub mod logs;
pub mod scheduler;
pub mod sns;
pub mod sts;
