//! The stage of these scenarios: a primary of one kind, Dovecot's mailboxes, the standby.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::book::DOMAIN;
use crate::day::stage_set::admin_socket;
use crate::generated_mail::Mail;
use crate::lab::{Host, Lab, until_asked};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::knot::{self, Knot};
use crate::peer::opensmtpd::OpenSmtpd;
use crate::peer::postfix::{Delivery, Postfix, Setting};
use crate::peer::unbound::{Delegation, Unbound};
use crate::policy::Policy;
use crate::report::Report;
use crate::smtp::Smtp;
use crate::standby::{Standby, Status};

const MAIL: &str = "198.51.100.25";
pub(super) const STANDBY: &str = "192.0.2.7";
const ELSEWHERE: &str = "203.0.113.200";
const RESOLVER: &str = "203.0.113.53";
const SENDER: &str = "203.0.113.40";
const NAME: &str = "mail.verein.test";
const ORGANISATION: &str = "verein.test";
/// Where Postfix asks how to behave.
const POLICY: u16 = 10_031;
/// Messages of one conversation; then a sender calls again, as senders do.
const EACH: usize = 40;

pub(super) const SOON: Duration = crate::lab::CEILING;

/// What the primary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Postfix with greylisting, lists, full mailboxes and small limits.
    Manners,
    OpenSmtpd,
    /// Dovecot itself.
    Lmtp,
}

/// A running one, beside Dovecot.
enum Server {
    Manners(Postfix, Policy),
    OpenSmtpd(OpenSmtpd),
    Lmtp,
}

/// Everything of the scenario.
pub(super) struct Stage {
    pub(super) standby: Standby,
    server: Server,
    dovecot: Option<Dovecot>,
    recipients: Vec<String>,
    _unbound: Unbound,
    _reference: Knot,
    mail_host: Host,
    sender_host: Host,
    lab: Lab,
}

impl Stage {
    /// Builds it; `mailboxes` says who has one, and which is full.
    pub(super) fn build(
        report: &mut Report,
        kind: Kind,
        recipients: &[String],
        mailboxes: &dovecot::Setting,
    ) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let mail_host = lab.host("mail", &[MAIL])?;
        let standby_host = lab.host("standby", &[STANDBY])?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let resolver = lab.host("resolver", &[RESOLVER])?;
        let sender_host = lab.host("sender", &[SENDER])?;
        mail_host.resolve_through(RESOLVER.parse()?)?;
        let theirs = format!(
            "$ORIGIN {DOMAIN}.\n$TTL 60\n@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A {ELSEWHERE}\n\
             @ A {SENDER}\n@ MX 10 @\n@ TXT \"v=spf1 ip4:{SENDER} -all\"\n"
        );
        let reference = Knot::start(&elsewhere, &knot::Setting::new().zone(DOMAIN, &theirs))?;
        let unbound = Unbound::start(&resolver, &[Delegation::new(DOMAIN, &[ELSEWHERE.parse()?])])?;
        let dovecot = Dovecot::start(&mail_host, mailboxes)?;
        let server = serve(kind, &mail_host, recipients)?;

