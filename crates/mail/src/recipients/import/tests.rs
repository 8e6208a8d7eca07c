//! Each format with what real machines hold, and what is wrong with some of it.

use proptest::prelude::*;

use super::*;

mod no_list;
mod vendor;

fn scope() -> Scope {
    Scope::new(["verein.test", "Stadt.test"], Case::Fold).with_default("verein.test")
}

fn bare() -> Scope {
    Scope::new(["verein.test"], Case::Fold)
}

fn names(imported: &Imported) -> Vec<String> {
    imported
        .addresses
        .iter()
        .map(|it| format!("{}@{}", it.local(), it.domain()))
        .collect()
}

fn problems(imported: &Imported) -> Vec<String> {
    imported.problems.iter().map(ToString::to_string).collect()
}

/// Reads, and expects exactly these addresses and no problem.
fn clean(format: Format, text: &str, expected: &[&str]) -> Imported {
    let imported = read(format, text, &scope());
    assert_eq!(names(&imported), expected);
    assert_eq!(problems(&imported), Vec::<String>::new());
    assert!(imported.whole && imported.unlisted == 0);
    imported
}

/// Expects a problem on `line` with `words`, and whether the list is whole all the same.
fn problem(format: Format, text: &str, line: usize, words: &str, whole: bool) {
    let imported = read(format, text, &bare());
    let found = imported
        .problems
        .iter()
        .any(|it| it.line == line && it.message.contains(words));
    assert!(found, "{text:?}: {:?}", imported.problems);
    assert_eq!(imported.whole, whole, "{text:?}");
}

#[test]
fn a_plain_list() {
    let text = "\u{feff}# members\r\nAnna@Verein.test\r\n\r\n  bert@verein.test  # treasurer\n\
        anna@verein.test\nCarl Beispiel <carl@stadt.test>,\ndora\nissue#7@verein.test\n";
    let expected = [
        "anna@verein.test",
        "bert@verein.test",
        "carl@stadt.test",
        "dora@verein.test",
        "issue#7@verein.test",
    ];
    let imported = clean(Format::Plain, text, &expected);
    assert!(imported.mailboxes.is_empty() && imported.catch_all.is_empty());
    assert_eq!(Format::guess("members.txt", text), Format::Plain);
}

#[test]
fn a_postfix_virtual_table() {
    let text = "# /etc/postfix/virtual\nverein.test   anything\n\
        postmaster@verein.test  root\n\
        Vorstand@verein.test\n  anna@verein.test,\n# between\n  bert@example.org\n\n\
        \"an na\"@verein.test anna\n\"carl c@verein.test\" carl\n@stadt.test\tinfo@verein.test\nroot  anna\n";
    let expected = ["postmaster@verein.test", "vorstand@verein.test"];
    let imported = read(Format::Postfix, text, &scope());
    assert_eq!(names(&imported)[..2], expected);
    assert_eq!(
        names(&imported)[2..],
        ["an na@verein.test", "root@verein.test"]
    );
    assert_eq!(imported.catch_all, ["stadt.test"]);
    assert_eq!(
        problems(&imported),
        ["line 10: not an address; write `name@domain`, and quote a name with odd characters"]
    );
    assert_eq!(Format::guess("virtual", text), Format::Postfix);
}

#[test]
fn postfix_relay_recipients_and_mailboxes() {
    let relay = "anna@verein.test OK\nbert@verein.test\tx\n";
    let expected = ["anna@verein.test", "bert@verein.test"];
    clean(Format::Postfix, relay, &expected);
    assert_eq!(Format::guess("relay_recipients", relay), Format::Postfix);
    let vmailbox = "anna@verein.test    verein.test/anna/\nbert@verein.test    verein.test/bert/\n";
    clean(Format::Postfix, vmailbox, &expected);
}

#[test]
fn what_postfix_tables_hold_that_is_no_recipient() {
    let of = Format::Postfix;
    problem(of, "anna@verein.test\n", 1, "write `address OK`", false);
    problem(of, "/^info@/ anna\n", 1, "pattern", false);
    problem(
        of,
        "\nhosts = localhost\n",
        2,
        "`hosts` is a setting",
        false,
    );
    problem(of, "anna x\n", 1, "default domain", false);
    problem(
        of,
        "a@verein.test x\nb@example.org x\nc@example.org x\n",
        2,
        "`example.org` (2 lines) is not one of this organisation's domains",
        true,
    );
    problem(of, "@example.org x\n", 1, "`example.org` is not one", true);
    problem(of, "a\nb\0c\n", 2, "postmap -s", false);
}

