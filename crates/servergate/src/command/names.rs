//! `servergate names …`: the zones of names.

use anyhow::Result;

use super::{person, site};
use crate::cli::Names;
use crate::config::Config;
use crate::exit::{Fault, Said};
use crate::protocol::{self, Request};

/// Asks the running standby and prints what it says; a zone that could not be refreshed ends
/// with 75.
pub(crate) async fn names(config: &Config, what: Names) -> Result<()> {
    let Names::Refresh {
        zone,
        take_older,
        common,
        person: who,
    } = what;
    let request = Request::RefreshNames {
        zone,
        take_older,
        by: person(who.by),
    };
    let reply = protocol::ask(&config.listen.admin, &request).await?;
    if common.json {
        println!("{reply}");
    } else {
        site::print(&reply);
    }
    match reply["failed"].as_u64() {
        Some(1..) => Err(Said(Fault::Temporary).into()),
        _ => Ok(()),
    }
}
