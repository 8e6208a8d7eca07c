//! The table's rows of name servers, of whole addresses, of places that disagree, and of time.

use std::net::IpAddr;

use model::{Cause, CompanionKind, DnsFault, Failure, Phase, Reply, Sees, Service, TlsFault};

use super::seen::{Before, Script, Seen};
use super::{Does, Input, Row};

pub(super) fn all() -> Vec<Row> {
    let mut rows = names();
    rows.extend(addresses());
    rows.extend(places());
    rows.extend(times());
    rows
}

const ECHO: CompanionKind = CompanionKind::Echo;
const PORTS: [CompanionKind; 4] = [
    CompanionKind::Port(22),
    CompanionKind::Port(25),
    CompanionKind::Port(80),
    CompanionKind::Port(443),
];
const NEIGHBOUR: CompanionKind =
    CompanionKind::Neighbour(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 81)));
const ROUTER: CompanionKind =
    CompanionKind::Router(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)));

/// Echo and four ports, all with this reply.
fn beside(reply: Reply) -> Vec<(CompanionKind, Reply)> {
    let kinds = std::iter::once(ECHO).chain(PORTS);
    kinds.map(|kind| (kind, reply)).collect()
}

fn with(mut replies: Vec<(CompanionKind, Reply)>, around: Reply) -> Vec<(CompanionKind, Reply)> {
    replies.extend([(NEIGHBOUR, around), (ROUTER, around)]);
    replies
}

fn seen(
    group: &'static str,
    service: Service,
    what: &str,
    scripts: Vec<Script>,
    cause: Option<Cause>,
    does: Does,
) -> Row {
    Row {
        group,
        what: what.to_owned(),
        service,
        input: Input::Seen(Before::Good, scripts),
        cause,
        does,
    }
}

fn names() -> Vec<Row> {
    let quiet = || {
        Seen::failed(Failure::Silent {
            phase: Phase::Query,
        })
    };
    let dns = |fault| Seen::failed(Failure::Dns(fault));
    let one = |what: &str, seen_there: Seen, cause: Cause| {
        let scripts = vec![seen_there.always()];
        let group = "A name server";
        seen(
            group,
            Service::Names,
            what,
            scripts,
            Some(cause),
            Does::ServesOn,
        )
    };
    vec![
        one(
            "no answer; nothing else is asked of the address",
            quiet(),
            Cause::DnsServer,
        ),
        one(
            "no answer; the address answers an echo",
            quiet().beside(&[(ECHO, Reply::Answered)]),
            Cause::DnsServer,
        ),
        one(
            "no answer; another port refuses",
            quiet().beside(&[(PORTS[0], Reply::Refused)]),
            Cause::DnsServer,
        ),
        one(
            "no answer; echo and four ports are silent",
            quiet().beside(&beside(Reply::Silent)),
            Cause::Silent,
        ),
        one(
            "no answer; a router says unreachable, neighbours live",
            quiet().beside(&with(beside(Reply::Unreachable), Reply::Answered)),
            Cause::Host,
        ),
        one(
            "no answer; neighbours and routers are silent too",
            quiet().beside(&with(beside(Reply::Silent), Reply::Silent)),
            Cause::Network,
        ),
        one(
            "the port refuses",
            Seen::failed(Failure::Refused),
            Cause::DnsServer,
        ),
        one("SERVFAIL", dns(DnsFault::ServerFailure), Cause::DnsServer),
        one(
            "REFUSED, NOTAUTH or NOTIMP",
            dns(DnsFault::Refused),
            Cause::DnsServer,
        ),
        one(
            "an answer without authority (lame)",
            dns(DnsFault::NotAuthoritative),
            Cause::DnsServer,
        ),
        one(
            "bytes that are no answer, or cut short over TCP too",
            dns(DnsFault::Malformed),
            Cause::DnsServer,
        ),
        one(
            "NXDOMAIN, or no SOA where there was one",
            dns(DnsFault::NoSuchName),
            Cause::DnsData,
        ),
        one(
            "cut in the middle of an answer over TCP",
            Seen::failed(Failure::Reset {
                phase: Phase::Query,
            }),
            Cause::DnsServer,
        ),
    ]
}

fn addresses() -> Vec<Row> {
    let one = |service, what: &str, seen_there: Seen, cause: Cause| {
        let scripts = vec![seen_there.always()];
        let group = "An address";
        seen(group, service, what, scripts, Some(cause), Does::TakesOver)
    };
    use Service::{Mail, Web};
    let unreachable = || Seen::failed(Failure::Unreachable);
    let mut rows = vec![
        one(
            Web,
            "no answer; nothing else is asked of it",
            Seen::silent(),
            Cause::Silent,
        ),
        one(
            Web,
            "no answer; the kernel may not send an echo",
            Seen::silent().beside(&[(ECHO, Reply::NotAsked)]),
            Cause::Silent,
        ),
        one(
            Web,
            "no answer; it answers an echo",
            Seen::silent().beside(&[(ECHO, Reply::Answered)]),
            Cause::Service,
        ),
        one(
            Web,
            "no answer; another port refuses",
            Seen::silent().beside(&[(PORTS[0], Reply::Refused)]),
            Cause::Service,
        ),
        one(
            Web,
            "no answer to the hand-shake until the last moment",
            Seen::failed(Failure::Silent {
                phase: Phase::Greeting,
            }),
            Cause::Service,
        ),
        one(
            Web,
            "a router says unreachable; of neighbours nothing is known",
            unreachable(),
            Cause::Silent,
        ),
        one(
            Web,
            "neighbours answer, no router says anything",
            Seen::silent().beside(&with(beside(Reply::Silent), Reply::Answered)),
            Cause::Silent,
        ),
        one(
            Mail,
            "TLS with another key than the known one, by nobody we trust, and no proof asked for",
            Seen::failed(Failure::Tls(TlsFault::Foreign)),
            Cause::ForeignCertificate,
        ),
    ];
    rows[7].does = Does::Asks;
    for service in [Web, Mail] {
        rows.push(one(
            service,
            "no answer; echo and four ports are silent",
            Seen::silent().beside(&beside(Reply::Silent)),
            Cause::Silent,
        ));
        rows.push(one(
            service,
            "a router says unreachable, neighbours live",
            unreachable().beside(&with(beside(Reply::Unreachable), Reply::Answered)),
            Cause::Host,
        ));
        rows.push(one(
            service,
            "neighbours and routers are silent too",
            Seen::silent().beside(&with(beside(Reply::Silent), Reply::Silent)),
            Cause::Network,
        ));
    }
    rows
}

