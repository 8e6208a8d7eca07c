//! Other people's mail servers and tools: they find the organisation by DNS, through Unbound.
//!
//! | who | how it sends |
//! |---|---|
//! | Postfix | by MX; 8BITMIME, SMTPUTF8, signed by OpenDKIM; from [`DETOUR`] always by the standby |
//! | Exim | likewise, by BDAT (RFC 3030), and signs by itself |
//! | swaks, smtp-source | to the MX they are told, which was asked from the resolver |

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};

use super::book::Book;
use super::stage::{PEOPLE, RESOLVER, STORM};
use crate::generated_mail::Mail;
use crate::lab::{Host, Lab};
use crate::peer::exim::{self, Exim};
use crate::peer::opendkim::{Key, Signer};
use crate::peer::postfix::{Postfix, Setting};
use crate::peer::tools::{
    Dialogue, Source, first_answering, mail_servers, smtp_source, swaks, swaks_message,
};

/// Where Postfix and the tools are, and where Exim is.
pub(super) const ADDRESSES: [&str; 2] = ["203.0.113.40", "203.0.113.41"];
/// The senders' domain.
pub(super) const DOMAIN: &str = "sender.test";
/// Who writes from below it takes the last MX, as some do although the first one answers.
pub(super) const DETOUR: &str = "umweg.sender.test";
/// The writer that refusals are shown to.
pub(super) const WRITER: &str = "anna@sender.test";
/// Who storms.
const TOOL: &str = "storm@sender.test";
/// Length of what `smtp-source` sends.
const STORM_LENGTH: usize = 4096;

/// How many messages each of them sends in one part of the day.
pub(super) struct Share {
    pub(super) postfix: u32,
    /// By Postfix from [`DETOUR`].
    pub(super) detour: u32,
    pub(super) exim: u32,
    /// Whether what Exim sends is from [`DETOUR`].
    pub(super) exim_detour: bool,
    /// Beside the above, so many of 20 MB by Postfix, and as many by Exim.
    pub(super) big: u32,
    pub(super) swaks: u32,
    pub(super) source: usize,
}

/// All of them.
pub(super) struct Senders {
    pub(super) postfix: Postfix,
    pub(super) exim: Exim,
    _signer: Signer,
    /// Postfix' machine, the tools' too.
    pub(super) host: Host,
}

/// Their machines, before anything runs there.
pub(super) struct Place {
    host: Host,
    exim: Host,
    key: Key,
}

impl Place {
    pub(super) fn build(lab: &Lab) -> Result<Self> {
        let host = lab.host("sender", &[ADDRESSES[0]])?;
        let exim = lab.host("sender2", &[ADDRESSES[1]])?;
        for host in [&host, &exim] {
            host.resolve_through(RESOLVER.parse()?)?;
        }
        let key = Key::make(&host, DOMAIN, "lab")?;
        Ok(Self { host, exim, key })
    }

    /// Their zone, as `server` serves it.
    pub(super) fn zone(&self, server: &str) -> String {
        let [postfix, exim] = ADDRESSES;
        let record = &self.key.record;
        format!(
            "$ORIGIN {DOMAIN}.\n$TTL 60\n@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A {server}\n\
             @ A {postfix}\n@ MX 10 @\n@ TXT \"v=spf1 ip4:{postfix} ip4:{exim} -all\"\n\
             exim A {exim}\numweg A {postfix}\numweg MX 10 @\n\
             umweg TXT \"v=spf1 ip4:{postfix} ip4:{exim} -all\"\n{record}\n"
        )
    }
}

impl Senders {
    pub(super) fn start(place: Place) -> Result<Self> {
        let Place { host, exim, key } = place;
        let signer = Signer::start(&host, &key)?;
        let detour = "mx2.verein.test";
        let maps = format!("inline:{{ @{DETOUR}=[{detour}] }}");
        let setting = Setting::sender(DOMAIN)
            // The laboratory's cables are short.
            .line("smtp_connect_timeout", "1s")
            .line("non_smtpd_milters", &signer.milter())
            .line("sender_dependent_relayhost_maps", &maps);
        let postfix = Postfix::start_with(&host, &setting)?;
        let setting = exim::Setting::sender("exim.sender.test", &key, (DETOUR, detour));
        let exim = Exim::start(&exim, &setting)?;
        Ok(Self {
            postfix,
            exim,
            _signer: signer,
            host,
        })
    }

    /// Everybody sends a share; the tools to the last MX while the first one lives (`detour`), and
    /// else to the first that answers. Postfix and Exim have it in their queues when this returns.
    pub(super) fn send(&self, book: &mut Book, share: &Share, detour: bool) -> Result<()> {
        let by_postfix = [
            book.mails(DOMAIN, &PEOPLE, share.postfix, share.big),
            book.mails(DETOUR, &PEOPLE, share.detour, 0),
        ]
        .concat();
        self.postfix.inject_all(&by_postfix)?;
        book.sent(&by_postfix, true);
        let from = if share.exim_detour { DETOUR } else { DOMAIN };
        // Batched SMTP brings no address beyond ASCII into an Exim.
        let by_exim = book.mails(from, &PEOPLE[..2], share.exim, share.big);
        self.exim.inject_all(&by_exim)?;
        book.sent(&by_exim, true);
        let server = self.server(detour)?;
        let by_swaks = book.mails(DOMAIN, &PEOPLE[..2], share.swaks, 0);
        for mail in &by_swaks {
            self.by_swaks(server, mail)?;
        }
        book.sent(&by_swaks, false);
        self.storm(server, share.source)?;
        book.stormed(share.source);
        Ok(())
    }

    /// Where the tools send to.
    pub(super) fn server(&self, detour: bool) -> Result<SocketAddr> {
        let servers = mail_servers(&self.host, "verein.test")?;
        if detour {
            return servers.last().copied().context("no mail server");
        }
        first_answering(&self.host, &servers)
    }

    fn by_swaks(&self, server: SocketAddr, mail: &Mail) -> Result<()> {
        let said = swaks_message(&self.host, server, &mail.from, &mail.to, &mail.bytes)?;
        ensure!(
            said.is_taken(),
            "{server} did not take number {}: {}",
            mail.number,
            said.text
        );
        Ok(())
    }

    /// Many at once.
    fn storm(&self, server: SocketAddr, messages: usize) -> Result<()> {
        let source = Source {
            messages,
            sessions: 20,
            length: STORM_LENGTH,
            ..Source::new(server, TOOL, STORM)
        };
        smtp_source(&self.host, &source)
    }

    /// What a server says to RCPT.
    pub(super) fn asks_for(&self, server: SocketAddr, to: &str) -> Result<Dialogue> {
        let words = ["--from", WRITER, "--to", to, "--quit-after", "RCPT"];
        swaks(&self.host, server, &words)
    }

    /// How many messages Exim gave to this address by BDAT: its log marks them with `K`.
    pub(super) fn by_bdat(&self, address: &str) -> usize {
        let place = format!("[{address}]");
        let log = self.exim.log();
        log.lines()
            .filter(|line| {
                let mut words = line.split(' ').skip_while(|word| *word != "=>");
                words.next().is_some() && line.contains(&place) && words.any(|word| word == "K")
            })
            .count()
    }
}
