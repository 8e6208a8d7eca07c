//! Hostile guests and hostile primaries, bytes by bytes.

use std::path::Path;

use domain::base::iana::{Opcode, Rtype};
use names::answer::{Outcome, refuse};
use names::fuzz::dns_wire;
use names::wire::{Refusal, parse};
use proptest::prelude::*;

use crate::ask::question;
use crate::house::message;

/// A header: id 0x1234, then flags and counts.
fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    bytes.extend_from_slice(&flags.to_be_bytes());
    bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    bytes
}

fn with(mut bytes: Vec<u8>, more: &[u8]) -> Vec<u8> {
    bytes.extend_from_slice(more);
    bytes
}

const WWW: &[u8] = b"\x03www\x06verein\x04test\x00\x00\x01\x00\x01";
const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

/// Messages that are no good question, each with the code that answers it (none: no answer).
#[allow(clippy::too_many_lines)] // a table
pub(crate) fn malformed() -> Vec<(&'static str, Vec<u8>, Option<u8>)> {
    let one = [1, 0, 0, 0];
    let edns = [1, 0, 0, 1];
    let long = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4);
    vec![
        ("empty", Vec::new(), None),
        ("eleven-bytes", header(0, one)[..11].to_vec(), None),
        ("an-answer", with(header(0x8000, one), WWW), None),
        ("an-empty-answer", header(0x8000, [0; 4]), None),
        ("no-question", header(0, [0; 4]), Some(1)),
        ("question-missing", header(0, one), Some(1)),
        (
            "two-questions",
            with(with(header(0, [2, 0, 0, 0]), WWW), WWW),
            Some(1),
        ),
        (
            "many-questions",
            with(header(0, [0xffff, 0, 0, 0]), WWW),
            Some(1),
        ),
        ("name-cut", with(header(0, one), b"\x03ww"), Some(1)),
        (
            "type-cut",
            with(header(0, one), b"\x03www\x00\x00"),
            Some(1),
        ),
        (
            "class-cut",
            with(header(0, one), b"\x03www\x00\x00\x01\x00"),
            Some(1),
        ),
        (
            "pointer-to-itself",
            with(header(0, one), b"\xc0\x0c\x00\x01\x00\x01"),
            Some(1),
        ),
        (
            "pointer-into-header",
            with(header(0, one), b"\xc0\x00\x00\x01\x00\x01"),
            Some(1),
        ),
        (
            "pointer-forward",
            with(header(0, one), b"\x01a\xc0\xff\x00\x01\x00\x01"),
            Some(1),
        ),
        (
            "label-type-01",
            with(header(0, one), b"\x41a\x00\x00\x01\x00\x01"),
            Some(1),
        ),
        (
            "label-type-10",
            with(header(0, one), b"\x81a\x00\x00\x01\x00\x01"),
            Some(1),
        ),
        (
            "name-too-long",
            with(with(header(0, one), &long), b"\x00\x00\x01\x00\x01"),
            Some(1),
        ),
        (
            "name-never-ends",
            with(header(0, one), &b"\x01a".repeat(300)),
            Some(1),
        ),
        (
            "rubbish-after",
            with(with(header(0, one), WWW), b"\xde\xad"),
            Some(1),
        ),
        ("counts-lie", with(header(0, [1, 9, 9, 9]), WWW), Some(1)),
        ("additional-missing", with(header(0, edns), WWW), Some(1)),
        (
            "opt-cut",
            with(with(header(0, edns), WWW), &OPT[..8]),
            Some(1),
        ),
        (
            "opt-data-cut",
            with(
                with(header(0, edns), WWW),
                b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x09\x01",
            ),
            Some(1),
        ),
        (
            "two-opts",
            with(with(with(header(0, [1, 0, 0, 2]), WWW), OPT), OPT),
            Some(1),
        ),
        (
            "opt-not-at-root",
            with(
                with(header(0, edns), WWW),
                b"\x01a\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00",
            ),
            Some(1),
        ),
        (
            "opt-in-answer",
            with(with(header(0, [1, 1, 0, 0]), WWW), OPT),
            Some(1),
        ),
        (
            "edns-version-1",
            with(
                with(header(0, edns), WWW),
                b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00",
            ),
            Some(0),
        ),
        (
            "edns-version-255",
            with(
                with(header(0, edns), WWW),
                b"\x00\x00\x29\x00\x00\xff\xff\xff\xff\x00\x00",
            ),
            Some(0),
        ),
        (
            "tsig-not-last",
            with(
                with(
                    with(header(0, [1, 0, 0, 2]), WWW),
                    b"\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00",
                ),
                OPT,
            ),
            Some(1),
        ),
        (
            "tsig-in-answer",
            with(
                with(header(0, [1, 1, 0, 0]), WWW),
                b"\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00",
            ),
            Some(1),
        ),
        ("opcode-iquery", with(header(0x0800, one), WWW), Some(4)),
        ("opcode-status", with(header(0x1000, one), WWW), Some(4)),
        ("opcode-update", with(header(0x2800, one), WWW), Some(4)),
        ("opcode-stateful", with(header(0x3000, one), WWW), Some(4)),
        ("opcode-15", with(header(0x7800, one), WWW), Some(4)),
        (
            "record-name-endless",
            with(with(header(0, [1, 1, 0, 0]), WWW), &b"\x01a".repeat(200)),
            Some(1),
        ),
    ]
}

