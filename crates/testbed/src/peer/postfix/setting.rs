//! What a Postfix is to do, and the configuration files that say so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};

use crate::authority::Identity;
use crate::peer::dovecot::LMTP_PORT;
use crate::peer::utf8;

/// The largest message a primary takes.
const SIZE_LIMIT: u64 = 50 * 1024 * 1024;

/// How a primary gives mail to the Dovecot of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By LMTP; recipients that are not ASCII by [`Delivery::Program`] (the LMTP server of
    /// Dovecot 2.3 has no SMTPUTF8, and Postfix would bounce them).
    Lmtp,
    /// By Dovecot's delivery program, started for each message.
    Program,
}

/// Where a holding Postfix would send its mail.
#[derive(Clone, Copy, Debug)]
pub enum NextHop {
    /// To a port where nobody listens: tried, refused, deferred.
    Refused,
    /// Nowhere: deferred without a try.
    Deferred,
    /// To this address and port.
    At(IpAddr, u16),
}

/// What a Postfix is to do.
#[derive(Clone, Debug)]
pub struct Setting {
    pub(super) name: String,
    /// `main.cf` beside what every one of them has.
    lines: BTreeMap<String, String>,
    /// Of a primary: whom it knows.
    pub(super) recipients: Option<Vec<String>>,
}

impl Setting {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lines: BTreeMap::new(),
            recipients: None,
        }
    }

    /// One more line of `main.cf`.
    #[must_use]
    pub fn line(mut self, key: &str, value: &str) -> Self {
        self.lines.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Final for these domains: takes mail for everybody there and throws it away.
    #[must_use]
    pub fn discarding(name: &str, domains: &[&str]) -> Self {
        Self::named(name)
            .line("mydestination", &domains.join(" "))
            .line("local_recipient_maps", "")
            .line("mailbox_transport", "discard")
    }

    /// Final for one domain and these recipients (whole addresses, lower case), whose mail goes
    /// to the Dovecot of the same host. Others are refused at RCPT: `550 5.1.1`.
    #[must_use]
    pub fn primary(name: &str, domain: &str, recipients: &[&str], delivery: Delivery) -> Self {
        let transport = match delivery {
            Delivery::Lmtp => format!("lmtp:inet:127.0.0.1:{LMTP_PORT}"),
            Delivery::Program => "dovecot:".to_owned(),
        };
        let mut setting = Self::named(name)
            .line("mydestination", "")
            .line("virtual_mailbox_domains", domain)
            .line("virtual_transport", &transport)
            .line("dovecot_destination_recipient_limit", "1")
            .line(
                "smtpd_relay_restrictions",
                "permit_mynetworks, reject_unauth_destination",
            )
            .line("message_size_limit", &SIZE_LIMIT.to_string())
            .line("smtputf8_enable", "yes")
            // What it could not deliver is tried again soon: a laboratory's day is short.
            .line("queue_run_delay", "2s")
            .line("minimal_backoff_time", "2s")
            .line("maximal_backoff_time", "4s");
        setting.recipients = Some(owned(recipients));
        setting
    }

    /// Sends: what is injected goes to the MX that the host's resolver names (see
    /// [`crate::lab::Host::resolve_through`], to be called before the start), again every few
    /// seconds.
    #[must_use]
    pub fn sender(name: &str) -> Self {
        Self::named(name)
            .line("mydestination", "")
            .line("message_size_limit", &SIZE_LIMIT.to_string())
            .line("smtputf8_enable", "yes")
            .line("smtp_connect_timeout", "5s")
            .line("queue_run_delay", "2s")
            .line("minimal_backoff_time", "2s")
            .line("maximal_backoff_time", "4s")
    }

    /// Takes everything for one domain and keeps it, as the backup MX of old does.
    #[must_use]
    pub fn holding(name: &str, domain: &str, next: NextHop) -> Self {
        let transport = match next {
            NextHop::Refused => "relay:[127.0.0.1]:9".to_owned(),
            NextHop::Deferred => "relay:".to_owned(),
            NextHop::At(address, port) => format!("relay:[{address}]:{port}"),
        };
        let setting = Self::named(name)
            .line("mydestination", "")
            .line("relay_domains", domain)
            .line("relay_recipient_maps", "")
            .line("relay_transport", &transport)
            .line("message_size_limit", &SIZE_LIMIT.to_string())
            .line("smtputf8_enable", "yes");
        match next {
            NextHop::Deferred => setting.line("defer_transports", "relay"),
            _ => setting,
        }
    }

    /// Believes these hosts who the true client is (XCLIENT), and no others.
    #[must_use]
    pub fn xclient(self, hosts: &[IpAddr]) -> Self {
        let hosts: Vec<String> = hosts
            .iter()
            .map(|host| match host {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            })
            .collect();
        self.line("smtpd_authorized_xclient_hosts", &hosts.join(" "))
    }

    /// Offers STARTTLS with this certificate.
    pub fn starttls(self, identity: &Identity) -> Result<Self> {
        let (key, chain) = (utf8(&identity.key)?, utf8(&identity.chain)?);
        Ok(self
            .line("smtpd_tls_security_level", "may")
            .line("smtpd_tls_chain_files", &format!("{key}, {chain}")))
    }

    pub(super) fn main_cf(&self, dir: &Path) -> Result<String> {
        let dir = utf8(dir)?;
        let mut text = String::from("compatibility_level = 3.6\n");
        for (key, value) in COMMON {
            writeln!(text, "{key} = {value}")?;
        }
        writeln!(text, "myhostname = {}", self.name)?;
        writeln!(
            text,
            "queue_directory = {dir}/spool\ndata_directory = {dir}/data\nmeta_directory = {dir}/conf"
        )?;
        writeln!(
            text,
            "maillog_file = {dir}/log\nmaillog_file_prefixes = {dir}"
        )?;
        if self.recipients.is_some() {
            writeln!(
                text,
                "virtual_mailbox_maps = texthash:{dir}/conf/recipients\n\
                 transport_maps = texthash:{dir}/conf/transport"
            )?;
        }
        for (key, value) in &self.lines {
            writeln!(text, "{key} = {value}")?;
        }
        Ok(text)
    }
}

