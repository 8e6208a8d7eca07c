//! The organisation's own name server: which one it is, and how it is told of a change.

use std::net::IpAddr;

use anyhow::Result;

use super::changes::{Change, NAME, Zone};
use crate::lab::Host;
use crate::peer::bind::Bind;
use crate::peer::knot::Key;
use crate::peer::nsd::Nsd;
use crate::peer::powerdns::PowerDns;

/// Which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    PowerDns,
    Bind,
    Nsd,
}

/// A running one.
pub(super) enum Server {
    PowerDns(PowerDns),
    Bind(Bind),
    Nsd(Nsd),
}

/// So many lines of an update fit into one message.
const LINES: usize = 1000;

impl Server {
    pub(super) fn start(
        kind: Kind,
        host: &Host,
        key: &Key,
        secondary: IpAddr,
        zone: &Zone,
    ) -> Result<Self> {
        let text = zone.text();
        let zone = (NAME, text.as_str());
        Ok(match kind {
            Kind::PowerDns => Self::PowerDns(PowerDns::start(host, key, secondary, zone)?),
            Kind::Bind => Self::Bind(Bind::start(host, key, secondary, zone)?),
            Kind::Nsd => Self::Nsd(Nsd::start(host, key, secondary, zone)?),
        })
    }

    /// Makes a change, as its operator does: BIND by an update, the others by a whole new zone.
    pub(super) fn change(&self, zone: &Zone, change: &Change) -> Result<()> {
        match self {
            Self::PowerDns(server) => server.replace(&zone.text()),
            Self::Nsd(server) => server.replace(&zone.text()),
            Self::Bind(server) => {
                let gone = change.gone.iter().map(|line| format!("delete {line}"));
                let come = change.come.iter().map(|line| format!("add {line}"));
                let lines: Vec<String> = gone.chain(come).collect();
                // The server counts its serial on by itself, one for each message.
                lines
                    .chunks(LINES)
                    .try_for_each(|lines| server.update(lines))
            }
        }
    }
}
