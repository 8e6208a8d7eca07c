//! What the book answers, by the table at its head, and what it takes in.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const VEREIN: &str = "verein.test";

fn day(days: i64) -> Timestamp {
    Timestamp::from_millis(1_779_000_000_000 / MINUTE * MINUTE + days * DAY)
}

fn rules() -> DomainRules {
    DomainRules {
        catch_all: false,
        delimiter: Some('+'),
    }
}

fn settings() -> Settings {
    let all = DomainRules {
        catch_all: true,
        delimiter: None,
    };
    Settings::new([("Verein.test", rules()), ("alles.test", all)])
}

fn book() -> Book {
    Book::new(BookKey::new([7; 32]), settings())
}

fn list(locals: &[&str], at: Timestamp) -> List {
    let key = BookKey::new([7; 32]);
    let mut hashes: Vec<AddressHash> = locals
        .iter()
        .map(|local| key.hash(local, VEREIN, Case::Fold))
        .collect();
    hashes.sort_unstable();
    List {
        hashes: hashes.into(),
        covered: [VEREIN.to_owned()].into(),
        catch_all: BTreeSet::new(),
        imported_at: at,
        whole: true,
        case: Case::Fold,
    }
}

fn with_list(locals: &[&str]) -> Book {
    let mut book = book();
    book.replace_list(list(locals, day(0)));
    book
}

const LISTED: Known = Known::Valid {
    source: Source::List,
};
const LEARNED: Known = Known::Valid {
    source: Source::Learned,
};
const REFUSE: Known = Known::Unknown { fresh: true };
const COME_AGAIN: Known = Known::Unknown { fresh: false };
const DOUBTFUL: Known = Known::Doubtful;

#[test]
fn an_empty_book_knows_the_postmaster_and_refuses_only_foreign_domains() {
    let book = book();
    let look = |local, domain| book.look(local, domain, day(0));
    let postmaster = valid(Source::Postmaster);
    assert_eq!(look("postmaster", VEREIN), postmaster);
    assert_eq!(look("POSTmaster", "VEREIN.test."), postmaster);
    assert_eq!(look("\"postmaster\"", "alles.test"), postmaster);
    assert_eq!(look("Postmaster", ""), postmaster);
    assert_eq!(look("anna", "alles.test"), valid(Source::CatchAll));
    assert_eq!(look("anna", VEREIN), COME_AGAIN);
    assert_eq!(look("anna", ""), Known::Invalid);
    assert_eq!(look("anna", "fremd.test"), Known::Invalid);
    assert_eq!(look("postmaster", "fremd.test"), Known::Invalid);
    assert_eq!(look("anna", "sub.verein.test"), Known::Invalid);
}

#[test]
fn a_list_accepts_and_while_it_is_fresh_refuses() {
    let book = with_list(&["anna", "bert"]);
    for spelling in ["anna", "Anna", "\"anna\"", "anna+news", "anna+a+b"] {
        assert_eq!(book.look(spelling, VEREIN, day(1)), LISTED, "{spelling}");
    }
    for other in ["carl", "+anna", "annax", "carl+anna"] {
        assert_eq!(book.look(other, VEREIN, day(30)), REFUSE, "{other}");
        assert_eq!(book.look(other, VEREIN, day(31)), COME_AGAIN, "{other}");
    }
    // An old list still accepts.
    assert_eq!(book.look("bert", VEREIN, day(400)), LISTED);
}

#[test]
fn a_list_that_is_not_whole_or_does_not_cover_refuses_nobody() {
    let mut book = book();
    let torn = List {
        whole: false,
        ..list(&["anna"], day(0))
    };
    book.replace_list(torn);
    assert_eq!(book.look("anna", VEREIN, day(0)), LISTED);
    assert_eq!(book.look("carl", VEREIN, day(0)), COME_AGAIN);
    let other = List {
        covered: BTreeSet::new(),
        ..list(&["anna"], day(0))
    };
    book.replace_list(other);
    assert_eq!(book.look("carl", VEREIN, day(0)), COME_AGAIN);
    assert!(!book.is_fresh(VEREIN, day(0)));
}

#[test]
fn a_list_compared_in_another_way_is_not_relied_on() {
    let settings = settings().with_case(Case::Exact);
    let mut book = Book::new(BookKey::new([7; 32]), settings);
    book.replace_list(list(&["anna"], day(0)));
    assert_eq!(book.look("anna", VEREIN, day(0)), COME_AGAIN);
    assert!(book.learn("Anna", VEREIN, true, day(0)).is_some());
    assert_eq!(book.look("Anna", VEREIN, day(0)), LEARNED);
    assert_eq!(book.look("anna", VEREIN, day(0)), COME_AGAIN);
}

