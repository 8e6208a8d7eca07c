//! The table: websites here, mail servers and addresses beside. Each line is one fault.

use model::{Cause, Service};

use super::papers::Shows;
use super::served::{Asked, MARK, Server, Step, page};
use super::{Does, Input, Row, rows_of_addresses, rows_of_mail};

/// All rows, in the order of the manual.
pub(super) fn all() -> Vec<Row> {
    let mut rows = statuses();
    rows.extend(answers());
    rows.extend(certificates());
    rows.extend(rows_of_mail::all());
    rows.extend(rows_of_addresses::all());
    rows
}

/// What a status is called (RFC 9110 §15, RFC 6585, RFC 7725, and what is met in the wild).
const STATUSES: [(u16, &str, Cause, Does); 36] = {
    use Cause::{Application, Denied, Overload};
    use Does::{Asks, Helps, TakesOver, Withholds};
    [
        (400, "bad request", Application, TakesOver),
        (401, "a login is asked for", Denied, Asks),
        (402, "a hoster wants to be paid", Denied, Asks),
        (403, "forbidden; also a ban of this standby", Denied, Asks),
        (404, "no such page", Application, TakesOver),
        (405, "method not allowed", Application, TakesOver),
        (406, "not acceptable", Application, TakesOver),
        (407, "a proxy on the way asks for a login", Denied, Asks),
        (408, "request timeout", Application, TakesOver),
        (409, "conflict", Application, TakesOver),
        (410, "gone", Denied, Asks),
        (418, "a joke", Application, TakesOver),
        (421, "misdirected request", Application, TakesOver),
        (425, "too early", Application, TakesOver),
        (429, "too many requests", Overload, Helps),
        (431, "header fields too large", Application, TakesOver),
        (451, "unavailable for legal reasons", Denied, Withholds),
        (500, "internal server error", Application, TakesOver),
        (501, "not implemented", Application, TakesOver),
        (502, "bad gateway", Application, TakesOver),
        (503, "service unavailable, maintenance", Overload, Helps),
        (504, "gateway timeout", Application, TakesOver),
        (505, "HTTP version not supported", Application, TakesOver),
        (507, "disk full", Application, TakesOver),
        (508, "a hoster's limit of processes", Overload, Helps),
        (509, "a hoster's limit of traffic", Overload, Helps),
        (
            511,
            "network authentication required",
            Application,
            TakesOver,
        ),
        (
            520,
            "the network in front got nonsense",
            Application,
            TakesOver,
        ),
        (
            521,
            "the network in front was refused",
            Application,
            TakesOver,
        ),
        (522, "the network in front waited in vain", Overload, Helps),
        (
            523,
            "the network in front finds no way",
            Application,
            TakesOver,
        ),
        (524, "the network in front waited too long", Overload, Helps),
        (
            526,
            "the network in front distrusts it",
            Application,
            TakesOver,
        ),
        (529, "too busy", Overload, Helps),
        (
            530,
            "the network in front knows no name",
            Application,
            TakesOver,
        ),
        (599, "an unknown status", Application, TakesOver),
    ]
};

fn statuses() -> Vec<Row> {
    let row = |&(status, words, cause, does): &(u16, &str, Cause, Does)| Row {
        group: "A website answers with a status",
        what: format!("{status}: {words}"),
        service: Service::Web,
        input: http(vec![Step::Head, Step::Say(page(status, "", "x"))]),
        cause: Some(cause),
        does,
    };
    let mut rows: Vec<Row> = STATUSES.iter().map(row).collect();
    let seconds = "Retry-After: 600\r\n";
    let date = "Retry-After: Wed, 20 May 2026 10:14:03 GMT\r\n";
    for (status, field, words) in [
        (503, seconds, "503 with `Retry-After: 600`"),
        (429, seconds, "429 with `Retry-After: 600`"),
        (503, date, "503 with `Retry-After` and a date"),
    ] {
        rows.push(Row {
            group: "A website answers with a status",
            what: words.to_owned(),
            service: Service::Web,
            input: http(vec![Step::Head, Step::Say(page(status, field, "x"))]),
            cause: Some(Cause::Overload),
            does: Does::Helps,
        });
    }
    rows
}

