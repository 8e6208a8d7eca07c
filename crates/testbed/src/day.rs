//! The scenarios of the `e2e` binary, each a day in the life of an organisation, or a proof
//! that the machine room itself works. One file each; a new one gets its line in [`SCENARIOS`].

mod generated;
mod peers;
mod postfix;

use anyhow::Result;

use crate::report::Report;

/// A scenario: fails by returning an error.
pub type Scenario = fn(&mut Report) -> Result<()>;

/// All scenarios in the order in which they run: name, what it shows, how.
pub const SCENARIOS: &[(&str, &str, Scenario)] = &[
    (
        "peers",
        "nginx, Knot and Unbound serve each other; a cut cable is silent and heals",
        peers::run,
    ),
    (
        "generated",
        "nginx serves the generated website as its list says",
        generated::run,
    ),
    (
        "postfix",
        "Postfix starts with its own queue, answers 220 and ends",
        postfix::run,
    ),
];