#[test]
fn a_catch_all_of_the_list_counts() {
    let mut book = book();
    let all = List {
        catch_all: [VEREIN.to_owned()].into(),
        ..list(&[], day(0))
    };
    book.replace_list(all);
    let known = book.look("whoever", VEREIN, day(90));
    assert_eq!(known, valid(Source::CatchAll));
    assert_eq!(book.learn("whoever", VEREIN, false, day(0)), None);
}

#[test]
fn what_is_learned_lives_its_time() {
    let mut book = book();
    assert!(book.learn("Anna", VEREIN, true, day(0)).is_some());
    assert!(book.learn("carl", VEREIN, false, day(0)).is_some());
    assert_eq!(book.look("anna", VEREIN, day(31)), LEARNED);
    assert_eq!(book.look("anna+x", VEREIN, day(31)), LEARNED);
    assert_eq!(book.look("anna", VEREIN, day(32)), COME_AGAIN);
    assert_eq!(book.look("carl", VEREIN, day(3)), DOUBTFUL);
    assert_eq!(book.look("carl", VEREIN, day(4)), COME_AGAIN);
    book.expire(day(4));
    let counts = book.counts();
    assert_eq!((counts.valid, counts.invalid), (1, 0));
}

#[test]
fn learning_the_same_within_a_day_writes_nothing() {
    let mut book = with_list(&["bert"]);
    for valid in [true, false] {
        let local = if valid { "anna" } else { "carl" };
        let first = day(0).after(Duration::from_secs(3600));
        assert!(book.learn(local, VEREIN, valid, day(0)).is_some());
        assert_eq!(book.learn(local, VEREIN, valid, first), None);
        assert!(book.learn(local, VEREIN, valid, day(1)).is_some());
    }
    // Nothing new either: listed, an extension of a known one, catch-all, foreign, the postmaster.
    for (local, domain) in [
        ("bert", VEREIN),
        ("anna+x", VEREIN),
        ("bert+x", VEREIN),
        ("x", "alles.test"),
        ("x", "fremd.test"),
        ("Postmaster", VEREIN),
    ] {
        let change = book.learn(local, domain, true, day(1));
        assert_eq!(change, None, "{local}@{domain}");
    }
    assert_eq!(book.learn("postmaster", VEREIN, false, day(1)), None);
}

#[test]
fn a_no_is_a_doubt_however_often_it_is_said_and_only_a_list_refuses() {
    let mut book = with_list(&["bert"]);
    assert!(book.learn("anna", VEREIN, true, day(0)).is_some());
    for (local, yes) in [("anna", LEARNED), ("bert", LISTED)] {
        assert!(book.learn(local, VEREIN, false, day(1)).is_some());
        assert_eq!(book.look(local, VEREIN, day(1)), DOUBTFUL, "{local}");
        let extended = format!("{local}+x");
        assert_eq!(book.look(&extended, VEREIN, day(1)), DOUBTFUL);
        // Left alone, the doubt passes.
        assert_eq!(book.look(local, VEREIN, day(5)), yes, "{local}");
        assert!(book.learn(local, VEREIN, false, day(2)).is_some());
    }
    // Repeated it takes back what was learned, and then the list alone speaks.
    assert_eq!(book.look("anna", VEREIN, day(2)), REFUSE);
    assert_eq!(book.look("anna", VEREIN, day(6)), REFUSE);
    assert_eq!(book.look("bert", VEREIN, day(2)), DOUBTFUL);
    assert_eq!(book.look("bert", VEREIN, day(6)), LISTED);
    // A yes clears everything.
    assert!(book.learn("bert", VEREIN, true, day(3)).is_some());
    assert_eq!(book.look("bert", VEREIN, day(3)), LISTED);
    // A stranger whom the primary refused is refused by a fresh list, and by nothing else.
    assert!(book.learn("carl", VEREIN, false, day(3)).is_some());
    assert_eq!(book.look("carl", VEREIN, day(3)), REFUSE);
    let mut book = with_list(&["bert"]);
    assert!(book.learn("carl", VEREIN, false, day(31)).is_some());
    assert_eq!(book.look("carl", VEREIN, day(31)), DOUBTFUL);
}

#[test]
fn who_may_not_teach_more_can_still_take_back_a_no() {
    let mut book = book();
    let never = || false;
    assert_eq!(book.learn_if("anna", VEREIN, true, day(0), never), None);
    assert_eq!(book.learn_if("anna", VEREIN, false, day(0), never), None);
    assert!(book.learn("anna", VEREIN, false, day(0)).is_some());
    assert!(book.learn_if("anna", VEREIN, true, day(0), never).is_some());
    assert_eq!(book.look("anna", VEREIN, day(0)), LEARNED);
}

