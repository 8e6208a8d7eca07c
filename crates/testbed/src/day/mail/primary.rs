//! The organisation's own mail server: Postfix, or Exim.

use std::net::IpAddr;

use anyhow::Result;

use super::stage::{RECIPIENTS, STANDBY};
use crate::authority::Authority;
use crate::lab::Host;
use crate::peer::exim::{self, Exim};
use crate::peer::postfix::{Delivery, Postfix, Setting};

/// Which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Postfix,
    Exim,
}

/// A running one.
pub(super) enum Primary {
    Postfix(Postfix),
    Exim(Exim),
}

impl Primary {
    pub(super) fn start(kind: Kind, host: &Host, authority: &Authority) -> Result<Self> {
        let (name, domain) = ("mail.verein.test", "verein.test");
        let identity = authority.sign(&[name])?;
        if kind == Kind::Exim {
            let setting = exim::Setting::primary(name, domain, &RECIPIENTS).starttls(&identity);
            return Ok(Self::Exim(Exim::start(host, &setting)?));
        }
        let setting = Setting::primary(name, domain, &RECIPIENTS, Delivery::Lmtp)
            .xclient(&[STANDBY.parse()?])
            .starttls(&identity)?;
        Ok(Self::Postfix(Postfix::start_with(host, &setting)?))
    }

    pub(super) fn log(&self) -> String {
        match self {
            Self::Postfix(postfix) => postfix.log(),
            Self::Exim(exim) => exim.log(),
        }
    }

    pub(super) fn queue_len(&self) -> Result<usize> {
        match self {
            Self::Postfix(postfix) => postfix.queue_len(),
            Self::Exim(exim) => exim.queue_len(),
        }
    }

    /// Of how many messages its log says that they came from this address.
    pub(super) fn taken_from(&self, address: IpAddr) -> usize {
        let (mark, address) = match self {
            Self::Postfix(_) => (": client=", format!("[{address}]")),
            Self::Exim(_) => (" <= ", format!("[{address}]")),
        };
        let log = self.log();
        log.lines()
            .filter(|line| line.contains(mark) && line.contains(&address))
            .count()
    }
}

/// The lines of a log, Postfix' or Exim's, which say that a message was given back.
pub(super) fn bounces(log: &str) -> Vec<&str> {
    let is_bounce = |line: &&str| line.contains("status=bounced") || line.contains(" ** ");
    log.lines().filter(is_bounce).collect()
}
