//! Folding is idempotent and bounded, and tells a whole day right.

use std::sync::Arc;

use model::{
    Answer, Cause, Epoch, GenerationFact, Mode, Operator, Order, PlaceId, Question, QuestionId,
    StateName,
};
use proptest::prelude::*;

use super::*;

fn organisation() -> OrganisationId {
    OrganisationId::new("verein.test")
}

fn id(service: Service) -> ServiceId {
    ServiceId::new(organisation(), service)
}

fn record(at: i64, fact: Fact) -> Record {
    Record {
        at: Timestamp::from_millis(at),
        place: PlaceId::new("oslo"),
        fact,
    }
}

fn verdict(service: Service, condition: Condition, cause: Option<Cause>, since: i64) -> Fact {
    Fact::Verdict(Arc::new(Verdict {
        service: id(service),
        condition,
        cause,
        at: Timestamp::from_millis(since + 10),
        since: Timestamp::from_millis(since),
        last_good: None,
        identity: None,
        places: Vec::new(),
        evidence: Vec::new(),
    }))
}

fn standing(service: Service, role: Role, since: i64) -> Fact {
    Fact::Standing(Standing {
        service: id(service),
        role,
        epoch: Epoch(1),
        since: Timestamp::from_millis(since),
        state: StateName::Following,
        mode: Mode::Act,
        would: None,
        effect: None,
        relay: false,
        handback: false,
        doubt: None,
        verdict: None,
        outage: None,
        held_by: None,
        question: None,
    })
}

fn began(service: Service, since: i64) -> Fact {
    Fact::OutageBegan {
        outage: OutageId::of(&id(service), Timestamp::from_millis(since)),
        service: id(service),
    }
}

fn ended(service: Service, since: i64) -> Fact {
    Fact::OutageEnded {
        outage: OutageId::of(&id(service), Timestamp::from_millis(since)),
        service: id(service),
    }
}

fn statement(id: &str, text: &str, reason: bool) -> Fact {
    Fact::Statement(Statement {
        organisation: organisation(),
        id: id.to_owned(),
        text: text.to_owned(),
        language: None,
        by: None,
        reason,
    })
}

fn folded(records: &[Record]) -> State {
    let mut state = State::of([organisation()]);
    for record in records {
        state.fold(record);
    }
    state
}

fn events(state: &State) -> Vec<(Service, Event)> {
    let chronicle = state.chronicle(&organisation()).expect("known");
    let last = chronicle.last().expect("a disturbance");
    let events = last.entries().iter();
    events.map(|entry| (entry.service, entry.event)).collect()
}

const WEB: Service = Service::Web;
const MAIL: Service = Service::Mail;

#[test]
fn two_outages_that_overlap_are_one_disturbance() {
    let state = folded(&[
        record(
            1010,
            verdict(WEB, Condition::Dark, Some(Cause::Silent), 1000),
        ),
        record(1011, began(WEB, 1000)),
        record(1012, standing(WEB, Role::Acting, 1012)),
        record(
            2010,
            verdict(MAIL, Condition::Dark, Some(Cause::Service), 2000),
        ),
        record(2011, began(MAIL, 2000)),
        record(3010, verdict(WEB, Condition::Reachable, None, 3000)),
        record(3011, standing(WEB, Role::Returning, 3011)),
        record(4000, ended(MAIL, 2000)),
        record(5000, ended(WEB, 1000)),
        record(5001, standing(WEB, Role::Standby, 5001)),
    ]);
    assert_eq!(
        events(&state),
        [
            (WEB, Event::Cause(Cause::Silent)),
            (WEB, Event::TookOver),
            (MAIL, Event::Cause(Cause::Service)),
            (WEB, Event::Answers),
            (WEB, Event::Returning),
            (MAIL, Event::Ended),
            (WEB, Event::Ended),
            (WEB, Event::StoodDown),
        ]
    );
    let chronicle = state.chronicle(&organisation()).expect("known");
    let last = chronicle.last().expect("a disturbance");
    assert_eq!(last.began.millis(), 1000);
    assert_eq!(last.ended.map(Timestamp::millis), Some(5001));
    assert_eq!(chronicle.disturbances().count(), 1);
}

#[test]
fn a_take_over_by_order_is_a_disturbance_without_an_outage() {
    let order = Order {
        service: id(WEB),
        kind: OrderKind::Failover,
        by: Operator("someone".to_owned()),
        at: Timestamp::from_millis(100),
    };
    let state = folded(&[
        record(100, Fact::Order(order)),
        record(101, standing(WEB, Role::Acting, 101)),
        record(900, standing(WEB, Role::Standby, 900)),
    ]);
    assert_eq!(
        events(&state),
        [(WEB, Event::TookOver), (WEB, Event::StoodDown)]
    );
}

