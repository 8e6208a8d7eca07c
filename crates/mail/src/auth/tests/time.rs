//! What DNS does not answer costs no more than the limit.

use super::*;

const SIGNED: &[u8] = b"DKIM-Signature: v=1; a=ed25519-sha256; d=slow.test; s=s; h=from;\r\n \
    bh=g3zLYH4xKxcPrHOD18z9YfpQcnk/GaJedfustWU5uGs=; b=YWFhYQ==\r\n\
    From: a@verein.test\r\n\r\ntest\r\n";

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_the_limit_and_gives_temperror() {
    let hole = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::new(Some(hole.local_addr().unwrap()), QUERY_LIMIT).unwrap();
    let checker = Checker::new(resolver.clone(), HOST);
    let clock = Clock::system();
    let subject = subject(Some("a@verein.test"), SIGNED);
    for limit in [LIMIT, Duration::from_millis(300), Duration::ZERO] {
        let before = clock.now().mono;
        let verdicts = checker.check(subject, limit).await;
        let took = clock.now().mono.since(before);
        // A timer of the runtime is a millisecond wide.
        assert!(
            took <= limit + Duration::from_millis(5),
            "{took:?} of {limit:?}"
        );
        assert_eq!(verdicts.spf.result, Outcome::TempError);
        assert_eq!(verdicts.dkim.len(), 1);
        assert_eq!(verdicts.dkim[0].result, Outcome::TempError);
        assert_eq!(verdicts.dkim[0].domain, "slow.test");
        assert_eq!(verdicts.dmarc.result, Outcome::TempError);
        assert_eq!(verdicts.dmarc.domain, "verein.test");
        assert_eq!(verdicts.heard, Heard::Silent);
        assert!(verdicts.is_open());

        let mut same = unknown(&subject);
        same.heard = Heard::Silent;
        assert_eq!(same, verdicts, "what is known without asking is the same");
    }
    let before = clock.now().mono;
    let asked = resolver.mx("verein.test").await;
    assert_eq!(asked, Err(LookupError::NoAnswer("time-out")));
    let took = clock.now().mono.since(before);
    assert!(took <= QUERY_LIMIT + Duration::from_millis(5), "{took:?}");
}

// The clock goes on only while nothing is ready, and an answer on loopback is ready at once.
#[tokio::test(start_paused = true)]
async fn what_answers_stands_beside_what_does_not() {
    let dns = TestDns::serve(&[
        ("verein.test", txt("v=spf1 ip4:192.0.2.25 -all")),
        ("_dmarc.verein.test", txt("v=DMARC1; p=reject")),
        ("s._domainkey.slow.test", Data::Mute),
    ])
    .await;
    let checker = Checker::new(resolver(&dns), HOST);
    let verdicts = checker
        .check(subject(Some("a@verein.test"), SIGNED), PATIENCE)
        .await;
    assert_eq!(verdicts.spf.result, Outcome::Pass);
    assert_eq!(verdicts.dkim[0].result, Outcome::TempError);
    assert_eq!(verdicts.dmarc.result, Outcome::Pass);
    assert_eq!(verdicts.heard, Heard::Answered, "the server is not silent");
}
