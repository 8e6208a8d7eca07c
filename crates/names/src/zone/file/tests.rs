//! Zone files as people and BIND write them, and what is wrong in others.

use super::*;
use crate::wire::code;

fn apex() -> Name {
    "verein.test".parse().expect("a name")
}

/// The records of `text`, as `owner type hex ttl`.
fn records(text: &str) -> Vec<String> {
    let (records, lines, problems) = read(&apex(), text.as_bytes());
    assert_eq!(problems, [], "{text}");
    assert_eq!(records.len(), lines.len());
    let shown = records.iter().map(|record| {
        let owner = Name::lowered(record.owner);
        let hex: String = record
            .data
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        format!("{owner} {} {hex} {}", record.rtype, record.ttl)
    });
    shown.collect()
}

fn problems(text: &str) -> Vec<String> {
    let problems = check_file(&apex(), text.as_bytes())
        .err()
        .unwrap_or_default();
    let said = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.line, problem.what));
    said.collect()
}

/// Every type with the octets that its standard, or BIND, gives for it.
#[test]
fn types_that_bind_writes_are_read() {
    let cases = [
        // RFC 1876 §4, an example; the octets computed after §2.
        (
            "LOC 42 21 54 N 71 06 18 W -24m 30m",
            29,
            "00331613 89172dd0 70be15f0 00988d20",
        ),
        ("LOC 52 N 4 E 0m", 29, "00121613 8b287200 80dbba00 00989680"),
        ("CERT PKIX 65535 RSASHA256 AQID", 37, "0001ffff08010203"),
        ("CERT 3 0 0 AQ ID", 37, "0003000000010203"),
        (
            "URI 10 1 \"ftp://a.test/\"",
            256,
            "000a0001 6674703a2f2f612e746573742f",
        ),
        (
            "AFSDB 1 db",
            18,
            "0001 026462 06766572656 96e 04746573740 0",
        ),
        ("KX 10 mail.test.", 36, "000a 046d61696c 0474657374 00"),
        ("SMIMEA 3 0 1 AABB cc", 53, "030001aabbcc"),
        ("SPF \"v=spf1\" -all", 99, "06763d73706631 042d616c6c"),
        ("EUI48 00-00-5e-00-53-2a", 108, "00005e00532a"),
        ("EUI64 00-00-5e-ef-10-00-00-2a", 109, "00005eef1000002a"),
        ("NID 10 0014:4fff:ff20:ee64", 104, "000a00144fffff20ee64"),
        ("L64 10 2001:0DB8:1140:1000", 106, "000a20010db811401000"),
        ("L32 10 10.1.02.0", 105, "-"),
        ("L32 10 10.1.2.0", 105, "000a0a010200"),
        ("CSYNC 66 3 A NS AAAA", 62, "00000042 0003 0004 60000008"),
        ("DHCID AQID", 49, "010203"),
        (
            "GPOS -32.6882 116.8652 10.0",
            27,
            "082d33322e36383832 083131362e38363532 0431302e30",
        ),
        ("TYPE65280 \\# 3 abcdef", 65280, "abcdef"),
        ("TYPE1 \\# 4 c0000201", 1, "c0000201"),
        ("LOC \\# 1 00", 29, "00"),
        (
            "CAA 0 issue \"ca.test\"",
            257,
            "0005 6973737565 63612e74657374",
        ),
        ("TXT a\\\"b \"c;d\" e\\;f", 16, "03612262 03633b64 03653b66"),
        ("TXT \"M\u{fc}ller\"", 16, "07 4dc3bc6c6c6572"),
    ];
    for (data, rtype, hex) in cases {
        let text = format!("$TTL 60\nx {data}\n");
        let (_, _, wrong) = read(&apex(), text.as_bytes());
        if hex == "-" {
            assert_eq!(wrong.len(), 1, "{data}");
            continue;
        }
        let hex = hex.replace(' ', "");
        assert_eq!(
            records(&text),
            [format!("x.verein.test {rtype} {hex} 60")],
            "{data}"
        );
    }
}

/// Owners, times and classes in every place in which RFC 1035 §5.1 and BIND allow them.
#[test]
fn lines_are_read_however_they_are_written() {
    let text = "\u{feff}$TTL 1d ; a day\r\n$ORIGIN verein.test.\r\n\
        @ IN SOA ns1 hostmaster.verein.test. ( 2026120101 ; serial\n\
        \t1h 15m\n  2w 1h30m )\n\
        \t\tNS ns1\n  3600 IN A 192.0.2.1\n IN 1h A 192.0.2.2\n\
        a\tA 192.0.2.3\na.b 5 A 192.0.2.4\n$ORIGIN sub\nc 1W A 192.0.2.5\n\
        $TTL 7\nd\\.e (\n A\n 192.0.2.6 )\nabs.verein.test. CLASS1 A 192.0.2.7\n\
        $ORIGIN other.test.\nin.verein.test. A 192.0.2.8";
    let shown = records(text);
    let has = |want: &str| assert!(shown.iter().any(|line| line == want), "{want}: {shown:#?}");
    assert!(shown[0].starts_with("verein.test 6 "), "{shown:#?}");
    let numbers = "78c423a500000e10000003840012750000001518 86400";
    assert!(shown[0].ends_with(numbers), "{shown:#?}");
    has("verein.test 1 c0000201 3600");
    has("verein.test 1 c0000202 3600");
    has("a.verein.test 1 c0000203 86400");
    has("a.b.verein.test 1 c0000204 5");
    has("c.sub.verein.test 1 c0000205 604800");
    has("d\\.e.sub.verein.test 1 c0000206 7");
    has("abs.verein.test 1 c0000207 7");
    has("in.verein.test 1 c0000208 7");
    // Without $TTL the last one counts, and the first is the SOA's minimum.
    let text = "@ SOA ns h 1 2 3 4 55\n@ NS ns.test.\na 9 A 192.0.2.1\nb A 192.0.2.2\n";
    let shown = records(text);
    assert!(
        shown[1].ends_with(" 55") && shown[3].ends_with(" 9"),
        "{shown:?}"
    );
}

