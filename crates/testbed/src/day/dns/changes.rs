//! A zone as a list of records, and what becomes of it.

use std::fmt::Write as _;

/// Seconds; nothing arrives by it during a scenario.
pub(super) const REFRESH: u32 = 3600;
pub(super) const NAME: &str = "verein.test";

/// One change: records that go, and records that come, as in a master file with whole names.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) what: &'static str,
    pub(super) gone: Vec<String>,
    pub(super) come: Vec<String>,
}

/// All records but the SOA, and its serial.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    serial: u32,
    records: Vec<String>,
}

impl Zone {
    pub(super) fn small() -> Self {
        let records = [
            "verein.test. 300 IN NS ns.verein.test.",
            "verein.test. 300 IN MX 10 mail.verein.test.",
            "verein.test. 300 IN A 198.51.100.80",
            "verein.test. 300 IN TXT \"v=spf1 mx -all\"",
            "ns.verein.test. 300 IN A 198.51.100.53",
            "mail.verein.test. 300 IN A 198.51.100.25",
            "mx2.verein.test. 300 IN A 192.0.2.7",
            "www.verein.test. 300 IN A 198.51.100.80",
            "www.verein.test. 300 IN AAAA 2001:db8:100::80",
            "shop.verein.test. 300 IN CNAME www.verein.test.",
            "laden.verein.test. 300 IN A 198.51.100.81",
            "_sip._tcp.verein.test. 300 IN SRV 10 20 5060 sip.verein.test.",
            "sip.verein.test. 300 IN A 198.51.100.82",
            "tief.unter.allem.verein.test. 300 IN A 198.51.100.83",
        ];
        Self::of(records.map(str::to_owned).to_vec())
    }

    pub(super) fn large(count: usize) -> Self {
        let mut records = vec![
            "verein.test. 300 IN NS ns.verein.test.".to_owned(),
            "ns.verein.test. 300 IN A 198.51.100.53".to_owned(),
        ];
        records.extend((0..count).map(numbered));
        Self::of(records)
    }

    fn of(records: Vec<String>) -> Self {
        Self { serial: 1, records }
    }

    /// Records without the SOA.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn apply(&mut self, change: &Change) {
        self.serial += 1;
        let gone: std::collections::HashSet<&String> = change.gone.iter().collect();
        self.records.retain(|record| !gone.contains(record));
        self.records.extend(change.come.iter().cloned());
    }

    /// In master file format (RFC 1035 §5).
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "$ORIGIN {NAME}.\n$TTL 300\n@ SOA ns hostmaster {} {REFRESH} 900 604800 60\n",
            self.serial
        );
        for record in &self.records {
            let _ = writeln!(text, "{record}");
        }
        text
    }
}

/// Record number so and so of a large zone.
fn numbered(number: usize) -> String {
    let [_, a, b, c] = u32::try_from(number).unwrap_or(0).to_be_bytes();
    format!("h{number}.verein.test. 300 IN A 10.{a}.{b}.{c}")
}

fn change(what: &'static str, gone: &[&str], come: &[&str]) -> Change {
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Change {
        what,
        gone: owned(gone),
        come: owned(come),
    }
}

/// What happens to a zone in a year.
pub(super) fn changes() -> Vec<Change> {
    let long = format!(
        "lang.verein.test. 300 IN TXT \"{}\" \"{} \\\"zitiert\\\" \\\\ und \\195\\188ber\"",
        "x".repeat(255),
        "y".repeat(200)
    );
    let many: Vec<String> = (0..300).map(numbered).collect();
    vec![
        change(
            "a name is new",
            &[],
            &["neu.verein.test. 300 IN A 198.51.100.90"],
        ),
        change(
            "an address is another",
            &["www.verein.test. 300 IN A 198.51.100.80"],
            &["www.verein.test. 300 IN A 198.51.100.79"],
        ),
        change(
            "a second and a third mail server",
            &[],
            &[
                "verein.test. 300 IN MX 20 mx2.verein.test.",
                "verein.test. 300 IN MX 30 mx.elsewhere.test.",
            ],
        ),
        change(
            "text is another, and there is a long one with quotes",
            &["verein.test. 300 IN TXT \"v=spf1 mx -all\""],
            &[
                "verein.test. 300 IN TXT \"v=spf1 mx ip4:192.0.2.7 -all\"",
                &long,
            ],
        ),
        change(
            "a wildcard, and a name below it",
            &[],
            &[
                "*.gast.verein.test. 300 IN A 198.51.100.91",
                "anna.gast.verein.test. 300 IN AAAA 2001:db8:100::91",
            ],
        ),
        change(
            "a name is deleted, and one below a name that is none itself",
            &[
                "neu.verein.test. 300 IN A 198.51.100.90",
                "tief.unter.allem.verein.test. 300 IN A 198.51.100.83",
            ],
            &[],
        ),
        change(
            "a name is written otherwise",
            &["laden.verein.test. 300 IN A 198.51.100.81"],
            &["Laden.Verein.test. 300 IN A 198.51.100.84"],
        ),
        change(
            "an alias becomes an address",
            &["shop.verein.test. 300 IN CNAME www.verein.test."],
            &["shop.verein.test. 300 IN A 198.51.100.85"],
        ),
        change(
            "a part is delegated",
            &["_sip._tcp.verein.test. 300 IN SRV 10 20 5060 sip.verein.test."],
            &[
                "jugend.verein.test. 300 IN NS ns.jugend.verein.test.",
                "ns.jugend.verein.test. 300 IN A 198.51.100.92",
                "verein.test. 300 IN CAA 0 issue \"ca.test\"",
            ],
        ),
        Change {
            what: "three hundred names at once",
            gone: Vec::new(),
            come: many,
        },
    ]
}

/// What happens to a large zone of so many records.
pub(super) fn large(count: usize) -> Vec<Change> {
    let fresh = |range: std::ops::Range<usize>| range.map(numbered).collect::<Vec<_>>();
    let some = count / 40;
    vec![
        change(
            "one more",
            &[],
            &["neu.verein.test. 300 IN A 198.51.100.90"],
        ),
        Change {
            what: "thousands more",
            gone: Vec::new(),
            come: fresh(count..count + some),
        },
        Change {
            what: "thousands less",
            gone: fresh(0..some),
            come: Vec::new(),
        },
        change(
            "one less",
            &["neu.verein.test. 300 IN A 198.51.100.90"],
            &[],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_was_there_and_what_comes_was_not() {
        let mut zone = Zone::small();
        for change in changes() {
            let before = zone.len();
            zone.apply(&change);
            assert_eq!(
                zone.len() + change.gone.len(),
                before + change.come.len(),
                "{}",
                change.what
            );
        }
        assert_eq!(zone.serial, 11);
    }
}
