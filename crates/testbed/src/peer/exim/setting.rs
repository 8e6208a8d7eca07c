//! What an Exim is to do, and the configuration file that says so.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::authority::Identity;
use crate::lab::ground;
use crate::peer::dovecot::LMTP_PORT;
use crate::peer::opendkim::Key;

/// What an Exim is to do.
#[derive(Clone, Debug)]
pub struct Setting {
    name: String,
    role: Role,
    identity: Option<Identity>,
}

#[derive(Clone, Debug)]
enum Role {
    /// Final for a domain and these recipients.
    Primary(String, Vec<String>),
    /// Keeps everything for a domain.
    Holding(String),
    /// Sends by MX, signed; what comes from the domain named last always by the server after it.
    Sender(Key, (String, String)),
}

impl Setting {
    /// Final for one domain and these recipients (whole addresses, lower case), whose mail goes
    /// to the Dovecot of the same host: by LMTP, and by its delivery program where the address
    /// is not ASCII. Others are refused at RCPT: `550 5.1.1`.
    #[must_use]
    pub fn primary(name: &str, domain: &str, recipients: &[&str]) -> Self {
        let recipients = recipients.iter().map(|word| (*word).to_owned()).collect();
        Self::named(name, Role::Primary(domain.to_owned(), recipients))
    }

    /// Takes everything for one domain and keeps it (`queue_only`).
    #[must_use]
    pub fn holding(name: &str, domain: &str) -> Self {
        Self::named(name, Role::Holding(domain.to_owned()))
    }

    /// Sends: what is injected is signed with the key and goes to the MX that the host's resolver
    /// names, and what comes from the domain `detour.0` to the server `detour.1`.
    #[must_use]
    pub fn sender(name: &str, key: &Key, detour: (&str, &str)) -> Self {
        let detour = (detour.0.to_owned(), detour.1.to_owned());
        Self::named(name, Role::Sender(key.clone(), detour))
    }

    fn named(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role,
            identity: None,
        }
    }

    /// Offers STARTTLS with this certificate.
    #[must_use]
    pub fn starttls(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    pub(super) fn recipients(&self) -> &[String] {
        match &self.role {
            Role::Primary(_, recipients) => recipients,
            _ => &[],
        }
    }

    /// Files that its own user has to read, and their names in its directory.
    pub(super) fn secrets(&self) -> Vec<(&Path, &'static str)> {
        let mut files = Vec::new();
        if let Role::Sender(key, _) = &self.role {
            files.push((key.private.as_path(), "dkim.pem"));
        }
        if let Some(identity) = &self.identity {
            files.push((identity.chain.as_path(), "chain.pem"));
            files.push((identity.key.as_path(), "key.pem"));
        }
        files
    }

    /// Whether it tries what lies in its queue.
    pub(super) fn delivers(&self) -> bool {
        !matches!(self.role, Role::Holding(_))
    }

    pub(super) fn configuration(&self, dir: &str, dovecot: &str) -> Result<String> {
        let mut text = self.general(dir)?;
        match &self.role {
            Role::Primary(domain, _) => receive(&mut text, domain, dir, dovecot, true)?,
            Role::Holding(domain) => receive(&mut text, domain, dir, dovecot, false)?,
            Role::Sender(key, detour) => send(&mut text, key, detour, dir)?,
        }
        Ok(text)
    }

    fn general(&self, dir: &str) -> Result<String> {
        let mut text = String::new();
        for (key, value) in [
            ("primary_hostname", self.name.as_str()),
            ("spool_directory", &format!("{dir}/spool")),
            ("log_file_path", &format!("{dir}/log/%slog")),
            ("pid_file_path", &format!("{dir}/spool/exim.pid")),
            ("exim_user", "Debian-exim"),
            ("exim_group", "Debian-exim"),
            ("daemon_smtp_ports", "25"),
            ("message_size_limit", "50M"),
            ("smtputf8_advertise_hosts", "*"),
            ("chunking_advertise_hosts", "*"),
            ("keep_environment", ""),
            // The laboratory is one client with many mails.
            ("smtp_accept_max", "200"),
            ("smtp_accept_queue_per_connection", "0"),
            ("smtp_accept_max_per_connection", "1000000"),
        ] {
            writeln!(text, "{key} = {value}")?;
        }
        match self.identity {
            Some(_) => writeln!(
                text,
                "tls_advertise_hosts = *\ntls_certificate = {dir}/chain.pem\n\
                 tls_privatekey = {dir}/key.pem"
            )?,
            None => writeln!(text, "tls_advertise_hosts =")?,
        }
        if !ground::has_ipv6() {
            writeln!(text, "disable_ipv6 = true")?;
        }
        Ok(text)
    }
}

fn receive(text: &mut String, domain: &str, dir: &str, dovecot: &str, knows: bool) -> Result<()> {
    let known = format!("${{lookup{{${{lc:$local_part@$domain}}}}lsearch{{{dir}/recipients}}");
    let unknown = if knows {
        format!(
            "  deny message = 550 5.1.1 User unknown\n    !condition = {known}{{yes}}{{no}}}}\n"
        )
    } else {
        writeln!(text, "queue_only = true")?;
        String::new()
    };
    writeln!(
        text,
        "acl_smtp_rcpt = rcpt\nacl_smtp_data = accept\ndomainlist own = {domain}\n\
         begin acl\nrcpt:\n  deny message = 550 5.7.1 Relaying denied\n    !domains = +own\n\
         {unknown}  accept\n\n\
         begin routers\nlmtp:\n  driver = accept\n  domains = +own\n  \
         condition = ${{if match{{$local_part}}{{\\N^[\\x00-\\x7f]*$\\N}}}}\n  transport = lmtp\n\
         program:\n  driver = accept\n  domains = +own\n  \
         address_data = {known}{{$value}}fail}}\n  transport = program\n\n\
         begin transports\nlmtp:\n  driver = smtp\n  protocol = lmtp\n  hosts = 127.0.0.1\n  \
         port = {LMTP_PORT}\n  allow_localhost\n  hosts_override\n\
         program:\n  driver = pipe\n  user = vmail\n  group = vmail\n  return_path_add\n  \
         message_prefix =\n  message_suffix =\n  \
         command = /usr/lib/dovecot/dovecot-lda -c {dovecot} -a lda@localhost -d $address_data\n  \
         temp_errors = *\n  log_output\n\n\
         begin retry\n* * F,1d,2s"
    )?;
    Ok(())
}

/// Everything is queued, and sent by the queue runner: one process, not one for each message.
fn send(text: &mut String, key: &Key, detour: &(String, String), dir: &str) -> Result<()> {
    let (from, through) = detour;
    let (domain, selector) = (&key.domain, &key.selector);
    writeln!(
        text,
        "queue_only = true\n\n\
         begin routers\ndetour:\n  driver = manualroute\n  \
         condition = ${{if eq{{$sender_address_domain}}{{{from}}}}}\n  \
         route_list = * {through}\n  transport = smtp\n\
         mx:\n  driver = dnslookup\n  transport = smtp\n\n\
         begin transports\nsmtp:\n  driver = smtp\n  connect_timeout = 2s\n  hosts_try_fastopen =\n  \
         dkim_domain = {domain}\n  dkim_selector = {selector}\n  \
         dkim_private_key = {dir}/dkim.pem\n  dkim_canon = simple\n  dkim_strict = true\n\n\
         begin retry\n* * F,1d,2s"
    )?;
    Ok(())
}
