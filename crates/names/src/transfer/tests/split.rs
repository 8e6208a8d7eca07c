//! Transfers split over messages in every way, and what a first SOA means.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::base::iana::{Class, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::rdata::UnknownRecordData;
use domain::base::{Name as WireName, Ttl};
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

use super::{Content, content, diff, exchange, name, now, records, secret, soa, take, taken, zone};
use crate::secondary::Fetch;
use crate::transfer::message::Checks;
use crate::transfer::{Fault, Fetched, Limits, Plan};
use crate::wire::code;
use crate::zone::{Diff, Record, Records, Zone};

/// The records of an answer, as a message for each of the ranges between `cuts`.
fn split(what: Fetch, records: &[Record<'_>], cuts: &BTreeSet<usize>) -> Vec<Vec<u8>> {
    let mut from = 0;
    let ends = cuts.iter().copied().chain([records.len()]);
    let parts = ends.map(|end| {
        let part = &records[from..end];
        from = end;
        part
    });
    let rtype = match what {
        Fetch::Incremental(_) => Rtype::IXFR,
        Fetch::Whole | Fetch::Anew => Rtype::AXFR,
    };
    let message = |(index, part): (usize, &[Record<'_>])| {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_qr(true);
        let mut builder = builder.question();
        if index == 0 {
            let apex = WireName::from_octets(b"\x06verein\x04test\x00".as_slice()).expect("a name");
            builder.push((apex, rtype, Class::IN)).expect("room");
        }
        let mut builder = builder.answer();
        for record in part {
            let owner = WireName::from_octets(record.owner).expect("a name");
            let rtype = Rtype::from_int(record.rtype);
            let data = UnknownRecordData::from_octets(rtype, record.data).expect("data");
            builder
                .push((owner, Class::IN, Ttl::from_secs(record.ttl), data))
                .expect("room");
        }
        builder.finish()
    };
    parts.enumerate().map(message).collect()
}

fn assembled(what: Fetch, messages: &[Vec<u8>]) -> Result<Option<Fetched>, Fault> {
    let unsigned = {
        let mut builder = MessageBuilder::new_vec().additional();
        Checks::sign(None, &mut builder, now()).expect("nothing to sign")
    };
    taken(unsigned, messages, what, Limits::default())
}

/// The answer to AXFR: the SOA before and after everything.
fn axfr(content: &Records) -> Vec<Record<'_>> {
    content.iter().chain(content.iter().take(1)).collect()
}

/// The answer to IXFR: the newest SOA before and after the differences.
fn ixfr<'a>(newest: &'a Records, diffs: &'a [Diff]) -> Vec<Record<'a>> {
    let soa = || newest.iter().take(1);
    let body = diffs
        .iter()
        .flat_map(|diff| diff.removed.iter().chain(diff.added.iter()));
    soa().chain(body).chain(soa()).collect()
}

fn cuts(most: usize) -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 0..most)
}