#[test]
fn malformed_messages_are_refused_with_their_code() {
    for (name, bytes, want) in malformed() {
        dns_wire(&bytes);
        let refusal = parse(&bytes).expect_err(name);
        let mut out = Vec::new();
        let outcome = refuse(refusal, &bytes, &mut out);
        match want {
            None => {
                assert_eq!(
                    (refusal, outcome),
                    (Refusal::Drop, Outcome::Dropped),
                    "{name}"
                );
                assert!(out.is_empty(), "{name}");
            }
            Some(rcode) => {
                assert_eq!(out[3] & 0xf, rcode, "{name}");
                assert_eq!(out[..2], [0x12, 0x34], "{name}");
                // RFC 6891 §6.1.3: BADVERS is 16, whose upper bits are in the OPT record.
                let extended = name.starts_with("edns-version").then_some(1);
                let opt = out.windows(3).rposition(|bytes| bytes == [0, 0, 41]);
                assert_eq!(opt.map(|at| out[at + 5]), extended, "{name}: {out:?}");
            }
        }
    }
}

/// Well-formed questions, for the corpus.
fn questions() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let names = [
        "www.verein.test",
        "x.old.verein.test",
        "y.grow.verein.test",
        "x.wild.signed.test",
        "nope.hashed.test",
        "a.branch.verein.test",
        "steer.verein.test",
        "loop.verein.test",
        "other.test",
    ];
    for name in names {
        for (rtype, dnssec) in [("A", false), ("ANY", true)] {
            let word = if dnssec { "do" } else { "plain" };
            all.push((
                format!("{name}-{rtype}-{word}"),
                question(name, rtype, dnssec),
            ));
        }
    }
    let deep = "a.".repeat(110) + "verein.test";
    all.push(("deep".to_owned(), question(&deep, "A", true)));
    let far = "b".repeat(60) + ".far.verein.test";
    all.push(("dname-too-long".to_owned(), question(&far, "A", false)));
    all.push((
        "notify".to_owned(),
        message("verein.test", Rtype::SOA, Opcode::NOTIFY),
    ));
    all.push(("cookie-new".to_owned(), with_cookie(&[7; 8])));
    all.push(("cookie-both".to_owned(), with_cookie(&[7; 24])));
    all.push(("cookie-short".to_owned(), with_cookie(&[7; 12])));
    all.push(("cookie-alone".to_owned(), cookie_alone(&[7; 8])));
    all.push(("cookie-alone-both".to_owned(), cookie_alone(&[7; 24])));
    all.push((
        "axfr".to_owned(),
        message("verein.test", Rtype::AXFR, Opcode::QUERY),
    ));
    let framed: Vec<u8> = questions_framed();
    all.push(("stream-of-three".to_owned(), framed));
    all
}

fn questions_framed() -> Vec<u8> {
    let mut framed = Vec::new();
    for name in ["www.verein.test", "web.verein.test", "nope.verein.test"] {
        let question = question(name, "A", false);
        framed.extend_from_slice(&(question.len() as u16).to_be_bytes());
        framed.extend_from_slice(&question);
    }
    framed
}

