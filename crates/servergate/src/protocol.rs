//! What is said over the admin socket: one [`Request`] a line, one JSON object back.
//!
//! A refusal is a reply with `error`; everything else depends on the request.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use model::OrderKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::ListFormat;

/// What a command asks of the running standby.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Standings, questions, last observations, tasks.
    Status,
    /// What would work now.
    Ready,
    /// An order for a service.
    Order {
        service: String,
        kind: OrderKind,
        by: String,
    },
    /// An answer to a question.
    Answer {
        question: String,
        yes: bool,
        by: String,
    },
    /// A statement of the organisation.
    Say {
        organisation: Option<String>,
        text: String,
        language: Option<String>,
        speaker: Option<String>,
        reason: bool,
    },
    /// Sends an alert that says it is a test.
    AlertTest,
    /// A page of the record.
    Records { from: u64 },
    /// Something about the copy of the website.
    Site {
        organisation: Option<String>,
        what: SiteRequest,
    },
    /// Have the primary of a zone, or of all, asked now.
    RefreshNames {
        zone: Option<String>,
        take_older: bool,
        by: String,
    },
    /// Something about mail.
    Mail {
        organisation: Option<String>,
        what: MailRequest,
    },
    /// The passphrase that opens what is about people.
    Unlock { passphrase: String },
    /// Whether what is about people is set up and open.
    Sealing,
    /// What is held about whom.
    Held,
    /// A consistent copy of the data.
    Backup { to: PathBuf },
}

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Imports {
    Recipients,
    Mailboxes,
}

/// What is asked about mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum MailRequest {
    List {
        after: u64,
        limit: usize,
    },
    Show {
        number: u64,
    },
    Ledger {
        after: u64,
        limit: usize,
    },
    HandBack,
    Quarantine {
        filter: mail::Filter,
        after: u64,
        limit: usize,
    },
    /// All of the quarantine that the filter means; without a yes it says how much that is.
    Decide {
        filter: mail::Filter,
        drop: bool,
        yes: bool,
    },
    Release {
        number: u64,
    },
    Drop {
        number: u64,
    },
    Export {
        to: PathBuf,
    },
    Import {
        what: Imports,
        files: Vec<PathBuf>,
        format: Option<ListFormat>,
        yes: bool,
        dry_run: bool,
    },
}

/// What is asked about the copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum SiteRequest {
    Generations,
    Capture,
    Pin {
        number: u64,
        by: String,
    },
    Accept {
        number: u64,
    },
    Unpin,
    Rollback {
        by: String,
    },
    Diff {
        from: u64,
        to: u64,
    },
    Withhold {
        what: String,
        reason: String,
        lift: bool,
        by: String,
    },
    Export {
        number: Option<u64>,
        to: PathBuf,
    },
}

/// Asks the standby whose socket is at `path`; a refusal is an error in its words.
pub(crate) async fn ask(path: &Path, request: &Request) -> Result<Value> {
    let request = serde_json::to_value(request)?;
    let reply = match host::admin::ask(path, &request).await {
        Ok(reply) => reply,
        Err(error) => bail!(explain(path, &error)),
    };
    match reply.get("error").and_then(Value::as_str) {
        Some(error) => Err(anyhow!("{error}")),
        None => Ok(reply),
    }
}

fn explain(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no standby runs here ({path} does not answer); start it with `servergate run`")
        }
        io::ErrorKind::PermissionDenied => {
            format!("this account may not open {path}; ask as the account that runs the standby")
        }
        _ => format!("{path}: {error}"),
    }
}
