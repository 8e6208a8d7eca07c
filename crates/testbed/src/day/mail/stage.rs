//! The stage of the mail day.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::authority::Authority;
use crate::day::stage_set::admin_socket;
use crate::lab::{Host, Lab, until_asked};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::knot::{self, Knot};
use crate::peer::postfix::{Delivery, Postfix, Setting};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;
use crate::standby::{Standby, Status};

pub(super) const MAIL: &str = "198.51.100.25";
pub(super) const STANDBY: &str = "192.0.2.7";
const DNS: &str = "198.51.100.53";
const ELSEWHERE: &str = "203.0.113.200";
const RESOLVER: &str = "203.0.113.53";
const SENDER_ADDRESS: &str = "203.0.113.40";
/// Who writes letters.
pub(super) const SENDER: &str = "anna@sender.test";
/// Who storms.
pub(super) const TOOL: &str = "storm@sender.test";
/// Who has a mailbox.
pub(super) const RECIPIENTS: [&str; 3] = [
    "vorstand@verein.test",
    "presse@verein.test",
    "sturm@verein.test",
];

const SOON: Duration = Duration::from_secs(60);

/// Everything of the day.
pub(super) struct Stage {
    pub(super) standby: Standby,
    pub(super) sender: Postfix,
    pub(super) postfix: Postfix,
    pub(super) dovecot: Dovecot,
    _unbound: Unbound,
    _knot: Knot,
    _reference: Knot,
    mail_host: Host,
    pub(super) sender_host: Host,
    lab: Lab,
}

impl Stage {
    pub(super) fn build(report: &mut Report) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let mail_host = lab.host("mail", &[MAIL])?;
        let dns = lab.host("dns", &[DNS])?;
        let standby_host = lab.host("standby", &[STANDBY])?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let resolver = lab.host("resolver", &[RESOLVER])?;
        let sender_host = lab.host("sender", &[SENDER_ADDRESS])?;

        let zone = format!(
            "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hostmaster 1 60 30 604800 5\n@ NS ns\nns A {DNS}\n\
             @ MX 10 mail\n@ MX 20 mx2\nmail A {MAIL}\nmx2 A {STANDBY}\n"
        );
        let knot = Knot::start(&dns, &knot::Setting::new().zone("verein.test", &zone))?;
        let theirs = format!(
            "$ORIGIN sender.test.\n$TTL 60\n@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A {ELSEWHERE}\n\
             @ A {SENDER_ADDRESS}\n@ MX 10 @\n@ TXT \"v=spf1 ip4:{SENDER_ADDRESS} -all\"\n"
        );
        let reference = Knot::start(
            &elsewhere,
            &knot::Setting::new().zone("sender.test", &theirs),
        )?;
        let delegations = [
            Delegation::new("verein.test", &[DNS.parse()?]),
            Delegation::new("sender.test", &[ELSEWHERE.parse()?]),
        ];
        let unbound = Unbound::start(&resolver, &delegations)?;

        let authority = Authority::new(&report.dir().join("authority"))?;
        let identity = authority.sign(&["mail.verein.test"])?;
        let ours = authority.sign(&["mx2.verein.test"])?;
        let dovecot = Dovecot::start(&mail_host, &dovecot::Setting::new(&RECIPIENTS))?;
        let setting = Setting::primary(
            "mail.verein.test",
            "verein.test",
            &RECIPIENTS,
            Delivery::Lmtp,
        )
        .xclient(&[STANDBY.parse()?])
        .starttls(&identity)?;
        let postfix = Postfix::start_with(&mail_host, &setting)?;
        sender_host.resolve_through(RESOLVER.parse()?)?;
        let sender = Postfix::start_with(&sender_host, &Setting::sender("sender.test"))?;

