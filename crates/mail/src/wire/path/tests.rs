//! Which paths are read, and how they are shown again.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Option<(String, bool)> {
    let (path, rest) = ForwardPath::read(text)?;
    rest.is_empty()
        .then(|| (path.mailbox.to_string(), path.routed))
}

#[test]
fn paths_are_read_as_the_grammar_says() {
    let plain = |text: &str| Some((text.to_owned(), false));
    assert_eq!(read("<a.b+c@Verein.TEST>"), plain("a.b+c@verein.test"));
    assert_eq!(read("<\"a b\"@verein.test>"), plain("\"a b\"@verein.test"));
    assert_eq!(
        read("<\"a\\\"b\"@verein.test>"),
        plain("\"a\\\"b\"@verein.test")
    );
    assert_eq!(read("<\"ab\"@verein.test>"), plain("ab@verein.test"));
    assert_eq!(read("<Postmaster>"), plain("Postmaster"));
    assert_eq!(read("<a@[192.0.2.1]>"), plain("a@[192.0.2.1]"));
    assert_eq!(read("<müller@verein.test>"), plain("müller@verein.test"));
    let routed = Some(("c@d.test".to_owned(), true));
    assert_eq!(read("<@a.test,@b.test:c@d.test>"), routed);
    for wrong in [
        "<a@b.test",
        "a@b.test>",
        "<a>",
        "<a@>",
        "a",
        "",
        "<>",
        "<a@b..test>",
        "<a@b.test..>",
        "<a@.>",
        "<a b@c.test>",
        "a b@c.test",
        "<a@b@c.test>",
        "<a@[192.0.2]>",
        "<a@-b.test>",
        "<a\r\n@b.test>",
        "<\"a@b.test>",
        "<a@b.test>x",
        "<a\0@b.test>",
    ] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
    assert!(read(&format!("<{}@b.test>", "a".repeat(900))).is_some());
    assert_eq!(read(&format!("<{}@b.test>", "a".repeat(901))), None);
    assert_eq!(read(&format!("<a@{}.test>", "b".repeat(64))), None);
}

#[test]
fn what_a_primary_may_take_is_said_again_as_it_was_said() {
    for (said, shown) in [
        ("<a..b@c.test>", "a..b@c.test"),
        ("<.a@c.test>", ".a@c.test"),
        ("<a.@c.test>", "a.@c.test"),
        ("<\"a..b\"@c.test>", "\"a..b\"@c.test"),
        ("<a@C.test.>", "a@c.test."),
        ("a@b.test", "a@b.test"),
        ("\"a\"@b.test", "a@b.test"),
        ("<@b.test>", "@b.test"),
        ("<\"\"@b.test>", "\"\"@b.test"),
        ("postmaster", "postmaster"),
    ] {
        assert_eq!(read(said), Some((shown.to_owned(), false)), "{said}");
        let mailbox = Mailbox::parse(shown).unwrap();
        assert_eq!(mailbox.to_string(), shown);
    }
    let rooted = Mailbox::parse("a@c.test.").unwrap();
    assert_eq!(rooted.domain(), "c.test");
    assert_eq!(rooted.without_root().to_string(), "a@c.test");
}

#[test]
fn of_a_sender_anything_is_taken_that_ends_neither_line_nor_path() {
    for said in [
        "<a@b@c.test>",
        "<user>",
        "<user@>",
        "<a,b;c:d@e.test>",
        "<a(b)@c.test>",
        "<a\\b@c.test>",
        "<\"a\".b@c.test>",
        "<a@-b_c!.test>",
        "<a@b..test>",
        "<@a.test:>",
        "<m\u{fc}ller@c.test>",
        "<a@[192.0.2]x>",
    ] {
        let (path, rest) = ReversePath::read(said).unwrap();
        assert_eq!((format!("<{path}>").as_str(), rest), (said, ""));
        let kept = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<ReversePath>(&kept).unwrap(), path);
    }
    let routed = ReversePath::read("<@a.test,@b.test:c@d.test> SIZE=1").unwrap();
    assert_eq!(routed.0.to_string(), "c@d.test");
    assert_eq!(routed.1, " SIZE=1");
    for wrong in [
        "",
        "<a b@c.test>",
        "<a\t@c.test>",
        "<a@b.test",
        "<a\0b@c>",
        "<<a@b>>",
    ] {
        let read = ReversePath::read(wrong).filter(|(_, rest)| rest.is_empty());
        assert_eq!(read, None, "{wrong:?}");
    }
}

#[test]
fn what_was_accepted_is_read_back_from_the_disk() {
    for text in [
        "<a@[IPv6:2001:db8::1]>",
        "<a@[192.0.2.1]>",
        "<A@VEREIN.test>",
        "<a@\u{130}.test>",
    ] {
        let Some((path, _)) = ForwardPath::read(text) else {
            continue;
        };
        let json = serde_json::to_string(&path.mailbox).unwrap();
        assert_eq!(
            serde_json::from_str::<Mailbox>(&json).unwrap(),
            path.mailbox,
            "{text}"
        );
    }
    assert!(ForwardPath::read("<a@[IPv6:2001:db8::1]>").is_some());
}

#[test]
fn ways_to_be_relayed_are_seen() {
    for text in [
        "a%b.test@verein.test",
        "b.test!a@verein.test",
        "\"a@b.test\"@verein.test",
    ] {
        assert!(Mailbox::parse(text).unwrap().looks_routed(), "{text}");
    }
    assert!(!Mailbox::parse("a+b@verein.test").unwrap().looks_routed());
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(local in "[ -~]{1,40}", domain in "[a-z]{1,10}\\.test") {
        let spelling = Spelling::default();
        let mailbox = Mailbox { local, domain, spelling };
        let back = Mailbox::parse(&mailbox.to_string());
        prop_assert_eq!(back, Some(mailbox));
    }

    #[test]
    fn anything_is_read_without_panic(text in "\\PC{0,80}") {
        let _ = ForwardPath::read(&text);
        let _ = ReversePath::read(&text);
        let _ = Mailbox::parse(&text);
    }
}
