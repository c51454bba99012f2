//! Logboom: the composition root. Rooms meet here and nowhere else.
fn main() {}
