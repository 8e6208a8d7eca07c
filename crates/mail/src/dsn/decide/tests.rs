//! Who is told, and who is not.

use super::*;
use crate::auth::verdict::{Dkim, Dmarc, Heard, Identity, Outcome, Spf};
use crate::envelope::{Client, Sender};
use crate::wire::path::Mailbox;

fn now() -> Timestamp {
    Timestamp::from_millis(1_779_268_443_000)
}
const HEAD: &[u8] = b"From: <s@client.test>\r\nAuto-Submitted: no\r\nSubject: x\r\n\r\n";

fn envelope(sender: &str, notify: &[Option<&str>]) -> Envelope {
    let recipient = |notify: &Option<&str>| Recipient {
        mailbox: Mailbox::parse("anna@verein.test").unwrap(),
        notify: notify.map(str::to_owned),
        orcpt: None,
    };
    Envelope {
        client: Client {
            address: "192.0.2.1:4711".parse().unwrap(),
            helo: "client.test".to_owned(),
            esmtp: true,
            tls: None,
        },
        sender: Sender {
            path: match sender {
                "" => ReversePath::Null,
                sender => ReversePath::Mailbox(Mailbox::parse(sender).unwrap()),
            },
            eight_bit: false,
            utf8: false,
            ret: None,
            envid: None,
        },
        recipients: notify.iter().map(recipient).collect(),
    }
}

fn verdicts(spf: Outcome, dkim: Option<(Outcome, &str)>, sender: &str) -> Verdicts {
    let domain = sender.rsplit('@').next().unwrap_or_default();
    let identity = match sender {
        "" => Identity::Helo,
        _ => Identity::MailFrom,
    };
    let signed = |(result, by): (Outcome, &str)| Dkim {
        result,
        domain: by.to_owned(),
        selector: "s".to_owned(),
        reason: None,
    };
    Verdicts {
        spf: Spf {
            result: spf,
            identity,
            domain: domain.to_owned(),
        },
        dkim: dkim.into_iter().map(signed).collect(),
        dmarc: Dmarc {
            result: Outcome::None,
            domain: String::new(),
            policy: None,
        },
        spam: None,
        heard: Heard::Answered,
    }
}

