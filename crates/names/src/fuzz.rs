//! What must hold for whatever bytes a guest sends: called by the fuzz target, by the replay of
//! its corpus, and by the property tests.
#![allow(clippy::panic, clippy::expect_used)] // a broken promise is what it looks for

use std::sync::{Arc, OnceLock};

use domain::base::Message;
use domain::rdata::AllRecordData;

use crate::answer::{Outcome, Served, Transport, ZoneSet, answer, refuse};
use crate::steer::{Addresses, Overlay};
use crate::wire::{Frames, Name, parse};
use crate::zone::{Records, Zone, read_file};

const PLAIN: &str = "
@ 3600 SOA ns1 hostmaster 7 3600 600 86400 300
@ 3600 NS ns1
@ 3600 MX 10 mail
ns1 3600 A 192.0.2.53
www 300 CNAME web
web 300 A 198.51.100.80
a.b.c 300 TXT \"deep\"
*.wild 300 A 198.51.100.81
branch 3600 NS ns1.branch
ns1.branch 3600 A 192.0.2.54
old 300 DNAME new.verein.test.
loop 300 CNAME loop
grow 300 DNAME x.grow.verein.test.
far 300 DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.far.test.
";

const SIGNED: &str = "
@ 3600 SOA ns1 hostmaster 7 3600 600 86400 300
@ 3600 RRSIG SOA 13 2 3600 20371101000000 20261101000000 1 signed.test. AAAA
@ 3600 NS ns1
@ 300 NSEC *.wild A NS SOA RRSIG NSEC
@ 300 RRSIG NSEC 13 2 300 20371101000000 20261101000000 1 signed.test. AAAA
*.wild 300 A 198.51.100.81
*.wild 300 RRSIG A 13 3 300 20371101000000 20261101000000 1 signed.test. AAAA
*.wild 300 NSEC @ A RRSIG NSEC
";

const HASHED: &str = "
@ 3600 SOA ns1 hostmaster 7 3600 600 86400 300
@ 3600 RRSIG SOA 13 2 3600 20371101000000 20261101000000 1 hashed.test. AAAA
@ 3600 NS ns1
@ 0 NSEC3PARAM 1 0 2 ab
0evn46fqr2lfnpj2fsi4ga0q1u4b5589 300 NSEC3 1 0 2 ab vkb5t8u67sk2ko0niguaeeq026uirifi NS SOA
vkb5t8u67sk2ko0niguaeeq026uirifi 300 NSEC3 1 0 2 ab 0evn46fqr2lfnpj2fsi4ga0q1u4b5589 A
www 300 A 198.51.100.81
cut 300 NS ns.elsewhere.test.
";

/// The zones that are asked: one plain with an overlay, one with NSEC, one with NSEC3.
fn zones() -> &'static ZoneSet {
    static ZONES: OnceLock<ZoneSet> = OnceLock::new();
    ZONES.get_or_init(|| {
        let mut set = ZoneSet::default();
        for (apex, text) in [
            ("verein.test", PLAIN),
            ("signed.test", SIGNED),
            ("hashed.test", HASHED),
        ] {
            let apex: Name = apex.parse().expect("a name");
            let zone: Zone = read_file(&apex, text.as_bytes()).expect("a zone");
            let ours = Addresses {
                v4: vec![[192, 0, 2, 7].into()],
                v6: Vec::new(),
            };
            let steered = ["steer.verein.test".parse().expect("a name")];
            let overlay = (apex.to_string() == "verein.test")
                .then(|| Arc::new(Overlay::new(steered, Some(&ours))));
            set.insert(apex, Served::new(Some(Arc::new(zone)), overlay));
        }
        set
    })
}

/// Takes any bytes for a message, and for a stream of messages.
///
/// # Panics
/// Where an answer breaks a promise: it can be read, carries the question's id, and keeps to the
/// size that the question allows.
pub fn dns_wire(data: &[u8]) {
    let mut out = Vec::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        let limit = match parse(data) {
            Ok(query) => {
                let name = Name::from_wire(query.name()).expect("the name of a question is a name");
                assert_eq!(name.as_wire(), query.name());
                let outcome = answer(zones(), &query, data, transport, &mut out);
                assert_ne!(outcome, Outcome::Dropped);
                match (transport, query.edns) {
                    (Transport::Tcp, _) => 65_535,
                    (Transport::Udp, None) => 512,
                    (Transport::Udp, Some(edns)) => usize::from(edns.udp_size.max(512)),
                }
            }
            Err(refusal) => {
                if refuse(refusal, data, &mut out) == Outcome::Dropped {
                    continue;
                }
                512
            }
        };
        check(data, &out, limit);
    }
    stream(data);
}

/// Takes any bytes for a zone file.
///
/// # Panics
/// Where what it reads is not the same again after the store.
pub fn zone_file(data: &[u8]) {
    let apex: Name = "verein.test".parse().expect("a name");
    if let Ok(zone) = crate::zone::check_file(&apex, data) {
        let records = zone.to_records();
        let stored = Records::from_bytes(records.as_bytes()).expect("records");
        let again = Zone::from_records(apex, &stored).expect("a zone");
        assert!(again == zone);
    }
}

/// Takes any bytes for a file with a key.
pub fn tsig_key(data: &[u8]) {
    let _ = crate::config::key_from_text(&String::from_utf8_lossy(data));
}

fn check(question: &[u8], bytes: &[u8], limit: usize) {
    assert!(
        bytes.len() <= limit,
        "{} bytes where {limit} are allowed",
        bytes.len()
    );
    assert_eq!(bytes.get(..2), question.get(..2), "the id");
    let answer = Message::from_octets(bytes).expect("an answer has a header");
    let header = answer.header();
    assert!(header.qr() && !header.ra() && !header.ad());
    let sections = answer.sections().expect("sections");
    for question in sections.0 {
        question.expect("a question");
    }
    for section in [sections.1, sections.2, sections.3] {
        for record in section {
            let record = record.expect("a record");
            record
                .into_record::<AllRecordData<_, _>>()
                .expect("its data");
        }
    }
}

/// However a stream is cut, the same messages come out.
fn stream(data: &[u8]) {
    let mut whole = Frames::default();
    whole.extend(data);
    let mut cut = Frames::default();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    while let Some(message) = whole.next() {
        left.push(message.to_vec());
    }
    for piece in data.chunks(7) {
        cut.extend(piece);
        while let Some(message) = cut.next() {
            right.push(message.to_vec());
        }
    }
    assert_eq!(left, right);
    assert_eq!(whole.pending(), cut.pending());
}
