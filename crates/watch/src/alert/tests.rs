//! Who is told what and when: one message at the beginning, one at the end, never a storm.

mod mail;

use std::sync::Arc;

use model::{
    Cause, Companion, CompanionKind, Effect, Epoch, Failure, Finding, Mode, Observation, Phase,
    PhaseTime, PlaceId, PlaceView, Purpose, Question, Reply, Role, Sees, Service, StateName,
    Target, Topic, Verdict,
};

use super::*;
use crate::config::Way;

const TOGETHER: Duration = Duration::from_secs(5);

fn now(seconds: u64) -> Now {
    Now {
        mono: Mono::at(Duration::from_secs(1_000 + seconds)),
        wall: Timestamp::from_millis(1_779_268_400_000).after(Duration::from_secs(seconds)),
    }
}

fn service(organisation: &str, service: Service) -> ServiceId {
    ServiceId::new(OrganisationId::new(organisation), service)
}

fn standing(service: &ServiceId, at: u64, condition: Condition, outage: Option<u64>) -> Standing {
    let since = now(outage.unwrap_or(at)).wall;
    let target = Target {
        service: service.clone(),
        name: "https://verein.test/ at 198.51.100.80:443".into(),
    };
    let phase = Phase::Connect;
    let finding = Finding::Failed(Failure::Silent { phase });
    let time = PhaseTime {
        phase,
        micros: 3_000_400,
    };
    let beside = |kind, reply| Companion { kind, reply };
    let evidence = Observation::measured(
        PlaceId::new("oslo"),
        target,
        since,
        Purpose::Burst(1),
        vec![time],
        finding.clone(),
        Sees::References,
        vec![
            beside(CompanionKind::Echo, Reply::Silent),
            beside(CompanionKind::Port(22), Reply::NotAsked),
        ],
    );
    let dark = condition == Condition::Dark;
    let view = PlaceView {
        place: PlaceId::new("oslo"),
        votes: true,
        finding: Some(finding),
        at: Some(since),
    };
    let verdict = Verdict {
        service: service.clone(),
        condition,
        cause: match condition {
            Condition::Dark => Some(Cause::Silent),
            Condition::Blind => Some(Cause::Observer),
            _ => None,
        },
        at: now(at).wall,
        since,
        last_good: Some(now(0).wall),
        identity: None,
        places: vec![view],
        evidence: vec![evidence],
    };
    Standing {
        service: service.clone(),
        role: if dark { Role::Acting } else { Role::Standby },
        epoch: Epoch(1),
        since,
        state: StateName::Serving,
        mode: Mode::Act,
        would: None,
        effect: dark.then_some(Effect::TakeOver),
        relay: false,
        handback: false,
        doubt: None,
        verdict: Some(Arc::new(verdict)),
        outage: outage.map(|at| OutageId::of(service, now(at).wall)),
        held_by: None,
        question: None,
    }
}

/// The machine, a world of services, and every message in the order it went out.
struct World {
    desk: Desk,
    standings: BTreeMap<ServiceId, Standing>,
    sent: Vec<(u64, Message)>,
    /// Whether deliveries succeed.
    door: bool,
    second: u64,
}

impl World {
    fn new() -> Self {
        Self {
            desk: Desk::new(Before::default(), TOGETHER),
            standings: BTreeMap::new(),
            sent: Vec::new(),
            door: true,
            second: 0,
        }
    }

    fn set(&mut self, at: u64, standing: Standing) {
        self.run_to(at);
        self.standings.insert(standing.service.clone(), standing);
        let snapshot = Arc::new(self.standings.clone());
        let mut out = Vec::new();
        self.desk.follow(now(at), snapshot, &mut out);
        self.take(at, out);
    }

    fn dark(&mut self, at: u64, id: &ServiceId) {
        self.set(at, standing(id, at, Condition::Dark, Some(at)));
    }

    fn back(&mut self, at: u64, id: &ServiceId) {
        self.set(at, standing(id, at, Condition::Reachable, None));
    }

    fn take(&mut self, at: u64, mut out: Vec<Message>) {
        while let Some(message) = out.pop() {
            if self.door {
                self.desk.sent(now(at), &message, &mut out);
                self.sent.push((at, message));
            } else {
                self.desk.failed(now(at), &message, &mut out);
            }
        }
    }

    /// Lets all that is due until `at` happen.
    fn run_to(&mut self, at: u64) {
        let mut from = self.second;
        self.second = at;
        while let Some(next) = self
            .desk
            .next_wakeup(now(from))
            .filter(|next| *next <= now(at).mono)
        {
            let second = next.since(now(0).mono).as_secs().max(from);
            from = second;
            let mut out = Vec::new();
            self.desk.wake(now(second), &mut out);
            self.take(second, out);
        }
    }

