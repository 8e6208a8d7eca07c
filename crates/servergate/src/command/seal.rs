//! `servergate unlock` and `servergate held`.

use std::io::{IsTerminal, Read};

use anyhow::{Result, bail};
use console::Term;

use super::site::print;
use crate::config::Config;
use crate::protocol::{self, Request};

/// A longer passphrase is a file by mistake.
const LONGEST: u64 = 4096;

/// Asks for the passphrase (on a terminal, or the first line of standard input) and hands it to the
/// running standby.
pub(crate) async fn unlock(config: &Config) -> Result<()> {
    let socket = &config.listen.admin;
    let reply = protocol::ask(socket, &Request::Sealing).await?;
    let first = reply["state"] == "not-set-up";
    if reply["state"] == "unlocked" {
        println!("It is open already.");
        return Ok(());
    }
    let passphrase = match std::io::stdin().is_terminal() {
        true => typed(first)?,
        false => piped()?,
    };
    let reply = protocol::ask(socket, &Request::Unlock { passphrase }).await?;
    print(&reply);
    if first {
        println!(
            "Without this passphrase nobody can read what is kept: write it down and keep it elsewhere."
        );
    }
    Ok(())
}

fn typed(first: bool) -> Result<String> {
    let term = Term::stderr();
    term.write_str(match first {
        true => "Choose a passphrase: ",
        false => "Passphrase: ",
    })?;
    let passphrase = term.read_secure_line()?;
    if first {
        term.write_str("Once more: ")?;
        if term.read_secure_line()? != passphrase {
            bail!("the two are not the same; nothing was changed");
        }
    }
    Ok(passphrase)
}

fn piped() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Shows what is held about whom.
pub(crate) async fn held(config: &Config, json: bool) -> Result<()> {
    let reply = protocol::ask(&config.listen.admin, &Request::Held).await?;
    if json {
        println!("{reply}");
        return Ok(());
    }
    print(&reply);
    println!();
    println!(
        "{}",
        match reply["sealing"].as_str() {
            Some("unlocked") => "All of it rests sealed on the disk; it is open now.",
            Some("locked") =>
                "All of it rests sealed on the disk, and is locked; `servergate unlock` opens it.",
            _ =>
                "Nothing about people can be kept yet; `servergate unlock` chooses the passphrase for it.",
        }
    );
    Ok(())
}