#[test]
fn a_list_imported_later_wins_over_a_no() {
    let mut book = book();
    assert!(book.learn("anna", VEREIN, false, day(1)).is_some());
    book.replace_list(list(&["anna"], day(0)));
    assert_eq!(book.look("anna", VEREIN, day(1)), DOUBTFUL);
    book.replace_list(list(&["anna"], day(2)));
    assert_eq!(book.look("anna", VEREIN, day(2)), LISTED);
}

#[test]
fn guessed_addresses_push_nobody_out() {
    let mut book = book();
    book.lore = Lore::new(2, 2);
    for local in ["anna", "bert"] {
        assert!(book.learn(local, VEREIN, true, day(0)).is_some());
    }
    assert!(book.learn("carl", VEREIN, false, day(30)).is_some());
    // No room for the yes, but the no is taken back.
    let change = book.learn("carl", VEREIN, true, day(30)).unwrap();
    assert!(change.learned.is_empty());
    assert_eq!(book.look("carl", VEREIN, day(30)), COME_AGAIN);
    assert_eq!(book.learn("dora", VEREIN, true, day(30)), None);
    assert_eq!(book.counts().refused, 2);
    assert_eq!(book.look("anna", VEREIN, day(30)), LEARNED);
    // What is there is refreshed all the same, and what has expired makes room.
    assert!(book.learn("anna", VEREIN, true, day(30)).is_some());
    assert!(book.learn("dora", VEREIN, true, day(33)).is_some());
    assert_eq!(book.counts().valid, 2);
}

#[test]
fn a_full_book_is_small() {
    let mut book = book();
    let locals: Vec<String> = (0..100_000).map(|number| format!("p{number}")).collect();
    let locals: Vec<&str> = locals.iter().map(String::as_str).collect();
    book.replace_list(list(&locals, day(0)));
    assert!(book.bytes() < 2_000_000);
    for number in 0..200_000_u128 {
        let hash = AddressHash(number.to_be_bytes());
        let learned = Learned::default().accepted(day(0)).unwrap();
        assert!(book.lore.set(hash, learned, day(0)).is_some());
    }
    for number in 0..50_000_u128 {
        let hash = AddressHash((number << 64).to_be_bytes());
        let learned = Learned::default().refused(day(0)).unwrap();
        if number > 0 {
            assert!(book.lore.set(hash, learned, day(0)).is_some());
        }
    }
    assert!(book.bytes() < 10_000_000, "{}", book.bytes());
    assert_eq!(book.look("p99999", VEREIN, day(0)), LISTED);
    assert!(book.learn("new", VEREIN, true, day(0)).is_none());
}

#[test]
fn nothing_about_people_is_printed() {
    let mut book = with_list(&["anna"]);
    let change = book.learn("bert", VEREIN, true, day(0));
    let text = format!("{book:?} {change:?}");
    assert!(!text.contains("anna") && !text.contains("bert"));
    assert!(!text.contains("7, 7"), "the key is a secret");
}

fn local() -> impl Strategy<Value = String> {
    "[a-c]{1,3}(\\+[a-c]{1,2})?"
}

proptest! {
    #[test]
    fn what_is_listed_is_found_and_the_rest_stays_unknown(
        listed in btree_set(local(), 0..20),
        asked in vec(local(), 1..20),
        days in 0_i64..30,
    ) {
        let locals: Vec<&str> = listed.iter().map(String::as_str).collect();
        let book = with_list(&locals);
        for local in listed.iter().chain(&asked) {
            let base = local.split('+').next().unwrap_or_default();
            let expected = if listed.contains(local) || listed.contains(base) {
                LISTED
            } else {
                REFUSE
            };
            let spelled = local.to_uppercase();
            prop_assert_eq!(book.look(&spelled, VEREIN, day(days)), expected);
            prop_assert_eq!(book.look(local, "fremd.test", day(days)), Known::Invalid);
        }
    }

    /// Whatever the primary said, and however often: only the silence of a fresh list refuses.
    #[test]
    fn a_refusal_has_its_reason(
        words in vec((0_usize..3, any::<bool>(), 0_i64..40), 1..60),
        listed in any::<bool>(),
    ) {
        const WHO: [&str; 3] = ["anna", "bert", "carl"];
        let mut book = if listed { with_list(&["anna"]) } else { book() };
        let mut hours = 0;
        for (who, valid, wait) in words {
            hours += wait;
            let now = day(0).after(Duration::from_secs(hours as u64 * 3600));
            book.learn(WHO[who], VEREIN, valid, now);
            let known = book.look(WHO[who], VEREIN, now);
            match known {
                Known::Valid { .. } => prop_assert!(valid || (listed && who == 0)),
                Known::Doubtful | COME_AGAIN => prop_assert!(!valid),
                REFUSE => prop_assert!(listed && who != 0 && !valid && book.is_fresh(VEREIN, now)),
                Known::Invalid => prop_assert!(false, "{known:?}"),
            }
        }
    }
}