fn places() -> Vec<Row> {
    let good = || Seen::good().always();
    let quiet = || Seen::silent().always();
    let blind = || Seen::silent().seeing(Sees::Nothing).always();
    let status = |code| Seen::failed(Failure::Status(code)).always();
    let row = |what: &str, scripts: Vec<Script>, cause: Option<Cause>, does| {
        seen("Several places", Service::Web, what, scripts, cause, does)
    };
    use Does::{Asks, Says, TakesOver};
    vec![
        row(
            "one of three does not reach it",
            vec![quiet(), good(), good()],
            Some(Cause::Path),
            Says,
        ),
        row(
            "one of two does not reach it",
            vec![quiet(), good()],
            Some(Cause::Path),
            Says,
        ),
        row(
            "two of three do not reach it",
            vec![quiet(), quiet(), good()],
            Some(Cause::Silent),
            TakesOver,
        ),
        row(
            "one of three is denied",
            vec![status(403), good(), good()],
            Some(Cause::Path),
            Says,
        ),
        row(
            "two of three are denied",
            vec![status(403), status(401), good()],
            Some(Cause::Denied),
            Asks,
        ),
        row(
            "two see different faults, none the majority's",
            vec![status(403), status(500)],
            Some(Cause::Unknown),
            Says,
        ),
        row(
            "our own references are silent too",
            vec![blind()],
            Some(Cause::Observer),
            Says,
        ),
        row(
            "one of three is blind, the others do not reach it",
            vec![blind(), quiet(), quiet()],
            Some(Cause::Silent),
            TakesOver,
        ),
        row(
            "our own machine could not send",
            vec![Seen::failed(Failure::Local).always()],
            Some(Cause::NotMeasured),
            Says,
        ),
        row(
            "one place alone, without references",
            vec![Seen::silent().seeing(Sees::NotConfigured).always()],
            Some(Cause::Observer),
            Says,
        ),
    ]
}

fn times() -> Vec<Row> {
    let row = |what: &str, script: Script, cause: Option<Cause>, does| {
        seen(
            "In the course of time",
            Service::Web,
            what,
            vec![script],
            cause,
            does,
        )
    };
    let status = |code| Some(Seen::failed(Failure::Status(code)));
    use Does::{Nothing, TakesOver, Withholds};
    let mut rows = vec![
        row(
            "five seconds without an answer",
            Box::new(|second| {
                Some(if second < 5 {
                    Seen::silent()
                } else {
                    Seen::good()
                })
            }),
            None,
            Nothing,
        ),
        row(
            "451, and silence after it",
            Box::new(move |second| {
                if second < 60 {
                    status(451)
                } else {
                    Some(Seen::silent())
                }
            }),
            Some(Cause::Silent),
            Withholds,
        ),
        row(
            "silence, and 451 after it",
            Box::new(move |second| {
                if second < 60 {
                    Some(Seen::silent())
                } else {
                    status(451)
                }
            }),
            Some(Cause::Denied),
            Withholds,
        ),
        row(
            "503 first, then silence",
            Box::new(move |second| {
                if second < 60 {
                    status(503)
                } else {
                    Some(Seen::silent())
                }
            }),
            Some(Cause::Silent),
            TakesOver,
        ),
    ];
    let turns = |failure: Failure| -> Script {
        Box::new(move |second| {
            let fails = (second / 10).is_multiple_of(2);
            Some(if fails {
                Seen::failed(failure.clone())
            } else {
                Seen::good()
            })
        })
    };
    let quiet = Failure::Silent {
        phase: Phase::Connect,
    };
    let unstable = Some(Cause::Unstable);
    rows.extend([
        row(
            "ten seconds silent, ten seconds well, and so on",
            turns(quiet),
            unstable,
            Does::RelaysFirst,
        ),
        row(
            "ten seconds 503, ten seconds well, and so on",
            turns(Failure::Status(503)),
            unstable,
            Does::RelaysFirst,
        ),
        row(
            "ten seconds 403, ten seconds well, and so on",
            turns(Failure::Status(403)),
            unstable,
            Does::Asks,
        ),
        row(
            "ten seconds 451, ten seconds well, and so on",
            turns(Failure::Status(451)),
            unstable,
            Withholds,
        ),
    ]);
    for (what, before) in [
        (
            "never seen as it should be since it is configured so: silence",
            Before::NeverGood,
        ),
        ("silence, and there is no copy", Before::NoCopy),
    ] {
        let mut row = row(
            what,
            Seen::silent().always(),
            Some(Cause::Silent),
            Does::Asks,
        );
        if let Input::Seen(how, _) = &mut row.input {
            *how = before;
        }
        rows.push(row);
    }
    rows
}