#[test]
fn the_corpus_holds_them_all() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/dns_wire");
    let mut all = questions();
    all.extend(
        malformed()
            .into_iter()
            .map(|(name, bytes, _)| (name.to_owned(), bytes)),
    );
    assert!(all.len() >= 40);
    for (name, bytes) in all {
        let path = corpus.join(&name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(
            std::fs::read(&path).ok(),
            Some(bytes),
            "{name}; UPDATE=1 writes it"
        );
    }
    for file in std::fs::read_dir(corpus).unwrap() {
        dns_wire(&std::fs::read(file.unwrap().path()).unwrap());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        dns_wire(&bytes);
    }

    #[test]
    fn a_question_with_flipped_bytes_is_taken(
        which in 0usize..20,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let all = questions();
        let mut bytes = all[which % all.len()].1.clone();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        dns_wire(&bytes);
    }
}

/// A question for www with a cookie option of these bytes.
fn with_cookie(cookie: &[u8]) -> Vec<u8> {
    add_cookie(with(header(0, [1, 0, 0, 1]), WWW), cookie)
}

/// No question, and a cookie option of these bytes.
fn cookie_alone(cookie: &[u8]) -> Vec<u8> {
    add_cookie(header(0, [0, 0, 0, 1]), cookie)
}

fn add_cookie(bytes: Vec<u8>, cookie: &[u8]) -> Vec<u8> {
    let mut bytes = with(bytes, &OPT[..9]);
    let len = cookie.len() as u16;
    bytes.extend_from_slice(&(len + 4).to_be_bytes());
    bytes.extend_from_slice(&[0, 10]);
    bytes.extend_from_slice(&len.to_be_bytes());
    with(bytes, cookie)
}

/// RFC 7873 §5.2.2: a cookie is 8 octets, or 16 to 40.
#[test]
fn cookies_of_a_wrong_length_are_malformed() {
    for len in 0..=48 {
        let parsed = parse(&with_cookie(&vec![7; len]));
        assert_eq!(parsed.is_ok(), matches!(len, 8 | 16..=40), "{len}");
        dns_wire(&with_cookie(&vec![7; len]));
    }
    let mut short = with_cookie(&[7; 8]);
    let at = short.len() - 9;
    short[at] += 1;
    assert!(parse(&short).is_err(), "an option longer than the record");
}

/// RFC 7873 §5.4: whoever asks for nothing but a cookie gets one, and hears if the one shown is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_given_without_a_question() {
    use crate::house::{House, organisation, receive, send, udp_bytes};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    std::fs::write(
        &file,
        "@ 60 SOA ns h 1 3600 3600 3600 60\n@ 60 NS ns.test.\n",
    )
    .unwrap();
    let source = organisation("verein.test", names::config::Source::File(file));
    let house = House::open(&folder.path().join("store"), source).await;
    // The code with its upper bits in the OPT record, and the cookie that ends the answer.
    let read = |answer: &[u8]| {
        assert_eq!(answer[..2], [0x12, 0x34]);
        assert_eq!(
            answer[4..12],
            [0, 0, 0, 0, 0, 0, 0, 1],
            "an OPT record alone"
        );
        let code = u16::from(answer[17]) << 4 | u16::from(answer[3] & 0xf);
        let cookie: [u8; 24] = answer[answer.len() - 24..].try_into().unwrap();
        assert_eq!((answer.len(), &cookie[..8]), (12 + 11 + 28, &[7; 8][..]));
        (code, cookie)
    };
    let (code, cookie) = read(&udp_bytes(house.at, &cookie_alone(&[7; 8])).await);
    assert_eq!(code, 0);
    assert_eq!(
        read(&udp_bytes(house.at, &cookie_alone(&cookie)).await),
        (0, cookie)
    );
    // Somebody else's cookie, and one of another form: BADCOOKIE, with one that is right.
    let (mut wrong, longer) = (cookie, [&cookie[..], &[1; 8]].concat());
    wrong[23] ^= 1;
    for wrong in [&wrong[..], &longer, &[7; 16]] {
        let (code, right) = read(&udp_bytes(house.at, &cookie_alone(wrong)).await);
        assert_eq!(code, 23);
        assert_eq!(read(&udp_bytes(house.at, &cookie_alone(&right)).await).0, 0);
    }
    let mut stream = tokio::net::TcpStream::connect(house.at).await.unwrap();
    send(&mut stream, &cookie_alone(&cookie)).await;
    assert_eq!(read(&receive(&mut stream).await.unwrap()).0, 0);
    for (label, want) in [("valid", 5), ("new", 1), ("invalid", 3)] {
        let metric = format!("servergate_names_cookies_total{{cookie=\"{label}\"}}");
        assert_eq!(house.counted(&metric), want, "{label}");
    }
    let metric = "servergate_names_answers_total{outcome=\"cookie\"}";
    assert_eq!(house.counted(metric), 9);
    house.close().await;
}