#[test]
fn generate_makes_what_bind_makes() {
    let text = "$TTL 60\n$GENERATE 1-3 h$ A 192.0.2.$\n$GENERATE 0-4/2 x${10,3,d} CNAME y${0,2,x}\n\
        $GENERATE 1-1 m$ 5 MX \"10 a$$\"\n";
    let (records, lines, wrong) = read(&apex(), text.as_bytes());
    // A quoted right side is what some write for BIND; it is not one here.
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let owners: Vec<_> = records
        .iter()
        .map(|record| Name::lowered(record.owner).to_string())
        .collect();
    let want = ["h1", "h2", "h3", "x010", "x012", "x014"];
    assert_eq!(owners, want.map(|owner| format!("{owner}.verein.test")));
    assert_eq!(lines, [2, 2, 2, 3, 3, 3]);
    assert_eq!(
        records.iter().next().map(|record| record.data.to_vec()),
        Some(vec![192, 0, 2, 1])
    );
    for range in ["x", "3-1", "1-2/0", "0-70000", "1"] {
        let text = format!("$TTL 60\n$GENERATE {range} h$ A 192.0.2.1\n");
        let (_, _, wrong) = read(&apex(), text.as_bytes());
        assert_eq!(wrong.len(), 1, "{range}");
    }
}

const GOOD: &str = "$TTL 1h\n@ SOA ns1 hostmaster 1 1h 15m 2w 1h\n@ NS ns1\nns1 A 192.0.2.53\n";

/// What named-checkzone refuses, with its line; and what it does not.
#[test]
fn what_named_checkzone_refuses_is_said_with_its_line() {
    assert_eq!(problems(GOOD), Vec::<String>::new());
    let fine = [
        "sub NS ns.sub\nns.sub A 192.0.2.54\n",
        "sub NS ns.elsewhere.test.\n",
        "a NS ns.b\nb NS ns.elsewhere.test.\n",
        "*.w A 192.0.2.1\ns NS x.w\n",
        "alias CNAME www\nalias CNAME WWW\n",
        "mail MX 10 nowhere\n",
    ];
    for more in fine {
        assert_eq!(
            problems(&format!("{GOOD}{more}")),
            Vec::<String>::new(),
            "{more}"
        );
    }
    let cases = [
        ("@ SOA ns1 hostmaster 2 1h 15m 2w 1h\n", "5: a second SOA"),
        (
            "sub SOA ns1 hostmaster 1 1 1 1 1\n",
            "5: a SOA record at sub.verein.test",
        ),
        (
            "www.stadt.test. A 192.0.2.1\n",
            "5: www.stadt.test lies outside",
        ),
        (
            "a CNAME b\na TXT x\n",
            "6: a.verein.test has a CNAME record (line 5) and other data",
        ),
        (
            "a CNAME b\na CNAME c\n",
            "6: a.verein.test has more than one CNAME",
        ),
        (
            "@ NS ns2\n",
            "5: the name server ns2.verein.test has no address",
        ),
        (
            "@ NS ns3\nns3 CNAME ns1\n",
            "5: the name server ns3.verein.test is an alias",
        ),
        (
            "sub NS ns.sub\n",
            "5: the name server ns.sub.verein.test has no address",
        ),
        ("a A 192.0.2.256\n", "5: "),
        ("a A\n", "5: "),
        ("a FROB x\n", "5: "),
        ("a CH TXT x\n", "5: only the class IN"),
        ("$INCLUDE more.zone\n", "5: $INCLUDE is not followed"),
        ("$FROB\n", "5: `$FROB` is not understood"),
        ("a TXT \"open\n", "5: a quote is not closed"),
        ("a TXT ( x\n\n", "5: a `(` is not closed"),
        ("a LOC 91 N 4 E 0m\n", "5: the data of LOC"),
        ("a URI 1 1\n", "5: the data of URI"),
        ("x..y A 192.0.2.1\n", "5: "),
    ];
    for (more, want) in cases {
        let said = problems(&format!("{GOOD}{more}"));
        assert!(
            said.iter().any(|line| line.starts_with(want)),
            "{more}: {said:?}"
        );
    }
    let all = problems("a 5 A 192.0.2.1\nb CNAME a\nb TXT x\n");
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(
        all[0].contains("no NS record") && all[1].contains("no SOA record"),
        "{all:?}"
    );
    let ttl = problems("@ NS ns.test.\n@ SOA ns h 1 1 1 1 1\n");
    assert!(ttl[0].starts_with("1: no TTL here"), "{ttl:?}");
    // All mistakes at once.
    assert_eq!(problems(&format!("{GOOD}a A x\nb A y\nc FROB\n")).len(), 3);
}

#[test]
fn letters_of_owners_are_kept() {
    let zone = read_file(&apex(), format!("{GOOD}WWW A 192.0.2.1\n").as_bytes()).expect("a zone");
    let owner = b"\x03WWW\x06verein\x04test\x00";
    assert!(zone.to_records().iter().any(|record| record.owner == owner));
    assert!(
        zone.node(b"\x03www\x06verein\x04test\x00")
            .is_some_and(|node| node.get(code::A).is_some())
    );
}
