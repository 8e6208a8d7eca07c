//! SPF, DKIM and DMARC of what was accepted, written as Authentication-Results (RFC 8601).

use serde::{Deserialize, Serialize};

/// What the checks of a message gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {}

/// The header field.
pub fn header_field(_name: &str, _verdicts: &Verdicts) -> String {
    String::new()
}
