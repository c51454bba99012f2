//! Logboom: the composition root. Rooms meet here and nowhere else; start reading at `wiring.rs`.
#![allow(dead_code)]

mod clock;
mod meta;

fn main() {}
