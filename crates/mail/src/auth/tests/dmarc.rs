//! DMARC (RFC 9989).

use super::*;

/// Verdicts about a message from `author`, sent as `sender`, signed by `signed`.
async fn dmarc(dns: &TestDns, author: &str, sender: &str, signed: Option<&str>) -> Verdicts {
    let message = format!("From: {author}\r\nSubject: x\r\n\r\nx\r\n");
    let mut all = message.clone();
    if let Some(domain) = signed {
        let key = include_bytes!("../testdata/ed25519.pem");
        let signer = Signer::new("s", domain, key).unwrap();
        dns.add(&format!("s._domainkey.{domain}"), txt(signer.record()));
        all = signer.sign(message.as_bytes()).unwrap() + &message;
    }
    check(dns, subject(Some(sender), all.as_bytes())).await
}

async fn world() -> TestDns {
    let spf = "v=spf1 ip4:192.0.2.25 -all";
    TestDns::serve(&[
        ("verein.test", txt(spf)),
        ("news.verein.test", txt(spf)),
        ("other.test", txt(spf)),
        (
            "_dmarc.verein.test",
            txt("v=DMARC1; p=reject; sp=quarantine"),
        ),
        ("strict.test", txt(spf)),
        ("news.strict.test", txt(spf)),
        (
            "_dmarc.strict.test",
            txt("v=DMARC1; p=quarantine; aspf=s; adkim=s"),
        ),
        ("broken.test", txt(spf)),
        ("_dmarc.broken.test", Data::Broken),
    ])
    .await
}

#[tokio::test]
async fn either_of_the_two_has_to_vouch_for_the_author() {
    let dns = world().await;
    let cases = [
        ("a@verein.test", "a@verein.test", None, Outcome::Pass),
        ("a@verein.test", "a@news.verein.test", None, Outcome::Pass),
        ("a@news.verein.test", "a@verein.test", None, Outcome::Pass),
        ("a@verein.test", "a@other.test", None, Outcome::Fail),
        (
            "a@verein.test",
            "a@other.test",
            Some("verein.test"),
            Outcome::Pass,
        ),
        (
            "a@verein.test",
            "a@other.test",
            Some("x.verein.test"),
            Outcome::Pass,
        ),
        (
            "a@verein.test",
            "a@other.test",
            Some("other.test"),
            Outcome::Fail,
        ),
        ("a@strict.test", "a@strict.test", None, Outcome::Pass),
        ("a@strict.test", "a@news.strict.test", None, Outcome::Fail),
        (
            "a@strict.test",
            "a@other.test",
            Some("news.strict.test"),
            Outcome::Fail,
        ),
        ("a@other.test", "a@other.test", None, Outcome::None),
        ("a@broken.test", "a@broken.test", None, Outcome::TempError),
        (
            "a@verein.test, b@strict.test",
            "a@verein.test",
            None,
            Outcome::None,
        ),
    ];
    for (author, sender, signed, result) in cases {
        let verdicts = dmarc(&dns, author, sender, signed).await;
        assert_eq!(
            verdicts.dmarc.result, result,
            "{author} {sender} {signed:?}"
        );
    }
}

#[tokio::test]
async fn the_policy_is_that_of_the_author_or_of_the_organisation() {
    let dns = world().await;
    let cases = [
        ("a@Verein.test", "verein.test", Some(Policy::Reject)),
        (
            "a@news.verein.test",
            "news.verein.test",
            Some(Policy::Quarantine),
        ),
        ("a@strict.test", "strict.test", Some(Policy::Quarantine)),
        ("a@other.test", "other.test", None),
    ];
    for (author, domain, policy) in cases {
        let verdicts = dmarc(&dns, author, "a@other.test", None).await;
        assert_eq!(verdicts.dmarc.domain, domain);
        assert_eq!(verdicts.dmarc.policy, policy, "{author}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_had_leaves_it_open() {
    let dns = world().await;
    dns.add("s._domainkey.strict.test", Data::Broken);
    let verdicts = dmarc(&dns, "a@strict.test", "a@other.test", Some("strict.test")).await;
    assert_eq!(verdicts.dkim[0].result, Outcome::TempError);
    assert_eq!(verdicts.dmarc.result, Outcome::TempError);
    assert!(verdicts.is_open());
}