proptest! {
    /// However records are spread over messages, the first SOA alone or not, the zone is the same.
    #[test]
    fn any_split_of_a_transfer_gives_the_same_zone(
        versions in proptest::collection::vec(content(40), 2..4),
        at in cuts(12),
        alone in any::<bool>(),
        each in any::<bool>(),
    ) {
        let last = versions.len() - 1;
        let serial = |index: usize| u32::MAX.wrapping_add(u32::try_from(index).expect("few"));
        let diffs: Vec<_> = (0..last)
            .map(|index| {
                diff((serial(index), &versions[index]), (serial(index + 1), &versions[index + 1]))
            })
            .collect();
        let newest = records(serial(last), &versions[last]);
        let incremental = Fetch::Incremental(serial(0));
        for (what, all) in [
            (Fetch::Whole, axfr(&newest)),
            (incremental, axfr(&newest)),
            (incremental, ixfr(&newest, &diffs)),
        ] {
            let mut cuts: BTreeSet<usize> = at.iter().map(|at| at.index(all.len())).collect();
            cuts.extend(alone.then_some(1));
            if each {
                cuts = (1..all.len()).collect();
            }
            cuts.remove(&0);
            let came = assembled(what, &split(what, &all, &cuts)).expect("it is understood");
            let zone = match came {
                Some(Fetched::Whole(records)) => {
                    Zone::from_records(name("verein.test"), &records).expect("a zone")
                }
                Some(Fetched::Changes(diffs)) => {
                    let held = zone(serial(0), &versions[0]);
                    diffs.iter().fold(held, |held, diff| held.apply(diff).expect("it fits"))
                }
                other => panic!("{what:?} split at {cuts:?}: {other:?}"),
            };
            prop_assert!(zone == self::zone(serial(last), &versions[last]));
            // Without its last record it is no transfer, wherever it is split.
            let cut = &all[..all.len() - 1];
            let cuts = cuts.into_iter().filter(|at| *at < cut.len()).collect();
            let came = assembled(what, &split(what, cut, &cuts));
            prop_assert!(matches!(came, Ok(None)), "{:?}", came);
        }
    }

    /// RFC 8945 §5.3.1: up to 99 messages in between may be unsigned, the first and the last not.
    #[test]
    fn messages_between_signed_ones_may_be_unsigned(every in 1usize..150, count in 1usize..220) {
        let content: Content = (0..=255).flat_map(|host| [(host, false, 1), (host, true, 1)]).collect();
        let content = records(7, &content);
        let all = axfr(&content);
        let cuts = (1..count).collect();
        let messages = split(Fetch::Whole, &all, &cuts);
        let key = secret();
        let mut builder = MessageBuilder::new_vec().question();
        let apex = WireName::from_octets(b"\x06verein\x04test\x00".as_slice()).expect("a name");
        builder.push((apex, Rtype::AXFR, Class::IN)).expect("room");
        let mut builder = builder.additional();
        let checks = Checks::sign(Some(&key), &mut builder, now()).expect("a signature");
        let request = builder.finish();
        let signed = signed_now_and_then(&request, &messages, every);
        let came = take(checks, &signed, Limits::default());
        if every <= 100 {
            prop_assert!(matches!(came, Ok(Some(Fetched::Whole(_)))), "{every} {count}: {came:?}");
        } else if messages.len() > 101 {
            prop_assert!(matches!(came, Err(Fault::Signature(_))), "{every} {count}: {came:?}");
        }
    }
}

/// Signs the first message, the last, and each `every`th. What is signed covers what was sent since
/// the last signature (RFC 8945 §5.3.1).
fn signed_now_and_then(request: &[u8], messages: &[Vec<u8>], every: usize) -> Vec<Vec<u8>> {
    const MAC: usize = 64;
    let mut time = now().into_octets().to_vec();
    time.extend_from_slice(&300u16.to_be_bytes());
    // After the MAC stand the original id, the error and the length of other data.
    let at = request.len() - 6 - MAC;
    let mut mac = request[at..at + MAC].to_vec();
    let mut unsigned = Vec::new();
    let mut out = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let last = index + 1 == messages.len();
        if index != 0 && !last && index % every != 0 {
            unsigned.extend_from_slice(message);
            out.push(message.clone());
            continue;
        }
        let mut covered = vec![0, 64];
        covered.extend_from_slice(&mac);
        covered.append(&mut unsigned);
        covered.extend_from_slice(message);
        if index == 0 {
            covered.extend_from_slice(b"\x0aservergate\x00\x00\xff\x00\x00\x00\x00");
            covered.extend_from_slice(b"\x0bhmac-sha512\x00");
        }
        covered.extend_from_slice(&time);
        if index == 0 {
            covered.extend_from_slice(&[0; 4]);
        }
        mac = hmac(&covered);
        let mut data = b"\x0bhmac-sha512\x00".to_vec();
        data.extend_from_slice(&time);
        data.extend_from_slice(&[0, 64]);
        data.extend_from_slice(&mac);
        data.extend_from_slice(&message[..2]);
        data.extend_from_slice(&[0; 4]);
        let mut signed = message.clone();
        signed[11] += 1;
        signed.extend_from_slice(b"\x0aservergate\x00\x00\xfa\x00\xff\x00\x00\x00\x00");
        signed.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
        signed.extend_from_slice(&data);
        out.push(signed);
    }
    out
}

