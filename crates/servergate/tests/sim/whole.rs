//! The whole standby in a simulated network: names, website, probes, decision, record and store
//! are the product's own, time and packets are not.
//!
//! Act one: the primary goes dark and comes back. Act two: the standby's own cable is cut. The seed
//! decides how long every packet takes and when the plug is pulled; `SEED=7 cargo test -p servergate
//! whole` plays one of them again.

mod land;
mod papers;
mod primary;
mod visitor;

use std::time::Duration;

use model::{Condition, Fact, Role, Standing, Timestamp, Topic};

use land::{Darkness, Land, PRIMARY, Remains, STANDBY};

pub(super) use land::wall;
use visitor::Visit;

/// After the end of every story.
const END: Duration = Duration::from_secs(3600);

/// One day, and what is left of it.
struct Day {
    seed: u64,
    plug_pulled: Duration,
    plug_back: Duration,
    cable_cut: Duration,
    remains: Remains,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every moment between two probes gets its turn.
fn offset(seed: u64) -> Duration {
    Duration::from_millis(seed.wrapping_mul(1_730) % 10_000)
}

fn live(seed: u64) -> Day {
    let how = match seed % 2 {
        0 => Darkness::Silent,
        _ => Darkness::Refusing,
    };
    let mut land = Land::new(seed);
    land.pass(seconds(30) + offset(seed));
    let plug_pulled = land.elapsed();
    land.darken(how);
    land.pass(seconds(60));
    let plug_back = land.elapsed();
    land.relight(how);
    // One clean minute, half a minute of relaying, and some peace.
    land.pass(seconds(115));
    let cable_cut = land.elapsed();
    land.cut_off();
    land.pass(seconds(45));
    land.reconnect();
    land.pass(seconds(25));
    let remains = land.end();
    Day {
        seed,
        plug_pulled,
        plug_back,
        cable_cut,
        remains,
    }
}

/// The seeds to play: one that was asked for, or these.
fn seeds(usual: &[u64]) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => usual.to_vec(),
    }
}

#[test]
fn the_same_seed_leaves_the_same_record_and_the_same_visits() {
    for seed in seeds(&[1]) {
        println!("SEED={seed}"); // Shown where a test fails.
        let (one, other) = (live(seed).remains, live(seed).remains);
        let both = one.lines.iter().zip(&other.lines);
        if let Some((one, other)) = both.into_iter().find(|(one, other)| one != other) {
            panic!("SEED={seed}: not the same:\n{one}\n{other}");
        }
        assert_eq!(one.hash(), other.hash(), "SEED={seed}");
    }
}

#[test]
fn whatever_the_seed_the_promises_hold() {
    let mut hashes = Vec::new();
    for seed in seeds(&[2, 3]) {
        println!("SEED={seed}");
        let day = live(seed);
        day.check_roles();
        day.check_outage();
        day.check_blindness();
        let dark = day.check_visits();
        println!("dark for {dark:?}");
        hashes.push(day.remains.hash());
    }
    hashes.dedup();
    assert!(
        hashes.len() == seeds(&[2, 3]).len(),
        "the seed changes nothing"
    );
}