struct Case {
    sender: &'static str,
    spf: Outcome,
    dkim: Option<(Outcome, &'static str)>,
    notify: Option<&'static str>,
    head: &'static [u8],
    fate: Fate,
    kind: Kind,
}

const USUAL: Case = Case {
    sender: "s@client.test",
    spf: Outcome::Pass,
    dkim: None,
    notify: None,
    head: HEAD,
    fate: Fate::Quarantined,
    kind: Kind::Failure,
};

fn decided(case: &Case) -> Decision {
    let envelope = envelope(case.sender, &[case.notify]);
    let verdicts = verdicts(case.spf, case.dkim, case.sender);
    let about = About {
        envelope: &envelope,
        fates: &[case.fate],
        verdicts: Some(&verdicts),
        head: case.head,
    };
    decide(now(), case.kind, &[0], &about, &mut Quota::default())
}

fn sent() -> Decision {
    Decision::Send {
        to: "s@client.test".to_owned(),
        left_out: Vec::new(),
    }
}

#[test]
fn a_proved_sender_is_told() {
    assert_eq!(decided(&USUAL), sent());
    let signed = Case {
        spf: Outcome::Fail,
        dkim: Some((Outcome::Pass, "client.test")),
        ..USUAL
    };
    assert_eq!(decided(&signed), sent());
}

#[test]
fn nobody_is_told_who_may_have_nothing_to_do_with_it() {
    let leave = |case: Case| match decided(&case) {
        Decision::Leave(why) => why,
        sent @ Decision::Send { .. } => panic!("{sent:?}"),
    };
    for spf in [
        Outcome::Fail,
        Outcome::SoftFail,
        Outcome::Neutral,
        Outcome::None,
        Outcome::TempError,
        Outcome::PermError,
    ] {
        assert_eq!(leave(Case { spf, ..USUAL }), Why::NotProved, "{spf:?}");
        let dkim = Some((Outcome::Pass, "other.test"));
        assert_eq!(leave(Case { spf, dkim, ..USUAL }), Why::NotProved);
    }
    // The null sender, even of a host that SPF passes.
    assert_eq!(
        leave(Case {
            sender: "",
            ..USUAL
        }),
        Why::NullSender
    );
    for head in [
        &b"Auto-Submitted: auto-generated\r\n\r\n"[..],
        b"auto-submitted:\r\n\tauto-replied; owner=x\r\n\r\n",
        b"Subject: a\r\nPrecedence: Bulk\r\n\r\n",
        b"Precedence:list\r\n\r\n",
        b"List-Id: <a.b.test>\r\n\r\n",
    ] {
        let shown = String::from_utf8_lossy(head);
        assert_eq!(leave(Case { head, ..USUAL }), Why::Automatic, "{shown}");
    }
    let sender = "MAILER-DAEMON@client.test";
    assert_eq!(leave(Case { sender, ..USUAL }), Why::Automatic);
    let sender = "m\u{fc}ller@client.test";
    assert_eq!(leave(Case { sender, ..USUAL }), Why::Utf8);
    let unchecked = envelope("s@client.test", &[None]);
    let about = About {
        envelope: &unchecked,
        fates: &[Fate::Quarantined],
        verdicts: None,
        head: HEAD,
    };
    let decision = decide(now(), Kind::Failure, &[0], &about, &mut Quota::default());
    assert_eq!(decision, Decision::Leave(Why::NotProved));
}

#[test]
fn notify_is_honoured() {
    let told = |kind, notify| {
        let fate = match kind {
            Kind::Failure => Fate::Quarantined,
            Kind::Delay => Fate::Waiting,
        };
        decided(&Case {
            kind,
            notify,
            fate,
            ..USUAL
        }) == sent()
    };
    // RFC 3461 §4.1.
    assert!(told(Kind::Failure, None));
    assert!(told(Kind::Failure, Some("SUCCESS,FAILURE")));
    assert!(!told(Kind::Failure, Some("NEVER")));
    assert!(!told(Kind::Failure, Some("SUCCESS,DELAY")));
    assert!(told(Kind::Delay, Some("failure,delay")));
    for notify in [None, Some("NEVER"), Some("FAILURE")] {
        assert!(!told(Kind::Delay, notify), "{notify:?}");
    }
}

#[test]
fn what_was_decided_meanwhile_is_not_told() {
    for fate in [Fate::Waiting, Fate::HandedBack, Fate::Dropped] {
        let decision = decided(&Case { fate, ..USUAL });
        assert_eq!(decision, Decision::Leave(Why::Settled));
    }
    let kind = Kind::Delay;
    let notify = Some("DELAY");
    let handed_back = Case {
        kind,
        notify,
        fate: Fate::HandedBack,
        ..USUAL
    };
    assert_eq!(decided(&handed_back), Decision::Leave(Why::Settled));
}

#[test]
fn each_recipient_is_looked_at() {
    let envelope = envelope("s@client.test", &[None, Some("NEVER"), None, None]);
    let verdicts = verdicts(Outcome::Pass, None, "s@client.test");
    let about = About {
        envelope: &envelope,
        fates: &[
            Fate::Quarantined,
            Fate::Quarantined,
            Fate::HandedBack,
            Fate::Quarantined,
        ],
        verdicts: Some(&verdicts),
        head: HEAD,
    };
    let decision = decide(
        now(),
        Kind::Failure,
        &[0, 1, 2],
        &about,
        &mut Quota::default(),
    );
    let left_out = vec![(1, Why::NotWanted), (2, Why::Settled)];
    let to = "s@client.test".to_owned();
    assert_eq!(decision, Decision::Send { to, left_out });
}

#[test]
fn ten_thousand_forged_messages_are_answered_by_none() {
    let mut quota = Quota::default();
    let outcomes = [
        Outcome::Fail,
        Outcome::SoftFail,
        Outcome::Neutral,
        Outcome::None,
        Outcome::TempError,
    ];
    let mut left = 0;
    for number in 0..10_000_usize {
        let sender = format!("bystander{number}@bank{}.test", number % 97);
        let envelope = envelope(&sender, &[Some("FAILURE,DELAY")]);
        let spf = outcomes[number % outcomes.len()];
        // Some are signed, by whoever forged them or with a signature that does not hold.
        let dkim = match number % 3 {
            0 => None,
            1 => Some((Outcome::Pass, "forger.test")),
            _ => Some((Outcome::Fail, "bank1.test")),
        };
        let verdicts = verdicts(spf, dkim, &sender);
        let about = About {
            envelope: &envelope,
            fates: &[Fate::Quarantined],
            verdicts: Some(&verdicts),
            head: HEAD,
        };
        let decision = decide(now(), Kind::Failure, &[0], &about, &mut quota);
        assert_eq!(decision, Decision::Leave(Why::NotProved), "{sender}");
        left += 1;
    }
    assert_eq!(left, 10_000);
    assert!(quota.spend(now(), "s@client.test"), "and nothing was spent");
}

#[test]
fn a_proved_sender_who_sends_many_is_told_a_few_times() {
    let envelope = envelope("s@client.test", &[None]);
    let verdicts = verdicts(Outcome::Pass, None, "s@client.test");
    let about = About {
        envelope: &envelope,
        fates: &[Fate::Quarantined],
        verdicts: Some(&verdicts),
        head: HEAD,
    };
    let mut quota = Quota::default();
    let all = (0..100).map(|_| decide(now(), Kind::Failure, &[0], &about, &mut quota));
    let all: Vec<_> = all.collect();
    let sent = all.iter().filter(|one| **one == sent()).count();
    let enough = Decision::Leave(Why::TooMany);
    let refused = all.iter().filter(|one| **one == enough).count();
    assert_eq!((sent, refused), (5, 95));
}
