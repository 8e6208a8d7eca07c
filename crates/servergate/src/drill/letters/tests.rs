//! A balance tells every kind of mistake.

use super::*;

const CUT: Duration = Duration::from_millis(2010);

fn attempt(letter: usize, whole: bool, answer: Answer) -> Attempt {
    Attempt {
        letter,
        at: Duration::from_secs(letter as u64),
        took: Duration::from_millis(20),
        whole,
        answer,
    }
}

/// Three letters: one deferred first, all taken.
fn letters() -> Letters {
    let mut letters = Letters::default();
    letters.enter(attempt(0, true, Answer::Taken));
    letters.enter(attempt(1, false, Answer::Later(451)));
    letters.enter(attempt(1, true, Answer::Taken));
    letters.enter(attempt(2, true, Answer::Taken));
    letters
}

fn arrived(letter: usize, kept: bool) -> Option<Arrived> {
    Some(Arrived {
        letter,
        kept,
        whole: true,
    })
}

/// A cable was pulled while the third letter was on its way.
fn balanced(letters: &Letters, sent: usize, arrived: &[Option<Arrived>]) -> Balance {
    Balance::of(letters, sent, arrived, &[CUT])
}

#[test]
fn all_that_was_accepted_arrived_once() {
    let there = [arrived(0, false), arrived(1, true), arrived(2, false)];
    let balance = balanced(&letters(), 3, &there);
    assert!(balance.holds(), "{balance:?}");
    assert_eq!(
        balance.to_string(),
        "3 accepted, 3 at the primary; 1 of them were kept while it was dark"
    );
}

#[test]
fn each_mistake_is_told() {
    let (one, two, three) = (arrived(0, false), arrived(1, true), arrived(2, false));
    let lost = balanced(&letters(), 3, &[one, two]);
    assert!(!lost.holds() && lost.lost == 1);
    // The deferral came before the letter was sent, so it explains no second copy.
    let twice = balanced(&letters(), 3, &[one, two, two, three]);
    assert!(!twice.holds() && twice.twice == 1);
    let open = balanced(&letters(), 4, &[one, two, three]);
    assert!(!open.holds() && open.open == 1);
    for stranger in [None, arrived(7, false)] {
        let strange = balanced(&letters(), 3, &[one, two, three, stranger]);
        assert!(!strange.holds() && strange.strange == 1);
    }
    let never_kept = balanced(&letters(), 3, &[one, arrived(1, false), three]);
    assert!(!never_kept.holds());
    let mut refused = letters();
    refused.enter(attempt(3, false, Answer::Refused(550)));
    assert!(!balanced(&refused, 4, &[one, two, three]).holds());
}

#[test]
fn a_lost_answer_explains_one_more_copy() {
    let mut letters = letters();
    letters.enter(attempt(2, true, Answer::Silent));
    let there = [
        arrived(0, false),
        arrived(1, true),
        arrived(2, false),
        arrived(2, false),
    ];
    let balance = balanced(&letters, 3, &there);
    assert!(balance.holds() && balance.again == 1);
    let elsewhere = [Duration::from_secs(9)];
    let balance = Balance::of(&letters, 3, &there, &elsewhere);
    assert!(
        !balance.holds() && balance.twice == 1,
        "no cable was cut then"
    );
    let thrice = [&there[..], &[arrived(2, false)]].concat();
    assert!(!balanced(&letters, 3, &thrice).holds());
}

#[test]
fn a_letter_is_read_as_it_was_sent() {
    let trace = "Received: from somewhere\r\n\tby elsewhere\r\n";
    let results = "Authentication-Results: mx2.verein.test; spf=temperror\r\n";
    let kept = format!("{results}{trace}{}", text(12));
    assert_eq!(Arrived::read(&kept, "mx2.verein.test"), arrived(12, true));
    let results = "Authentication-Results: mail.verein.test; spf=temperror\r\n";
    let passed = format!(
        "X-Servergate-Id: primary-00ff\r\n{results}{trace}{}",
        text(3)
    );
    assert_eq!(Arrived::read(&passed, "mx2.verein.test"), arrived(3, false));
    let changed = kept.replace(".profile", "profile");
    assert!(Arrived::read(&changed, "mx2.verein.test").is_some_and(|one| !one.whole));
    assert_eq!(
        Arrived::read("Subject: else\r\n\r\n", "mx2.verein.test"),
        None
    );
}

#[test]
fn only_the_end_of_a_whole_letter_is_a_yes() {
    assert_eq!(Answer::of(250, true), Answer::Taken);
    assert_eq!(Answer::of(250, false), Answer::Silent);
    assert_eq!(Answer::of(451, true), Answer::Later(451));
    assert_eq!(Answer::of(550, false), Answer::Refused(550));
}