#[test]
fn questions_and_answers_stand_in_the_course() {
    let question = Question {
        id: QuestionId::new("q"),
        service: id(WEB),
        topic: Topic::TakeOver(Cause::HoldingPage),
        asked: Timestamp::from_millis(1020),
    };
    let answer = Answer {
        question: QuestionId::new("q"),
        service: id(WEB),
        yes: false,
        by: Operator("someone".to_owned()),
        at: Timestamp::from_millis(1500),
    };
    let state = folded(&[
        record(
            1010,
            verdict(WEB, Condition::Dark, Some(Cause::HoldingPage), 1000),
        ),
        record(1011, began(WEB, 1000)),
        record(1020, Fact::Asked(question)),
        record(1500, Fact::Answered(answer)),
    ]);
    assert_eq!(
        events(&state)[1..],
        [(WEB, Event::AskedTakeOver), (WEB, Event::Answered(false))]
    );
}

#[test]
fn the_hand_back_stands_in_the_course_until_all_is_delivered() {
    let question = Question {
        id: QuestionId::new("mail-1"),
        service: id(MAIL),
        topic: Topic::HandBack,
        asked: Timestamp::from_millis(5000),
    };
    let service = id(MAIL);
    let state = folded(&[
        record(
            1010,
            verdict(MAIL, Condition::Dark, Some(Cause::Silent), 1000),
        ),
        record(1011, began(MAIL, 1000)),
        record(1012, standing(MAIL, Role::Acting, 1012)),
        record(4000, standing(MAIL, Role::Returning, 4000)),
        record(4500, standing(MAIL, Role::Standby, 4500)),
        record(5000, Fact::Asked(question)),
        record(9000, Fact::HandedBack { service }),
    ]);
    assert_eq!(
        events(&state)[1..],
        [
            (MAIL, Event::TookOver),
            (MAIL, Event::Returning),
            (MAIL, Event::StoodDown),
            (MAIL, Event::AskedHandBack),
            (MAIL, Event::HandedBack)
        ]
    );
}

#[test]
fn a_reason_counts_only_for_the_disturbance_in_which_it_was_said() {
    let first = [
        record(10, statement("old", "It was the weather.", true)),
        record(
            1010,
            verdict(WEB, Condition::Dark, Some(Cause::Silent), 1000),
        ),
        record(1011, began(WEB, 1000)),
    ];
    let mut state = folded(&first);
    let reason_said = |state: &State| {
        let chronicle = state.chronicle(&organisation()).expect("known");
        chronicle.reason_said()
    };
    assert!(!reason_said(&state));
    state.fold(&record(1100, statement("a", "We look into it.", false)));
    assert!(!reason_said(&state));
    state.fold(&record(1200, statement("b", "A cable was cut.", true)));
    assert!(reason_said(&state));
    state.fold(&record(2000, ended(WEB, 1000)));
    assert!(!reason_said(&state));
}

#[test]
fn a_corrected_statement_keeps_its_first_time_and_tells_of_the_change() {
    let state = folded(&[
        record(10, statement("a", "One.", false)),
        record(20, statement("b", "Two.", false)),
        record(30, statement("a", "One, corrected.", false)),
        record(30, statement("a", "One, corrected.", false)),
        record(10, statement("a", "One.", false)),
    ]);
    let chronicle = state.chronicle(&organisation()).expect("known");
    let said: Vec<_> = chronicle.statements().collect();
    assert_eq!(said.len(), 2);
    assert_eq!(said[1].text, "One, corrected.");
    assert_eq!(said[1].at.millis(), 10);
    assert_eq!(said[1].changed.map(Timestamp::millis), Some(30));
}

#[test]
fn a_statement_is_plain_text_without_controls_and_bounded() {
    let text = format!("a\u{0}b\u{1b}[31m\r\n \r\nc\u{FFFE}{}", "ä".repeat(40_000));
    let state = folded(&[record(1, statement("a", &text, false))]);
    let chronicle = state.chronicle(&organisation()).expect("known");
    let said = chronicle.statements().next().expect("said");
    assert!(
        said.text.starts_with("ab[31m\n\ncä"),
        "{:?}",
        &said.text[..20]
    );
    assert!(said.text.len() <= STATEMENT_BYTES + '…'.len_utf8());
    assert_eq!(said.paragraphs().count(), 2);
}

