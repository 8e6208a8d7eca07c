//! The stage of the mail day.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::book::through_the_standby;
use super::primary::{Kind, Primary, bounces};
use super::senders::{ADDRESSES, Place, Senders};
use crate::authority::Authority;
use crate::day::stage_set::admin_socket;
use crate::lab::{Host, Lab, until_asked};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::knot::{self, Knot};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;
use crate::standby::Standby;

pub(super) const MAIL: &str = "198.51.100.25";
pub(super) const STANDBY: &str = "192.0.2.7";
const DNS: &str = "198.51.100.53";
const ELSEWHERE: &str = "203.0.113.200";
pub(super) const RESOLVER: &str = "203.0.113.53";
/// Takes what `smtp-source` sends.
pub(super) const STORM: &str = "sturm@verein.test";
/// To whom people write.
pub(super) const PEOPLE: [&str; 3] = [RECIPIENTS[0], RECIPIENTS[1], RECIPIENTS[2]];
/// Who has a mailbox.
pub(super) const RECIPIENTS: [&str; 4] = [
    "vorstand@verein.test",
    "presse@verein.test",
    "müller@verein.test",
    STORM,
];

const SOON: Duration = crate::lab::CEILING;

/// Everything of the day.
pub(super) struct Stage {
    pub(super) standby: Standby,
    pub(super) senders: Senders,
    pub(super) primary: Primary,
    pub(super) dovecot: Dovecot,
    _unbound: Unbound,
    _knot: Knot,
    _reference: Knot,
    mail_host: Host,
    lab: Lab,
}

impl Stage {
    pub(super) fn build(report: &mut Report, kind: Kind) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let mail_host = lab.host("mail", &[MAIL])?;
        let dns = lab.host("dns", &[DNS])?;
        let standby_host = lab.host("standby", &[STANDBY])?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let resolver = lab.host("resolver", &[RESOLVER])?;
        let place = Place::build(&lab)?;

        let zone = format!(
            "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hostmaster 1 60 30 604800 5\n@ NS ns\nns A {DNS}\n\
             @ MX 10 mail\n@ MX 20 mx2\nmail A {MAIL}\nmx2 A {STANDBY}\n"
        );
        let knot = Knot::start(&dns, &knot::Setting::new().zone("verein.test", &zone))?;
        let theirs = knot::Setting::new().zone("sender.test", &place.zone(ELSEWHERE));
        let reference = Knot::start(&elsewhere, &theirs)?;
        let delegations = [
            Delegation::new("verein.test", &[DNS.parse()?]),
            Delegation::new("sender.test", &[ELSEWHERE.parse()?]),
        ];
        let unbound = Unbound::start(&resolver, &delegations)?;

        let authority = Authority::new(&report.dir().join("authority"))?;
        let ours = authority.sign(&["mx2.verein.test"])?;
        let dovecot = Dovecot::start(&mail_host, &dovecot::Setting::new(&RECIPIENTS))?;
        let primary = Primary::start(kind, &mail_host, &authority)?;
        let senders = Senders::start(place)?;

        let dir = standby_host.dir();
        fs::write(dir.join("passphrase"), "a laboratory's passphrase\n")?;
        let (chain, key) = (&ours.chain, &ours.key);
        let configuration = configuration(&format!(
            "certificate = {{ chain = {chain:?}, key = {key:?} }}"
        ));
        let mut standby = Standby::new(&standby_host, &configuration)?;
        standby.start_listening(25)?;
        standby.wait_status("the mail to be observed", SOON, |status| {
            status.condition("mail") == "reachable"
        })?;
        standby.import_recipients(&RECIPIENTS)?;
        report.note(format_args!(
            "{kind:?} and Dovecot serve, the standby watches and knows the recipients"
        ));
        Ok(Self {
            standby,
            senders,
            primary,
            dovecot,
            _unbound: unbound,
            _knot: knot,
            _reference: reference,
            mail_host,
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
        let log = &self.senders.postfix;
        let waited = self
            .standby
            .wait_status(&what, SOON, |status| status.waiting_mail() == Some(count));
        waited.map(|_| ()).with_context(|| {
            let held = self.standby.status().map(|status| status.waiting_mail());
            format!("{held:?}; the sender's log ends: {}", end_of(&log.log()))
        })
    }

    /// Waits until so many messages lie in the mailboxes and no queue holds another.
    pub(super) fn wait_arrived(&self, count: usize) -> Result<()> {
        let arrived = until_asked("every message in its mailbox", SOON, || {
            Ok((self.dovecot.count()? >= count && self.queued()? == 0).then_some(()))
        });
        arrived.with_context(|| {
            format!(
                "{:?} of {count}, {:?} in queues; the primary's log ends: {}",
                self.dovecot.count(),
                self.queued(),
                end_of(&self.primary.log())
            )
        })
    }

    fn queued(&self) -> Result<usize> {
        let senders = &self.senders;
        Ok(self.primary.queue_len()? + senders.postfix.queue_len()? + senders.exim.queue_len()?)
    }

    /// The standby is killed while it holds all that, and still holds it afterwards.
    pub(super) fn killed_and_back(&mut self, report: &mut Report, held: usize) -> Result<()> {
        self.standby.kill()?;
        self.standby.start_listening(25)?;
        self.standby
            .wait_status("all that was kept after a power cut", SOON, |status| {
                status.waiting_mail() == Some(held) && status.role("mail") == "acting"
            })?;
        report.note("killed and started again: everything is still there");
        Ok(())
    }

    /// The primary learned of at least `through` messages from whom the standby had them. Postfix
    /// has it in its log (XCLIENT); Exim 4.96 has no XCLIENT, so that its log names the standby,
    /// and the true client stands in the message only, in the standby's trace field.
    pub(super) fn true_clients(
        &self,
        report: &mut Report,
        all: usize,
        through: usize,
    ) -> Result<()> {
        let named = through_the_standby(&self.dovecot)?;
        ensure!(
            named >= through,
            "{named} of {through} messages name the client of the standby"
        );
        let mut senders = 0;
        for address in ADDRESSES {
            senders += self.primary.taken_from(address.parse()?);
        }
        let standby = self.primary.taken_from(STANDBY.parse()?);
        let right = match self.primary {
            Primary::Postfix(_) => senders >= all && standby == 0,
            Primary::Exim(_) => senders + standby >= all && standby >= through,
        };
        ensure!(
            right,
            "of {all} the primary's log has {senders} from the senders, {standby} from the standby"
        );
        report.note(format_args!(
            "the primary's log has {senders} messages from the senders, {standby} from the \
             standby; {named} name their client in the standby's field"
        ));
        Ok(())
    }

    /// Nothing came back to the senders, and nothing waits there.
    pub(super) fn nothing_bounced(&self) -> Result<()> {
        until_asked("the queues to be empty", SOON, || {
            Ok((self.queued()? == 0).then_some(()))
        })?;
        for (who, log) in [
            ("Postfix that sends", self.senders.postfix.log()),
            ("Exim that sends", self.senders.exim.log()),
            ("primary", self.primary.log()),
        ] {
            let bounced = bounces(&log);
            ensure!(bounced.is_empty(), "the {who} has bounces: {bounced:?}");
        }
        let visit = format!("connect from unknown[{STANDBY}]");
        ensure!(
            !self.senders.postfix.log().contains(&visit),
            "the standby wrote to a sender"
        );
        Ok(())
    }

    /// How many recipients the primary has refused so far.
    pub(super) fn refusals(&self) -> usize {
        let log = self.primary.log();
        log.lines()
            .filter(|line| line.contains("reject: RCPT"))
            .count()
    }
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
