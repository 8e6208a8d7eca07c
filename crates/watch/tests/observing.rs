//! What leaves the part as a measured fact, and what does not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::{CompanionKind, Failure, Finding, Observation, Phase, Purpose, Reply, Sees};
use watch::{Burst, Probe};

use crate::{Standby, listen, nobody, target};

fn scheduled(observation: &Observation) -> bool {
    observation.purpose == Purpose::Scheduled
}

#[tokio::test]
async fn a_good_target_is_observed_again_and_again() {
    let mut standby = Standby::new();
    let (listener, address) = listen().await;
    let running = standby
        .run(|config| config.targets.push(target(Probe::Tcp { address })))
        .await;
    let mut last = None;
    for _ in 0..3 {
        let observation = standby.observed().await;
        assert_eq!(observation.place.as_str(), "oslo");
        assert_eq!(&*observation.target.name, format!("tcp at {address}"));
        assert!(scheduled(&observation) && observation.finding.is_good());
        assert_eq!(observation.phases[0].phase, Phase::Connect);
        // Only a failing target is a reason to look further.
        assert_eq!(observation.sees, Sees::NotAsked);
        assert!(observation.companions.is_empty());
        assert!(last.is_none_or(|last| last < observation.at));
        last = Some(observation.at);
    }
    drop(listener);
    running.end().await;
    let text = standby.host.metrics.text();
    let counted = "servergate_watch_probes_total{kind=\"tcp\",result=\"good\"}";
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("servergate_watch_late_seconds_count"));
}

#[tokio::test]
async fn a_burst_is_three_probes_start_to_start_with_its_number() {
    let mut standby = Standby::new();
    let address = nobody().await;
    let mut config = target(Probe::Tcp { address });
    // No slot comes before the burst is over.
    config.interval = Duration::from_secs(3_600);
    let burst = Burst {
        number: 7,
        target: config.target.clone(),
    };
    let stranger = Burst {
        number: 8,
        target: target(Probe::Icmp {
            address: address.ip(),
        })
        .target,
    };
    let running = standby.run(|all| all.targets.push(config)).await;
    running.bursts.send(stranger).await.unwrap();
    running.bursts.send(burst).await.unwrap();
    // Their distance is the timetable's own test; here a busy machine may bend it.
    let mut heard = 0;
    while heard < 3 {
        let observation = standby.observed().await;
        if scheduled(&observation) {
            continue;
        }
        assert_eq!(observation.purpose, Purpose::Burst(7));
        assert_eq!(observation.finding, Finding::Failed(Failure::Refused));
        heard += 1;
    }
    running.end().await;
    let text = standby.host.metrics.text();
    assert!(
        text.contains("servergate_watch_bursts_refused_total 1"),
        "{text}"
    );
}

async fn seen_with(references: Vec<SocketAddr>) -> Observation {
    let mut standby = Standby::new();
    let address = nobody().await;
    let (_listener, open) = listen().await;
    let closed = nobody().await;
    let neighbour = IpAddr::from([127, 0, 0, 2]);
    let mut config = target(Probe::Tcp { address });
    config.companions.ports = vec![open.port(), closed.port(), address.port()];
    config.companions.neighbours = vec![neighbour];
    let running = standby
        .run(|all| {
            all.references = references;
            all.targets.push(config);
        })
        .await;
    let observation = standby.observed().await;
    running.end().await;
    let reply = |kind: CompanionKind| {
        let find = |companion: &&model::Companion| companion.kind == kind;
        let companion = observation.companions.iter().find(find);
        companion.map(|companion| companion.reply)
    };
    assert_eq!(
        reply(CompanionKind::Port(open.port())),
        Some(Reply::Answered)
    );
    assert_eq!(
        reply(CompanionKind::Port(closed.port())),
        Some(Reply::Refused)
    );
    // The probe's own port needs no second question.
    assert_eq!(reply(CompanionKind::Port(address.port())), None);
    // Depends on what this machine permits.
    let echoes = [Some(Reply::Answered), Some(Reply::NotAsked)];
    // Our own kernel would answer for loopback: that is not asked.
    assert_eq!(reply(CompanionKind::Echo), None);
    assert!(echoes.contains(&reply(CompanionKind::Neighbour(neighbour))));
    observation
}

#[tokio::test]
async fn a_failure_comes_with_what_we_see_of_our_references() {
    let (_listener, alive) = listen().await;
    let refusing = nobody().await;
    // An address that this machine has no way to.
    let gone: SocketAddr = "[fe80::1]:53".parse().unwrap();
    let table = [
        (vec![gone, alive], Sees::References),
        (vec![refusing], Sees::References),
        (vec![gone], Sees::Nothing),
        (vec![], Sees::NotConfigured),
    ];
    for (references, sees) in table {
        let observation = seen_with(references.clone()).await;
        assert_eq!(observation.sees, sees, "{references:?}");
        assert_eq!(observation.finding, Finding::Failed(Failure::Refused));
    }
}

#[tokio::test]
async fn what_never_steers_is_shown_and_not_reported() {
    let mut standby = Standby::new();
    let address = nobody().await;
    let (_listener, other) = listen().await;
    let mut shown_only = target(Probe::Tcp { address });
    shown_only.steering = false;
    let steering = target(Probe::Tcp { address: other });
    let mut shown = None;
    let running = standby
        .run(|all| {
            shown = Some(all.shown.clone());
            all.targets = vec![shown_only.clone(), steering.clone()];
        })
        .await;
    let shown = shown.unwrap();
    let mut rounds = 0;
    // Every observation that is reported is of the steering target, until the other is shown.
    while shown.last().is_empty() || rounds < 3 {
        let observation = standby.observed().await;
        assert_eq!(observation.target, steering.target);
        rounds += 1;
    }
    running.end().await;
    let last = shown.last();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].target, shown_only.target);
    assert_eq!(last[0].finding, Finding::Failed(Failure::Refused));
    assert!(last[0].companions.is_empty());
}
