//! What a silent address is called, whatever is asked of it.

use super::*;

/// One address that answers nothing is one outage with one cause, whatever is asked of it.
#[test]
fn a_silent_address_has_one_cause_for_all_services() {
    let cause = |of: Service, failure: &Failure, companions: &[(CompanionKind, Reply)]| {
        let companion = |&(kind, reply): &(CompanionKind, Reply)| Companion { kind, reply };
        cause::of(&Observation::measured(
            PlaceId::new("oslo"),
            Target {
                service: ServiceId::new(OrganisationId::new("verein.test"), of),
                name: "x".into(),
            },
            Timestamp::default(),
            Purpose::Scheduled,
            vec![],
            Finding::Failed(failure.clone()),
            Sees::References,
            companions.iter().map(companion).collect(),
        ))
    };
    let phase = Phase::Connect;
    let (web, names) = (
        Failure::Silent { phase },
        Failure::Silent {
            phase: Phase::Query,
        },
    );
    let all = [
        CompanionKind::Echo,
        CompanionKind::Port(22),
        CompanionKind::Port(80),
        CompanionKind::Port(443),
        CompanionKind::Port(25),
    ];
    let quiet = all.map(|kind| (kind, Reply::Silent));
    let near = CompanionKind::Neighbour([192, 0, 2, 1].into());
    let router = CompanionKind::Router([192, 0, 2, 254].into());
    let mut host = quiet.to_vec();
    host[0].1 = Reply::Unreachable;
    host.extend([(near, Reply::Answered), (router, Reply::Answered)]);
    let mut network = quiet.to_vec();
    network.extend([(near, Reply::Silent), (router, Reply::Silent)]);
    for (beside, want) in [
        (&quiet[..], Cause::Silent),
        (&host[..], Cause::Host),
        (&network[..], Cause::Network),
    ] {
        for of in [Service::Web, Service::Mail, Service::Chat] {
            assert_eq!(cause(of, &web, beside), want);
        }
        assert_eq!(cause(Service::Names, &names, beside), want);
        assert_eq!(cause(Service::Names, &Failure::Unreachable, beside), want);
    }
    let mut alive = quiet;
    alive[4].1 = Reply::Refused;
    assert_eq!(cause(Service::Names, &names, &alive), Cause::DnsServer);
    assert_eq!(cause(Service::Web, &web, &alive), Cause::Service);
    // Nothing else was asked of the address: nothing is said of it.
    assert_eq!(cause(Service::Names, &names, &[]), Cause::DnsServer);
}
