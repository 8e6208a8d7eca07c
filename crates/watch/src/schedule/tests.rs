//! The timetable: no drift, an even spread, spaced bursts, nobody asked twice at once.

use proptest::prelude::*;

use super::*;

mod flapping;

const INTERVAL: Duration = Duration::from_secs(10);
const SPACING: Duration = Duration::from_secs(3);
const TIMING: Timing = Timing {
    interval: INTERVAL,
    exact: true,
    spacing: SPACING,
    group: None,
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
    run_on(table, until, lasts, delay, &mut BTreeSet::new())
}

/// The same; `ends` are of the probes that are under way.
fn run_on(
    table: &mut Timetable,
    until: Mono,
    lasts: Duration,
    delay: Duration,
    ends: &mut BTreeSet<(Mono, u64)>,
) -> Vec<(Mono, usize, Purpose)> {
    let mut started = Vec::new();
    loop {
        let due = table.next_wakeup().map(|next| next.after(delay));
        let end = ends.first().map(|(end, _)| *end);
        let Some(now) = due.into_iter().chain(end).min().filter(|now| *now <= until) else {
            break;
        };
        while let Some((end, probe)) = ends.first().copied().filter(|(end, _)| *end <= now) {
            ends.remove(&(end, probe));
            table.ended(now, ProbeId(probe), false);
        }
        while let Some(due) = table.take(now) {
            if let Due::Start {
                probe,
                target,
                purpose,
                ..
            } = due
            {
                ends.insert((now.after(lasts), probe.0));
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

/// Starts what has a place at `now`; the targets of what began.
fn begun(table: &mut Timetable, now: Mono) -> Vec<(ProbeId, usize, Purpose)> {
    let mut begun = Vec::new();
    while let Some(due) = table.take(now) {
        if let Due::Start {
            probe,
            target,
            purpose,
            ..
        } = due
        {
            begun.push((probe, target, purpose));
        }
    }
    begun
}

#[test]
fn who_finds_no_place_waits_and_a_long_sleep_is_a_skip_and_not_a_failure() {
    let mut table = Timetable::new(at(0), &[TIMING; 3], 0, 1);
    let first = begun(&mut table, at(0));
    assert!(matches!(first[..], [(_, 0, Purpose::Scheduled)]));
    // The next one is due and waits; its lateness is told when it begins.
    assert_eq!(table.take(at(3_400)), None);
    assert_eq!(table.waiting(), 1);
    table.ended(at(5_000), first[0].0, false);
    let Some(Due::Start {
        target: 1, late, ..
    }) = table.take(at(5_000))
    else {
        panic!("the second one has a place now");
    };
    assert_eq!(late.as_millis(), 1_666);
    // Asleep for 36 s from here: targets 2, 0 and 1 missed three or four slots each.
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
fn a_crowd_forgets_nobody() {
    // Places for half of what is asked: everybody is asked half as often, and nobody never.
    let mut table = Timetable::new(at(0), &[TIMING; 20], 7, 4);
    let lasts = Duration::from_secs(4);
    let started = run(&mut table, at(400_000), lasts, Duration::ZERO);
    for target in 0..20 {
        let asked: Vec<_> = started
            .iter()
            .filter(|(_, other, _)| *other == target)
            .collect();
        assert!(
            asked.len() >= 18,
            "{target} was asked {} times",
            asked.len()
        );
        let gaps = asked.windows(2).map(|pair| pair[1].0.since(pair[0].0));
        assert!(gaps.max().unwrap() < Duration::from_secs(35));
    }
}

#[test]
fn a_mass_of_bursts_waits_and_none_of_its_probes_is_dropped() {
    const MANY: usize = 60;
    let mut table = Timetable::new(at(0), &[TIMING; MANY], 7, 8);
    for target in 0..MANY {
        table.burst(at(1_000), target, 1);
    }
    // The detector's patience ends before all have had their turn: it asks again for those.
    let lasts = Duration::from_secs(3);
    let mut ends = BTreeSet::new();
    let mut run = |table: &mut _, until| run_on(table, until, lasts, Duration::ZERO, &mut ends);
    let mut started = run(&mut table, at(12_900));
    let burst = |number| {
        move |(_, other, purpose): &&(Mono, usize, Purpose)| -> Option<usize> {
            (*purpose == Purpose::Burst(number)).then_some(*other)
        }
    };
    let of = |number, started: &[(Mono, usize, Purpose)]| {
        let mut counts = [0; MANY];
        for target in started.iter().filter_map(|one| burst(number)(&one)) {
            counts[target] += 1;
        }
        counts
    };
    let first = of(1, &started);
    assert!(first.iter().all(|probes| *probes < 3), "{first:?}");
    for (target, probes) in first.iter().enumerate() {
        if *probes < 3 {
            table.burst(at(13_000), target, 2);
        }
    }
    started.extend(run(&mut table, at(120_000)));
    let (first, second) = (of(1, &started), of(2, &started));
    for (target, probes) in first.iter().zip(&second).enumerate() {
        assert!(*probes.0 == 3 || *probes.1 == 3, "{target}: {probes:?}");
    }
    // They come before everything else: while one waits, no slot is begun.
    let last = started
        .iter()
        .rposition(|(_, _, purpose)| *purpose != Purpose::Scheduled)
        .unwrap();
    let routine = started[..last]
        .iter()
        .filter(|(when, _, purpose)| *purpose == Purpose::Scheduled && *when > at(1_000))
        .count();
    assert!(routine <= 16, "{routine} slots were begun meanwhile");
}

/// So many targets, in turn at these addresses.
fn at_addresses(targets: usize, addresses: usize) -> Vec<Timing> {
    let timing = |target| Timing {
        group: Some(target % addresses),
        ..TIMING
    };
    (0..targets).map(timing).collect()
}

#[test]
fn five_hundred_sites_on_twenty_silent_addresses_are_twenty_questions() {
    let mut table = Timetable::new(at(0), &at_addresses(500, 20), 0, 256);
    for target in 0..500 {
        table.burst(at(5), target, 1);
    }
    let slots = begun(&mut table, at(5)).len() - 20;
    assert!(slots <= 1, "{slots} beside the questions");
    let mut heard = [0; 500];
    for nth in 0..3 {
        let now = at(5 + 3_000 * nth);
        let questions: Vec<_> = table.asked.keys().copied().collect();
        let ended = now.after(Duration::from_millis(2_999));
        for probe in questions {
            let asked = &table.asked[&probe];
            if asked.purpose != Purpose::Scheduled {
                heard[asked.target] += 1;
            }
            for (target, purpose) in table.ended(ended, probe, true) {
                assert_eq!(purpose, Purpose::Burst(1));
                heard[target] += 1;
            }
        }
        let next = begun(&mut table, at(5 + 3_000 * (nth + 1)));
        let bursts = next
            .iter()
            .filter(|(_, _, purpose)| *purpose != Purpose::Scheduled);
        assert_eq!(bursts.count(), if nth < 2 { 20 } else { 0 });
    }
    assert_eq!(heard, [3; 500]);
}

#[test]
fn an_address_that_is_found_silent_is_told_to_all_on_it_and_not_asked_again_at_once() {
    let mut table = Timetable::new(at(0), &at_addresses(4, 1), 0, 256);
    let [(routine, 0, Purpose::Scheduled)] = begun(&mut table, at(0))[..] else {
        panic!("the first slot");
    };
    // One failure of the timetable is nobody else's.
    assert_eq!(table.ended(at(2_400), routine, true), []);
    table.burst(at(2_400), 0, 1);
    let [(burst, 0, Purpose::Burst(1))] = begun(&mut table, at(2_400))[..] else {
        panic!("the burst");
    };
    // Its slot comes within a moment of the leader's beginning: it follows.
    assert_eq!(begun(&mut table, at(2_500)), []);
    let mut shared = table.ended(at(5_300), burst, true);
    shared.sort_by_key(|(target, _)| *target);
    let scheduled = Purpose::Scheduled;
    assert_eq!(shared, [(1, scheduled), (2, scheduled), (3, scheduled)]);
    // What was just found needs no question: the next slot of these is skipped.
    let skipped = Due::Skipped {
        why: Skip::Shared,
        slots: 1,
    };
    assert_eq!(table.take(at(5_300)), Some(skipped));
}

#[test]
fn who_follows_asks_for_itself_as_soon_as_the_address_answers() {
    let mut table = Timetable::new(at(0), &at_addresses(3, 1), u64::MAX, 256);
    for target in 0..3 {
        table.burst(at(1_000), target, 1);
    }
    let [(leader, _, _)] = begun(&mut table, at(1_000))[..] else {
        panic!("one asks for all");
    };
    table.connected(at(1_020), leader);
    let mut others = begun(&mut table, at(1_020));
    // One of them leads the other, until it is connected as well.
    let [(second, ..)] = others[..] else {
        panic!("{others:?}");
    };
    table.connected(at(1_040), second);
    others.extend(begun(&mut table, at(1_040)));
    let mut targets: Vec<_> = others.iter().map(|(_, target, _)| *target).collect();
    targets.push(0);
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(targets, [0, 1, 2]);
    // A name's own failure is shared with nobody.
    assert_eq!(table.ended(at(2_000), second, false), []);
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
