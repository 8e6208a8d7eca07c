//! The stage of these scenarios.

mod written;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::{Host, Lab, ground, until_asked};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::knot::Knot;
use crate::peer::postfix::{Delivery, Postfix, Setting};
use crate::peer::tools::{Sink, smtp_sink};
use crate::peer::unbound::Unbound;
use crate::proxy::Proxy;
use crate::report::Report;
use crate::smtp::Smtp;
use crate::standby::{Standby, Status};

use written::{configuration, name_servers};

pub(super) const MAIL: &str = "198.51.100.25";
pub(super) const STANDBY: &str = "192.0.2.7";
const DNS: &str = "198.51.100.53";
const ELSEWHERE: &str = "203.0.113.200";
const RESOLVER: &str = "203.0.113.53";
const SENDER_ADDRESS: &str = "203.0.113.40";
const METRICS: u16 = 9100;
/// Where the proxy before the primary listens.
const PROXY: u16 = 2525;
const PASSPHRASE: &str = "a laboratory's passphrase";

pub(super) const SOON: Duration = crate::lab::CEILING;

/// What is before the organisation's mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primary {
    /// Postfix and Dovecot.
    Real,
    /// The same behind a proxy that breaks connections, seeded.
    BehindProxy(u64),
    /// `smtp-sink`, which writes down everything.
    Counting,
}

/// What runs on the primary's host.
#[derive(Default)]
struct Serving {
    postfix: Option<Postfix>,
    dovecot: Option<Dovecot>,
    _sink: Option<Sink>,
}

/// A stage to be built.
pub(super) struct Wish {
    pub(super) primary: Primary,
    /// Lines of `[mail]`.
    pub(super) limits: &'static str,
    /// Who has a mailbox.
    pub(super) recipients: Vec<String>,
}

/// Everything of the scenario.
pub(super) struct Stage {
    pub(super) standby: Standby,
    serving: Serving,
    pub(super) proxy: Option<Proxy>,
    wish: Wish,
    _unbound: Unbound,
    _knot: Knot,
    _reference: Knot,
    mail_host: Host,
    pub(super) sender_host: Host,
    resolver_host: Host,
    pub(super) lab: Lab,
}

impl Stage {
    pub(super) fn build(report: &mut Report, wish: Wish) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let mail_host = lab.host("mail", &[MAIL])?;
        let dns = lab.host("dns", &[DNS])?;
        let standby_host = lab.host("standby", &[STANDBY])?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let resolver_host = lab.host("resolver", &[RESOLVER])?;
        let sender_host = lab.host("sender", &[SENDER_ADDRESS])?;
        let (knot, reference, unbound) = name_servers(&dns, &elsewhere, &resolver_host)?;
        sender_host.know("client.sender.test", SENDER_ADDRESS.parse()?)?;

