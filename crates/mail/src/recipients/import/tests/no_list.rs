//! What is no list of people is not taken for one, and how a list is written in bytes.

use super::*;

/// Reads a file, and expects that it is refused on `line` with `words`.
fn refused(name: &str, bytes: &[u8], line: usize, words: &str) {
    let error = read_file(name, bytes, None, &scope()).expect_err(words);
    assert!(error.message.contains(words), "{name}: {error}");
    assert_eq!(error.line, line, "{name}: {error}");
}

#[test]
fn what_cannot_be_a_list_is_named_and_not_taken() {
    let login = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>admin@verein.test</body></html>\n";
    for (name, bytes, line, words) in [
        ("list.csv", &login[..], 2, "HTML page"),
        ("x", b"<div class=\"login\">\nanna@verein.test\n</div>\n", 1, "HTML"),
        ("x", b"<?xml version=\"1.0\"?>\n<users/>\n", 1, "XML"),
        ("x", b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", 1, "web server"),
        ("x", b"{\"users\":[\"anna@verein.test\"]}", 1, "JSON"),
        ("x", b"[\n  \"anna@verein.test\"\n]\n", 1, "JSON"),
        ("x", b"{ \n \"a\": 1}", 1, "JSON"),
        ("x", b"%PDF-1.7\n%\xe2\xe3\n", 1, "a PDF"),
        ("x.xlsx", b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml................", 1, "workbook (Excel)"),
        ("x.ods", b"PK\x03\x04\x14\0\0\0\0\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet", 1, "OpenDocument"),
        ("x.zip", b"PK\x03\x04\x14\0\0\0\0\0list.csv", 1, "ZIP"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 1, "Office"),
        ("x.gz", b"\x1f\x8b\x08\0\0\0\0\0", 1, "gzip"),
        ("x.xz", b"\xfd7zXZ\0\0", 1, "xz"),
        ("x.db", b"\0\0\0\0\0\0\0\0\0\0\0\0\x61\x15\x06\0\x09\0\0\0", 1, "postmap -s"),
        ("x", b"a\nb\0c\n", 2, "postmap -s"),
        ("x", b"\x01\x02\x03\x04\x05\x06\x07\x0e\n", 1, "binary"),
        ("x", b"From anna@verein.test Fri May  2 08:00:00 2025\nFrom: anna@verein.test\n", 1, "mbox"),
        ("x", b"Return-Path: <a@verein.test>\nReceived: from x\nFrom: a@verein.test\nSubject: x\n\nhello\n", 1, "a message"),
        ("x", b"BEGIN:VCARD\nVERSION:3.0\nEMAIL:anna@verein.test\nEND:VCARD\n", 1, "vCard"),
        ("x", b"-- MySQL dump 10.13\nINSERT INTO users VALUES ('anna@verein.test');\n", 1, "SQL"),
        ("x", b"-----BEGIN CERTIFICATE-----\nMIIB\n", 1, "PEM"),
        ("x", b"#!/bin/sh\ncat users\n", 1, "script"),
        ("x", b"", 1, "empty"),
        ("x", b"\xef\xbb\xbf\r\n\r\n", 1, "empty"),
        ("x", b"ldap_bind: Invalid credentials (49)\n", 1, "error message"),
        ("x", b"Permission denied\n", 1, "error message"),
        ("x.csv", b"Error: session expired\n", 1, "error message"),
        ("x.csv", b"name,phone\nanna,1\n", 1, "no column"),
        ("x", b"\xff\xfe\0\0a\0\0\0", 1, "UTF-32"),
        ("x", b"\xff\xfea\0b", 1, "UTF-16"),
    ] {
        refused(name, bytes, line, words);
    }
}

#[test]
fn prose_and_logs_are_not_read_by_their_first_words() {
    let readme = "Servergate keeps an organisation reachable\nwhile its own servers are dark.\n\
        Each of them knows the others\nand nobody is refused meanwhile.\n";
    refused("README", readme.as_bytes(), 1, "4 of 4 entries");
    let log = "May  2 08:00:00 mail postfix/smtpd[1]: connect from x\n".repeat(20);
    refused("mail.log", log.as_bytes(), 1, "entries are not understood");
    let patterns = "/^info@/ anna\n/^a@/ bert\nanna@verein.test OK\n";
    refused("virtual_regexp", patterns.as_bytes(), 1, "2 of 3 entries");
}

#[test]
fn names_that_sound_like_errors_are_names() {
    for text in [
        "error\n",
        "failed@verein.test\n",
        "anna@verein.test\nerror denied\nbert@verein.test\n",
    ] {
        assert!(
            read_file("x", text.as_bytes(), None, &scope()).is_ok(),
            "{text}"
        );
    }
    // In angle brackets, as address books write it, it is an address and no page.
    let imported = read_file("x", b"<anna@verein.test>\n", None, &scope()).unwrap();
    assert_eq!(names(&imported), ["anna@verein.test"]);
}

#[test]
fn a_list_is_read_in_every_encoding_or_the_encoding_is_named() {
    let text = "Name;E-Mail\r\nJörg;joerg@verein.test\r\nAnna;anna@verein.test\r\n";
    let wide = |order: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter()
            .chain(text.encode_utf16())
            .flat_map(order)
            .collect()
    };
    for (name, bytes) in [
        ("UTF-8", text.as_bytes().to_vec()),
        (
            "UTF-8 with a mark",
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        ),
        ("UTF-16LE", wide(u16::to_le_bytes, true)),
        ("UTF-16BE", wide(u16::to_be_bytes, true)),
        ("UTF-16LE without a mark", wide(u16::to_le_bytes, false)),
        ("UTF-16BE without a mark", wide(u16::to_be_bytes, false)),
    ] {
        let imported = read_file("x", &bytes, None, &scope()).unwrap();
        assert_eq!(
            names(&imported),
            ["joerg@verein.test", "anna@verein.test"],
            "{name}"
        );
        assert!(imported.whole && imported.problems.is_empty(), "{name}");
    }
    // Latin-1 beside UTF-8, as where lists of two machines were put together.
    let mixed = b"J\xf6rg <joerg@verein.test>\nJ\xc3\xb6rg <m\xc3\xbcller@verein.test>\nm\xfcller@stadt.test\n";
    let imported = read_file("x", mixed, None, &scope()).unwrap();
    assert_eq!(
        names(&imported),
        [
            "joerg@verein.test",
            "müller@verein.test",
            "müller@stadt.test"
        ]
    );
    assert_eq!(imported.problems[0].line, 1);
    assert!(
        imported.problems[0]
            .message
            .contains("2 lines were read as Windows-1252")
    );
}

#[test]
fn wildcards_are_catch_alls_or_an_error_in_every_format() {
    let taken = |format, text: &str| {
        let imported = read(format, text, &scope());
        assert!(
            imported.addresses.is_empty(),
            "{text}: {:?}",
            names(&imported)
        );
        (imported.catch_all, imported.whole)
    };
    for sign in [
        "*@stadt.test",
        "%@stadt.test",
        "@stadt.test",
        "smtp:*@stadt.test",
    ] {
        let all = (vec!["stadt.test".to_owned()], true);
        assert_eq!(taken(Format::Plain, sign), all, "{sign}");
        assert_eq!(
            taken(Format::Csv, &format!("mail\n{sign}\n")),
            all,
            "{sign}"
        );
        assert_eq!(
            taken(Format::Ldif, &format!("dn: x\nmail: {sign}\n")),
            all,
            "{sign}"
        );
        assert_eq!(
            taken(Format::Postfix, &format!("{sign} x\n")),
            all,
            "{sign}"
        );
    }
    for sign in [
        "anna*@stadt.test",
        "an%@stadt.test",
        "*",
        "%",
        "*.stadt.test",
        ".stadt.test",
        "*@*",
        "@*",
        "*@*.test",
        "anna@*",
        "\"*\"@stadt.test",
        "^info.*@stadt\\.test$",
    ] {
        let none = (Vec::new(), false);
        assert_eq!(taken(Format::Plain, sign), none, "{sign}");
        // In a table quotes enclose the field.
        let cell = sign.replace('"', "\"\"");
        assert_eq!(
            taken(Format::Csv, &format!("mail\n\"{cell}\"\n")),
            none,
            "{sign}"
        );
        assert_eq!(
            taken(Format::Aliases, &format!("{sign}: x\n")),
            none,
            "{sign}"
        );
        assert_eq!(
            taken(Format::Passwd, &format!("{sign}:x\n")),
            none,
            "{sign}"
        );
        assert_eq!(
            taken(Format::Postfix, &format!("{sign} x\n")),
            none,
            "{sign}"
        );
    }
}

#[test]
fn tables_that_refuse_name_no_recipients() {
    let access = "anna@verein.test OK\nbert@verein.test REJECT moved away\ncarl@verein.test 550 5.1.1 gone\n";
    let imported = read(Format::Postfix, access, &scope());
    assert_eq!(names(&imported), ["anna@verein.test"]);
    assert!(imported.whole);
    assert_eq!(imported.ignored[&Ignored::Disabled], 2);
}