#[test]
fn a_standby_that_was_restarted_never_asks_a_stranger_for_pages() {
    for seed in seeds(&[4]) {
        println!("SEED={seed}");
        let mut land = Land::new(seed);
        land.pass(seconds(20) + offset(seed));
        let plug_pulled = land.elapsed();
        land.darken(Darkness::Silent);
        land.pass(seconds(40));
        let restarted = land.elapsed();
        land.restart_standby();
        land.pass(seconds(20));
        land.replace_primary();
        land.relight(Darkness::Silent);
        // More than the clean minute.
        land.pass(seconds(80));
        let Remains {
            records,
            visitor,
            neighbour,
            ..
        } = land.end();
        let (mut started, mut asked) = (0, 0);
        for record in &records {
            match &record.fact {
                Fact::Started { .. } => started += 1,
                Fact::Standing(standing) => {
                    assert!(standing.epoch.0 <= 1, "SEED={seed}: {standing:?}");
                }
                Fact::Asked(question) => {
                    assert_eq!(question.topic, Topic::Return, "SEED={seed}");
                    asked += 1;
                }
                _ => {}
            }
        }
        assert_eq!(started, 2, "SEED={seed}");
        assert_eq!(asked, 1, "SEED={seed}: whether this is still their server");
        let copied = seconds(30);
        for visit in visitor.iter().chain(&neighbour) {
            if visit.at + visit.took < plug_pulled || visit.at < plug_pulled + copied {
                continue;
            }
            let restarting =
                visit.at < restarted + seconds(1) && visit.at + visit.took >= restarted;
            assert!(
                visit.is_copy() && visit.is_good() || restarting,
                "SEED={seed}: {visit}"
            );
        }
    }
}

/// Nothing is copied any more, but it stands by, decides and writes that down.
#[test]
fn a_standby_with_a_full_disk_starts_and_decides() {
    for seed in seeds(&[5]) {
        println!("SEED={seed}");
        let mut land = Land::new(seed);
        land.pass(seconds(20) + offset(seed));
        land.restart_with_a_full_disk();
        land.pass(seconds(10));
        land.darken(Darkness::Silent);
        land.pass(seconds(60));
        land.relight(Darkness::Silent);
        // More than the clean minute.
        land.pass(seconds(120));
        let Remains { records, .. } = land.end();
        let count = |wanted: fn(&Fact) -> bool| {
            let facts = records.iter().map(|record| &record.fact);
            facts.filter(|fact| wanted(fact)).count()
        };
        let outages = [
            count(|fact| matches!(fact, Fact::OutageBegan { .. })),
            count(|fact| matches!(fact, Fact::OutageEnded { .. })),
        ];
        let ran = [
            count(|fact| matches!(fact, Fact::Started { .. })),
            count(|fact| matches!(fact, Fact::Stopped)),
        ];
        assert_eq!((outages, ran), ([1, 1], [2, 1]), "SEED={seed}");
    }
}

impl Day {
    fn facts(&self, from: Duration, to: Duration) -> impl Iterator<Item = (Timestamp, &Fact)> {
        let span = wall(from)..wall(to);
        let records = self.remains.records.iter();
        records
            .filter(move |record| span.contains(&record.at))
            .map(|record| (record.at, &record.fact))
    }

    fn all(&self) -> impl Iterator<Item = (Timestamp, &Fact)> {
        self.facts(Duration::ZERO, END)
    }

    fn standings(&self) -> Vec<&Standing> {
        let mut standings = Vec::new();
        for (_, fact) in self.all() {
            if let Fact::Standing(standing) = fact {
                standings.push(standing);
            }
        }
        standings
    }

    /// One role an epoch, and one epoch after the other.
    fn check_roles(&self) {
        let mut roles: Vec<(u64, Role)> = Vec::new();
        for standing in self.standings() {
            let now = (standing.epoch.0, standing.role);
            match roles.last() {
                Some(last) if *last == now => {}
                Some((epoch, _)) => {
                    assert_eq!(now.0, epoch + 1, "SEED={}: {roles:?} {now:?}", self.seed);
                    roles.push(now);
                }
                None => roles.push(now),
            }
        }
        let roles: Vec<_> = roles.into_iter().map(|(_, role)| role).collect();
        let story = [Role::Standby, Role::Acting, Role::Returning, Role::Standby];
        assert_eq!(roles, story, "SEED={}", self.seed);
    }

