//! Integration tests of the part, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod ask;
mod ferret;
mod guests;
mod house;
mod parent;
mod primaries;
mod secondary;
mod signed;
mod silent;
mod streams;
mod timetable;
mod transcripts;
