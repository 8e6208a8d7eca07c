//! `servergate alert test`: whether people would really be told.

use anyhow::{Result, anyhow};

use crate::config::Config;
use crate::exit::{Fault, Said};
use crate::protocol::{self, Request};

/// Has the running standby send a test, and says what became of it.
pub(crate) async fn test(config: &Config, json: bool) -> Result<()> {
    let reply = protocol::ask(&config.listen.admin, &Request::AlertTest).await?;
    let undelivered = reply["undelivered"].as_str();
    if json {
        println!("{reply}");
    } else {
        let way = reply["way"]
            .as_str()
            .ok_or_else(|| anyhow!("the standby did not say what became of it"))?;
        let seconds = reply["took_ms"].as_f64().unwrap_or_default() / 1e3;
        match undelivered {
            None => println!("delivered by {way} in {seconds:.1} s; look whether it has arrived"),
            Some(error) => eprintln!("not delivered by {way} after {seconds:.1} s: {error}"),
        }
    }
    match undelivered {
        None => Ok(()),
        Some(_) => Err(Said(Fault::Failed).into()),
    }
}
