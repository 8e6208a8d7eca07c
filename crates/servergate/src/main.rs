//! Keeps an organisation reachable while its own servers are dark.

fn main() {}
