//! `steer.via = "manual"`: the exact records to paste, and whether they have arrived.

use super::{Addresses, STEER_TTL};
use crate::wire::Name;

/// The lines that make `names` lead to `leads`, in the order in which to paste them. A family
/// that has no address is to be removed, and so are aliases and service bindings.
pub fn manual(names: &[Name], leads: &Addresses) -> Vec<String> {
    let mut lines = Vec::new();
    for name in names {
        for v4 in &leads.v4 {
            lines.push(format!("{name}. {STEER_TTL} IN A {v4}"));
        }
        for v6 in &leads.v6 {
            lines.push(format!("{name}. {STEER_TTL} IN AAAA {v6}"));
        }
        let mut gone = vec!["CNAME", "HTTPS", "SVCB"];
        if leads.v4.is_empty() {
            gone.insert(0, "A");
        }
        if leads.v6.is_empty() {
            gone.insert(0, "AAAA");
        }
        lines.push(format!("; remove from {name}: {}", gone.join(", ")));
    }
    lines
}

/// What a look-up of one name found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Its addresses.
    pub addresses: Addresses,
}

/// Whether a name leads exactly where it should; otherwise in words what is wrong.
///
/// # Errors
/// The words.
pub fn verify(name: &Name, found: &Lookup, leads: &Addresses) -> Result<(), String> {
    let missing: Vec<_> = leads
        .iter()
        .filter(|address| !found.addresses.iter().any(|have| have == *address))
        .map(|address| address.to_string())
        .collect();
    let foreign: Vec<_> = found
        .addresses
        .iter()
        .filter(|address| !leads.iter().any(|want| want == *address))
        .map(|address| address.to_string())
        .collect();
    match (missing.is_empty(), foreign.is_empty()) {
        (true, true) => Ok(()),
        (false, true) => Err(format!(
            "{name} does not lead to {} yet",
            missing.join(", ")
        )),
        (_, false) => Err(format!("{name} still leads to {}", foreign.join(", "))),
    }
}
