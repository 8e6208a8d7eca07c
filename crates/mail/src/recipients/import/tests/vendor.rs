//! What vendors export. The files are made from their documentation: `testdata/README.md`.

use super::*;

fn file(name: &str, bytes: &[u8], expected: &[&str], aliases: usize) -> Imported {
    let imported = read_file(name, bytes, None, &bare_of_two()).unwrap();
    assert_eq!(names(&imported), expected, "{name}");
    assert_eq!(imported.aliases(), aliases, "{name}");
    imported
}

fn bare_of_two() -> Scope {
    Scope::new(["verein.test", "stadt.test"], Case::Fold).with_default("verein.test")
}

fn ignored(imported: &Imported, why: Ignored) -> usize {
    imported.ignored.get(&why).copied().unwrap_or(0)
}

#[test]
fn exchange_mailboxes_with_their_proxy_addresses() {
    let imported = file(
        "mailboxes.csv",
        include_bytes!("../testdata/exchange.csv"),
        &[
            "anna@verein.test",
            "a.beispiel@verein.test",
            "info@verein.test",
            "kontakt@stadt.test",
        ],
        2,
    );
    assert!(imported.whole);
    assert_eq!(ignored(&imported, Ignored::NotMail), 2);
    assert_eq!(ignored(&imported, Ignored::Foreign), 1);
    assert_eq!(
        imported.in_words(),
        "2 people, 2 aliases, 2 domains, 3 entries ignored (1 of other domains, 2 no mail addresses (X.500, SIP and the like))"
    );
}

#[test]
fn exchange_addresses_that_nobody_joined_are_missed_in_words() {
    let bytes = include_bytes!("../testdata/exchange-unjoined.csv");
    let imported = read_file("m.csv", bytes, None, &bare_of_two()).unwrap();
    assert_eq!(names(&imported), ["anna@verein.test", "bert@verein.test"]);
    // Their silence refuses nobody: the aliases are not there.
    assert!(!imported.whole);
    assert!(imported.problems[0].message.contains("-join"));
}

#[test]
fn microsoft_365_users_with_proxy_addresses_joined_by_plus() {
    let imported = file(
        "users_5_2_2025.csv",
        include_bytes!("../testdata/microsoft365.csv"),
        &[
            "anna@verein.test",
            "anna+rundbrief@verein.test",
            "a@stadt.test",
            "vorstand@verein.test",
            "bert@verein.test",
        ],
        2,
    );
    assert!(imported.whole && imported.mailboxes.is_empty());
    assert_eq!(ignored(&imported, Ignored::Disabled), 1);
}

#[test]
fn google_users_with_aliases_and_without_the_suspended() {
    let imported = file(
        "User_Download.csv",
        include_bytes!("../testdata/google.csv"),
        &[
            "anna@verein.test",
            "a.beispiel@verein.test",
            "kasse@stadt.test",
            "bert@verein.test",
        ],
        2,
    );
    assert!(imported.whole && imported.mailboxes.is_empty());
    assert_eq!(ignored(&imported, Ignored::Disabled), 2);
}

#[test]
fn ldif_of_openldap_with_folds_and_base64() {
    let imported = file(
        "export",
        include_bytes!("../testdata/openldap.ldif"),
        &[
            "anna@verein.test",
            "anna.b@verein.test",
            "a.beispiel@verein.test",
            "bert@verein.test",
        ],
        2,
    );
    assert!(imported.whole && imported.problems.is_empty());
    assert_eq!(ignored(&imported, Ignored::NoAddress), 1);
}

#[test]
fn ldif_of_active_directory_with_proxy_addresses_and_shared_mailboxes() {
    let imported = file(
        "ad.ldf",
        include_bytes!("../testdata/activedirectory.ldif"),
        &[
            "anna@verein.test",
            "a.beispiel@verein.test",
            "vorstand@verein.test",
        ],
        1,
    );
    assert!(imported.whole);
    assert_eq!(ignored(&imported, Ignored::NotMail), 1);
}

#[test]
fn an_answer_of_the_directory_that_was_cut_off_refuses_nobody() {
    let text = "dn: cn=a\nmail: anna@verein.test\n\nsearch: 2\nresult: 4 Size limit exceeded\n";
    problem(Format::Ldif, text, 5, "4 Size limit exceeded", false);
    let change = "dn: cn=a\nchangetype: modify\nadd: mail\nmail: anna@verein.test\n";
    problem(Format::Ldif, change, 2, "a change", false);
    problem(Format::Ldif, "dn: cn=a\nmail:: !!\n", 2, "base64", false);
}

#[test]
fn tables_of_spreadsheets_in_every_spelling() {
    let people = ["anna@verein.test", "bert@verein.test"];
    for (name, text) in [
        (
            "separator",
            "sep=;\r\nName;E-Mail\r\nA;anna@verein.test\r\nB;bert@verein.test\r\n",
        ),
        (
            "tabs",
            "name\tmail\nA\tanna@verein.test\nB\tbert@verein.test\n",
        ),
        (
            "Macintosh",
            "name,mail\rA,anna@verein.test\rB,bert@verein.test\r",
        ),
        (
            "DOS",
            "mail\r\nanna@verein.test\r\nbert@verein.test\r\n\u{1a}",
        ),
        (
            "a quoted header over two lines",
            "\"first\nname\",mail\nA,anna@verein.test\nB,bert@verein.test\n",
        ),
        (
            "the header twice",
            "n,mail\nA,anna@verein.test\nn,mail\nB,bert@verein.test\n",
        ),
        (
            "one column twice",
            "mail,mail\nanna@verein.test,bert@verein.test\n",
        ),
        (
            "several in a cell",
            "mail,n\n\"anna@verein.test; bert@verein.test\",x\n",
        ),
        (
            "signs that nobody sees",
            "mail\n\u{200b}anna@verein.test\u{a0}\nbert@verein.test\u{feff}\n",
        ),
    ] {
        let imported = read_file("list", text.as_bytes(), None, &bare_of_two()).unwrap();
        assert_eq!(names(&imported), people, "{name}");
        assert!(
            imported.whole && imported.problems.is_empty(),
            "{name}: {imported:?}"
        );
    }
}
