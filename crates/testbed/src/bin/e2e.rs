//! Runs the end-to-end scenarios.

fn main() {}