#[test]
fn a_dovecot_passwd_file() {
    let text = "# users\nAnna@verein.test:{SHA512-CRYPT}$6$a/b$c.d:5000:5000::/srv/anna::userdb_quota_rule=*:storage=1G\n\
        bert:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA:::::\n\
        carl@stadt.test:$2y$05$abc\n\nlist@verein.test::::::\n\
        anna@verein.test:{SSHA}other\nold:!$6$locked:\nghost\n";
    let expected = [
        "anna@verein.test",
        "bert@verein.test",
        "carl@stadt.test",
        "list@verein.test",
        "old@verein.test",
        "ghost@verein.test",
    ];
    let imported = clean(Format::Passwd, text, &expected);
    let passwords: Vec<Option<&str>> = imported
        .mailboxes
        .iter()
        .map(|it| it.password.as_deref())
        .collect();
    assert_eq!(
        passwords,
        [
            Some("{SHA512-CRYPT}$6$a/b$c.d"),
            Some("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA"),
            Some("$2y$05$abc"),
            None,
            None,
            None,
        ]
    );
    assert_eq!(imported.mailboxes[0].address, imported.addresses[0]);
    let shown = format!("{imported:?}");
    assert!(!shown.contains("$6$") && !shown.contains("anna"), "{shown}");
    assert_eq!(Format::guess("x", text), Format::Passwd);
}

#[test]
fn etc_passwd_and_passwords_in_clear() {
    let text = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna B,,,:/home/anna:/bin/bash\n";
    let imported = clean(
        Format::Passwd,
        text,
        &["root@verein.test", "anna@verein.test"],
    );
    assert!(imported.mailboxes.iter().all(|it| it.password.is_none()));
    assert_eq!(Format::guess("accounts", text), Format::Passwd);

    let clear = "anna@verein.test:{plain.b64}c2VjcmV0::::::\n";
    problem(Format::Passwd, clear, 1, "in clear ({PLAIN})", true);
    let imported = read(Format::Passwd, clear, &bare());
    assert_eq!(imported.mailboxes[0].password, None);
    problem(Format::Passwd, "anna:x\n", 1, "default domain", false);
}

#[test]
fn only_hashes_are_passwords() {
    let taken = |field: &str| {
        let line = format!("anna@verein.test:{field}:::::");
        let imported = read(Format::Passwd, &line, &scope());
        let noted = imported
            .problems
            .iter()
            .any(|one| one.message.contains("doveadm pw"));
        let taken = imported.mailboxes[0].password.is_some();
        assert!(!(taken && noted), "{field}");
        (taken, noted)
    };
    for hash in [
        "$y$j9T$abc$def",
        "{BLF-CRYPT}$2y$05$abc",
        "ab01FAX.bQRSU",
        "_J9..CCCCXBrJUJV154M",
    ] {
        assert_eq!(taken(hash), (true, false), "{hash}");
    }
    for clear in [
        "secret",
        "correct horse battery",
        "{CLEARTEXT}secret",
        "{plain-trunc}secret",
    ] {
        assert_eq!(taken(clear), (false, true), "{clear}");
    }
    for none in ["", "x", "!", "*", "!$6$locked"] {
        assert_eq!(taken(none), (false, false), "{none}");
    }
}

#[test]
fn a_table_with_passwords_is_one_of_mailboxes() {
    let text = "Name;E-Mail;Password\nAnna;anna@verein.test;$6$a$b\nBert;bert@verein.test;\n;;\n\
        Carl;carl@verein.test;secret\nDora;dora@elsewhere.test;$6$c$d\n";
    let imported = read(Format::Csv, text, &scope());
    let passwords: Vec<_> = imported
        .mailboxes
        .iter()
        .map(|one| one.password.as_deref())
        .collect();
    assert_eq!(passwords, [Some("$6$a$b"), None, None]);
    assert_eq!(imported.addresses.len(), 3);
    let lines: Vec<_> = imported.problems.iter().map(|one| one.line).collect();
    assert_eq!(lines, [5, 6]);
}

#[test]
fn etc_aliases() {
    let text = "# /etc/aliases\nmailer-daemon: postmaster\npostmaster: root\n\
        Vorstand: anna, bert,\n\tcarl@example.org\nrundbrief: :include:/etc/mail/list\n\
        ticket: \"|/usr/bin/rt --queue 'a: b'\"\narchiv: /var/mail/archiv\n\
        \"frau muster\": anna\n\"x y\"@stadt.test: anna\nnobody:/dev/null\n\
        weg: :fail: moved away\nfort: \"error:550 gone\"\nspaced : anna\n\
        \"quoted@verein.test\": anna\n";
    let expected = [
        "mailer-daemon@verein.test",
        "postmaster@verein.test",
        "vorstand@verein.test",
        "rundbrief@verein.test",
        "ticket@verein.test",
        "archiv@verein.test",
    ];
    let imported = read(Format::Aliases, text, &scope());
    assert_eq!(names(&imported)[..6], expected);
    assert_eq!(
        names(&imported)[6..],
        [
            "frau muster@verein.test",
            "x y@stadt.test",
            "nobody@verein.test",
            "spaced@verein.test",
            "quoted@verein.test",
        ]
    );
    assert_eq!(problems(&imported), Vec::<String>::new());
    assert_eq!(Format::guess("/etc/aliases", text), Format::Aliases);
    assert_eq!(Format::guess("x", text), Format::Aliases);
    problem(Format::Aliases, "root: anna\n", 1, "default domain", false);
    problem(Format::Aliases, "anna\n", 1, "no colon", false);
    problem(Format::Aliases, "*: anna\n", 1, "catch_all", false);
}