/// RFC 2104, with SHA-512 and the secret of [`secret`].
fn hmac(text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 128];
        for (place, octet) in block.iter_mut().zip(b"0123456789abcdef0123456789abcdef") {
            *place ^= octet;
        }
        block
    };
    let inner = Sha512::new().chain_update(pad(0x36)).chain_update(text);
    let outer = Sha512::new().chain_update(pad(0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

/// A zone of 200,000 records and ten changes of it, as PowerDNS sends them (the SOA alone, then as
/// much as fits): the same as what a whole transfer of the last version brings.
#[test]
fn a_large_zone_is_the_same_after_ten_changes() {
    const HOSTS: u32 = 200_000;
    let record = |into: &mut Records, host: u32, value: u32| {
        let mut owner = vec![7];
        owner.extend_from_slice(format!("h{host:06}").as_bytes());
        owner.extend_from_slice(b"\x06verein\x04test\x00");
        into.push(&owner, code::A, 300, &value.to_be_bytes());
    };
    // Version n has changed every thousandth host beginning with each number below n.
    let version = |serial: u32| {
        let mut all = Records::default();
        all.push(name("verein.test").as_wire(), code::SOA, 3600, &soa(serial));
        for host in 0..HOSTS {
            record(
                &mut all,
                host,
                host + u32::from(host % 1000 < serial) * 0x0a00_0000,
            );
        }
        Zone::from_records(name("verein.test"), &all).expect("a zone")
    };
    let mut held = version(0);
    for serial in 1..=10 {
        let mut newest = Records::default();
        newest.push(name("verein.test").as_wire(), code::SOA, 3600, &soa(serial));
        let none = Content::new();
        let mut change = diff((serial - 1, &none), (serial, &none));
        for host in (serial - 1..HOSTS).step_by(1000) {
            record(&mut change.removed, host, host);
            record(&mut change.added, host, host + 0x0a00_0000);
        }
        let diffs = [change];
        let all = ixfr(&newest, &diffs);
        let cuts = [1].into_iter().chain((50..all.len()).step_by(50)).collect();
        let what = Fetch::Incremental(serial - 1);
        let came = assembled(what, &split(what, &all, &cuts)).expect("it is understood");
        let Some(Fetched::Changes(came)) = came else {
            panic!("{came:?}");
        };
        held = held.apply(&came[0]).expect("it fits");
        assert_eq!(held.soa().serial, serial);
    }
    assert_eq!(held.records(), 200_001);
    assert!(held == version(10));
}

/// The first SOA says by its serial what it is, alone or not; everything else is no transfer.
#[test]
fn a_soa_that_comes_first_is_judged_by_its_serial() {
    let one: Content = [(1, false, 1)].into();
    let two: Content = [(2, false, 2)].into();
    let content = records(8, &two);
    let diffs = [diff((7, &one), (8, &two))];
    let incremental = Fetch::Incremental;
    let all = ixfr(&content, &diffs);
    let alone = |held| {
        assembled(
            incremental(held),
            &split(incremental(held), &all[..1], &[].into()),
        )
    };
    assert!(matches!(alone(7), Ok(None)), "newer: it goes on");
    assert!(matches!(alone(8), Ok(Some(Fetched::UpToDate(8)))));
    assert!(matches!(alone(9), Ok(Some(Fetched::UpToDate(8)))));
    // Half the circle away nothing is newer (RFC 1982 §3.2).
    assert!(matches!(
        alone(8 + 0x8000_0000),
        Ok(Some(Fetched::UpToDate(8)))
    ));
    // What is not newer is not read on, however much comes with it.
    let whole = axfr(&content);
    let came = assembled(incremental(8), &split(incremental(8), &whole, &[].into()));
    assert!(matches!(came, Ok(Some(Fetched::UpToDate(8)))), "{came:?}");
    let nothing = assembled(incremental(7), &split(incremental(7), &[], &[].into()));
    assert!(matches!(nothing, Err(Fault::Malformed(_))), "{nothing:?}");
    let headless = assembled(
        incremental(7),
        &split(incremental(7), &whole[1..], &[].into()),
    );
    assert!(matches!(headless, Err(Fault::Malformed(_))), "{headless:?}");
    // The zone changed under an AXFR.
    let newer = records(9, &one);
    let mixed: Vec<_> = content.iter().chain(newer.iter().take(1)).collect();
    let mixed = assembled(Fetch::Whole, &split(Fetch::Whole, &mixed, &[1].into()));
    assert!(matches!(mixed, Err(Fault::Malformed(_))), "{mixed:?}");
    // Something follows the end.
    let more: Vec<_> = whole
        .iter()
        .copied()
        .chain(content.iter().skip(1))
        .collect();
    let more = assembled(Fetch::Whole, &split(Fetch::Whole, &more, &[].into()));
    assert!(matches!(more, Err(Fault::Malformed(_))), "{more:?}");
}

/// RFC 4343 §4.1: letters are kept as they came, whatever case a difference names them in.
#[test]
fn letters_keep_their_case_through_a_transfer() {
    let apex = name("verein.test");
    let mut content = Records::default();
    content.push(b"\x06Verein\x04TEST\x00", code::SOA, 3600, &soa(1));
    content.push(
        b"\x03WwW\x06Verein\x04TEST\x00",
        code::A,
        300,
        &[192, 0, 2, 1],
    );
    content.push(
        b"\x03wWw\x06Verein\x04TEST\x00",
        code::CNAME,
        300,
        b"\x03Ns1\x04TEST\x00",
    );
    let held = Zone::from_records(apex.clone(), &content).expect("a zone");
    let mut diff = Diff::default();
    diff.removed.push(apex.as_wire(), code::SOA, 3600, &soa(1));
    diff.removed.push(
        b"\x03www\x06verein\x04test\x00",
        code::A,
        300,
        &[192, 0, 2, 1],
    );
    diff.added.push(apex.as_wire(), code::SOA, 3600, &soa(2));
    diff.added.push(
        b"\x03FTP\x06verein\x04test\x00",
        code::A,
        300,
        &[192, 0, 2, 2],
    );
    let next = held.apply(&diff).expect("it fits");
    for (zone, want) in [(&held, 3), (&next, 3)] {
        assert_eq!(zone.records(), want);
        let (checks, messages) = exchange(zone, &Plan::Whole, Rtype::AXFR);
        let came = take(checks, &messages, Limits::default());
        let Ok(Some(Fetched::Whole(came))) = came else {
            panic!("{came:?}");
        };
        assert!(Zone::from_records(apex.clone(), &came).expect("a zone") == *zone);
        let stored = Records::from_bytes(zone.to_records().as_bytes()).expect("records");
        assert_eq!(stored, zone.to_records());
    }
    let mut more = Diff::default();
    more.removed.push(apex.as_wire(), code::SOA, 3600, &soa(2));
    more.added.push(apex.as_wire(), code::SOA, 3600, &soa(3));
    more.added
        .push(b"\x03Ftp\x06VEREIN\x04Test\x00", code::AAAA, 300, &[0; 16]);
    let newest = next.apply(&more).expect("it fits");
    let plan = Plan::Changes(vec![Arc::new(more)]);
    let (checks, messages) = exchange(&newest, &plan, Rtype::IXFR);
    let came = taken(checks, &messages, Fetch::Incremental(2), Limits::default());
    let Ok(Some(Fetched::Changes(came))) = came else {
        panic!("{came:?}");
    };
    let owner = b"\x03Ftp\x06VEREIN\x04Test\x00";
    assert!(came[0].added.iter().any(|record| record.owner == owner));
    let has = |zone: &Zone, owner: &[u8]| zone.to_records().iter().any(|r| r.owner == owner);
    assert!(has(&held, b"\x03WwW\x06Verein\x04TEST\x00"));
    assert!(has(&next, b"\x03FTP\x06verein\x04test\x00"));
    assert!(
        next.to_records()
            .iter()
            .any(|record| record.data == b"\x03Ns1\x04TEST\x00")
    );
    assert!(next.node(name("www.verein.test").as_wire()).is_some());
}
