//! The timetable: no drift, an even spread, spaced bursts, nobody asked twice at once.

use proptest::prelude::*;

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);
const SPACING: Duration = Duration::from_secs(3);
const TIMING: Timing = Timing {
    interval: INTERVAL,
    spacing: SPACING,
};

fn at(millis: u64) -> Mono {
    Mono::at(Duration::from_millis(1_000_000 + millis))
}

/// Runs the timetable to `until` with probes that take `lasts`, waking `delay` late each time.
fn run(
    table: &mut Timetable,
    until: Mono,
    lasts: Duration,
    delay: Duration,
) -> Vec<(Mono, usize, Purpose)> {
    let mut started = Vec::new();
    let mut ends: BTreeSet<(Mono, usize, bool, u64)> = BTreeSet::new();
    while let Some(next) = table.next_wakeup() {
        let now = next.after(delay);
        if now > until {
            break;
        }
        while let Some(&(end, target, burst, number)) = ends.first() {
            if end > now {
                break;
            }
            ends.pop_first();
            let purpose = if burst {
                Purpose::Burst(number)
            } else {
                Purpose::Scheduled
            };
            table.ended(target, purpose);
        }
        while let Some(due) = table.take(now) {
            if let Due::Start {
                target, purpose, ..
            } = due
            {
                let (burst, number) = match purpose {
                    Purpose::Scheduled => (false, started.len() as u64),
                    Purpose::Burst(number) => (true, number),
                };
                ends.insert((now.after(lasts), target, burst, number));
                started.push((now, target, purpose));
            }
        }
    }
    started
}

proptest! {
    #[test]
    fn slots_never_drift(count in 1_usize..40, seed: u64, delay in 0_u64..400) {
        let mut table = Timetable::new(at(0), &vec![TIMING; count], seed, 256);
        let delay = Duration::from_millis(delay);
        let started = run(&mut table, at(600_000), Duration::from_millis(50), delay);
        for target in 0..count {
            let times: Vec<_> = started.iter().filter(|start| start.1 == target).collect();
            prop_assert!(times.len() >= 58, "{} in ten minutes", times.len());
            let first = times[0].0;
            for (nth, start) in times.iter().enumerate() {
                let grid = first.after(INTERVAL * nth as u32);
                let off = start.0.since(grid).max(grid.since(start.0));
                prop_assert!(off <= Duration::from_millis(400), "off by {off:?}");
            }
        }
    }

    #[test]
    fn targets_are_spread_over_the_interval(count in 2_usize..500, seed: u64) {
        let table = Timetable::new(at(0), &vec![TIMING; count], seed, 256);
        let times: Vec<_> = table.queue.iter().map(|(at, _, _)| *at).collect();
        let step = INTERVAL / count as u32;
        let slack = Duration::from_micros(1);
        for pair in times.windows(2) {
            let gap = pair[1].since(pair[0]);
            prop_assert!(gap + slack >= step && gap <= step * 2 + slack, "{gap:?} of {step:?}");
        }
        prop_assert!(times.iter().all(|time| time.since(at(0)) < INTERVAL));
    }

    #[test]
    fn nobody_is_asked_twice_at_once_beyond_a_burst(
        lasts in 1_u64..25_000,
        bursts in prop::collection::vec((0_u64..120_000, 0_usize..5), 0..6),
        most in 1_usize..8,
    ) {
        let mut table = Timetable::new(at(0), &[TIMING; 5], 7, most);
        for (number, (when, target)) in bursts.iter().enumerate() {
            table.burst(at(*when), *target, number as u64 + 1);
        }
        let lasts = Duration::from_millis(lasts);
        let started = run(&mut table, at(240_000), lasts, Duration::ZERO);
        for (nth, (when, target, purpose)) in started.iter().enumerate() {
            if *purpose != Purpose::Scheduled {
                continue;
            }
            let overlap = started[..nth]
                .iter()
                .find(|(before, other, _)| other == target && before.after(lasts) > *when);
            prop_assert!(overlap.is_none(), "{when:?} overlaps {overlap:?}");
        }
        for (when, _, _) in &started {
            let both = started
                .iter()
                .filter(|(before, _, _)| before <= when && before.after(lasts) > *when)
                .count();
            prop_assert!(both <= 2 * most, "{both} at once");
        }
    }
}

#[test]
fn a_burst_is_three_probes_start_to_start() {
    let mut table = Timetable::new(at(0), &[TIMING], 0, 256);
    table.burst(at(1_000), 0, 4);
    // Each probe lasts longer than the spacing: a silent target.
    let started = run(
        &mut table,
        at(9_000),
        Duration::from_millis(3_200),
        Duration::ZERO,
    );
    let bursts: Vec<_> = started
        .iter()
        .filter(|(_, _, purpose)| *purpose == Purpose::Burst(4))
        .map(|(when, _, _)| when.since(at(0)).as_millis())
        .collect();
    assert_eq!(bursts, [1_000, 4_000, 7_000]);
}

#[test]
fn a_newer_burst_overtakes_what_has_not_begun() {
    let mut table = Timetable::new(at(0), &[TIMING], u64::MAX, 256);
    table.burst(at(1_000), 0, 1);
    assert!(table.take(at(1_000)).is_some());
    table.burst(at(2_000), 0, 2);
    table.burst(at(2_500), 0, 1);
    let started = run(&mut table, at(9_000), Duration::ZERO, Duration::ZERO);
    let bursts: Vec<_> = started
        .iter()
        .map(|(when, _, purpose)| (when.since(at(0)).as_millis(), *purpose))
        .collect();
    let two = Purpose::Burst(2);
    assert_eq!(bursts, [(2_000, two), (5_000, two), (8_000, two)]);
}

#[test]
fn an_unknown_target_has_no_burst() {
    let mut table = Timetable::new(at(0), &[TIMING], 0, 256);
    table.burst(at(0), 7, 1);
    assert_eq!(table.queue.len(), 1);
}

#[test]
fn a_crowd_and_a_long_sleep_are_skips_and_not_failures() {
    let mut table = Timetable::new(at(0), &[TIMING; 3], 0, 1);
    assert!(matches!(
        table.take(at(0)),
        Some(Due::Start { target: 0, .. })
    ));
    let crowded = Due::Skipped {
        why: Skip::Crowded,
        slots: 1,
    };
    assert_eq!(table.take(at(3_400)), Some(crowded));
    table.ended(0, Purpose::Scheduled);
    // Asleep for 35 s from here: targets 2, 0 and 1 missed three or four slots each.
    let mut missed = 0;
    while let Some(due) = table.take(at(41_000)) {
        let Due::Skipped {
            why: Skip::Late,
            slots,
        } = due
        else {
            panic!("{due:?}");
        };
        missed += slots;
    }
    assert_eq!(missed, 4 + 4 + 3);
    let next = table.next_wakeup().unwrap();
    assert_eq!(next.since(at(0)).as_millis(), 43_333);
}

#[test]
fn two_places_do_not_ask_at_the_same_moment() {
    let one = Timetable::new(at(0), &[TIMING], 1 << 62, 1);
    let other = Timetable::new(at(0), &[TIMING], 3 << 62, 1);
    let gap = other
        .next_wakeup()
        .unwrap()
        .since(one.next_wakeup().unwrap());
    assert_eq!(gap, INTERVAL / 2);
}