#[test]
fn tables_of_spreadsheets() {
    let comma = "Name,\"E-Mail\",Note\r\n\"Muster, Anna\",anna@verein.test,\"she said \"\"hi\"\"\r\nand left\"\r\n\
        Bert,Bert@verein.test,\r\nNobody,,\r\n,,\r\n";
    clean(
        Format::Csv,
        comma,
        &["anna@verein.test", "bert@verein.test"],
    );
    let semicolon = "\u{feff}Vorname;Mail\nAnna;anna@verein.test\n\nBert;\"bert@verein.test\"\n";
    clean(
        Format::Csv,
        semicolon,
        &["anna@verein.test", "bert@verein.test"],
    );
    let lone = "address\nanna@verein.test\n";
    clean(Format::Csv, lone, &["anna@verein.test"]);
    for text in [comma, semicolon, lone] {
        assert_eq!(Format::guess("export", text), Format::Csv);
    }
    let of = Format::Csv;
    problem(of, "\nname,phone\nanna,1\n", 2, "no column", false);
    problem(of, "name,mail\nanna\n", 2, "too short", false);
    problem(
        of,
        "mail,n\na@verein.test,\"x\ny\"\nb@verein.test,\"open\n",
        4,
        "does not close",
        false,
    );
    problem(of, "", 1, "no column", false);
    problem(
        of,
        "mail\na@example.org\n",
        2,
        "`example.org` is not one",
        true,
    );
}

#[test]
fn problems_are_bounded_and_name_nobody() {
    let text: String = (0..500)
        .map(|n| format!("anna@d{n}.test x\nb,{n} x\n"))
        .collect();
    let imported = read(Format::Postfix, &text, &bare());
    assert_eq!(imported.problems.len(), 200);
    assert_eq!(imported.unlisted, 800);
    assert!(problems(&imported).iter().all(|it| !it.contains("anna")));
    assert!(imported.problems.is_sorted_by_key(|it| it.line));
}

#[test]
fn two_files_are_one_import() {
    let boxes = read(Format::Passwd, "anna@verein.test:{X}1\n", &scope());
    let aliases = read(Format::Aliases, "anna: x\ninfo: anna\n*: x\n", &scope());
    let joined = boxes.joined(aliases);
    assert_eq!(names(&joined), ["anna@verein.test", "info@verein.test"]);
    assert_eq!(joined.mailboxes.len(), 1);
    assert!(!joined.whole && joined.problems.len() == 1);
}

#[test]
fn the_case_is_kept_where_it_counts() {
    let scope = Scope::new(["verein.test"], Case::Exact);
    let imported = read(
        Format::Plain,
        "Anna@Verein.test\nanna@verein.test\n",
        &scope,
    );
    assert_eq!(names(&imported), ["Anna@verein.test", "anna@verein.test"]);
}

#[test]
fn a_table_of_nothing_names_a_line_that_is_there() {
    for (text, line) in [("", 1), ("\n", 1), ("\r\n\n", 2), ("\n\nname\n", 3)] {
        let imported = read(Format::Csv, text, &scope());
        let lines: Vec<_> = imported.problems.iter().map(|one| one.line).collect();
        assert_eq!(lines, [line], "{text:?}");
    }
}

fn any_format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Plain),
        Just(Format::Postfix),
        Just(Format::Passwd),
        Just(Format::Aliases),
        Just(Format::Csv),
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(
        format in any_format(),
        text in "([a-c@.:;,\"\\\\ \t\r\n#<>{}$*|/=é-]|verein\\.test|mail\n){0,60}",
    ) {
        let imported = read(format, &text, &scope());
        let lines = text.lines().count().max(1);
        prop_assert!(imported.problems.iter().all(|it| (1..=lines).contains(&it.line)));
        let own = |it: &Address| scope().domains.contains(it.domain()) && !it.local().is_empty();
        prop_assert!(imported.addresses.iter().all(own));
        let _ = Format::guess("x", &text);
    }

    #[test]
    fn every_format_says_the_same_people(locals in prop::collection::btree_set("[a-z][a-z0-9.-]{0,8}[a-z0-9]", 1..30)) {
        let write = |before: &str, after: &str| -> String {
            locals.iter().map(|local| format!("{before}{local}@verein.test{after}\n")).collect()
        };
        let expected: Vec<String> = locals.iter().map(|local| format!("{local}@verein.test")).collect();
        for (format, text) in [
            (Format::Plain, write("", "")),
            (Format::Postfix, write("", " OK")),
            (Format::Passwd, write("", ":{CRYPT}x:1:1::/h::")),
            (Format::Aliases, write("", ": x")),
            (Format::Csv, format!("n,mail\n{}", write("\"a, b\",", ""))),
        ] {
            prop_assert_eq!(Format::guess("list", &text), format);
            let imported = read(format, &text, &bare());
            prop_assert_eq!(names(&imported), expected.clone());
            prop_assert!(imported.whole && imported.problems.is_empty());
        }
    }
}
