//! Which lines are commands, and what is said of the others.

use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Result<Command, Fault> {
    Command::parse(line.as_bytes())
}

#[test]
fn good_lines_are_understood() {
    assert_eq!(
        parse("ehlo mx.example "),
        Ok(Command::Ehlo("mx.example".into()))
    );
    assert_eq!(
        parse("EHLO [IPv6:2001:db8::1]"),
        Ok(Command::Ehlo("[IPv6:2001:db8::1]".into()))
    );
    let Ok(Command::Mail(mail)) =
        parse("MAIL FROM:<a@b.test> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=hdrs ENVID=x+2By AUTH=<>")
    else {
        panic!()
    };
    assert_eq!(
        (mail.size, mail.eight_bit, mail.utf8),
        (Some(1000), true, true)
    );
    assert_eq!(
        (mail.ret.as_deref(), mail.envid.as_deref()),
        (Some("HDRS"), Some("x+2By"))
    );
    assert!(matches!(
        parse("mail from: <>"),
        Ok(Command::Mail(MailCommand {
            from: ReversePath::Null,
            ..
        }))
    ));
    let Ok(Command::Rcpt(rcpt)) =
        parse("RCPT TO:<c@verein.test> NOTIFY=success,delay ORCPT=rfc822;c@verein.test")
    else {
        panic!()
    };
    assert_eq!(rcpt.notify.as_deref(), Some("SUCCESS,DELAY"));
    assert_eq!(
        parse("BDAT 86 LAST"),
        Ok(Command::Bdat {
            size: 86,
            last: true
        })
    );
    assert_eq!(
        parse("BDAT 0"),
        Ok(Command::Bdat {
            size: 0,
            last: false
        })
    );
    assert_eq!(parse("FROBNICATE"), Ok(Command::Unknown));
}

#[test]
fn bad_lines_are_refused_with_the_right_code() {
    for (line, code) in [
        ("EHLO", 501),
        ("EHLO  ", 501),
        ("EHLO a\0b", 501),
        ("MAIL", 501),
        ("MAIL FROM:", 501),
        ("MAIL FROM:<a@b.test> =1", 501),
        ("MAIL FROM:<a@b.test>SIZE=1", 501),
        ("MAIL FROM:<a@b.test> SIZE=x", 501),
        ("MAIL FROM:<a@b.test> BODY=BINARYMIME", 504),
        ("MAIL FROM:<a@b.test> ENVID=a+2", 501),
        ("RCPT TO:<a@b.test> ORCPT=rfc822;a\tb", 501),
        ("MAIL FROM:<a@b.test> SIZE==1", 501),
        ("RCPT TO:<a@b@c.test>", 501),
        ("RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY", 501),
        ("DATA now", 501),
        ("STARTTLS x", 501),
        ("BDAT", 501),
        ("BDAT -1", 501),
        ("BDAT 1 FIRST", 501),
        ("BDAT 1 LAST LAST", 501),
        ("NO\u{0}OP", 500),
    ] {
        let fault = parse(line).expect_err(line);
        assert_eq!(fault.reply().code(), code, "{line}");
    }
    assert_eq!(Command::parse(b"\xff\xfe"), Err(Fault::Bytes));
}

#[test]
fn what_the_primary_may_know_is_read() {
    for (line, name) in [
        (&b"EHLO a b"[..], "a b"),
        (b"EHLO a(b)", "a(b)"),
        (b"ehlo\t\"my printer\" ", "\"my printer\""),
        (b"EHLO <client>", "<client>"),
        (b"EHLO a\x07b", "a?b"),
        (b"EHLO m\xfcller", "m\u{fffd}ller"),
    ] {
        assert_eq!(Command::parse(line), Ok(Command::Ehlo(name.to_owned())));
    }
    let further = |line: &str| match parse(line) {
        Ok(Command::Mail(mail)) => mail.further,
        Ok(Command::Rcpt(rcpt)) => rcpt.further,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(further("MAIL FROM:a@b.test foo=1 Bar"), ["FOO=1", "BAR"]);
    assert_eq!(further("mail  from:<a@b.test> SIZE=1"), [""; 0]);
    assert_eq!(
        further("RCPT TO: a@b.test RRVS=x;y SIZE=1"),
        ["RRVS=x;y", "SIZE=1"]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Command::parse(&bytes);
    }
}
