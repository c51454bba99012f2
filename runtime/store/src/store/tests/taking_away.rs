//! Owns the tests of taking_away.
