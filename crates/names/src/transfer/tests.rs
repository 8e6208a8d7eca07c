//! Transfers from end to end without a socket: what goes out is what comes in.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::base::iana::{Class, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::{Message, Name as WireName};
use domain::rdata::tsig::Time48;
use domain::tsig::{Algorithm, Key, ServerTransaction};
use proptest::prelude::*;

use super::message::Checks;
use super::*;
use crate::secondary::Fetch;
use crate::wire::{Name, code};
use crate::zone::{Diff, Records, Zone};

fn name(text: &str) -> Name {
    text.parse().expect(text)
}

fn secret() -> Arc<Key> {
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    Arc::new(crate::config::key(&name("servergate"), Algorithm::Sha512, secret).expect("a key"))
}

fn now() -> Time48 {
    Time48::from_u64(1_779_268_443)
}

/// Records beside the SOA: (host number, type, value).
type Content = BTreeSet<(u8, bool, u16)>;

fn soa(serial: u32) -> Vec<u8> {
    let mut data = b"\x03ns1\x06verein\x04test\x00\x01h\x06verein\x04test\x00".to_vec();
    for number in [serial, 3600, 600, 86400, 300] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    data
}

fn push(records: &mut Records, content: &(u8, bool, u16)) {
    let (host, text, value) = *content;
    let owner = name(&format!("h{}.{}.verein.test", host % 16, host / 16));
    let [high, low] = value.to_be_bytes();
    match text {
        false => records.push(owner.as_wire(), code::A, 300, &[192, 0, high, low]),
        true => records.push(owner.as_wire(), 16, 300, &[2, high, low]),
    }
}

fn records(serial: u32, content: &Content) -> Records {
    let mut records = Records::default();
    let apex = name("verein.test");
    records.push(apex.as_wire(), code::SOA, 3600, &soa(serial));
    content.iter().for_each(|item| push(&mut records, item));
    records
}

fn zone(serial: u32, content: &Content) -> Zone {
    Zone::from_records(name("verein.test"), &records(serial, content)).expect("a zone")
}

fn diff((from, before): (u32, &Content), (to, after): (u32, &Content)) -> Diff {
    let apex = name("verein.test");
    let mut diff = Diff::default();
    diff.removed
        .push(apex.as_wire(), code::SOA, 3600, &soa(from));
    before
        .difference(after)
        .for_each(|item| push(&mut diff.removed, item));
    diff.added.push(apex.as_wire(), code::SOA, 3600, &soa(to));
    after
        .difference(before)
        .for_each(|item| push(&mut diff.added, item));
    diff
}

/// Asks for a transfer with the key, and gives all messages of the answer.
fn exchange(zone: &Zone, plan: &Plan, rtype: Rtype) -> (Checks, Vec<Vec<u8>>) {
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(7);
    let apex = WireName::from_octets(b"\x06verein\x04test\x00".as_slice()).expect("a name");
    builder.push((apex, rtype, Class::IN)).expect("room");
    let mut builder = builder.additional();
    let key = secret();
    let checks = Checks::sign(Some(&key), &mut builder, now()).expect("a signature");
    let mut request = Message::from_octets(builder.finish()).expect("a message");
    let transaction = match verify(Some(&key), &mut request, now()) {
        Signing::Signed(transaction) => *transaction,
        _ => panic!("our own signature is good"),
    };
    let transaction: ServerTransaction<_> = transaction;
    let mut outward = Outward::new(zone, plan, &request, transaction);
    let messages = std::iter::from_fn(|| outward.next_message(now())).collect();
    (checks, messages)
}

fn take(checks: Checks, messages: &[Vec<u8>], limits: Limits) -> Result<Option<Fetched>, Fault> {
    taken(checks, messages, Fetch::Whole, limits)
}

fn taken(
    mut checks: Checks,
    messages: &[Vec<u8>],
    what: Fetch,
    limits: Limits,
) -> Result<Option<Fetched>, Fault> {
    let apex = name("verein.test");
    let mut assembler = Assembler::new(&apex, what, limits);
    for bytes in messages {
        let mut message = Message::from_octets(bytes.clone()).expect("a header");
        checks
            .check(&mut message, now())
            .map_err(Fault::Signature)?;
        if let Some(fetched) = assembler.take(&message)? {
            checks.done().map_err(Fault::Signature)?;
            return Ok(Some(fetched));
        }
    }
    Ok(None)
}

fn content(size: usize) -> impl Strategy<Value = Content> {
    proptest::collection::btree_set((any::<u8>(), any::<bool>(), 0u16..8), 1..size)
}

