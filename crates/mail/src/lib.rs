//! E-mail: passed through while the primary lives, taken durably while it is dark, handed back.

pub mod auth;
pub mod recipients;
pub mod wire;