#[test]
fn nothing_grows_without_bound() {
    let mut state = State::of([organisation()]);
    for n in 0..230_i64 {
        let (at, text) = (n * 10_000_000, "x".repeat(3000));
        state.fold(&record(at, statement(&format!("s{n}"), &text, false)));
        state.fold(&record(
            at,
            verdict(WEB, Condition::Dark, Some(Cause::Silent), at),
        ));
        state.fold(&record(at + 20, began(WEB, at)));
        for step in 0..150 {
            let condition = if step % 2 == 0 {
                Condition::Reachable
            } else {
                Condition::Dark
            };
            state.fold(&record(
                at + 100 + step,
                verdict(WEB, condition, None, at + 100 + step),
            ));
        }
        state.fold(&record(at + 900_000, ended(WEB, at)));
    }
    let chronicle = state.chronicle(&organisation()).expect("known");
    assert!(chronicle.statement_count() <= STATEMENTS);
    let bytes: usize = chronicle.statements().map(|said| said.text.len()).sum();
    assert!(bytes <= ALL_STATEMENT_BYTES);
    assert_eq!(chronicle.disturbances().count(), DISTURBANCES);
    let last = chronicle.last().expect("a disturbance");
    assert_eq!(last.entries().len(), ENTRIES);
    assert!(last.omitted > 0);
    assert_eq!(
        last.entries()[0].event,
        Event::Cause(Cause::Silent),
        "the beginning is kept"
    );
    assert_eq!(
        last.entries()[ENTRIES - 1].event,
        Event::Ended,
        "and the end"
    );
}

#[test]
fn other_organisations_leave_no_trace() {
    let mut state = State::of([OrganisationId::new("stadt.test")]);
    assert_eq!(state.fold(&record(1, statement("a", "b", false))), None);
    assert!(state.chronicle(&organisation()).is_none());
}

fn any_fact() -> impl Strategy<Value = (i64, Fact)> {
    let service = prop_oneof![Just(WEB), Just(MAIL)];
    let role = prop_oneof![
        Just(Role::Standby),
        Just(Role::Acting),
        Just(Role::Returning)
    ];
    let condition = prop_oneof![
        Just(Condition::Reachable),
        Just(Condition::Dark),
        Just(Condition::Blind),
        Just(Condition::Suspect),
    ];
    (0..5_i64, service, role, condition, 0..7_u8).prop_map(|(n, service, role, condition, kind)| {
        let at = n * 1000;
        let fact = match kind {
            0 => began(service, at),
            1 => ended(service, at),
            2 => standing(service, role, at),
            3 => statement(&format!("s{n}"), "text", n % 2 == 0),
            4 => Fact::Generation(GenerationFact {
                organisation: organisation(),
                number: n.unsigned_abs(),
                pages: 1,
                bytes: 1,
            }),
            _ => verdict(service, condition, Some(Cause::Silent), at),
        };
        (at, fact)
    })
}

proptest! {
    /// Any order of facts is taken; what comes twice is no news.
    #[test]
    fn the_last_record_twice_is_the_last_record_once(
        facts in prop::collection::vec(any_fact(), 1..60),
    ) {
        let records: Vec<_> = facts.into_iter().map(|(at, fact)| record(at, fact)).collect();
        let mut state = folded(&records);
        let shown = |state: &State| {
            let chronicle = state.chronicle(&organisation()).expect("known");
            let disturbances: Vec<_> = chronicle.disturbances().cloned().collect();
            let said: Vec<_> = chronicle.statements().cloned().collect();
            (disturbances, said, chronicle.copy(), chronicle.reason_said())
        };
        let before = shown(&state);
        let last = records.last().expect("one");
        prop_assert_eq!(state.fold(last), None);
        prop_assert_eq!(before, shown(&state));
    }

    /// Entries always stand in the order of time, and an ended disturbance ends last.
    #[test]
    fn the_course_is_in_order(facts in prop::collection::vec(any_fact(), 1..60)) {
        let records: Vec<_> = facts.into_iter().map(|(at, fact)| record(at, fact)).collect();
        let state = folded(&records);
        let chronicle = state.chronicle(&organisation()).expect("known");
        for disturbance in chronicle.disturbances() {
            prop_assert!(disturbance.entries().is_sorted_by_key(|entry| entry.at));
            prop_assert!(disturbance.stretches().iter().all(|stretch| stretch.began >= disturbance.began));
        }
    }
}