/// What every Postfix here has.
const COMMON: &[(&str, &str)] = &[
    ("command_directory", "/usr/sbin"),
    ("daemon_directory", "/usr/lib/postfix/sbin"),
    ("shlib_directory", "/usr/lib/postfix"),
    ("sendmail_path", "/usr/sbin/sendmail"),
    ("newaliases_path", "/usr/bin/newaliases"),
    ("mailq_path", "/usr/bin/mailq"),
    ("manpage_directory", "/usr/share/man"),
    ("sample_directory", "no"),
    ("readme_directory", "no"),
    ("html_directory", "no"),
    ("mail_owner", "postfix"),
    ("setgid_group", "postdrop"),
    ("inet_interfaces", "all"),
    ("inet_protocols", "all"),
    ("alias_maps", ""),
    ("alias_database", ""),
    ("mailbox_size_limit", "0"),
    // Nobody asks a resolver for the name of who comes.
    ("smtpd_peername_lookup", "no"),
    // The laboratory is one client with many mails and many mistakes.
    ("smtpd_error_sleep_time", "0"),
    ("smtpd_client_connection_count_limit", "0"),
];

/// The table of known recipients.
pub(super) fn recipients_table(recipients: &[String]) -> Result<String> {
    let mut text = String::from("# whom this server knows\n");
    for recipient in recipients {
        writeln!(text, "{recipient} known")?;
    }
    Ok(text)
}

/// The table of recipients whose way differs from the domain's.
pub(super) fn transport_table(recipients: &[String]) -> Result<String> {
    let mut text = String::from("# whom LMTP cannot name\n");
    for recipient in recipients.iter().filter(|address| !address.is_ascii()) {
        writeln!(text, "{recipient} dovecot:")?;
    }
    Ok(text)
}

/// Postfix' own list of services, none of them in a chroot (there is none here), and Dovecot's
/// delivery program.
pub(super) fn master_cf(dovecot: &Path) -> Result<String> {
    let theirs =
        fs::read_to_string("/usr/share/postfix/master.cf.dist").context("master.cf.dist")?;
    let mut text = String::new();
    for line in theirs.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, kind, private, unprivileged, _chroot, rest @ ..] if !line.starts_with(' ') => {
                writeln!(
                    text,
                    "{name} {kind} {private} {unprivileged} n {}",
                    rest.join(" ")
                )?;
            }
            _ => writeln!(text, "{line}")?,
        }
    }
    // The address that Dovecot would make of the user's name has to be ASCII in 2.3: `-a`.
    writeln!(
        text,
        "dovecot unix - n n - 4 pipe flags=DR user=vmail \
         argv=/usr/lib/dovecot/dovecot-lda -c {} -f ${{sender}} -a lda@localhost -d ${{recipient}}",
        utf8(dovecot)?
    )?;
    Ok(text)
}

pub(super) fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
