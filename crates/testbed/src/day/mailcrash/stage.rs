//! The stage: a primary, a standby, somebody who sends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::image::Image;
use super::senders::Senders;
use crate::authority::Authority;
use crate::day::stage_set::admin_socket;
use crate::lab::{Host, Lab, until_asked};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::knot::{self, Knot};
use crate::peer::postfix::{Delivery, Postfix, Setting};
use crate::report::Report;
use crate::standby::Standby;

const MAIL: &str = "198.51.100.25";
pub(super) const STANDBY: &str = "192.0.2.7";
const ELSEWHERE: &str = "203.0.113.200";
const SENDER: &str = "203.0.113.40";
/// Who has a mailbox.
pub(super) const RECIPIENTS: [&str; 3] = [
    "vorstand@verein.test",
    "presse@verein.test",
    "kasse@verein.test",
];

pub(super) const SOON: Duration = crate::lab::CEILING;
/// What hundreds of messages may take.
pub(super) const LONG: Duration = crate::lab::CEILING;

/// Everything.
pub(super) struct Stage {
    pub(super) standby: Standby,
    pub(super) image: Option<Image>,
    pub(super) postfix: Postfix,
    pub(super) dovecot: Dovecot,
    pub(super) senders: Senders,
    _reference: Knot,
    mail_host: Host,
    lab: Lab,
}

impl Stage {
    /// Everybody serves, the standby knows the recipients. With a size its data lies in an image of
    /// so many megabytes.
    pub(super) fn build(report: &mut Report, megabytes: Option<u64>) -> Result<Self> {
        Self::build_with(report, megabytes, |_, _| Ok(configuration()))
    }

    /// The same with another configuration; `prepare` lays what it names into the standby's folder,
    /// and may have machines of its own.
    pub(super) fn build_with(
        report: &mut Report,
        megabytes: Option<u64>,
        prepare: impl FnOnce(&Lab, &Path) -> Result<String>,
    ) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let mail_host = lab.host("mail", &[MAIL])?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let standby_host = lab.host("standby", &[STANDBY])?;
        let sender_host = lab.host("sender", &[SENDER])?;
        let theirs = format!(
            "$ORIGIN sender.test.\n$TTL 60\n@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A {ELSEWHERE}\n\
             @ A {SENDER}\n@ TXT \"v=spf1 ip4:{SENDER} -all\"\n"
        );
        let setting = knot::Setting::new().zone("sender.test", &theirs);
        let reference = Knot::start(&elsewhere, &setting)?;
        // A primary proves by its key that it is the same server before anything is handed to it.
        let authority = Authority::new(&report.dir().join("authority"))?;
        let identity = authority.sign(&["mail.verein.test"])?;
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
        let dir = standby_host.dir();
        fs::write(dir.join("passphrase"), "a laboratory's passphrase\n")?;
        let image = match megabytes {
            Some(size) => Some(Image::make(&dir.join("image"), &dir.join("disk"), size)?),
            None => None,
        };
        let configuration = prepare(&lab, dir)?;
        let mut stage = Self {
            standby: Standby::new(&standby_host, &configuration)?,
            image,
            postfix,
            dovecot,
            senders: Senders::new(
                &sender_host,
                (STANDBY.parse::<std::net::IpAddr>()?, 25).into(),
            ),
            _reference: reference,
            mail_host,
            lab,
        };
        stage.standby.start_listening(25)?;
        stage
            .standby
            .wait_status("the mail to be observed", SOON, |status| {
                status.condition("mail") == "reachable"
            })?;
        stage.standby.import_recipients(&RECIPIENTS)?;
        Ok(stage)
    }

    pub(super) fn image(&mut self) -> Result<&mut Image> {
        self.image.as_mut().context("there is no image")
    }

    /// The primary is cut off, and the standby acts.
    pub(super) fn go_dark(&mut self) -> Result<()> {
        self.lab.cut(&self.mail_host)?;
        self.standby
            .wait_status("the verdict about the mail", SOON, |status| {
                status.role("mail") == "acting"
            })?;
        Ok(())
    }

    pub(super) fn heal(&self) -> Result<()> {
        self.lab.heal(&self.mail_host)
    }

    /// Started again, it answers, still in its role; returns how many messages wait.
    pub(super) fn start_again(&mut self) -> Result<usize> {
        self.standby.start_listening(25)?;
        let status = self
            .standby
            .wait_status("its answer after the cut", SOON, |status| {
                status.waiting_mail().is_some()
            })?;
        Ok(status.waiting_mail().unwrap_or(0))
    }

    /// Waits until nothing waits any more, anywhere.
    pub(super) fn all_handed_back(&mut self) -> Result<()> {
        self.standby
            .wait_status("everything to be handed back", LONG, |status| {
                status.waiting_mail() == Some(0)
                    && status.role("mail") == "standby"
                    && status.outage("mail").is_empty()
            })?;
        let postfix = &self.postfix;
        until_asked("the primary's queue to be empty", LONG, || {
            Ok((postfix.queue_len()? == 0).then_some(()))
        })
    }
}

/// A standby that keeps mail, and nothing else.
pub(super) fn configuration() -> String {
    let admin = admin_socket();
    format!(
        r#"version = 1
mode = "act"

[standby]
name = "oslo"
addresses = ["{STANDBY}"]
data = "disk/data"
references = ["{ELSEWHERE}:53"]
resolver = "{ELSEWHERE}:53"
passphrase_file = "passphrase"

[listen]
smtp = ["{STANDBY}:25"]
admin = "{admin}"

[mail]
messages_per_network = 1000000000
guests_per_network = 1000

[[organisation]]
name = "Verein Beispiel"
domains = ["verein.test"]
imprint = "https://www.verein.test/kontakt.html"

[organisation.mail]
primary = "{MAIL}"
name = "mail.verein.test"
mx = "mx2.verein.test"
clean = "2s"

[organisation.watch]
interval = "1s"
timeout = "1s"
burst_spacing = "1s"
"#
    )
}
