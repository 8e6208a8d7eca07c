//! The standby as a whole: configuration, boot order, the one decision, admin socket, commands.
//!
//! `main.rs` hands the command line to [`run`] and ends with its code. The library is there for the
//! simulation and for the end-to-end tests; nobody else depends on it.

mod admin;
mod assemble;
pub mod boot;
mod cli;
mod command;
pub mod config;
pub mod decide;
mod drill;
mod exit;
mod honest;
mod protocol;
mod ready;
mod record;
mod sealing;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use model::OrderKind;

use cli::{Cli, Command, Common, Ordered, Outage};
use command::configured;
use exit::{Fault, Said};

/// Runs the command that `arguments` (program name first) ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistake.
            let _ = error.print();
            return if error.use_stderr() {
                Fault::Config.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match start(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<Said>() {
                say(&error);
            }
            exit::fault_of(&error).into()
        }
    }
}

#[allow(clippy::print_stderr)] // the last word of a command
fn say(error: &anyhow::Error) {
    eprintln!("servergate: {error:#}");
}

fn start(command: Command) -> Result<()> {
    let runtime = match &command {
        Command::Run { .. } | Command::Drill { .. } => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build(),
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    };
    runtime
        .context("the asynchronous runtime did not start")?
        .block_on(perform(command))
}

async fn perform(command: Command) -> Result<()> {
    match command {
        Command::Run { common } => Box::pin(boot::run(configured(&common.config)?)).await,
        Command::Drill { keep, stay } => Box::pin(drill::run(keep, stay)).await,
        Command::Check { common } => command::check::check(&common.config, common.json),
        Command::Ready { common } => {
            command::ready::ready(&configured(&common.config)?, common.json).await
        }
        Command::Status { common } => {
            command::status::status(&configured(&common.config)?, common.json).await
        }
        Command::Failover(ordered) => order(OrderKind::Failover, ordered).await,
        Command::Failback(ordered) => order(OrderKind::Failback, ordered).await,
        Command::Hold(ordered) => order(OrderKind::Hold, ordered).await,
        Command::Auto(ordered) => order(OrderKind::Auto, ordered).await,
        Command::Answer {
            question,
            answer,
            common,
            person,
        } => {
            let config = configured(&common.config)?;
            command::order::answer(&config, question, answer, person.by, common.json).await
        }
        Command::Outage { what } => outage(what).await,
        Command::Say {
            text,
            organisation,
            language,
            speaker,
            reason,
            common,
        } => {
            let config = configured(&common.config)?;
            let json = common.json;
            command::say::say(&config, text, organisation, language, speaker, reason, json).await
        }
        Command::Alert {
            what: cli::Alert::Test { common },
        } => command::alert::test(&configured(&common.config)?, common.json).await,
        Command::Site { what } => {
            let config = configured(&what.common().config)?;
            command::site::site(&config, what).await
        }
        Command::Names { what } => {
            let config = configured(&what.common().config)?;
            command::names::names(&config, what).await
        }
        Command::Mail { what } => {
            let config = configured(&what.common().config)?;
            command::mail::mail(&config, what).await
        }
        Command::Import { what } => {
            let config = configured(&what.common().config)?;
            command::mail::import(&config, what).await
        }
        Command::Unlock { common } => command::seal::unlock(&configured(&common.config)?).await,
        Command::Held { common } => {
            command::seal::held(&configured(&common.config)?, common.json).await
        }
        Command::Backup { to, common } => {
            command::store::backup(&configured(&common.config)?, &to, common.json).await
        }
        Command::Restore { from, common } => {
            command::store::restore(&configured(&common.config)?, &from)
        }
    }
}

async fn order(kind: OrderKind, ordered: Ordered) -> Result<()> {
    let Ordered {
        service,
        common: Common { config, json },
        person,
    } = ordered;
    command::order::order(&configured(&config)?, kind, service, person.by, json).await
}

async fn outage(what: Outage) -> Result<()> {
    let now = host::Clock::system().now().wall;
    match what {
        Outage::List { common } => {
            command::outage::list(&configured(&common.config)?, common.json, now).await
        }
        Outage::Show { id, common } => {
            let config = configured(&common.config)?;
            command::outage::one(&config, &id, false, common.json, now).await
        }
        Outage::Explain { id, common } => {
            let config = configured(&common.config)?;
            command::outage::one(&config, &id, true, common.json, now).await
        }
        Outage::Replay { common } => {
            command::outage::replay(&configured(&common.config)?, common.json).await
        }
    }
}