        let dir = standby_host.dir();
        fs::write(dir.join("passphrase"), "a laboratory's passphrase\n")?;
        let standby = Standby::new(&standby_host, &configuration(kind))?;
        let mut stage = Self {
            standby,
            server,
            dovecot: Some(dovecot),
            recipients: recipients.to_vec(),
            _unbound: unbound,
            _reference: reference,
            mail_host,
            sender_host,
            lab,
        };
        stage.standby.start_listening(25)?;
        stage
            .standby
            .wait_status("the probe to find the primary well", SOON, |status| {
                status.condition("mail") == "reachable" && status.role("mail") == "standby"
            })?;
        stage.standby.import_recipients(&stage.recipients)?;
        report.note(format_args!(
            "{kind:?} serves, the standby finds it well and knows the recipients"
        ));
        Ok(stage)
    }

    /// The primary's cable is cut, and the standby has noticed.
    pub(super) fn go_dark(&mut self) -> Result<String> {
        self.lab.cut(&self.mail_host)?;
        let acting = |status: &Status| status.role("mail") == "acting";
        let status = self
            .standby
            .wait_status("the verdict about the mail", SOON, acting)?;
        Ok(status.cause("mail").to_owned())
    }

    /// The primary's cable is whole again, and a person says that it is the same server: without
    /// a certificate nobody else can know.
    pub(super) fn come_back(&mut self) -> Result<()> {
        self.lab.heal(&self.mail_host)?;
        let asked = |status: &Status| status.question().is_some();
        self.standby
            .wait_status("the question about the return", SOON, asked)?;
        self.standby.answer("yes")
    }

    /// Offers messages to the standby, one after the other: each with what stands behind
    /// `MAIL FROM:` and `RCPT TO:`. Returns the last answer to each.
    pub(super) fn send(&self, mails: &[(Mail, String, Vec<String>)]) -> Result<Vec<String>> {
        let server = SocketAddr::new(STANDBY.parse()?, 25);
        self.sender_host.inside(|| {
            let mut answers = Vec::new();
            for some in mails.chunks(EACH) {
                let mut smtp = Smtp::call(server, "client.sender.test")?;
                for (mail, from, to) in some {
                    let text = String::from_utf8_lossy(&mail.bytes);
                    answers.push(smtp.offer(from, to, &text)?);
                }
                smtp.quit()?;
            }
            Ok(answers)
        })
    }

    /// Waits until so many messages are kept.
    pub(super) fn wait_held(&mut self, count: usize) -> Result<()> {
        let what = format!("{count} messages to be kept");
        let held = |status: &Status| status.waiting_mail() == Some(count);
        self.standby.wait_status(&what, SOON, held).map(|_| ())
    }

    /// Waits until so many copies lie in the mailboxes.
    pub(super) fn wait_copies(&self, count: usize) -> Result<()> {
        let waited = until_asked(&format!("{count} copies in the mailboxes"), SOON, || {
            Ok((self.dovecot()?.count()? >= count).then_some(()))
        });
        waited.with_context(|| {
            let status = self.standby.status();
            format!(
                "{:?} copies; {:?} wait, open question {:?}; the primary's log ends: {}",
                self.dovecot().and_then(Dovecot::count),
                status.as_ref().map(Status::waiting_mail),
                status.as_ref().map(Status::question),
                end_of(&self.log())
            )
        })
    }

    /// Waits until everything was given back.
    pub(super) fn wait_handed_back(&mut self) -> Result<()> {
        let done = |status: &Status| {
            status.role("mail") == "standby"
                && status.outage("mail").is_empty()
                && status.waiting_mail() == Some(0)
        };
        self.standby
            .wait_status("everything to be handed back", SOON, done)
            .map(|_| ())
    }

    /// Fates of messages, by the words of the ledger, and how many have each.
    pub(super) fn fates(&self) -> Result<Vec<(u64, String, String)>> {
        let ledger = self
            .standby
            .json(&["mail", "ledger", "--limit", "100000"])?;
        let rows = ledger["rows"].as_array().context("no rows")?;
        let text =
            |row: &serde_json::Value, at: usize| row[at].as_str().unwrap_or_default().to_owned();
        let fate = |row| (row_number(row), text(row, 4), text(row, 2));
        Ok(rows.iter().map(fate).collect())
    }

    pub(super) fn recipients(&self) -> &[String] {
        &self.recipients
    }

    pub(super) fn dovecot(&self) -> Result<&Dovecot> {
        self.dovecot.as_ref().context("no Dovecot is on this stage")
    }

    /// Dovecot begins again, with other mailboxes.
    pub(super) fn dovecot_again(&mut self, setting: &dovecot::Setting) -> Result<()> {
        let dovecot = self.dovecot.take();
        dovecot.context("no Dovecot is on this stage")?.stop()?;
        self.dovecot = Some(Dovecot::start(&self.mail_host, setting)?);
        Ok(())
    }

    pub(super) fn policy(&self) -> Result<&Policy> {
        match &self.server {
            Server::Manners(_, policy) => Ok(policy),
            _ => anyhow::bail!("nobody here has manners"),
        }
    }

    /// What the primary has logged.
    pub(super) fn log(&self) -> String {
        match &self.server {
            Server::Manners(postfix, _) => postfix.log(),
            Server::OpenSmtpd(server) => server.log(),
            Server::Lmtp => self.dovecot.as_ref().map(Dovecot::log).unwrap_or_default(),
        }
    }
}

fn row_number(row: &serde_json::Value) -> u64 {
    row[0].as_u64().unwrap_or_default()
}

fn serve(kind: Kind, host: &Host, recipients: &[String]) -> Result<Server> {
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    Ok(match kind {
        Kind::Lmtp => Server::Lmtp,
        Kind::OpenSmtpd => {
            let server = OpenSmtpd::start(host, NAME, ORGANISATION, &recipients)?;
            Server::OpenSmtpd(server)
        }
        Kind::Manners => {
            let policy = Policy::start(host, POLICY)?;
            let ask = format!("check_policy_service inet:127.0.0.1:{POLICY}");
            let setting = Setting::primary(NAME, ORGANISATION, &recipients, Delivery::Lmtp)
                .xclient(&[STANDBY.parse()?])
                .line("smtpd_recipient_restrictions", &ask)
                .line("smtpd_end_of_data_restrictions", &ask)
                .line("smtpd_recipient_limit", "100")
                .line("smtpd_client_connection_count_limit", "4")
                .line("smtpd_client_message_rate_limit", "150")
                .line("anvil_rate_time_unit", "5s");
            Server::Manners(Postfix::start_with(host, &setting)?, policy)
        }
    })
}

fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

fn configuration(kind: Kind) -> String {
    let admin = admin_socket();
    let (port, protocol) = match kind {
        Kind::Lmtp => (dovecot::LMTP_PORT, "lmtp"),
        _ => (25, "smtp"),
    };
    format!(
        r#"version = 1
mode = "act"

[standby]
name = "oslo"
addresses = ["{STANDBY}"]
data = "data"
references = ["{ELSEWHERE}:53"]
resolver = "{RESOLVER}:53"
passphrase_file = "passphrase"

[listen]
smtp = ["{STANDBY}:25"]
admin = "{admin}"

[mail]
messages_per_network = 1000000

[[organisation]]
name = "Verein Beispiel"
domains = ["{ORGANISATION}"]
imprint = "https://www.verein.test/kontakt.html"

[organisation.mail]
primary = "{MAIL}:{port}"
protocol = "{protocol}"
name = "{NAME}"
mx = "mx2.verein.test"
clean = "5s"

[organisation.watch]
interval = "2s"
timeout = "1s"
burst_spacing = "1s"
"#
    )
}
