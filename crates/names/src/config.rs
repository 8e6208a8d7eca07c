//! What `[organisation.names]` may say, and what is true then.
//!
//! The binary reads one table per organisation with [`read`] and adds what other tables say: the
//! listeners, the standby's addresses, the organisation.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::base::Name as WireName;
use domain::tsig::{Algorithm, Key};
use host::config::Fields;
use model::OrganisationId;

use crate::steer::Addresses;
use crate::wire::{Name, is_at_or_below};

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
    },
    /// By hand, with the exact record shown.
    Manual,
}

/// Reads `[organisation.names]`; `standby` are this standby's addresses. Mistakes are noted in
/// the document; `None` when something necessary is missing.
pub fn read(fields: &Fields<'_>, id: OrganisationId, standby: &[IpAddr]) -> Option<Organisation> {
    let zones = names(fields, "zones");
    let key = fields.table("tsig").and_then(|table| read_key(&table));
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
    let servers = names(fields, "ns");
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
            Via::Zone { apex, servers }
        }
    };
    Some(Steer {
        via,
        names: steered,
        addresses: ours,
        primary: primary.into_iter().collect(),
    })
}

fn read_key(fields: &Fields<'_>) -> Option<Arc<Key>> {
    let algorithms = [
        ("hmac-sha256", Algorithm::Sha256),
        ("hmac-sha384", Algorithm::Sha384),
        ("hmac-sha512", Algorithm::Sha512),
    ];
    for (key, example) in [("name", "\"servergate\""), ("secret_file", "\"tsig.key\"")] {
        if !fields.has(key) {
            fields.missing(key, example);
        }
    }
    let name = fields.parse("name", "a key name like \"servergate\"", |text| {
        text.parse::<Name>().ok()
    });
    let algorithm = match fields.has("algorithm") {
        true => fields.choice("algorithm", &algorithms)?,
        false => Algorithm::Sha256,
    };
    let path = fields.path("secret_file")?;
    match key_from_file(&name?, algorithm, &path) {
        Ok(key) => Some(Arc::new(key)),
        Err(what) => {
            fields.problem("secret_file", what);
            None
        }
    }
}

fn key_from_file(name: &Name, algorithm: Algorithm, path: &Path) -> Result<Key, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    key(name, algorithm, text.trim()).map_err(|what| format!("{}: {what}", path.display()))
}

/// A key from the base64 text of its secret.
///
/// # Errors
/// In words what is wrong with it.
pub fn key(name: &Name, algorithm: Algorithm, secret: &str) -> Result<Key, String> {
    let bytes: Vec<u8> = domain::utils::base64::decode(secret)
        .map_err(|_| "the secret should be one line of base64".to_owned())?;
    // RFC 8945 §5: shorter than half the hash is guessed too easily.
    if bytes.len() < algorithm.native_len() / 2 {
        return Err(format!(
            "the secret has {} bytes, which is too short",
            bytes.len()
        ));
    }
    let name = WireName::from_octets(name.as_wire())
        .ok()
        .and_then(|name| domain::base::name::ToName::try_to_name(&name).ok())
        .ok_or_else(|| "the key's name is too long".to_owned())?;
    Key::new(algorithm, &bytes, name, None, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
