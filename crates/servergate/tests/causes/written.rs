//! `docs/causes.md`, written from the table.

use std::fmt::Write as _;
use std::path::Path;

use bulletin::{Language, measured_sentence};
use model::{Cause, Effect, Service, Standing};

use super::{Does, Row};

/// Set to `write`, the manual is written anew instead of being compared.
const WISH: &str = "SERVERGATE_CAUSES";
const COMMAND: &str = "SERVERGATE_CAUSES=write cargo test -p servergate --test main causes";

/// Compares the manual with what the table says, or writes it.
pub(super) fn check(rows: &[Row], standings: &[Standing]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/causes.md");
    let text = text(rows, standings);
    if std::env::var(WISH).is_ok_and(|wish| wish == "write") {
        std::fs::write(&file, text).expect("the manual is written");
        return;
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == text,
        "docs/causes.md is not what the code says; write it anew: {COMMAND}"
    );
}

const HEAD: &str = "\
# Causes: what is measured, what it is called, what is done

Servergate names a cause only where what it measured allows that, and says no more than was
measured: never who, never why. This page is written by the test of the fault matrix
(`crates/servergate/tests/causes`) from what the program does; it is not edited by hand.

A cause is what more than half of the places that fail agree on; where they do not, it is
`unknown`. Before a cause counts, a burst of three more probes has to fail at a majority of the
places that see their own references.

## What a cause does

| cause | what it means | website | mail | chat | names |
|---|---|---|---|---|---|
";

const MEANINGS: [(Cause, &str); CAUSES] = [
    (Cause::Silent, "the address answers nothing"),
    (
        Cause::Host,
        "a router says that the machine is gone, its neighbours live",
    ),
    (Cause::Network, "neighbours and routers are silent too"),
    (
        Cause::Service,
        "the address lives, the service on it says nothing or refuses",
    ),
    (
        Cause::Tls,
        "no secure connection that can be trusted, and nothing speaks for somebody else",
    ),
    (Cause::Application, "it answers, and not as it should"),
    (Cause::Overload, "it turns requests away for the time being"),
    (
        Cause::Denied,
        "it turns visitors, or this standby, away on purpose",
    ),
    (Cause::Unstable, "it fails and answers in turn"),
    (Cause::HoldingPage, "another page than the right one"),
    (
        Cause::ForeignCertificate,
        "a certificate for another name, or another key that nobody we trust vouches for",
    ),
    (
        Cause::Block,
        "some networks reach it and others do not; not concluded by this version",
    ),
    (
        Cause::DnsServer,
        "the name servers do not answer as they should",
    ),
    (
        Cause::DnsData,
        "the name servers answer, and the zone is not in it",
    ),
    (
        Cause::DnsDelegation,
        "the parent names other servers; not concluded by this version",
    ),
    (Cause::Path, "a minority of the places does not reach it"),
    (Cause::BelowQuorum, "too few places to judge"),
    (Cause::Observer, "we ourselves see nothing"),
    (Cause::NotMeasured, "nobody measured it in time"),
    (Cause::Unknown, "anything else"),
];
const CAUSES: usize = 20;

const NOTES: &str = "
**451.** When a primary says that it may not serve, its own notice goes on being shown, through the
standby too, and no copy stands in for it: not in this outage any more, also if the primary falls
silent after that, and also if the copy was being served before. That ends with a named person's
`yes` to the question, which says so, or with a named person's order `failover`.

**A ban of the standby.** 403, or a permanent refusal in a greeting or to EHLO, may mean this
standby alone; from one place nobody can tell. Therefore it asks. A ban that drops packets looks
like silence: exempt the standby's address at the primary, and probe from more places than one.

**Retry-After** in seconds, of 503 and 429, is kept with the evidence. It changes no decision.

**Not measured:** whether a zone's serial is the newest, whether its signatures hold, what stands
on pages other than the start page, and whether a page with the mark is the right one otherwise.
Over TLS the probe speaks HTTP/1.1; a server that knows HTTP/2 alone fails for it.
";

fn text(rows: &[Row], standings: &[Standing]) -> String {
    let mut text = HEAD.to_owned();
    let services = [Service::Web, Service::Mail, Service::Chat, Service::Names];
    for (cause, meaning) in MEANINGS {
        let does = services.map(|service| effect(cause.effect(service)));
        let [web, mail, chat, names] = does;
        let _ = writeln!(
            text,
            "| `{cause}` | {meaning} | {web} | {mail} | {chat} | {names} |"
        );
    }
    text.push_str(NOTES);
    let mut group = "";
    for (row, standing) in rows.iter().zip(standings) {
        if row.group != group {
            group = row.group;
            let _ = write!(
                text,
                "\n## {group}\n\n| what happens | cause | Servergate | the page says | die Seite sagt |\n\
                 |---|---|---|---|---|\n"
            );
        }
        let service = match (row.service, group) {
            (Service::Mail, "An address") => "mail: ",
            (Service::Web, "An address") => "website: ",
            _ => "",
        };
        let cause = row
            .cause
            .map_or("–".to_owned(), |cause| format!("`{cause}`"));
        let _ = writeln!(
            text,
            "| {service}{} | {cause} | {} | {} | {} |",
            row.what,
            does(row.does),
            measured_sentence(Language::English, standing),
            measured_sentence(Language::German, standing),
        );
    }
    text
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::TakeOver => "takes over",
        Effect::Support => "helps in front of it",
        Effect::RelayFirst => "relays first, copy where that fails",
        Effect::ServeOn => "serves the zones on",
        Effect::Ask => "asks a person",
        Effect::Withhold => "asks, no copy until then",
        Effect::Say => "says it, moves nothing",
    }
}

fn does(does: Does) -> &'static str {
    match does {
        Does::Nothing => "all is well",
        Does::Says => "says it, moves nothing",
        Does::TakesOver => "takes over",
        Does::Helps => "helps in front of it",
        Does::RelaysFirst => "stands in front: relays first, copy where that fails",
        Does::ServesOn => "serves the zones on",
        Does::Asks => "asks a person",
        Does::Withholds => "asks, shows the primary's own notice until then",
    }
}
