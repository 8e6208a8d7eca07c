//! The commands, one file each. Only here is anything printed.
#![allow(clippy::print_stdout, clippy::print_stderr)] // the command line speaks

pub(crate) mod alert;
pub(crate) mod check;
pub(crate) mod mail;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod outage;
pub(crate) mod ready;
pub(crate) mod say;
pub(crate) mod seal;
pub(crate) mod show;
pub(crate) mod site;
pub(crate) mod status;
pub(crate) mod store;

use std::path::Path;

use anyhow::Result;

use crate::config::{self, Config};
use crate::exit::{Fault, Said};

/// Reads the configuration; what is wrong with it is said, all at once.
pub(crate) fn configured(path: &Path) -> Result<Config> {
    let reading = match config::read(path) {
        Ok(reading) => reading,
        Err(error) => {
            eprintln!("{} cannot be read: {error}", path.display());
            eprintln!("say which file with `-c FILE`; README.md shows one to begin with");
            return Err(Said(Fault::Config).into());
        }
    };
    let Some(config) = reading.config else {
        let errors = reading.problems.iter().filter(|problem| !problem.warning);
        for problem in errors.clone() {
            eprintln!("{problem}");
        }
        eprintln!("{} mistakes; nothing was started", errors.count());
        return Err(Said(Fault::Config).into());
    };
    Ok(config)
}

/// Who gives an order: what was said, or the account's name.
pub(crate) fn person(said: Option<String>) -> String {
    let account = || {
        std::env::var("SUDO_USER")
            .or_else(|_| std::env::var("USER"))
            .ok()
    };
    said.or_else(account)
        .unwrap_or_else(|| "somebody at the admin socket".to_owned())
}