proptest! {
    #[test]
    fn what_is_sent_whole_comes_whole(content in content(200)) {
        let zone = zone(1, &content);
        let (checks, messages) = exchange(&zone, &Plan::Whole, Rtype::AXFR);
        let Ok(Some(Fetched::Whole(came))) = take(checks, &messages, Limits::default()) else {
            panic!("a whole zone");
        };
        prop_assert!(Zone::from_records(name("verein.test"), &came).expect("a zone") == zone);
    }

    /// RFC 1995: the differences lead exactly to what a whole transfer would have brought.
    #[test]
    fn changes_lead_to_the_same_zone(versions in proptest::collection::vec(content(60), 2..5)) {
        let serial = |index: usize| u32::MAX.wrapping_add(index as u32);
        let diffs: Vec<_> = versions
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                Arc::new(diff((serial(index), &pair[0]), (serial(index + 1), &pair[1])))
            })
            .collect();
        let newest = zone(serial(versions.len() - 1), &versions[versions.len() - 1]);
        let plan = Plan::of(&newest, &diffs, Some(serial(0)));
        prop_assert!(matches!(&plan, Plan::Changes(changes) if changes.len() == diffs.len()));
        let (checks, messages) = exchange(&newest, &plan, Rtype::IXFR);
        let what = Fetch::Incremental(serial(0));
        let came = taken(checks, &messages, what, Limits::default());
        let Ok(Some(Fetched::Changes(came))) = came else {
            panic!("changes");
        };
        let mut held = zone(serial(0), &versions[0]);
        let oldest = held.clone();
        for diff in &came {
            held = held.apply(diff).expect("it fits");
        }
        prop_assert!(held == newest);
        prop_assert_eq!(held.records(), newest.records());
        // Names that are gone left no trace, and the snapshot before is as it was.
        let names = |zone: &Zone| zone.names();
        prop_assert_eq!(names(&held), names(&newest));
        prop_assert!(oldest == zone(serial(0), &versions[0]));
    }

    #[test]
    fn records_are_the_same_after_the_store(content in content(100)) {
        let records = records(5, &content);
        prop_assert_eq!(Records::from_bytes(records.as_bytes()), Some(records.clone()));
        let cut = &records.as_bytes()[..records.size() - 1];
        prop_assert_eq!(Records::from_bytes(cut), None);
    }

    /// One flipped byte anywhere, and nothing is believed.
    #[test]
    fn a_forged_byte_is_noticed(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let content = (0..40).map(|host| (host, false, 1)).collect();
        let zone = zone(1, &content);
        let (checks, mut messages) = exchange(&zone, &Plan::Whole, Rtype::AXFR);
        let bytes = &mut messages[0];
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let taken = take(checks, &messages, Limits::default());
        // The id and the letters' case in the TSIG's own names are not covered by the MAC.
        if let Ok(Some(Fetched::Whole(came))) = taken {
            prop_assert!(Zone::from_records(name("verein.test"), &came).expect("a zone") == zone);
        }
    }
}

#[test]
fn a_transfer_that_is_cut_brings_nothing() {
    let content = (0..=255)
        .flat_map(|host| (0..8).map(move |value| (host, true, value)))
        .collect();
    let zone = zone(1, &content);
    let (checks, messages) = exchange(&zone, &Plan::Whole, Rtype::AXFR);
    assert!(messages.len() > 2, "{} messages", messages.len());
    let cut = &messages[..messages.len() - 1];
    assert!(matches!(take(checks, cut, Limits::default()), Ok(None)));
}

#[test]
fn a_transfer_over_the_limits_is_given_up() {
    let content = (0..=255).map(|host| (host, true, 1)).collect();
    let zone = zone(1, &content);
    for limits in [
        Limits {
            records: 100,
            bytes: 1 << 20,
        },
        Limits {
            records: 1000,
            bytes: 2000,
        },
    ] {
        let (checks, messages) = exchange(&zone, &Plan::Whole, Rtype::AXFR);
        let taken = take(checks, &messages, limits);
        assert!(matches!(taken, Err(Fault::TooLarge(_))), "{taken:?}");
    }
}

#[test]
fn whoever_is_up_to_date_gets_the_soa_alone() {
    let zone = zone(5, &Content::new());
    for serial in [5, 6] {
        let plan = Plan::of(&zone, &[], Some(serial));
        assert!(matches!(plan, Plan::Nothing));
        let (checks, messages) = exchange(&zone, &plan, Rtype::IXFR);
        let taken = taken(
            checks,
            &messages,
            Fetch::Incremental(serial),
            Limits::default(),
        );
        assert!(matches!(taken, Ok(Some(Fetched::UpToDate(5)))), "{taken:?}");
    }
    // A serial that is not in the history: everything.
    let plan = Plan::of(&zone, &[], Some(4));
    let (checks, messages) = exchange(&zone, &plan, Rtype::IXFR);
    let taken = taken(checks, &messages, Fetch::Incremental(4), Limits::default());
    // A zone of one record looks like a difference of none; AXFR is asked for then.
    assert!(matches!(taken, Err(Fault::Malformed(_))), "{taken:?}");
}

#[test]
fn a_difference_that_does_not_fit_is_refused() {
    let one: Content = [(1, false, 1)].into();
    let two: Content = [(2, false, 2)].into();
    let held = zone(1, &one);
    // It starts elsewhere.
    assert!(held.apply(&diff((2, &one), (3, &two))).is_err());
    // It takes away what is not there.
    assert!(held.apply(&diff((1, &two), (2, &one))).is_err());
    // It leads nowhere.
    assert!(held.apply(&Diff::default()).is_err());
    assert!(held.apply(&diff((1, &one), (2, &two))).is_ok());
}

mod split;
