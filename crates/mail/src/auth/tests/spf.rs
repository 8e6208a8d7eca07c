//! SPF (RFC 7208).

use super::*;

async fn spf(dns: &TestDns, mail_from: &str) -> Outcome {
    let verdicts = check(dns, subject(Some(mail_from), b"")).await;
    assert_eq!(verdicts.spf.identity, Identity::MailFrom);
    assert_eq!(verdicts.dkim, []);
    verdicts.spf.result
}

#[tokio::test]
async fn each_result_has_its_record() {
    let dns = TestDns::serve(&[
        ("pass.test", txt("v=spf1 ip4:192.0.2.0/24 -all")),
        ("fail.test", txt("v=spf1 ip4:198.51.100.0/24 -all")),
        ("soft.test", txt("v=spf1 a mx ~all")),
        ("soft.test", Data::A("198.51.100.1")),
        ("neutral.test", txt("v=spf1 ?all")),
        ("wrong.test", txt("v=spf1 ip4:nonsense -all")),
        ("other.test", txt("verification=1")),
        ("other.test", Data::A("192.0.2.25")),
        ("two.test", txt("v=spf1 +all")),
        ("two.test", txt("v=spf1 -all")),
        ("broken.test", Data::Broken),
        ("mx.test", txt("v=spf1 mx -all")),
        ("mx.test", Data::Mx(10, "a.mx.test")),
        ("a.mx.test", Data::A("192.0.2.25")),
        ("a.mx.test", Data::Aaaa("2001:db8::25")),
        ("in.test", txt("v=spf1 include:pass.test -all")),
        ("redirect.test", txt("v=spf1 redirect=fail.test")),
        ("exists.test", txt("v=spf1 exists:%{ir}.%{l}.x.test -all")),
        ("25.2.0.192.anna.x.test", Data::A("127.0.0.2")),
    ])
    .await;
    let cases = [
        ("a@pass.test", Outcome::Pass),
        ("a@PASS.test", Outcome::Pass),
        ("a@fail.test", Outcome::Fail),
        ("a@soft.test", Outcome::SoftFail),
        ("a@neutral.test", Outcome::Neutral),
        ("a@wrong.test", Outcome::PermError),
        ("a@other.test", Outcome::None),
        ("a@nowhere.test", Outcome::None),
        ("a@two.test", Outcome::PermError),
        ("a@broken.test", Outcome::TempError),
        ("a@mx.test", Outcome::Pass),
        ("a@in.test", Outcome::Pass),
        ("a@redirect.test", Outcome::Fail),
        ("anna@exists.test", Outcome::Pass),
        ("otto@exists.test", Outcome::Fail),
    ];
    for (mail_from, result) in cases {
        assert_eq!(spf(&dns, mail_from).await, result, "{mail_from}");
    }
    let mut sixth = subject(Some("a@mx.test"), b"");
    sixth.client = "2001:db8::25".parse().unwrap();
    assert_eq!(check(&dns, sixth).await.spf.result, Outcome::Pass);
    sixth.client = "::ffff:192.0.2.25".parse().unwrap();
    assert_eq!(check(&dns, sixth).await.spf.result, Outcome::Pass);
}

#[tokio::test]
async fn records_that_go_in_circles_end() {
    let dns = TestDns::serve(&[
        ("loop.test", txt("v=spf1 include:b.loop.test -all")),
        ("b.loop.test", txt("v=spf1 include:loop.test -all")),
        ("self.test", txt("v=spf1 redirect=self.test")),
        ("into.test", txt("v=spf1 include:nowhere.test -all")),
    ])
    .await;
    for name in ["a@loop.test", "a@self.test", "a@into.test"] {
        assert_eq!(spf(&dns, name).await, Outcome::PermError, "{name}");
    }
    // RFC 7208 §4.6.4: ten terms that ask, and no more.
    let eleven: Vec<String> = (0..11).map(|n| format!("a:h{n}.test")).collect();
    dns.add(
        "many.test",
        txt(&format!("v=spf1 {} -all", eleven.join(" "))),
    );
    assert_eq!(spf(&dns, "a@many.test").await, Outcome::PermError);
    assert!(dns.asked() < 30);
}

#[tokio::test]
async fn the_null_sender_is_looked_for_at_helo() {
    let dns = TestDns::serve(&[("client.verein.test", txt("v=spf1 ip4:192.0.2.25 -all"))]).await;
    let mut null = subject(None, b"");
    let verdicts = check(&dns, null).await;
    assert_eq!(verdicts.spf.result, Outcome::Pass);
    assert_eq!(verdicts.spf.identity, Identity::Helo);
    assert_eq!(verdicts.spf.domain, "client.verein.test");
    assert!(!verdicts.passed_for_sender());
    assert_eq!(verdicts.heard, Heard::Answered);

    let asked = dns.asked();
    for helo in ["[192.0.2.25]", "localhost", "", "a b.test", "..", "a..b"] {
        null.helo = helo;
        let verdicts = check(&dns, null).await;
        assert_eq!(verdicts.spf.result, Outcome::None, "{helo}");
        assert_eq!(verdicts.heard, Heard::NotAsked, "{helo}");
    }
    assert_eq!(dns.asked(), asked, "nobody was asked about these");
}

#[tokio::test]
async fn a_name_in_other_letters_is_looked_up_in_ascii() {
    let dns = TestDns::serve(&[("xn--mnchen-3ya.test", txt("v=spf1 +all"))]).await;
    let verdicts = check(&dns, subject(Some("jörg@münchen.test"), b"")).await;
    assert_eq!(verdicts.spf.result, Outcome::Pass);
    assert_eq!(verdicts.spf.domain, "xn--mnchen-3ya.test");
    assert!(verdicts.passed_for_sender());
}
