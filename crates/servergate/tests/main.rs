//! Tests of the whole: a simulated world around the real decision.

mod sim;