        let dir = standby_host.dir();
        fs::write(dir.join("passphrase"), "a laboratory's passphrase\n")?;
        fs::write(dir.join("recipients.txt"), RECIPIENTS.join("\n"))?;
        let (chain, key) = (&ours.chain, &ours.key);
        let configuration = configuration(&format!(
            "certificate = {{ chain = {chain:?}, key = {key:?} }}"
        ));
        let mut standby = Standby::new(&standby_host, &configuration)?;
        standby.start_listening(25)?;
        standby.wait_status("the mail to be observed", SOON, |status| {
            status.condition("mail") == "reachable"
        })?;
        let list = dir.join("recipients.txt");
        let list = list.to_str().context("a path that is not UTF-8")?;
        let imported = standby.json(&["import", "recipients", list])?;
        ensure!(
            imported["recipients"] == RECIPIENTS.len(),
            "imported: {imported}"
        );
        report.note("Postfix and Dovecot serve, the standby watches and knows the recipients");
        Ok(Self {
            standby,
            sender,
            postfix,
            dovecot,
            _unbound: unbound,
            _knot: knot,
            _reference: reference,
            mail_host,
            sender_host,
            lab,
        })
    }

    pub(super) fn cut(&self) -> Result<()> {
        self.lab.cut(&self.mail_host)
    }

    pub(super) fn heal(&self) -> Result<()> {
        self.lab.heal(&self.mail_host)
    }

    /// Waits until so many messages are kept.
    pub(super) fn wait_held(&mut self, count: usize) -> Result<()> {
        let what = format!("{count} messages to be kept");
        let sender = &self.sender;
        let waited = self
            .standby
            .wait_status(&what, SOON, |status| waiting(status) == Some(count));
        waited
            .map(|_| ())
            .with_context(|| format!("the sender's log ends: {}", end_of(&sender.log())))
    }

    /// The standby is killed while it holds all that, and still holds it afterwards.
    pub(super) fn killed_and_back(&mut self, report: &mut Report, held: usize) -> Result<()> {
        self.standby.kill()?;
        self.standby.start_listening(25)?;
        self.standby
            .wait_status("all that was kept after a power cut", SOON, |status| {
                waiting(status) == Some(held) && status.role("mail") == "acting"
            })?;
        report.note("killed and started again: everything is still there");
        Ok(())
    }

    /// The primary saw the true client, not the standby.
    pub(super) fn true_clients(&self) -> Result<()> {
        let log = self.postfix.log();
        let of = |address: &str| {
            log.lines()
                .filter(|line| line.contains("client=") && line.contains(&format!("[{address}]")))
                .count()
        };
        let (sender, standby) = (of(SENDER_ADDRESS), of(STANDBY));
        ensure!(
            sender > 500 && standby == 0,
            "the primary's log names the sender {sender} times and the standby {standby} times"
        );
        Ok(())
    }

    /// Nothing came back to the sender, and nothing waits there.
    pub(super) fn nothing_bounced(&self) -> Result<()> {
        until_asked("the sender's queue to be empty", SOON, || {
            Ok((self.sender.queue_len()? == 0).then_some(()))
        })?;
        for (who, log) in [
            ("sender", self.sender.log()),
            ("primary", self.postfix.log()),
        ] {
            let bounced: Vec<_> = log
                .lines()
                .filter(|line| line.contains("status=bounced"))
                .collect();
            ensure!(bounced.is_empty(), "the {who} has bounces: {bounced:?}");
        }
        Ok(())
    }

    /// How many recipients the primary has refused so far.
    pub(super) fn refusals(&self) -> usize {
        let log = self.postfix.log();
        log.lines()
            .filter(|line| line.contains("reject: RCPT"))
            .count()
    }

    /// Answers the open question.
    pub(super) fn answer(&self, word: &str) -> Result<()> {
        let status = self.standby.status()?;
        let id = status
            .pointer("/standings")
            .and_then(|all| {
                all.as_array()?
                    .iter()
                    .find_map(|one| one.pointer("/question/id")?.as_str())
            })
            .context("no question is open")?
            .to_owned();
        let finished = self.standby.command(&["answer", &id, word])?;
        ensure!(finished.status.success(), "answer: {}", finished.stderr);
        Ok(())
    }
}

/// How many messages wait, as `status` says it.
pub(super) fn waiting(status: &Status) -> Option<usize> {
    let held = status.held();
    let line = held.iter().find_map(|line| line.strip_prefix("mail: "))?;
    line.split(' ').next()?.parse().ok()
}

/// What the open question is about.
pub(super) fn question(status: &Status) -> Option<String> {
    let standings = status.pointer("/standings")?.as_array()?;
    let topic = standings
        .iter()
        .find_map(|one| one.pointer("/question/topic"))?;
    topic.as_str().map(ToOwned::to_owned)
}

fn end_of(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

fn configuration(more: &str) -> String {
    let admin = admin_socket();
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

[[organisation]]
name = "Verein Beispiel"
domains = ["verein.test"]
imprint = "https://www.verein.test/kontakt.html"

[organisation.mail]
primary = "{MAIL}"
name = "mail.verein.test"
mx = "mx2.verein.test"
clean = "5s"
{more}

[organisation.watch]
interval = "2s"
timeout = "1s"
burst_spacing = "1s"
"#
    )
}
