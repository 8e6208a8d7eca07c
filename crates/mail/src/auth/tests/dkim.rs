//! DKIM (RFC 6376, RFC 8463).

use super::*;

const ED25519: &[u8] = include_bytes!("../testdata/ed25519.pem");
const RSA: &[u8] = include_bytes!("../testdata/rsa.pem");

const MESSAGE: &str = "From: Anna <anna@verein.test>\r\n\
    To: otto@stadt.test\r\n\
    Subject: Tomorrow\r\n\
    \r\n\
    At noon.\r\n\
    .\r\n\
    \r\n";

/// RFC 8463 appendix A, signed with both kinds of key.
const EXAMPLE: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r
 subject : date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r
 date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r
From: Joe SixPack <joe@football.example.com>\r
To: Suzie Q <suzie@shopping.example.net>\r
Subject: Is dinner ready?\r
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r
\r
Hi.\r
\r
We lost the game.  Are you hungry yet?\r
\r
Joe.\r
";

const EXAMPLE_ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const EXAMPLE_RSA: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiG\
    s5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lx\
    j+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

fn results(verdicts: &Verdicts) -> Vec<Outcome> {
    verdicts.dkim.iter().map(|dkim| dkim.result).collect()
}

#[tokio::test]
async fn the_standards_example_passes_with_both_keys() {
    let dns = TestDns::serve(&[
        (
            "brisbane._domainkey.football.example.com",
            txt(EXAMPLE_ED25519),
        ),
        ("test._domainkey.football.example.com", txt(EXAMPLE_RSA)),
    ])
    .await;
    let sender = Some("joe@football.example.com");
    let verdicts = check(&dns, subject(sender, EXAMPLE.as_bytes())).await;
    let passed = |selector: &str| Dkim {
        result: Outcome::Pass,
        domain: "football.example.com".to_owned(),
        selector: selector.to_owned(),
        reason: None,
    };
    assert_eq!(verdicts.dkim, [passed("brisbane"), passed("test")]);
    assert_eq!(verdicts.spf.result, Outcome::None);
    assert!(verdicts.passed_for_sender());

    let changed = EXAMPLE.replace("We lost", "We won");
    let verdicts = check(&dns, subject(sender, changed.as_bytes())).await;
    assert_eq!(results(&verdicts), [Outcome::Fail, Outcome::Fail]);
    assert!(!verdicts.passed_for_sender());
    let reason = verdicts.dkim[0].reason.as_deref();
    assert_eq!(reason, Some("the body was changed"));

    let changed = EXAMPLE.replace("Is dinner", "Was dinner");
    let verdicts = check(&dns, subject(sender, changed.as_bytes())).await;
    assert_eq!(results(&verdicts), [Outcome::Fail, Outcome::Fail]);
    let reason = verdicts.dkim[0].reason.as_deref();
    assert_eq!(reason, Some("the signature does not match"));
}

#[tokio::test]
async fn what_we_sign_passes_and_does_not_when_it_is_changed() {
    for key in [ED25519, RSA] {
        let signer = Signer::new("spring", "verein.test", key).unwrap();
        let dns = TestDns::serve(&[("spring._domainkey.verein.test", txt(signer.record()))]).await;
        let signature = signer.sign(MESSAGE.as_bytes()).unwrap();
        assert!(signature.ends_with("\r\n"));
        let signed = signature + MESSAGE;
        let sender = Some("anna@verein.test");
        let verdicts = check(&dns, subject(sender, signed.as_bytes())).await;
        assert_eq!(results(&verdicts), [Outcome::Pass]);
        assert_eq!(verdicts.dkim[0].selector, "spring");
        // A field of ours on top changes nothing.
        let relayed = format!("Received: from x by y\r\n{signed}");
        let verdicts = check(&dns, subject(sender, relayed.as_bytes())).await;
        assert_eq!(results(&verdicts), [Outcome::Pass]);
        for (from, to) in [
            ("noon", "nine"),
            ("Anna <anna", "Otto <otto"),
            ("\r\n.\r\n", "\r\n"),
        ] {
            let changed = signed.replace(from, to);
            assert_ne!(changed, signed);
            let verdicts = check(&dns, subject(sender, changed.as_bytes())).await;
            assert_eq!(results(&verdicts), [Outcome::Fail], "{from}");
        }
    }
}

#[tokio::test]
async fn without_a_usable_key_it_is_no_pass() {
    let signer = Signer::new("s", "verein.test", ED25519).unwrap();
    let signed = signer.sign(MESSAGE.as_bytes()).unwrap() + MESSAGE;
    let other = Signer::new("s", "verein.test", RSA).unwrap();
    let cases = [
        (txt("v=DKIM1; k=ed25519; p="), Outcome::PermError),
        (txt("something else"), Outcome::PermError),
        (txt(EXAMPLE_ED25519), Outcome::Fail),
        (txt(other.record()), Outcome::PermError),
        (Data::A("192.0.2.1"), Outcome::PermError),
        (Data::Broken, Outcome::TempError),
    ];
    for (key, result) in cases {
        let told = format!("{key:?}");
        let dns = TestDns::serve(&[("s._domainkey.verein.test", key)]).await;
        let verdicts = check(&dns, subject(None, signed.as_bytes())).await;
        assert_eq!(results(&verdicts), [result], "{told}");
        assert!(verdicts.dkim[0].reason.is_some(), "{told}");
        assert_eq!(verdicts.heard, Heard::Answered, "{told}");
    }
    let dns = TestDns::serve(&[]).await;
    let verdicts = check(&dns, subject(None, signed.as_bytes())).await;
    assert_eq!(results(&verdicts), [Outcome::PermError], "no such name");
}