    /// When, and what: `+web` began, `-web` ended, `~web` came and went.
    fn transcript(&self) -> Vec<String> {
        let line = |(at, message): &(u64, Message)| {
            let mut line = format!("{at}");
            for told in &message.outages {
                let sign = match (told.over, told.begin_told) {
                    (false, _) => '+',
                    (true, true) => '-',
                    (true, false) => '~',
                };
                line += &format!(" {sign}{}", told.service.service);
            }
            for (question, _) in &message.questions {
                line += &format!(" ?{question}");
            }
            for reminder in &message.reminders {
                line += &format!(" !{}", reminder.messages);
            }
            if let Some(blind) = message.blind {
                line += &format!(" blind×{}", blind.times);
            }
            line
        };
        self.sent.iter().map(line).collect()
    }
}

#[test]
fn one_message_at_the_beginning_and_one_at_the_end() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    world.back(0, &web);
    world.dark(10, &web);
    for at in 11..60 {
        world.set(at, standing(&web, at, Condition::Dark, Some(10)));
    }
    world.set(70, standing(&web, 70, Condition::Reachable, Some(10)));
    world.back(240, &web);
    world.run_to(10_000);
    assert_eq!(world.transcript(), ["15 +web", "245 -web"]);
}

#[test]
fn services_that_go_dark_together_are_one_message() {
    let mut world = World::new();
    let all = [Service::Web, Service::Mail, Service::Chat, Service::Names]
        .map(|name| service("verein.test", name));
    for (nth, id) in all.iter().enumerate() {
        world.dark(10 + 3 * nth as u64, id);
    }
    for id in &all {
        world.back(600, id);
    }
    world.run_to(10_000);
    let want = ["24 +chat +mail +names +web", "605 -chat -mail -names -web"];
    assert_eq!(world.transcript(), want);
}

#[test]
fn organisations_are_told_apart() {
    let mut world = World::new();
    world.dark(10, &service("verein.test", Service::Web));
    world.dark(11, &service("stadt.test", Service::Web));
    world.run_to(100);
    assert_eq!(world.transcript(), ["15 +web", "16 +web"]);
    assert_ne!(world.sent[0].1.about, world.sent[1].1.about);
}

#[test]
fn what_flaps_is_told_at_a_pace_and_every_time_is_told_or_counted() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    for round in 0..90 {
        world.dark(round * 40, &web);
        world.back(round * 40 + 20, &web);
    }
    world.run_to(3_599);
    assert!(world.sent.len() <= MOST + 6, "{:?}", world.transcript());
    // Memory stays bounded.
    assert!(world.desk.outages.len() <= KEPT_MOST + 2);
    world.run_to(20_000);
    let mut told: BTreeSet<_> = BTreeSet::new();
    let mut uncounted = 0;
    for (_, message) in &world.sent {
        told.extend(message.outages.iter().map(|told| told.outage.clone()));
        uncounted += message.uncounted;
    }
    assert_eq!(
        told.len() as u64 + uncounted,
        90,
        "{:?}",
        world.transcript()
    );
    assert!(world.desk.outages.is_empty());
    for pair in world.sent.windows(2).skip(MOST - 1) {
        assert!(pair[1].0 - pair[0].0 >= PACE.as_secs());
    }
    let last = &world.sent.last().unwrap().1;
    let written = words::write(last, world.desk.standings(), &Phrasebook::default());
    assert_eq!(written.subject, "verein.test: web reachable again");
    assert!(written.text.lines().count() < 20, "{}", written.text);
    assert!(written.text.contains("came and went"), "{}", written.text);
}

#[test]
fn the_first_word_of_an_outage_never_waits_for_what_was_said_of_other_services() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    for round in 0..20 {
        world.dark(round * 40, &web);
        world.back(round * 40 + 20, &web);
    }
    let before = world.sent.len();
    for (nth, name) in [Service::Mail, Service::Chat, Service::Names]
        .into_iter()
        .enumerate()
    {
        let at = 1_000 + 100 * nth as u64;
        world.dark(at, &service("verein.test", name));
        world.run_to(at + 5);
        assert!(
            world
                .transcript()
                .last()
                .unwrap()
                .contains(&format!("+{name}"))
        );
    }
    assert!(world.sent.len() >= before + 3);
    // Also what was spoken of already is told, at the latest when its turn comes.
    world.dark(1_400, &web);
    world.run_to(1_400 + PACE.as_secs());
    assert!(world.transcript().last().unwrap().contains("+web"));
}

#[test]
fn a_question_is_sent_whatever_was_sent_before() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    for round in 0..30 {
        world.dark(round * 40, &web);
        world.back(round * 40 + 20, &web);
    }
    let mut asking = standing(&web, 1_210, Condition::Dark, Some(1_210));
    asking.question = Some(Question {
        id: QuestionId::new("9"),
        service: web,
        topic: Topic::Return,
        asked: now(1_210).wall,
    });
    world.set(1_210, asking);
    // As soon as what comes together has come.
    world.run_to(1_210 + 15);
    assert!(
        world.transcript().last().unwrap().ends_with("?9"),
        "{:?}",
        world.transcript()
    );
}