fn http(steps: Vec<Step>) -> Input {
    Input::Served(Server {
        asked: Asked::Http,
        does: Some(steps),
    })
}

fn says(bytes: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::Head, Step::Say(bytes.into())]
}

/// What comes with a good status, or with none.
fn answers() -> Vec<Row> {
    use Cause::{Application, HoldingPage, Service as Silence};
    use Does::{Asks, Nothing, TakesOver};
    let error =
        "<html><body><h1>Error</h1><p>Error establishing a database connection</p></body></html>";
    let parked = "<html><title>verein.test</title><p>This domain is parked, free of charge, at a \
                  registrar. Buy it, or one of 300 related names.</p></html>";
    let location = |to: &str| format!("Location: {to}\r\n");
    let mut half = page(200, "", &format!("<html>{}", "x".repeat(900)));
    half.truncate(300);
    let mut stalled = says(half.clone());
    stalled.push(Step::Hang);
    let far = format!("{}{MARK}", "x".repeat(400 * 1024));
    let table: Vec<(&str, Vec<Step>, Option<Cause>, Does)> = vec![
        (
            "200 with the organisation's mark",
            says(page(200, "", MARK)),
            None,
            Nothing,
        ),
        (
            "200, an error of the database instead of the page",
            says(page(200, "", error)),
            Some(HoldingPage),
            Asks,
        ),
        (
            "200, a page of a registrar or hoster (parked, suspended)",
            says(page(200, "", parked)),
            Some(HoldingPage),
            Asks,
        ),
        (
            "200, the mark only behind 256 KiB",
            says(page(200, "", &far)),
            Some(HoldingPage),
            Asks,
        ),
        (
            "200, an empty page",
            says(page(200, "", "")),
            Some(Application),
            TakesOver,
        ),
        (
            "200, less than 64 bytes, without the mark",
            says(page(200, "", "OK")),
            Some(Application),
            TakesOver,
        ),
        (
            "204, no content",
            says("HTTP/1.1 204 x\r\n\r\n"),
            Some(Application),
            TakesOver,
        ),
        (
            "304, not modified, though nothing was asked so",
            says("HTTP/1.1 304 x\r\n\r\n"),
            Some(Application),
            TakesOver,
        ),
        (
            "300 without a place to go",
            says(page(300, "", "")),
            Some(Application),
            TakesOver,
        ),
        (
            "301 to another host of the organisation, in a circle",
            says(page(301, &location("http://verein.test/"), "")),
            Some(Application),
            TakesOver,
        ),
        (
            "302 to itself, without end",
            says(page(302, &location("/"), "")),
            Some(Application),
            TakesOver,
        ),
        (
            "302 to somebody else's host",
            says(page(
                302,
                &location("https://suspended.hoster.test/account?reason=none"),
                "",
            )),
            Some(HoldingPage),
            Asks,
        ),
        (
            "307 to a scheme that is no web",
            says(page(
                307,
                &location("ftp://verein.test/somewhere/else/altogether"),
                "",
            )),
            Some(HoldingPage),
            Asks,
        ),
        (
            "half a page, then the end of the connection",
            says(half),
            Some(Application),
            TakesOver,
        ),
        (
            "half a page, then silence",
            stalled,
            Some(Application),
            TakesOver,
        ),
        (
            "a broken chunk",
            says("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n"),
            Some(Application),
            TakesOver,
        ),
        (
            "another protocol (SSH) on the port",
            says("SSH-2.0-OpenSSH_9.9\r\n"),
            Some(Application),
            TakesOver,
        ),
        (
            "HTTP/2 only, without TLS",
            says(&b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"[..]),
            Some(Application),
            TakesOver,
        ),
        (
            "a head of more than 64 KiB",
            says(page(200, &format!("X: {}\r\n", "x".repeat(300_000)), MARK)),
            Some(Application),
            TakesOver,
        ),
        (
            "the connection is taken and cut without a byte",
            vec![Step::Head],
            Some(Silence),
            TakesOver,
        ),
        (
            "the connection is taken and no byte follows",
            vec![Step::Hang],
            Some(Silence),
            TakesOver,
        ),
    ];
    let row = |(what, steps, cause, does): (&str, Vec<Step>, Option<Cause>, Does)| Row {
        group: "A website answers with a page, or with none",
        what: what.to_owned(),
        service: Service::Web,
        input: http(steps),
        cause,
        does,
    };
    let mut rows: Vec<Row> = table.into_iter().map(row).collect();
    rows.push(Row {
        group: "A website answers with a page, or with none",
        what: "the port refuses".to_owned(),
        service: Service::Web,
        input: Input::Served(Server {
            asked: Asked::Http,
            does: None,
        }),
        cause: Some(Silence),
        does: TakesOver,
    });
    rows
}

fn certificates() -> Vec<Row> {
    use Asked::{Https, HttpsInClear};
    use Cause::{ForeignCertificate, Service as Silence, Tls};
    use Does::{Asks, Nothing, TakesOver};
    let good = || vec![Step::Head, Step::Say(page(200, "", MARK))];
    type Told = (&'static str, Asked, Vec<Step>, Option<Cause>, Does);
    let table: Vec<Told> = vec![
        (
            "a new certificate with a new key, for the right name, by a trusted authority",
            Https(Shows::Renewed),
            good(),
            None,
            Nothing,
        ),
        (
            "the certificate has expired",
            Https(Shows::Expired),
            good(),
            Some(Tls),
            TakesOver,
        ),
        (
            "the certificate is not valid yet",
            Https(Shows::NotYet),
            good(),
            Some(Tls),
            TakesOver,
        ),
        (
            "a valid certificate for another name (a hoster's default host)",
            Https(Shows::OtherName),
            good(),
            Some(ForeignCertificate),
            Asks,
        ),
        (
            "the known key, in a certificate that lacks the name",
            Https(Shows::NameMissing),
            good(),
            Some(Tls),
            TakesOver,
        ),
        (
            "the known key, signed by nobody we trust (a missing intermediate)",
            Https(Shows::UnknownIssuer),
            good(),
            Some(Tls),
            TakesOver,
        ),
        (
            "another key, signed by nobody we trust",
            Https(Shows::Foreign),
            good(),
            Some(ForeignCertificate),
            Asks,
        ),
        (
            "HTTP in clear on the port of HTTPS",
            HttpsInClear,
            vec![Step::Say(page(400, "", "x"))],
            Some(Tls),
            TakesOver,
        ),
        (
            "nonsense instead of TLS",
            HttpsInClear,
            vec![Step::Say(b"SSH-2.0-x\r\n".to_vec()), Step::Hang],
            Some(Tls),
            TakesOver,
        ),
        (
            "cut in the middle of the TLS handshake",
            HttpsInClear,
            vec![],
            Some(Tls),
            TakesOver,
        ),
        (
            "no word in the TLS handshake",
            HttpsInClear,
            vec![Step::Hang],
            Some(Silence),
            TakesOver,
        ),
        (
            "TLS stands, then no byte",
            Https(Shows::Own),
            vec![Step::Head, Step::Hang],
            Some(Silence),
            TakesOver,
        ),
    ];
    let row =
        |(what, asked, steps, cause, does): (&str, Asked, Vec<Step>, Option<Cause>, Does)| Row {
            group: "A website and its TLS",
            what: what.to_owned(),
            service: Service::Web,
            input: Input::Served(Server {
                asked,
                does: Some(steps),
            }),
            cause,
            does,
        };
    table.into_iter().map(row).collect()
}
