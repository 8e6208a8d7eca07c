//! A spam filter is asked about what is kept: what it says goes back with the message, and when it
//! is gone everything goes on without it. Before that, `ready` tries a real primary out.

use anyhow::{Result, ensure};

use super::stage::{Primary, SOON, Stage, Wish};
use crate::lab::until;
use crate::peer::rspamd::{GTUBE, Rspamd};
use crate::report::Report;

const ANNA: &str = "anna@verein.test";
/// Letters that are as others.
const LETTERS: usize = 10;
/// Letters after the filter has gone.
const LATER: usize = 5;

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let wish = Wish {
        primary: Primary::Real,
        limits: "rspamd = \"192.0.2.7\"",
        recipients: [ANNA, "postmaster@verein.test"].map(str::to_owned).to_vec(),
    };
    let mut stage = Stage::build(report, wish)?;
    tried_out(report, &stage)?;

    let rspamd = Rspamd::start(stage.standby.host())?;
    stage.go_dark()?;
    leave(&stage, LETTERS, "letter", "Hello.")?;
    leave(&stage, 1, "spam", GTUBE)?;
    stage.wait_held(LETTERS + 1)?;
    until("rspamd to have looked at all", SOON, || {
        rspamd.looked_at() > LETTERS
    })?;
    rspamd.stop()?;
    leave(&stage, LATER, "later", "Hello.")?;
    stage.wait_held(LETTERS + 1 + LATER)?;
    report.note(format_args!(
        "{} messages are kept, {LATER} of them after rspamd was gone",
        LETTERS + 1 + LATER
    ));

    stage.come_back()?;
    stage.wait_handed_back()?;
    stage.wait_delivered()?;
    let mut verdicts = [0; 3];
    for message in stage.dovecot()?.delivered()? {
        let text = String::from_utf8_lossy(&message.bytes).into_owned();
        let head = text.split("\n\n").next().unwrap_or_default();
        let said = head
            .lines()
            .find(|line| line.starts_with("X-Spam-Status: "));
        let of = |kind: &str| head.contains(&format!("\nSubject: {kind}"));
        let (place, right) = match said {
            Some(words) if of("spam") => {
                (1, words == "X-Spam-Status: Yes, score=15.00 required=15.00")
            }
            Some(words) => (
                0,
                of("letter") && words == "X-Spam-Status: No, score=0.00 required=15.00",
            ),
            None => (2, of("later")),
        };
        ensure!(right, "not as rspamd said: {head}");
        verdicts[place] += 1;
    }
    ensure!(
        verdicts == [LETTERS, 1, LATER],
        "good, spam, not asked: {verdicts:?}"
    );
    report.note("rspamd's words went back with what it saw, and the rest without");
    Ok(())
}

/// What `ready` says of Postfix: it trusts the standby, and no more than it should.
fn tried_out(report: &mut Report, stage: &Stage) -> Result<()> {
    let ready = stage.standby.json(&["ready"])?.to_string();
    for words in [
        "takes mail from here",
        "who the true client is (XCLIENT)",
        "mx2.verein.test is an MX of verein.test",
    ] {
        ensure!(
            ready.contains(words),
            "`ready` does not say {words:?}: {ready}"
        );
    }
    for words in ["cannot exist", "relays for this address"] {
        ensure!(!ready.contains(words), "`ready` says {words:?}: {ready}");
    }
    let log = stage.postfix()?.log();
    ensure!(
        !log.contains(": from=<"),
        "the trial brought a message: {log}"
    );
    report.note("`ready` tried Postfix out, and sent it nothing");
    Ok(())
}

fn leave(stage: &Stage, count: usize, kind: &str, body: &str) -> Result<()> {
    stage.send("client.sender.test", |smtp| {
        for number in 0..count {
            let letter = format!(
                "From: <b@sender.test>\nTo: <{ANNA}>\nSubject: {kind} {number}\n\n{body}\n"
            );
            smtp.leave("b@sender.test", ANNA, &letter)?;
        }
        Ok(())
    })
}
