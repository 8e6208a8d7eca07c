//! The mail server of a later part already runs in the machine room.

use anyhow::{Result, ensure};

use crate::lab::Lab;
use crate::peer::postfix::Postfix;
use crate::report::Report;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let lab = Lab::new(report.dir())?;
    let mail = lab.host("mail", &["198.51.100.25"])?;
    let sender = lab.host("sender", &["203.0.113.25"])?;
    let mut postfix = Postfix::start(&mail, "mail.verein.test", &["verein.test"])?;

    let talk = report.dir().join("message");
    std::fs::write(&talk, "Subject: one\n\nfirst mail\n")?;
    let message = talk.display().to_string();
    let url = "smtp://198.51.100.25/sender.test";
    let words = [
        "-sS",
        "-v",
        "--max-time",
        "20",
        "--mail-from",
        "a@sender.test",
    ];
    let rest = [
        "--mail-rcpt",
        "b@verein.test",
        "--upload-file",
        &message,
        url,
    ];
    let sent = sender.run("/usr/bin/curl", &[&words[..], &rest].concat())?;
    ensure!(
        sent.stderr.contains("< 220 mail.verein.test"),
        "no 220: {}",
        sent.stderr
    );
    ensure!(
        sent.status.success(),
        "the message was not taken: {}",
        sent.stderr
    );
    report.note("Postfix answers 220 and takes a message");

    crate::lab::until("the message to be delivered", crate::lab::CEILING, || {
        postfix.log().contains("status=sent")
    })?;
    postfix.process.require_running()?;
    postfix.stop()?;
    mail.require_idle()?;
    report.note("the message is delivered; Postfix ends with all its daemons");
    Ok(())
}
