//! The command line, as people type it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keeps an organisation reachable while its own servers are dark.
#[derive(Debug, Parser)]
#[command(name = "servergate", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the configuration lies, and how the answer is to look.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "servergate.toml")]
    pub(crate) config: PathBuf,
    /// Answer in JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stand by: watch, and in mode act take over and stand down.
    Run {
        #[command(flatten)]
        common: Common,
    },
    /// Rehearse a whole day on loopback; nothing needs to be installed.
    Drill {
        /// Keep the files and logs of the drill in this folder.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
        /// Keep the page's address up until Enter is pressed.
        #[arg(long)]
        stay: bool,
    },
    /// Say whether the configuration is right; all mistakes at once.
    Check {
        #[command(flatten)]
        common: Common,
    },
    /// Say what would work if the primary went dark now.
    Ready {
        #[command(flatten)]
        common: Common,
    },
    /// Show standings, what is held, last observations, open questions.
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// Act for a service now, until `auto` or `failback`.
    Failover(Ordered),
    /// Give a service back to its primary now, until `auto` or `failover`.
    Failback(Ordered),
    /// Keep a service's role as it is, until `auto`.
    Hold(Ordered),
    /// Let verdicts decide about a service again.
    Auto(Ordered),
    /// Answer a question that `status` shows.
    Answer {
        /// The question.
        question: String,
        /// Yes or no.
        answer: YesNo,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        person: Person,
    },
    /// What the record tells of outages; also from a dead standby's data.
    Outage {
        #[command(subcommand)]
        what: Outage,
    },
    /// Publish a statement of the organisation.
    Say {
        /// The words; `-` reads them from standard input.
        text: String,
        /// Whose words, where the standby serves several organisations.
        #[arg(long, value_name = "ORGANISATION")]
        organisation: Option<String>,
        /// The language of the words: de or en.
        #[arg(long)]
        language: Option<String>,
        /// In what capacity it is said, shown to the public: `press office`.
        #[arg(long, value_name = "CAPACITY")]
        speaker: Option<String>,
        /// The words say the reason of the running outage.
        #[arg(long)]
        reason: bool,
        #[command(flatten)]
        common: Common,
    },
    /// How people are told of outages.
    Alert {
        #[command(subcommand)]
        what: Alert,
    },
    /// The copy of the website.
    Site {
        #[command(subcommand)]
        what: Site,
    },
    /// The zones of names.
    Names {
        #[command(subcommand)]
        what: Names,
    },
    /// Mail that is kept, what became of it, and what the primary refused.
    Mail {
        #[command(subcommand)]
        what: Mail,
    },
    /// Take in lists that the primary has.
    Import {
        #[command(subcommand)]
        what: Import,
    },
    /// Open what is about people; the first time, choose the passphrase that does so.
    Unlock {
        #[command(flatten)]
        common: Common,
    },
    /// Say what is held about whom, with counts and ages.
    Held {
        #[command(flatten)]
        common: Common,
    },
    /// Write a consistent copy of a running standby's data.
    Backup {
        /// An empty or new folder.
        to: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Put a backup in place of the data of a standby that does not run.
    Restore {
        /// The folder that `backup` wrote.
        from: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

/// About alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum Alert {
    /// Send one that says it is a test, the way that alerts go, and say what became of it.
    Test {
        #[command(flatten)]
        common: Common,
    },
}

/// An order for one service.
#[derive(Args, Debug)]
pub(crate) struct Ordered {
    /// `web`, `names`, or with several organisations `verein.test/web`.
    #[arg(value_name = "[ORGANISATION/]SERVICE")]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) person: Person,
}

/// Who gives an order or an answer.
#[derive(Args, Clone, Debug)]
pub(crate) struct Person {
    /// Who says so; the account's name if nothing is said.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Outage {
    /// One line an outage.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Times and figures of one outage.
    Show {
        /// Its name, a part of it, or `last`.
        #[arg(default_value = "last")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Show, and the evidence with its times, and every decision.
    Explain {
        /// Its name, a part of it, or `last`.
        #[arg(default_value = "last")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Decide the recorded days again with today's configuration, and compare.
    Replay {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Site {
    /// The generations that are kept, and the candidates that were rejected and why.
    Generations(SiteOf),
    /// Fetch the site now.
    Capture(SiteOf),
    /// Serve this generation until `unpin`, also a rejected one.
    Pin {
        /// Its number.
        number: u64,
        #[command(flatten)]
        of: SiteOf,
        #[command(flatten)]
        person: Person,
    },
    /// Serve this generation, also a rejected one, and renew it from there.
    Accept {
        /// Its number.
        number: u64,
        #[command(flatten)]
        of: SiteOf,
    },
    /// Serve the newest good generation again.
    Unpin(SiteOf),
    /// Serve the generation before the current one and keep it.
    Rollback {
        #[command(flatten)]
        of: SiteOf,
        #[command(flatten)]
        person: Person,
    },
    /// What two generations differ in.
    Diff {
        /// The older one.
        from: u64,
        /// The newer one.
        to: u64,
        #[command(flatten)]
        of: SiteOf,
    },
    /// Take a page, a folder or a host down on every standby, with 451 and a record.
    Withhold {
        /// Host and path, `verein.test/page`; everything below it too.
        what: String,
        /// The reason that is shown.
        #[arg(long)]
        reason: String,
        /// Put it back.
        #[arg(long)]
        lift: bool,
        #[command(flatten)]
        of: SiteOf,
        #[command(flatten)]
        person: Person,
    },
    /// Write a generation as a WARC file.
    Export {
        /// The file.
        to: PathBuf,
        /// The generation; the current one if nothing is said.
        #[arg(long)]
        number: Option<u64>,
        #[command(flatten)]
        of: SiteOf,
    },
}

/// Whose: of which organisation.
#[derive(Args, Clone, Debug)]
pub(crate) struct SiteOf {
    /// Whose, where the standby serves several organisations.
    #[arg(long, value_name = "ORGANISATION")]
    pub(crate) organisation: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Site {
    /// What every command about the copy has.
    pub(crate) fn common(&self) -> &Common {
        let (Self::Generations(of)
        | Self::Capture(of)
        | Self::Unpin(of)
        | Self::Accept { of, .. }
        | Self::Rollback { of, .. }
        | Self::Pin { of, .. }
        | Self::Diff { of, .. }
        | Self::Withhold { of, .. }
        | Self::Export { of, .. }) = self;
        &of.common
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Names {
    /// Ask the primary now whether a zone has changed, and say what came of it.
    Refresh {
        /// The zone; all that are transferred if nothing is said.
        zone: Option<String>,
        /// Take the primary's version although its serial is older than ours.
        #[arg(long, requires = "zone")]
        take_older: bool,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        person: Person,
    },
}

impl Names {
    /// What every command about zones has.
    pub(crate) fn common(&self) -> &Common {
        let Self::Refresh { common, .. } = self;
        common
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mail {
    /// What waits for the primary, oldest first.
    List {
        /// After this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        of: SiteOf,
    },
    /// One message: from whom, to whom, what became of it.
    Show {
        /// Its number.
        number: u64,
        #[command(flatten)]
        of: SiteOf,
    },
    /// What became of what was kept: one line a message and recipient.
    Ledger {
        /// After this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many messages.
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        #[command(flatten)]
        of: SiteOf,
    },
    /// Try again now what was tried in vain.
    HandBack(SiteOf),
    /// What the primary refused.
    Quarantine {
        /// Try this message again; without a number, all that the conditions mean.
        #[arg(long, value_name = "NUMBER", conflicts_with = "drop", num_args = 0..=1)]
        release: Option<Option<u64>>,
        /// Give this message up; without a number, all that the conditions mean.
        #[arg(long, value_name = "NUMBER", num_args = 0..=1)]
        drop: Option<Option<u64>>,
        #[command(flatten)]
        meant: Meant,
        /// After this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        of: SiteOf,
    },
    /// Write all that is kept as files into a folder.
    Export {
        /// The folder.
        to: PathBuf,
        #[command(flatten)]
        of: SiteOf,
    },
}

/// Which messages of the quarantine.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// From this address, or from this domain; `<>` is the null sender.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// To this address, or to this domain.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// From or to this domain.
    #[arg(long)]
    domain: Option<String>,
    /// With these words in what the primary said.
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
    /// All of it.
    #[arg(long, conflicts_with_all = ["from", "to", "domain", "reason"])]
    pub(crate) all: bool,
}

impl Meant {
    /// The conditions.
    pub(crate) fn filter(self) -> mail::Filter {
        let Self {
            from,
            to,
            domain,
            reason,
            all: _,
        } = self;
        mail::Filter {
            from,
            to,
            domain,
            reason,
        }
    }
}

impl Mail {
    /// What every command about mail has.
    pub(crate) fn common(&self) -> &Common {
        let (Self::List { of, .. }
        | Self::Show { of, .. }
        | Self::Ledger { of, .. }
        | Self::HandBack(of)
        | Self::Quarantine { of, .. }
        | Self::Export { of, .. }) = self;
        &of.common
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Who can receive mail: replaces the former list.
    Recipients {
        /// The lists; several are taken together. The standby reads them.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// How they are written; guessed if nothing is said.
        #[arg(long)]
        format: Option<ListFormat>,
        #[command(flatten)]
        how: Importing,
        #[command(flatten)]
        of: SiteOf,
    },
    /// Who has a mailbox, and the hash of their password: replaces the former ones.
    Mailboxes {
        /// The lists; several are taken together. The standby reads them.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// `passwd`, or `csv` with a column `password`; guessed if nothing is said.
        #[arg(long)]
        format: Option<ListFormat>,
        #[command(flatten)]
        how: Importing,
        #[command(flatten)]
        of: SiteOf,
    },
}

/// How an import is meant.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Importing {
    /// Replace the former list although most of it is gone.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only say what it would do.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Import {
    /// What every import has.
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Recipients { of, .. } | Self::Mailboxes { of, .. } => &of.common,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ListFormat {
    /// One address a line.
    Plain,
    /// A Postfix map in text.
    Postfix,
    /// A Dovecot passwd-file.
    Passwd,
    /// /etc/aliases.
    Aliases,
    /// A table with a column `address`, `email` or `mail`, or exported by Exchange, Microsoft 365 or
    /// Google Workspace.
    Csv,
    /// What a directory exports (LDAP, Active Directory).
    Ldif,
}

#[cfg(test)]
mod tests;
