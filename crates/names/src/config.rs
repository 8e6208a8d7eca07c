//! What `[organisation.names]` may say, and what is true then.
//!
//! The binary reads one table per organisation with [`read`] and adds what other tables say: the
//! listeners, the standby's addresses, the organisation.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::tsig::Key;
use host::config::Fields;
use model::OrganisationId;

use crate::steer::Addresses;
use crate::wire::{Name, is_at_or_below};

mod key;

pub use key::key;
pub(crate) use key::key_from_text;

/// Everything this part is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to answer, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// How many UDP workers each address has; one per core is right.
    pub workers: usize,
    /// How often one network gets the same answer over UDP.
    pub rate: crate::RateLimit,
    /// One for each organisation that has names.
    pub organisations: Vec<Organisation>,
}

/// The names of one organisation.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Whose.
    pub id: OrganisationId,
    /// The zones that we hold.
    pub zones: Vec<Name>,
    /// Where they come from.
    pub source: Source,
    /// The key for transfers in and out.
    pub key: Option<Arc<Key>>,
    /// Other addresses from which a NOTIFY without a signature is believed.
    pub notify_from: Vec<IpAddr>,
    /// From which of our addresses the primary is asked, and secondaries are told.
    pub transfer_from: Option<IpAddr>,
    /// Secondaries of ours: told of changes, and allowed to transfer with the key.
    pub notify: Vec<SocketAddr>,
    /// Whether a zone is served past its SOA's EXPIRE while its primary is dark.
    pub serve_past_expire: bool,
    /// How names are steered.
    pub steer: Option<Steer>,
}

/// Where an organisation's zones come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// No zone but perhaps a standby zone.
    None,
    /// Transferred from the primary.
    Primary(SocketAddr),
    /// Read from this file: we are the primary. Exactly one zone.
    File(PathBuf),
}

/// How names are steered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// Which way.
    pub via: Via,
    /// Which names.
    pub names: Vec<Name>,
    /// Where they lead while we act: this standby's addresses if nothing else is said.
    pub addresses: Addresses,
    /// Where they lead while the primary serves (`via = "zone"` and `"manual"`).
    pub primary: Addresses,
}

/// The ways of steering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// An overlay on the transferred zone.
    Secondary,
    /// A standby zone of our own, with the names of its name servers.
    Zone {
        /// Its name.
        apex: Name,
        /// Its name servers.
        servers: Vec<Name>,
        /// The addresses of those that lie in the zone itself: nobody else can say them.
        glue: Vec<(Name, Addresses)>,
    },
    /// By hand, with the exact record shown.
    Manual,
}

/// Reads `[organisation.names]`; `standby` are this standby's addresses. Mistakes are noted in
/// the document; `None` when something necessary is missing.
pub fn read(fields: &Fields<'_>, id: OrganisationId, standby: &[IpAddr]) -> Option<Organisation> {
    let zones = names(fields, "zones");
    let key = fields.table("tsig").and_then(|table| key::read(&table));
    let primary = fields.socket("primary");
    let file = fields.file("file");
    let source = match (primary, file) {
        (Some(_), Some(_)) => {
            fields.problem("file", "either `primary` or `file`: a zone has one origin");
            return None;
        }
        (Some(primary), None) => Source::Primary(primary),
        (None, Some(file)) => Source::File(file),
        (None, None) => Source::None,
    };
    let wanted = fields.has("primary") || fields.has("file");
    match (&source, zones.len()) {
        (Source::File(_), 2..) => {
            fields.problem("zones", "a zone file holds one zone; name just that one");
        }
        (Source::None, 1..) if !wanted => {
            fields.missing("primary", "\"198.51.100.53:53\"");
        }
        (Source::Primary(_) | Source::File(_), 0) if !fields.has("zones") => {
            fields.missing("zones", "[\"verein.test\"]");
        }
        _ => {}
    }
    if let (Source::File(path), [zone]) = (&source, zones.as_slice()) {
        check_zone(fields, zone, path);
    }
    let notify = fields.sockets("notify");
    if !notify.is_empty() && key.is_none() && !fields.has("tsig") {
        fields.problem(
            "notify",
            "whoever is told may transfer, so a key is needed; add `tsig`",
        );
    }
    let address = "an IP address like \"198.51.100.54\"";
    let notify_from: Vec<IpAddr> = fields.each("notify_from", address, |text| text.parse().ok());
    let transfer_from = fields.ip("source");
    if let (Some(from), Some(primary)) = (transfer_from, primary)
        && from.is_ipv4() != primary.is_ipv4()
    {
        fields.problem(
            "source",
            format_args!("{from} and the primary {primary} are of two address families"),
        );
    }
    let steer = fields
        .table("steer")
        .and_then(|table| read_steer(&table, &zones, standby));
    Some(Organisation {
        id,
        zones,
        source,
        key,
        notify_from,
        transfer_from,
        notify,
        serve_past_expire: fields.boolean("serve_past_expire").unwrap_or(true),
        steer,
    })
}

