//! Owns the tests of crash.
