//! Tests of the part as its users see it.
