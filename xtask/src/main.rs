//! House rules and tasks.

fn main() {}
