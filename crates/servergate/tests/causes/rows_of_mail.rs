//! The table's rows of mail servers.

use model::{Cause, Service};

use super::served::{Asked, Server, Step, page, smtp};
use super::{Does, Input, Row};

pub(super) fn all() -> Vec<Row> {
    use Cause::{Application, Denied, Overload, Service as Silence};
    use Does::{Asks, Helps, Nothing, TakesOver};
    const READY: &str = "220 mail.verein.test ESMTP";
    const HELLO: &str = "250 mail.verein.test";
    let line = |text: &str| Step::Say(format!("{text}\r\n").into_bytes());
    let old = vec![
        line(READY),
        Step::Line,
        line("502 5.5.2 Unknown command"),
        Step::Line,
        line(HELLO),
        Step::Line,
    ];
    let mut deaf = old.clone();
    deaf[4] = line("502 5.5.2 Unknown command");
    let no_tls_now = vec![
        line(READY),
        Step::Line,
        line("250-mail.verein.test\r\n250 STARTTLS"),
        Step::Line,
        line("454 4.7.0 TLS not available"),
        Step::Line,
    ];
    let slow = vec![line("220-mail.verein.test waits for the hasty"), Step::Hang];
    let table: Vec<(&str, Vec<Step>, Option<Cause>, Does)> = vec![
        ("greeting 220, EHLO 250", smtp(READY, HELLO), None, Nothing),
        (
            "the first line of a greeting, the rest later",
            slow,
            None,
            Nothing,
        ),
        ("an old server that knows HELO only", old, None, Nothing),
        (
            "STARTTLS is offered and refused for the moment (454)",
            no_tls_now,
            None,
            Nothing,
        ),
        (
            "greeting 421: too many connections",
            smtp("421 4.7.0 Too many connections", HELLO),
            Some(Overload),
            Helps,
        ),
        (
            "greeting 450",
            smtp("450 4.3.2 Try again later", HELLO),
            Some(Overload),
            Helps,
        ),
        (
            "greeting 554: no service, or a ban of this standby",
            smtp("554 5.7.1 No SMTP service for you", HELLO),
            Some(Denied),
            Asks,
        ),
        (
            "greeting 550 5.7.1: blocked by a list",
            smtp("550 5.7.1 blocked using zen.example", HELLO),
            Some(Denied),
            Asks,
        ),
        (
            "greeting 521: takes no mail (RFC 7504)",
            smtp("521 Server does not accept mail", HELLO),
            Some(Denied),
            Asks,
        ),
        (
            "greeting 571: an old number for a ban",
            smtp("571 Delivery not authorized", HELLO),
            Some(Denied),
            Asks,
        ),
        (
            "EHLO 550 5.7.1: a ban",
            smtp(READY, "550 5.7.1 Access denied"),
            Some(Denied),
            Asks,
        ),
        (
            "EHLO 554 5.7.1: a ban",
            smtp(READY, "554 5.7.1 Client host rejected"),
            Some(Denied),
            Asks,
        ),
        (
            "EHLO 421: later",
            smtp(READY, "421 4.3.2 Shutting down"),
            Some(Overload),
            Helps,
        ),
        (
            "EHLO 451: later",
            smtp(READY, "451 4.3.0 Local error"),
            Some(Overload),
            Helps,
        ),
        (
            "neither EHLO nor HELO is known",
            deaf,
            Some(Application),
            TakesOver,
        ),
        ("no greeting", vec![Step::Hang], Some(Silence), TakesOver),
        (
            "the connection is cut before a greeting",
            vec![],
            Some(Silence),
            TakesOver,
        ),
        (
            "cut after EHLO",
            vec![line(READY), Step::Line],
            Some(Silence),
            TakesOver,
        ),
        (
            "no answer to EHLO",
            vec![line(READY), Step::Line, Step::Hang],
            Some(Silence),
            TakesOver,
        ),
        (
            "a web server on the port of mail",
            vec![Step::Say(page(400, "", "x"))],
            Some(Application),
            TakesOver,
        ),
    ];
    let row = |(what, steps, cause, does): (&str, Vec<Step>, Option<Cause>, Does)| Row {
        group: "A mail server",
        what: what.to_owned(),
        service: Service::Mail,
        input: Input::Served(Server {
            asked: Asked::Smtp,
            does: Some(steps),
        }),
        cause,
        does,
    };
    let mut rows: Vec<Row> = table.into_iter().map(row).collect();
    rows.push(Row {
        group: "A mail server",
        what: "the port refuses".to_owned(),
        service: Service::Mail,
        input: Input::Served(Server {
            asked: Asked::Smtp,
            does: None,
        }),
        cause: Some(Silence),
        does: TakesOver,
    });
    rows
}