        let serving = serve(&mail_host, &wish)?;
        let server = SocketAddr::new(MAIL.parse()?, 25);
        let proxy = match wish.primary {
            Primary::BehindProxy(seed) => Some(Proxy::start(&mail_host, PROXY, server, seed)?),
            _ => None,
        };
        let dir = standby_host.dir();
        let passphrase = dir.join("passphrase");
        fs::write(&passphrase, format!("{PASSPHRASE}\n"))?;
        fs::set_permissions(&passphrase, Permissions::from_mode(0o600))?;
        let standby = Standby::new(&standby_host, &configuration(&wish, true))?;
        let mut stage = Self {
            standby,
            serving,
            proxy,
            wish,
            _unbound: unbound,
            _knot: knot,
            _reference: reference,
            mail_host,
            sender_host,
            resolver_host,
            lab,
        };
        stage.standby.start_listening(25)?;
        stage
            .standby
            .wait_status("the mail to be observed", SOON, |status| {
                status.condition("mail") == "reachable"
            })?;
        stage.standby.import_recipients(&stage.wish.recipients)?;
        report.note("the primary serves, the standby watches and knows the recipients");
        Ok(stage)
    }

    /// The primary's cable is cut, and the standby has noticed.
    pub(super) fn go_dark(&mut self) -> Result<()> {
        self.lab.cut(&self.mail_host)?;
        self.wait_acting()
    }

    pub(super) fn wait_acting(&mut self) -> Result<()> {
        let acting = |status: &Status| status.role("mail") == "acting";
        self.standby
            .wait_status("the verdict about the mail", SOON, acting)
            .map(|_| ())
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

    /// Whether packets reach the resolver.
    pub(super) fn resolver(&self, reachable: bool) -> Result<()> {
        match reachable {
            true => self.lab.heal(&self.resolver_host),
            false => self.lab.cut(&self.resolver_host),
        }
    }

    /// The standby is ended in order and started again.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.standby.stop()?;
        self.standby.start_listening(25)?;
        self.wait_acting()
    }

    /// From the next start on what is about people stays shut until somebody opens it.
    pub(super) fn take_the_passphrase_away(&self) -> Result<()> {
        let text = configuration(&self.wish, false);
        Ok(fs::write(self.standby.configuration(), text)?)
    }

    /// `servergate unlock`, the passphrase on its standard input.
    pub(super) fn unlock(&self) -> Result<()> {
        let program = crate::standby::binary()?;
        let file = self.standby.host().dir().join("passphrase");
        let paths = [&program, &file].map(|path| path.to_str().context("not UTF-8"));
        let [program, file] = paths;
        let configuration = self.standby.configuration().to_str();
        let words = [
            "-c",
            "exec \"$1\" unlock -c \"$2\" < \"$3\"",
            "sh",
            program?,
            configuration.context("not UTF-8")?,
            file?,
        ];
        self.standby.host().run_well("/bin/sh", &words).map(|_| ())
    }

    /// Waits until so many messages are kept.
    pub(super) fn wait_held(&mut self, count: usize) -> Result<()> {
        let what = format!("{count} messages to be kept");
        let held = |status: &Status| status.waiting_mail() == Some(count);
        self.standby.wait_status(&what, SOON, held).map(|_| ())
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

    /// Calls the standby from the sender's host and does what `work` says.
    pub(super) fn send<T: Send>(
        &self,
        helo: &str,
        work: impl FnOnce(&mut Smtp) -> Result<T> + Send,
    ) -> Result<T> {
        let server = SocketAddr::new(STANDBY.parse()?, 25);
        self.sender_host.inside(|| {
            let mut smtp = Smtp::call(server, helo)?;
            let done = work(&mut smtp)?;
            smtp.quit()?;
            Ok(done)
        })
    }

    /// The standby's metrics, as they are now.
    pub(super) fn metrics(&self) -> Result<String> {
        use std::io::{Read as _, Write as _};
        let at = SocketAddr::new(STANDBY.parse()?, METRICS);
        self.standby.host().inside(move || {
            let mut stream = std::net::TcpStream::connect(at)?;
            let ask = "GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n";
            stream.write_all(ask.as_bytes())?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        })
    }

    /// One value of the metrics, 0 where it was never counted.
    pub(super) fn metric(&self, name: &str) -> Result<u64> {
        let text = self.metrics()?;
        ensure!(text.contains("servergate_mail_guests"), "metrics: {text}");
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let value = value.map_or(Ok(0), |value| value.trim().parse());
        value.with_context(|| format!("{name} in {text}"))
    }

    pub(super) fn postfix(&self) -> Result<&Postfix> {
        let postfix = self.serving.postfix.as_ref();
        postfix.context("no Postfix is on this stage")
    }

    pub(super) fn dovecot(&self) -> Result<&Dovecot> {
        let dovecot = self.serving.dovecot.as_ref();
        dovecot.context("no Dovecot is on this stage")
    }

    /// Waits until Postfix has given Dovecot everything.
    pub(super) fn wait_delivered(&self) -> Result<()> {
        until_asked("the primary's queue to be empty", SOON, || {
            Ok((self.postfix()?.queue_len()? == 0).then_some(()))
        })
    }

    /// Dovecot begins again with the recipe of `docs/mail.md`.
    pub(super) fn install_recipe(&mut self) -> Result<()> {
        let dovecot = self.serving.dovecot.take();
        dovecot.context("no Dovecot is on this stage")?.stop()?;
        let setting = mailboxes(&self.wish.recipients).sieve_duplicate();
        self.serving.dovecot = Some(Dovecot::start(&self.mail_host, &setting)?);
        Ok(())
    }

    /// What the counting primary was given.
    pub(super) fn counted(&self) -> Result<String> {
        let mut text = String::new();
        for entry in fs::read_dir(counted(&self.mail_host))? {
            text += &String::from_utf8_lossy(&fs::read(entry?.path())?);
        }
        Ok(text)
    }
}

fn serve(host: &Host, wish: &Wish) -> Result<Serving> {
    if wish.primary == Primary::Counting {
        // A file for each conversation, which the program writes with rights of its own.
        let dir = counted(host);
        fs::create_dir_all(&dir)?;
        chown(&dir, Some(ground::POSTFIX_UID), None)?;
        let template = dir.join("of-");
        let template = template.to_str().context("a path that is not UTF-8")?;
        let sink = smtp_sink(host, 25, &["-D", template])?;
        return Ok(Serving {
            _sink: Some(sink),
            ..Serving::default()
        });
    }
    let recipients: Vec<&str> = wish.recipients.iter().map(String::as_str).collect();
    let dovecot = Dovecot::start(host, &mailboxes(&wish.recipients))?;
    // Through the proxy Postfix sees its own host.
    let trusted = [STANDBY.parse()?, MAIL.parse()?];
    let setting = Setting::primary(
        "mail.verein.test",
        "verein.test",
        &recipients,
        Delivery::Lmtp,
    )
    .xclient(&trusted)
    // As docs/mail.md has it: Sieve knows a copy only when the one before it has been delivered,
    // so a mailbox gets one message after the other.
    .line("lmtp_destination_recipient_limit", "1")
    .line("lmtp_destination_concurrency_limit", "1");
    Ok(Serving {
        postfix: Some(Postfix::start_with(host, &setting)?),
        dovecot: Some(dovecot),
        _sink: None,
    })
}

fn mailboxes(recipients: &[String]) -> dovecot::Setting {
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    dovecot::Setting::new(&recipients)
}

fn counted(host: &Host) -> PathBuf {
    host.dir().join("counted")
}
