//! Somebody carries the standby's disk away, or reads its log and its metrics: two hundred words
//! that stand in addresses, subjects, bodies, attachments and HELO names are nowhere to be read,
//! whether the standby was open or locked when it took them, and also when they were handed back.
//! A word that was said in public is found by the same search, so that it could have failed.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};

use super::scan::{Needles, base64};
use super::stage::{Primary, SOON, Stage, Wish};
use crate::generated_site::Chance;
use crate::lab::until_asked;
use crate::report::Report;

const SEED: u64 = 5321;
const RECIPIENTS: usize = 24;
/// Letters taken while it is open, and as many while it is locked.
const LETTERS: usize = 24;
/// Every sixth letter has an attachment of so many lines, more than lies in the log.
const ROWS: usize = 8_000;
/// What a letter bears: HELO name, sender's name and domain, subject, body, attachment.
const WORDS: usize = 6;

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let mut plot = Plot::new();
    let wish = Wish {
        primary: Primary::Real,
        limits: "",
        recipients: plot.recipients.clone(),
    };
    let mut stage = Stage::build(report, wish)?;
    let said = stage.standby.command(&["say", &plot.control])?;
    ensure!(said.status.success(), "say: {}", said.stderr);
    stage.go_dark()?;
    plot.leave(&stage, 0..LETTERS)?;
    stage.wait_held(LETTERS)?;
    stage.take_the_passphrase_away()?;
    stage.restart()?;
    locked(&stage, true)?;
    // Nothing tells a locked standby who exists: it takes mail for everybody.
    plot.leave(&stage, LETTERS..2 * LETTERS)?;
    stage.wait_held(2 * LETTERS)?;
    plot.look_at_metrics(&stage)?;
    report.note(format_args!(
        "{} words planted in {} messages, half of them taken while it was locked",
        plot.words.len(),
        2 * LETTERS
    ));
    stage.standby.stop()?;
    plot.look(report, &stage, "kept")?;

    stage.standby.start_listening(25)?;
    stage.wait_acting()?;
    stage.come_back()?;
    let standby = stage.standby.process.as_mut().context("it does not run")?;
    standby.wait_for("nobody unlocked", SOON)?;
    ensure!(
        stage.standby.status()?.waiting_mail() == Some(2 * LETTERS),
        "something was handed back before anybody unlocked it"
    );
    stage.unlock()?;
    locked(&stage, false)?;
    stage.wait_handed_back()?;
    plot.arrived(&stage)?;
    plot.look_at_metrics(&stage)?;
    report.note("unlocked: all of it arrived");
    stage.standby.stop()?;
    plot.look(report, &stage, "handed back")
}

/// Whether it is locked, as `servergate held` says it.
fn locked(stage: &Stage, wanted: bool) -> Result<()> {
    let held = stage.standby.json(&["held"])?;
    let state = if wanted { "locked" } else { "unlocked" };
    ensure!(held["sealing"] == state, "not {state}: {held}");
    Ok(())
}

/// What is planted.
struct Plot {
    chance: Chance,
    /// What must be nowhere.
    words: Vec<String>,
    /// What must be found.
    control: String,
    recipients: Vec<String>,
    /// Body's and attachment's word of each letter.
    letters: Vec<[String; 2]>,
}

impl Plot {
    fn new() -> Self {
        let mut plot = Self {
            chance: Chance(SEED),
            words: Vec::new(),
            control: String::new(),
            recipients: Vec::new(),
            letters: Vec::new(),
        };
        plot.control = plot.word();
        for _ in 0..RECIPIENTS {
            let word = plot.plant();
            plot.recipients.push(format!("{word}@verein.test"));
        }
        plot
    }

    /// A word that stands nowhere else.
    fn word(&mut self) -> String {
        let letter = |_| char::from(b'a' + u8::try_from(self.chance.below(26)).unwrap_or(0));
        (0..12).map(letter).collect()
    }

    fn plant(&mut self) -> String {
        let word = self.word();
        self.words.push(word.clone());
        word
    }

