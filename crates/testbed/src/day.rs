//! The scenarios of the `e2e` binary, each a day in the life of an organisation, or a proof
//! that the machine room itself works. One file each; a new one gets its line in [`SCENARIOS`].

mod apache;
mod big;
mod cable;
mod causes;
mod coverage;
mod crash;
mod dns;
mod exim;
mod generated;
mod mail;
mod mailcrash;
mod mailguests;
mod mailpeers;
mod mailprimaries;
mod mistakes;
mod observer;
mod peers;
mod postfix;
mod process;
mod stage_set;
mod usual;
mod zone;

use anyhow::Result;

use crate::report::Report;

/// A scenario: fails by returning an error.
pub type Scenario = fn(&mut Report) -> Result<()>;

/// All scenarios in the order in which they run: name, what it shows, how.
pub const SCENARIOS: &[(&str, &str, Scenario)] = &[
    (
        "peers",
        "nginx, Knot and Unbound serve each other; a cut cable is silent and heals",
        peers::run,
    ),
    (
        "generated",
        "nginx serves the generated website as its list says",
        generated::run,
    ),
    (
        "postfix",
        "Postfix starts with its own queue, answers 220 and ends",
        postfix::run,
    ),
    (
        "mail",
        "mail passes through, is kept while Postfix is dark, and is handed back, each once",
        mail::run,
    ),
    (
        "mail-exim",
        "the same day of mail with Exim as the primary",
        mail::run_exim,
    ),
    (
        "mail-cuts",
        "connections break before the primary's 250: each copy too many is listed, Sieve hides it",
        mailguests::cuts,
    ),
    (
        "mail-dark-dns",
        "mail is taken as fast while no resolver answers",
        mailguests::dark_dns,
    ),
    (
        "mail-filter",
        "rspamd is asked about what is kept, and nothing depends on it; `ready` tries Postfix out",
        mailguests::filter,
    ),
    (
        "mail-image",
        "nobody reads in an image of the disk who writes to whom, nor what, locked or not",
        mailguests::image,
    ),
    (
        "mail-slow",
        "five thousand slow guests: memory is bounded, good guests hardly notice",
        mailguests::slow,
    ),
    (
        "mail-manners",
        "a primary with greylisting, lists, full mailboxes, a spam filter and small limits",
        mailprimaries::manners,
    ),
    (
        "mail-opensmtpd",
        "a short day of mail with OpenSMTPD as the primary",
        mailprimaries::opensmtpd,
    ),
    (
        "mail-lmtp",
        "a short day of mail with Dovecot's LMTP server as the primary",
        mailprimaries::lmtp,
    ),
    (
        "mailpeers",
        "a sender finds the MX; Postfix gives Dovecot every message once, also after a power cut",
        mailpeers::run,
    ),
    (
        "exim",
        "Exim gives Dovecot every message once, also after a power cut, and holds when told to",
        exim::run,
    ),
    (
        "mail-kill",
        "ten kills while mail is kept and handed back: nothing acknowledged is lost",
        mailcrash::kill::run,
    ),
    (
        "mail-power",
        "ten power cuts of a real file system: nothing acknowledged is lost",
        mailcrash::power::run,
    ),
    (
        "mail-disk",
        "a full disk and a broken one: no promise that cannot be kept, and none is lost",
        mailcrash::disk::run,
    ),
    (
        "disk",
        "full, without inodes, read-only, frozen, dead: names, page and start page are never silent",
        mailcrash::everything::run,
    ),
    (
        "mistakes",
        "ten mistakes in the configuration are ten messages, and exit code 64",
        mistakes::run,
    ),
    (
        "cable",
        "all of the organisation's cables are pulled: the whole day",
        cable::run,
    ),
    (
        "causes",
        "eleven faults of real servers: each has its cause, moves what it should, and heals",
        causes::run,
    ),
    (
        "process",
        "nginx is killed, its machine lives: cause service, and back",
        process::run,
    ),
    (
        "web-apache",
        "Apache bans who guesses passwords: a ban of the standby is asked about, nothing moves",
        apache::run,
    ),
    (
        "zone",
        "www is a CNAME into the standby's small zone; the web server's cable is pulled",
        zone::run,
    ),
    (
        "default",
        "at default settings: the first page within 30 s of the last good one",
        usual::run,
    ),
    (
        "observer",
        "the standby's own cable is pulled, and mode observe: nothing moves",
        observer::run,
    ),
    (
        "coverage",
        "`ready` knows the standby's share of the delegation",
        coverage::run,
    ),
    (
        "big",
        "100,000 records, and 100 zones beside the website below 256 MB",
        big::run,
    ),
    (
        "dns-powerdns",
        "PowerDNS is the primary: ten changes by NOTIFY, the zones are the same after each",
        dns::run_powerdns,
    ),
    (
        "dns-bind",
        "the same with BIND, by differences",
        dns::run_bind,
    ),
    ("dns-nsd", "the same with NSD", dns::run_nsd),
    (
        "dns-large",
        "200,000 records at BIND stay the same through changes of thousands",
        dns::run_large,
    ),
    (
        "crash",
        "twenty power cuts: nothing acknowledged is lost",
        crash::run,
    ),
];