/// Says everything that is wrong in the zone file, each with its line.
fn check_zone(fields: &Fields<'_>, zone: &Name, path: &Path) {
    // That it cannot be read was said already.
    let Ok(text) = std::fs::read(path) else {
        return;
    };
    let problems = crate::zone::check_file(zone, &text)
        .err()
        .unwrap_or_default();
    for problem in problems {
        let (line, what) = (problem.line, problem.what);
        match line {
            0 => fields.problem("file", format_args!("{}: {what}", path.display())),
            line => fields.problem("file", format_args!("{}:{line}: {what}", path.display())),
        }
    }
}

const NAME: &str = "a domain name like \"www.verein.test\"";

fn names(fields: &Fields<'_>, key: &'static str) -> Vec<Name> {
    let mut names = fields.each(key, NAME, |text| text.parse().ok());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name: &Name| seen.insert(name.clone()));
    names
}

fn read_steer(fields: &Fields<'_>, zones: &[Name], standby: &[IpAddr]) -> Option<Steer> {
    #[derive(Clone, Copy)]
    enum Word {
        Secondary,
        Zone,
        Manual,
    }
    let choices = [
        ("secondary", Word::Secondary),
        ("zone", Word::Zone),
        ("manual", Word::Manual),
    ];
    if !fields.has("via") {
        fields.missing("via", "\"secondary\"");
    }
    let word = fields.choice("via", &choices);
    let steered = names(fields, "names");
    if !fields.has("names") {
        fields.missing("names", "[\"www.verein.test\"]");
    }
    let address = "an IP address like \"192.0.2.7\"";
    let ours: Vec<IpAddr> = fields.each("addresses", address, |text| text.parse().ok());
    let ours: Addresses = if ours.is_empty() {
        standby.iter().copied().collect()
    } else {
        ours.into_iter().collect()
    };
    let primary: Vec<IpAddr> = fields.each("primary", address, |text| text.parse().ok());
    let apex = fields.parse("zone", "a domain name like \"gate.verein.test\"", |text| {
        text.parse::<Name>().ok()
    });
    let servers = fields.each(
        "ns",
        "a name server like \"ns1.standby.example\", with its addresses where it lies in the zone",
        server,
    );
    let word = word?;
    if ours.is_empty() {
        fields.problem(
            "addresses",
            "there is nothing to lead to; set it, or `standby.addresses`",
        );
    }
    let via = match word {
        Word::Secondary => {
            for name in &steered {
                if !zones
                    .iter()
                    .any(|zone| is_at_or_below(name.as_wire(), zone.as_wire()))
                {
                    fields.problem("names", format_args!("{name} lies in none of `zones`"));
                }
            }
            Via::Secondary
        }
        Word::Manual => Via::Manual,
        Word::Zone => {
            let Some(apex) = apex else {
                if !fields.has("zone") {
                    fields.missing("zone", "\"gate.verein.test\"");
                }
                return None;
            };
            if servers.is_empty() {
                fields.missing("ns", "[\"ns1.standby.example\"]");
            }
            if primary.is_empty() {
                fields.missing("primary", "[\"198.51.100.80\"]");
            }
            for name in &steered {
                if !is_at_or_below(name.as_wire(), apex.as_wire()) {
                    fields.problem("names", format_args!("{name} does not lie in {apex}"));
                }
            }
            let glue = glue(fields, &apex, &steered, &servers, standby);
            let servers = servers.into_iter().map(|(name, _)| name).collect();
            Via::Zone {
                apex,
                servers,
                glue,
            }
        }
    };
    Some(Steer {
        via,
        names: steered,
        addresses: ours,
        primary: primary.into_iter().collect(),
    })
}

/// A name server, and its addresses if they are said.
type Server = (Name, Vec<IpAddr>);

/// `ns1.gate.verein.test 192.0.2.7 2001:db8::7`: a name, and perhaps its addresses.
fn server(text: &str) -> Option<Server> {
    let mut words = text.split_whitespace();
    let name = words.next()?.parse().ok()?;
    let addresses: Option<Vec<IpAddr>> = words.map(|word| word.parse().ok()).collect();
    Some((name, addresses?))
}

/// The addresses of the name servers that lie in the zone; a single one is this standby.
fn glue(
    fields: &Fields<'_>,
    apex: &Name,
    steered: &[Name],
    servers: &[Server],
    standby: &[IpAddr],
) -> Vec<(Name, Addresses)> {
    let inside = servers
        .iter()
        .filter(|(name, _)| is_at_or_below(name.as_wire(), apex.as_wire()));
    let inside: Vec<_> = inside.collect();
    let mut glue = Vec::new();
    for (name, said) in &inside {
        if steered.contains(name) {
            let what = format_args!("{name} is steered, so it cannot be a name server as well");
            fields.problem("ns", what);
        }
        let addresses = match (said.is_empty(), inside.len()) {
            (true, 1) => standby,
            _ => said.as_slice(),
        };
        if addresses.is_empty() {
            fields.problem(
                "ns",
                format_args!(
                    "{name} lies in {apex}, which alone can say where it is; write its addresses \
                     behind it: `\"{name} 192.0.2.7\"`"
                ),
            );
        }
        glue.push((name.clone(), addresses.iter().copied().collect()));
    }
    glue
}

#[cfg(test)]
mod tests;
