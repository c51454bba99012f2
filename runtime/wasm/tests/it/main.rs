//! The room with real guests: every world, everything a guest may not do, and what is no guest.

mod compiled;
mod contain;
mod examples;
mod refuse;
mod support;
mod web;
mod worlds;