#[test]
fn what_went_dark_together_is_told_as_back_together() {
    let [web, names] = [Service::Web, Service::Names].map(|one| service("verein.test", one));
    let mut world = World::new();
    world.dark(10, &web);
    world.dark(12, &names);
    // Two services of one machine come back seconds apart.
    world.back(600, &web);
    world.back(612, &names);
    world.run_to(1_000);
    assert_eq!(world.transcript(), ["17 +names +web", "615 -names -web"]);
    // One that stays away is not waited for longer than is honest.
    world.dark(2_000, &web);
    world.dark(2_001, &names);
    world.back(3_000, &web);
    world.run_to(5_000);
    world.back(5_000, &names);
    world.run_to(6_000);
    let want = ["2006 +names +web", "3030 -web", "5005 -names"];
    assert_eq!(world.transcript()[2..], want);
}

#[test]
fn what_is_just_being_confirmed_is_told_with_what_stands() {
    let [web, names] = [Service::Web, Service::Names].map(|one| service("verein.test", one));
    let mut world = World::new();
    world.set(9, standing(&names, 9, Condition::Suspect, None));
    world.dark(10, &web);
    world.dark(19, &names);
    world.run_to(100);
    assert_eq!(world.transcript(), ["24 +names +web"]);
}

#[test]
fn a_mass_outage_is_one_message_that_names_everybody_and_so_is_its_end() {
    let mut world = World::new();
    let all: Vec<_> = (0..300)
        .map(|nth| service(&format!("org{nth:03}.test"), Service::Web))
        .collect();
    for (nth, id) in all.iter().enumerate() {
        world.dark(10 + nth as u64 / 100, id);
    }
    world.run_to(300);
    let [(at, message)] = &world.sent[..] else {
        panic!("{} messages", world.sent.len());
    };
    assert!(*at <= 10 + 15, "told after {at} s");
    let written = words::write(message, world.desk.standings(), &Phrasebook::default());
    assert_eq!(written.subject, "300 organisations: web dark");
    assert!(written.text.contains(
        "org000.test: web dark since 2026-05-20T09:13:30Z (silent), Servergate is acting"
    ));
    assert!(
        written.text.contains("\nand 200 more: org100.test, "),
        "{}",
        written.text
    );
    for nth in 0..300 {
        assert!(written.text.contains(&format!("org{nth:03}.test")));
    }
    let json: serde_json::Value = serde_json::from_str(&written.json).unwrap();
    assert_eq!(json["outages"].as_array().unwrap().len(), 300);
    for (nth, id) in all.iter().enumerate() {
        world.back(600 + nth as u64 / 20, id);
    }
    world.run_to(1_000);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.sent[1].1.outages.len(), 300);
}

#[test]
fn who_did_not_measure_in_time_alerts_nobody() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    world.back(0, &web);
    let mut late = standing(&web, 20, Condition::Blind, None);
    let mut verdict = Verdict::clone(late.verdict.as_ref().unwrap());
    verdict.cause = Some(Cause::NotMeasured);
    late.verdict = Some(Arc::new(verdict));
    world.set(20, late);
    world.back(100, &web);
    world.run_to(1_000);
    assert!(world.sent.is_empty(), "{:?}", world.transcript());
}

#[test]
fn blindness_without_references_is_not_called_their_silence() {
    let blind = |references| {
        let blind = Some(Blindness {
            from: now(0).wall,
            to: now(60).wall,
            times: 1,
            references,
        });
        let message = Message {
            about: About::Ourselves,
            at: now(65).wall,
            holds: [About::Ourselves].into(),
            outages: Vec::new(),
            uncounted: 0,
            questions: Vec::new(),
            blind,
            disk: None,
            reminders: Vec::new(),
        };
        words::write(&message, &Standings::default(), &Phrasebook::default()).text
    };
    assert!(blind(true).contains("none of our references answered"));
    assert!(!blind(false).contains("none of our references answered"));
}

#[test]
fn an_outage_told_before_a_restart_is_not_told_again_but_its_end_is() {
    let web = service("verein.test", Service::Web);
    let outage = OutageId::of(&web, now(10).wall);
    let mut world = World::new();
    world.desk = Desk::new(
        Before {
            outages: vec![(outage, web.clone(), now(15).wall)],
            questions: Vec::new(),
            ..Before::default()
        },
        TOGETHER,
    );
    let mut out = Vec::new();
    world.desk.follow(now(15), Standings::default(), &mut out);
    world.set(20, standing(&web, 20, Condition::Dark, Some(10)));
    world.run_to(100);
    assert!(world.sent.is_empty());
    world.back(300, &web);
    world.run_to(400);
    assert_eq!(world.transcript(), ["305 -web"]);
}

