//! What a mail server's failures speak for, and who it proved to be.

use super::*;
use crate::{Effect, PhaseTime, TlsFault};

fn cause(failure: Failure, waited: u64) -> Cause {
    let phase = Phase::Greeting;
    cause::of(&Observation::measured(
        PlaceId::new("oslo"),
        Target {
            service: ServiceId::new(OrganisationId::new("verein.test"), Service::Mail),
            name: "smtp mail.verein.test at 198.51.100.25:25".into(),
        },
        Timestamp::default(),
        Purpose::Scheduled,
        vec![PhaseTime {
            phase,
            micros: waited,
        }],
        Finding::Failed(failure),
        Sees::References,
        vec![],
    ))
}

#[test]
fn a_mail_servers_failures_have_causes() {
    let phase = Phase::Greeting;
    let table = [
        // The kernel takes the connection and the program hangs.
        (Failure::Silent { phase }, Cause::Service, Effect::TakeOver),
        (Failure::Reset { phase }, Cause::Service, Effect::TakeOver),
        (
            Failure::Malformed { phase },
            Cause::Application,
            Effect::TakeOver,
        ),
        (Failure::Reply(421), Cause::Overload, Effect::Support),
        (Failure::Reply(451), Cause::Overload, Effect::Support),
        // A ban of this standby's address, whatever number it has.
        (Failure::Reply(554), Cause::Denied, Effect::Ask),
        (Failure::Reply(550), Cause::Denied, Effect::Ask),
        (Failure::Reply(571), Cause::Denied, Effect::Ask),
        // A server that does not know EHLO says nothing about us.
        (Failure::Reply(502), Cause::Application, Effect::TakeOver),
        (
            Failure::Tls(TlsFault::NotOffered),
            Cause::Tls,
            Effect::TakeOver,
        ),
        (
            Failure::Tls(TlsFault::Foreign),
            Cause::ForeignCertificate,
            Effect::Ask,
        ),
        (Failure::Refused, Cause::Service, Effect::TakeOver),
        (Failure::Unreachable, Cause::Silent, Effect::TakeOver),
        (Failure::Local, Cause::NotMeasured, Effect::Say),
    ];
    for (failure, want, effect) in table {
        assert_eq!(cause(failure.clone(), 2_900_000), want, "{failure}");
        assert_eq!(want.effect(Service::Mail), effect, "{want}");
    }
    // The connection stood in the last moment: nobody was given time to greet.
    assert_eq!(cause(Failure::Silent { phase }, 400), Cause::Silent);
}

#[test]
fn whoever_answers_without_a_proof_is_not_the_one_known() {
    let mut one = detector(&["oslo"]);
    let known = Identity("spki:1".into());
    let proved = Finding::Good {
        identity: Some(known.clone()),
    };
    let now = |seconds: u64| at(seconds).wall;
    let mut verdict = |seconds: u64, purpose, finding: Finding| {
        let input = observed("oslo", at(seconds), purpose, finding, Sees::References);
        let mut out = Vec::new();
        one.handle(at(seconds), input, &mut out);
        out.into_iter().rev().find_map(|action| match action {
            DetectorAction::Verdict(verdict) => Some(verdict),
            DetectorAction::Burst { .. } => None,
        })
    };
    let first = verdict(0, Purpose::Scheduled, proved).expect("reachable");
    assert_eq!(first.identity, Some(known));
    verdict(10, Purpose::Scheduled, silent());
    for seconds in [13, 16] {
        verdict(seconds, Purpose::Burst(1), silent());
    }
    let dark = verdict(19, Purpose::Burst(1), silent()).expect("dark");
    assert_eq!(dark.condition, Condition::Dark);
    let back = verdict(60, Purpose::Scheduled, good()).expect("back");
    assert_eq!((back.identity.clone(), back.at), (None, now(60)));
}