    /// One outage, from the plug to its end after the return.
    fn check_outage(&self) {
        let seed = self.seed;
        let began: Vec<_> = self
            .all()
            .filter(|(_, fact)| matches!(fact, Fact::OutageBegan { .. }))
            .collect();
        let ended: Vec<_> = self
            .all()
            .filter(|(_, fact)| matches!(fact, Fact::OutageEnded { .. }))
            .collect();
        let ([(began, _)], [(ended, _)]) = (began.as_slice(), ended.as_slice()) else {
            panic!("SEED={seed}: {began:?} {ended:?}");
        };
        let pulled = wall(self.plug_pulled);
        assert!(
            *began > pulled && began.since(pulled) < seconds(25),
            "SEED={seed}"
        );
        assert!(
            *ended > wall(self.plug_back) && *ended < wall(self.cable_cut),
            "SEED={seed}"
        );
    }

    /// While the standby is cut off it knows that it is blind, and claims nothing.
    fn check_blindness(&self) {
        let mut blind = false;
        for (at, fact) in self.facts(self.cable_cut, END) {
            match fact {
                Fact::Verdict(verdict) => match verdict.condition {
                    Condition::Blind => blind = true,
                    Condition::Reachable | Condition::Suspect => {}
                    claimed => panic!("SEED={}: {claimed:?} at {at}", self.seed),
                },
                Fact::Standing(standing) => assert_eq!(
                    (standing.role, &standing.outage),
                    (Role::Standby, &None),
                    "SEED={}",
                    self.seed
                ),
                Fact::Generation(_) | Fact::Stopped => {}
                other => panic!("SEED={}: {other:?} at {at}", self.seed),
            }
        }
        assert!(blind, "SEED={}: it never said that it was blind", self.seed);
    }

    /// Every visit was as it should be; for how long the site was dark for who asks by name.
    fn check_visits(&self) -> Duration {
        let seed = self.seed;
        let Remains {
            visitor, neighbour, ..
        } = &self.remains;
        // Nobody ever saw a page that was not the primary's.
        for visit in visitor.iter().chain(neighbour) {
            let failed = matches!(visit.outcome, visitor::Outcome::Failed(_));
            assert!(failed || visit.is_good(), "SEED={seed}: {visit}");
        }
        let after_plug = |visit: &&Visit| visit.at >= self.plug_pulled && visit.is_good();
        let first = visitor.iter().find(after_plug).expect("a page");
        // Probe, time-out, burst, and the five seconds that an address is believed.
        let bound = seconds(27);
        let dark = first.at - self.plug_pulled;
        assert!(
            dark > Duration::ZERO && dark <= bound,
            "SEED={seed}: dark for {dark:?}"
        );
        // Before and from then on there is no bad second.
        for visit in visitor {
            let was_dark = visit.at + visit.took >= self.plug_pulled && visit.at < first.at;
            assert!(visit.is_good() || was_dark, "SEED={seed}: {visit}");
        }
        // The copy serves while the primary is dark, and the primary itself at the end.
        let between = |from: Duration, to: Duration| {
            let visits = visitor.iter();
            visits.filter(move |visit| (from..to).contains(&visit.at))
        };
        for visit in between(first.at, self.plug_back) {
            assert!(
                visit.is_copy() && visit.is_from(STANDBY),
                "SEED={seed}: {visit}"
            );
        }
        for visit in between(self.cable_cut, END) {
            assert!(visit.is_from(PRIMARY), "SEED={seed}: {visit}");
        }
        // Who asks the standby anyway is served in both acts; a page that was on its way when the
        // cable was cut may break off.
        let cuts = [self.plug_pulled, self.cable_cut];
        for visit in neighbour {
            let was_on_its_way = |cut: &Duration| visit.at < *cut && visit.at + visit.took >= *cut;
            let may_fail = cuts.iter().any(was_on_its_way);
            assert!(visit.is_good() || may_fail, "SEED={seed}: {visit}");
            // A moment of doubt, and the knock that nobody answered.
            assert!(visit.took < seconds(5) || may_fail, "SEED={seed}: {visit}");
        }
        dark
    }
}
