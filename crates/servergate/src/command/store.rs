//! `servergate backup` and `restore`.

use std::path::Path;

use anyhow::{Context, Result};

use crate::config::Config;
use crate::protocol::{self, Request};

/// Lets the running standby write a consistent copy of its data.
pub(crate) async fn backup(config: &Config, to: &Path, json: bool) -> Result<()> {
    let to = std::path::absolute(to)?;
    let reply = protocol::ask(&config.listen.admin, &Request::Backup { to }).await?;
    if json {
        println!("{reply}");
    } else {
        println!("{}", reply["said"].as_str().unwrap_or("done"));
    }
    Ok(())
}

/// Puts a backup in place of the data; everything is verified before anything is written.
pub(crate) fn restore(config: &Config, from: &Path) -> Result<()> {
    let data = &config.standby.data;
    store::restore(from, data)
        .with_context(|| format!("{} was not restored to {}", from.display(), data.display()))?;
    println!("{} is restored to {}.", from.display(), data.display());
    Ok(())
}
