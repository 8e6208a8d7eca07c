//! Integration tests of the part, in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ask;
mod ferret;
mod house;
mod secondary;
mod timetable;
mod transcripts;