#[test]
fn a_question_is_passed_on_once() {
    let web = service("verein.test", Service::Web);
    let question = Question {
        id: QuestionId::new("7"),
        service: web.clone(),
        topic: Topic::Return,
        asked: now(400).wall,
    };
    let mut asking = standing(&web, 400, Condition::Reachable, Some(10));
    asking.question = Some(question);
    let mut world = World::new();
    world.dark(10, &web);
    for at in [400, 410, 500] {
        world.set(at, asking.clone());
    }
    world.run_to(600);
    assert_eq!(world.transcript(), ["15 +web", "405 ?7"]);
    // After a restart it is known, even if the first snapshot is empty.
    world.desk = Desk::new(
        Before {
            outages: Vec::new(),
            questions: vec![QuestionId::new("7")],
            ..Before::default()
        },
        TOGETHER,
    );
    let mut out = Vec::new();
    world.desk.follow(now(600), Standings::default(), &mut out);
    world.set(610, asking);
    world.run_to(700);
    assert!(
        !world.transcript()[2..]
            .iter()
            .any(|line| line.contains('?'))
    );
}

#[test]
fn our_own_blindness_is_one_message_later() {
    let web = service("verein.test", Service::Web);
    let mail = service("stadt.test", Service::Mail);
    let mut world = World::new();
    world.back(0, &web);
    world.back(0, &mail);
    for id in [&web, &mail] {
        world.set(20, standing(id, 20, Condition::Blind, None));
    }
    world.run_to(500);
    assert!(world.sent.is_empty());
    world.back(600, &web);
    world.back(604, &mail);
    world.run_to(1_000);
    assert_eq!(world.transcript(), ["609 blind×1"]);
    let blind = world.sent[0].1.blind.unwrap();
    assert_eq!((blind.from, blind.to), (now(20).wall, now(604).wall));
}

#[test]
fn sight_lost_in_an_outage_is_not_its_end() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    world.dark(10, &web);
    world.set(100, standing(&web, 100, Condition::Blind, Some(10)));
    world.set(200, standing(&web, 200, Condition::Dark, Some(10)));
    world.run_to(1_000);
    assert_eq!(world.transcript(), ["15 +web", "205 blind×1"]);
}

#[test]
fn what_was_not_delivered_stays_news() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    world.door = false;
    world.dark(10, &web);
    world.run_to(600);
    world.door = true;
    world.run_to(1_000);
    assert_eq!(world.transcript(), ["615 +web"]);
}

#[test]
fn the_words_hold_cause_evidence_way_and_step() {
    let web = service("verein.test", Service::Web);
    let mut world = World::new();
    world.dark(10, &web);
    world.run_to(100);
    let way = Way {
        says: "Names are changed by hand; visitors arrive when its old TTL has passed.".to_owned(),
        step: Some("set www.verein.test A 192.0.2.7\nat https://registrar.test/dns".to_owned()),
    };
    let book = Phrasebook {
        place: Some(PlaceId::new("oslo")),
        ways: [(web, way)].into_iter().collect(),
        pages: [(
            OrganisationId::new("verein.test"),
            "https://status.verein.test/".to_owned(),
        )]
        .into(),
    };
    let written = words::write(&world.sent[0].1, world.desk.standings(), &book);
    assert_eq!(written.subject, "verein.test: web dark (silent)");
    let want = "\
verein.test: web dark (silent)
said by the standby oslo at 2026-05-20T09:13:35Z

web: dark since 2026-05-20T09:13:30Z (silent: the address answers nothing; the reason is not known)
  last seen good: 2026-05-20T09:13:20Z
  seen failing from 1 of 1 places:
    from oslo at 2026-05-20T09:13:30Z: https://verein.test/ at 198.51.100.80:443: no answer (connect); connect 3.000 s; our references answer; echo silent
  Servergate serves it since 2026-05-20T09:13:30Z.
  Names are changed by hand; visitors arrive when its old TTL has passed.
  To do:
    set www.verein.test A 192.0.2.7
    at https://registrar.test/dns
  more: servergate outage explain verein.test/web/2026-05-20T09:13:30Z

Public page: https://status.verein.test/
";
    assert_eq!(written.text, want);
    let json: serde_json::Value = serde_json::from_str(&written.json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["kind"], "dark");
    assert_eq!(json["outages"][0]["standing"]["verdict"]["cause"], "silent");
    let environment: BTreeMap<_, _> = written.environment.into_iter().collect();
    assert_eq!(environment["SERVERGATE_ORGANISATION"], "verein.test");
    assert_eq!(environment["SERVERGATE_CAUSE"], "silent");
}
