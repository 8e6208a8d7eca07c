//! What is refused, and that nothing bad ever replaces something good.

use proptest::prelude::*;

use super::*;

const TEXT: &str = "Verein Beispiel Wir sind ein Verein aus Oslo und treffen uns jeden Dienstag \
    zum Singen im alten Rathaus Neues Termine Vorstand Satzung Impressum Datenschutz Kontakt";

fn portrait(good: u64, text: &str) -> Portrait {
    Portrait {
        good,
        bytes: good * 1000,
        sketch: Sketch::of(text),
    }
}

fn candidate(good: u64, text: &str) -> Candidate {
    Candidate {
        start: Start::Good { mark: Some(true) },
        portrait: portrait(good, text),
        asked_again: good,
        lost: 0,
    }
}

#[test]
fn the_same_site_is_taken() {
    let last = portrait(100, TEXT);
    assert_eq!(judge(&candidate(100, TEXT), Some(&last)), Ok(()));
    let edited = TEXT.replace("Dienstag", "Mittwoch") + " Sommerfest am Samstag";
    assert_eq!(judge(&candidate(103, &edited), Some(&last)), Ok(()));
    assert_eq!(judge(&candidate(60, TEXT), Some(&last)), Ok(()));
    assert_eq!(judge(&candidate(1, "x"), None), Ok(()));
}

#[test]
fn what_a_good_copy_is_not_replaced_by() {
    let last = portrait(100, TEXT);
    let with = |change: &dyn Fn(&mut Candidate)| {
        let mut candidate = candidate(100, TEXT);
        change(&mut candidate);
        judge(&candidate, Some(&last)).unwrap_err()
    };
    let start = |start: Start| with(&move |it| it.start = start.clone());
    assert_eq!(start(Start::Status(503)), Objection::StartStatus(503));
    assert_eq!(start(Start::Astray), Objection::StartAstray);
    assert_eq!(start(Start::Absent), Objection::StartAbsent);
    assert_eq!(
        start(Start::Good { mark: Some(false) }),
        Objection::MarkMissing
    );
    let hacked = "Verein Beispiel hacked by somebody for fun and fame";
    assert_eq!(
        with(&|it| it.portrait.sketch = Sketch::of(hacked)),
        Objection::Unlike { percent: 0 }
    );
    let parked = "This domain is for sale. Buy verein.test now. Related searches: insurance";
    let no_mark = with(&|it| {
        it.start = Start::Good { mark: None };
        it.portrait.sketch = Sketch::of(parked);
    });
    assert_eq!(no_mark, Objection::Unlike { percent: 0 });
    assert_eq!(
        with(&|it| it.portrait.sketch = Sketch::default()),
        Objection::Unlike { percent: 0 }
    );
    assert_eq!(
        with(&|it| it.portrait.good = 49),
        Objection::FewerPages {
            now: 49,
            before: 100
        }
    );
    assert_eq!(
        with(&|it| it.portrait.bytes = 49_999),
        Objection::FewerBytes {
            now: 49_999,
            before: 100_000
        }
    );
    assert_eq!(
        with(&|it| it.lost = 20),
        Objection::Lost { lost: 20, of: 100 }
    );
}

#[test]
fn counts_of_a_tiny_site_mean_nothing() {
    let last = portrait(3, TEXT);
    assert_eq!(judge(&candidate(1, TEXT), Some(&last)), Ok(()));
}

#[test]
fn likeness_is_symmetric_and_bounded() {
    let (a, b) = (
        Sketch::of(TEXT),
        Sketch::of("Verein Beispiel Wir sind anders"),
    );
    assert_eq!(a.likeness(&a), 100);
    assert_eq!(a.likeness(&b), b.likeness(&a));
    assert_eq!(Sketch::of("a b").likeness(&Sketch::of("a b")), 100);
    assert_eq!(Sketch::default().likeness(&Sketch::default()), 100);
    let long: String = (0..10_000).map(|n| format!("w{n} ")).collect();
    let half: String = (0..5_000).map(|n| format!("w{n} ")).collect();
    let percent = Sketch::of(&long).likeness(&Sketch::of(&half));
    assert!((35..=65).contains(&percent), "{percent}");
}

fn starts() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::Good { mark: None }),
        any::<bool>().prop_map(|mark| Start::Good { mark: Some(mark) }),
        (100u16..600).prop_map(Start::Status),
        Just(Start::Astray),
        Just(Start::Absent),
    ]
}

proptest! {
    /// Whatever comes: what is taken has a right start page and no collapse.
    #[test]
    fn nothing_bad_is_taken(
        start in starts(),
        good in 0u64..300,
        bytes in 0u64..400_000,
        lost in 0u64..300,
        asked in 0u64..300,
        words in "[a-z]{1,5}( [a-z]{1,5}){0,30}",
        before in 0u64..300,
    ) {
        let lost = lost.min(asked);
        let last = portrait(before, TEXT);
        let candidate = Candidate {
            start: start.clone(),
            portrait: Portrait { good, bytes, sketch: Sketch::of(&words) },
            asked_again: asked,
            lost,
        };
        if judge(&candidate, Some(&last)).is_ok() {
            let right = matches!(start, Start::Good { mark: None | Some(true) });
            prop_assert!(right);
            prop_assert!(before < TINY || good * 2 >= before);
            prop_assert!(before < TINY || bytes * 2 >= before * 1000);
            prop_assert!(lost < FEW || lost * 5 < asked);
            prop_assert!(last.sketch.likeness(&candidate.portrait.sketch) >= LIKE_WITH_MARK);
        }
    }

    /// What is the same is always taken, whatever its size.
    #[test]
    fn the_unchanged_is_always_taken(good in 0u64..300, words in "[a-z ]{0,60}") {
        prop_assert_eq!(judge(&candidate(good, &words), Some(&portrait(good, &words))), Ok(()));
    }
}