/// What has no question and asks for no cookie either is malformed, as before.
#[test]
fn without_a_question_only_a_cookie_is_asked_for() {
    let notify = |mut bytes: Vec<u8>| {
        bytes[2] |= 0x20;
        bytes
    };
    let opt = [0, 0, 0, 1];
    let signed = with(
        with(header(0, [0, 0, 0, 2]), &cookie_alone(&[7; 8])[12..]),
        b"\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x00",
    );
    let version = {
        let mut bytes = cookie_alone(&[7; 8]);
        bytes[18] = 1;
        bytes
    };
    for (name, bytes, want) in [
        ("opt-alone", with(header(0, opt), OPT), 1),
        ("cookie-of-a-wrong-length", cookie_alone(&[7; 12]), 1),
        ("notify", notify(cookie_alone(&[7; 8])), 1),
        ("signed", signed, 1),
        ("rubbish-after", with(cookie_alone(&[7; 8]), &[0]), 1),
        ("version-1", version, 16),
    ] {
        let Err(Refusal::Code { rcode, .. }) = parse(&bytes) else {
            panic!("{name}");
        };
        assert_eq!(rcode, want, "{name}");
    }
}

/// A flood for one answer is answered truncated; a valid cookie, a stream and other answers pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_answered_truncated_and_a_cookie_passes() {
    use crate::house::{House, organisation, receive, send, udp, udp_bytes};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    std::fs::write(
        &file,
        "@ 60 SOA ns h 1 3600 3600 3600 60\n@ 60 NS ns.test.\nwww 60 A 192.0.2.1\n*.w 60 A 192.0.2.1\n",
    )
    .unwrap();
    let source = organisation("verein.test", names::config::Source::File(file));
    // Once a second: however slow the machine is, a hundred questions are more than that.
    let rate = names::RateLimit {
        per_second: 1,
        exempt: Vec::new(),
        ..names::RateLimit::default()
    };
    let house = House::open_limited(&folder.path().join("store"), source, rate).await;
    let plain = question("www.verein.test", "A", false);
    let mut truncated = 0;
    for _ in 0..100 {
        let reply = udp(house.at, &plain).await;
        assert_eq!(reply.answer.is_empty(), reply.truncated);
        truncated += u64::from(reply.truncated);
    }
    assert!(truncated > 0);
    let count = "servergate_names_refusals_total{reason=\"rate-truncated\"}";
    assert_eq!(house.counted(count), truncated);
    // Names that a wildcard makes have no end; neither have those that do not exist.
    for (below, rcode) in [("w.", "NOERROR"), ("", "NXDOMAIN")] {
        let mut over = 0;
        for number in 0..100 {
            let name = format!("n{number}.{below}verein.test");
            let reply = udp(house.at, &question(&name, "A", false)).await;
            assert_eq!(reply.rcode, rcode);
            over += usize::from(reply.truncated);
        }
        assert!(over > 0, "{below}");
    }
    // The cookie that came with a truncated answer opens the door.
    let first = udp_bytes(house.at, &with_cookie(&[7; 8])).await;
    let cookie = &first[first.len() - 24..];
    assert_eq!(cookie[..8], [7; 8]);
    for _ in 0..60 {
        let reply = udp(house.at, &with_cookie(cookie)).await;
        assert!(!reply.truncated && reply.answer.len() == 1, "{reply:?}");
    }
    for (label, want) in [("valid", 60), ("new", 1), ("invalid", 0)] {
        let metric = format!("servergate_names_cookies_total{{cookie=\"{label}\"}}");
        assert_eq!(house.counted(&metric), want, "{label}");
    }
    // Over a stream nobody is limited.
    let mut stream = tokio::net::TcpStream::connect(house.at).await.unwrap();
    for _ in 0..60 {
        send(&mut stream, &plain).await;
        let reply = crate::ask::read(&receive(&mut stream).await.unwrap());
        assert_eq!(reply.answer.len(), 1);
    }
    house.close().await;
}