    fn leave(&mut self, stage: &Stage, numbers: std::ops::Range<usize>) -> Result<()> {
        for number in numbers {
            let words: [String; WORDS] = std::array::from_fn(|_| self.plant());
            let [helo, name, domain, subject, body, attached] = &words;
            let helo = format!("{helo}.sender.test");
            let from = format!("{name}@{domain}.test");
            let to = self.recipients[number % RECIPIENTS].clone();
            let mut letter = format!(
                "From: {name} <{from}>\nTo: <{to}>\nSubject: {subject}\nMIME-Version: 1.0\n\
                 Content-Type: multipart/mixed; boundary=\"=_teil\"\n\n--=_teil\n\n{body}\n\n\
                 --=_teil\nContent-Type: application/octet-stream; name=\"{attached}.txt\"\n\
                 Content-Transfer-Encoding: base64\n\n"
            );
            // 57 bytes make a line of 76 letters.
            let row = format!("{attached:-<57}");
            let row = String::from_utf8(base64(row.as_bytes()))?;
            let rows = if number % 6 == 0 { ROWS } else { 3 };
            for _ in 0..rows {
                writeln!(letter, "{row}")?;
            }
            letter.push_str("--=_teil--\n");
            stage.send(&helo, |smtp| smtp.leave(&from, &to, &letter))?;
            self.letters.push([body.clone(), row]);
        }
        Ok(())
    }

    fn look_at_metrics(&self, stage: &Stage) -> Result<()> {
        let metrics = stage.metrics()?;
        ensure!(metrics.contains("servergate_mail_messages"), "{metrics}");
        let needles = Needles::new(&self.words);
        let found = needles.found(metrics.as_bytes());
        ensure!(found.is_empty(), "in the metrics: {found:?}");
        Ok(())
    }

    /// Looks at everything that lies on the disk, and at what the program printed.
    fn look(&self, report: &mut Report, stage: &Stage, when: &str) -> Result<()> {
        ensure!(
            self.words.len() >= 200,
            "only {} words were planted",
            self.words.len()
        );
        let dir = stage.standby.host().dir();
        let needles = Needles::new(&self.words);
        let (found, bytes) = needles.found_below(&dir.join("data"))?;
        ensure!(
            found.is_empty(),
            "{} words can be read on the disk: {found:?}",
            found.len()
        );
        let blobs = (0..2 * LETTERS).filter(|number| number % 6 == 0).count() * ROWS * 77;
        ensure!(
            when != "kept" || bytes > blobs as u64,
            "{bytes} bytes on the disk cannot be all of it"
        );
        let control = Needles::new(std::slice::from_ref(&self.control));
        let (shown, _) = control.found_below(&dir.join("data"))?;
        let (_, place) = shown
            .first()
            .context("the search does not find what was said in public")?;
        ensure!(!place.is_empty(), "found nowhere");
        let mut printed = 0;
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.display().to_string();
            // The running program, and the commands about the whole of it.
            if !name.contains("-servergate.") {
                continue;
            }
            let text = fs::read(&path)?;
            printed += text.len();
            let found = needles.found(&text);
            ensure!(found.is_empty(), "{name} has {found:?}");
        }
        ensure!(printed > 0, "the program printed nothing");
        report.note(format_args!(
            "{when}: none of {} words in {} kB on the disk, in {printed} bytes of log, in the \
             metrics; the control is found",
            self.words.len(),
            bytes >> 10
        ));
        Ok(())
    }

    /// Each letter is in a mailbox, with its body and its attachment.
    fn arrived(&self, stage: &Stage) -> Result<()> {
        stage.wait_delivered()?;
        until_asked("the letters in the mailboxes", SOON, || {
            Ok((stage.dovecot()?.count()? >= self.letters.len()).then_some(()))
        })?;
        let texts: Vec<String> = stage
            .dovecot()?
            .delivered()?
            .iter()
            .map(|message| String::from_utf8_lossy(&message.bytes).into_owned())
            .collect();
        ensure!(
            texts.len() == self.letters.len(),
            "{} letters, {} messages arrived",
            self.letters.len(),
            texts.len()
        );
        for (number, [body, row]) in self.letters.iter().enumerate() {
            let rows = if number % 6 == 0 { ROWS } else { 3 };
            let here = texts.iter().any(|text| {
                text.contains(body.as_str()) && text.matches(row.as_str()).count() == rows
            });
            ensure!(here, "letter {number} did not arrive whole");
        }
        Ok(())
    }
}
