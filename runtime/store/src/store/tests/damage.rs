//! Owns the tests of damage.
