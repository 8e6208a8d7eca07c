//! `servergate say`: the organisation speaks.

use std::io::Read;

use anyhow::{Context, Result, bail};

use crate::config::Config;
use crate::protocol::{self, Request};

/// A statement's words may have so many characters.
const LONGEST: usize = 20_000;

/// Publishes a statement; answered once it is durable.
pub(crate) async fn say(
    config: &Config,
    text: String,
    organisation: Option<String>,
    language: Option<String>,
    speaker: Option<String>,
    reason: bool,
    json: bool,
) -> Result<()> {
    let text = if text == "-" {
        let mut read = String::new();
        std::io::stdin()
            .read_to_string(&mut read)
            .context("standard input")?;
        read
    } else {
        text
    };
    let text = text.trim().to_owned();
    if text.is_empty() {
        bail!("there are no words; give them in quotes, or `-` and write them to standard input");
    }
    if text.chars().count() > LONGEST {
        bail!("a statement has at most {LONGEST} characters; say it shorter, and link the rest");
    }
    let request = Request::Say {
        organisation,
        text,
        language,
        speaker,
        reason,
    };
    let reply = protocol::ask(&config.listen.admin, &request).await?;
    if json {
        println!("{reply}");
    } else {
        println!("Published. {}", reply["page"].as_str().unwrap_or(""));
    }
    Ok(())
}
