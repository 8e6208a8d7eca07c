//! Bytes and typed messages of SMTP (RFC 5321), without state of a conversation.
//!
//! The grammar is written here and not taken from a library: what ends a line and what ends a body
//! decides whether a second message can be smuggled in the first, and the parsers at hand let a CR
//! or LF alone pass.

pub mod command;
pub mod data;
pub mod header;
pub mod line;
pub mod parameter;
pub mod path;
pub mod reply;
pub mod xclient;
