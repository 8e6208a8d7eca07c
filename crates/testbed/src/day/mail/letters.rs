//! Numbered letters of several kinds, and whether each arrived once and as it was written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::stage::{RECIPIENTS, SENDER, Stage};

/// The field that numbers a letter.
const NUMBER: &str = "X-Letter";

/// All letters that were written.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// Number → body, with LF.
    written: BTreeMap<usize, String>,
}

impl Letters {
    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    /// Writes another letter: header and body, with LF.
    pub(super) fn write(&mut self, when: &str) -> String {
        let number = self.written.len() + 1;
        let body = body(number);
        let to = RECIPIENTS[number % 2];
        let letter = format!(
            "From: <{SENDER}>\nTo: <{to}>\nSubject: {when} {number}\nMessage-ID: <{number}@sender.test>\n\
             MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\
             {NUMBER}: {number}\n\n{body}"
        );
        self.written.insert(number, body);
        letter
    }

    /// Writes `count` letters and gives them to the sender's Postfix.
    pub(super) fn post(&mut self, stage: &Stage, when: &str, count: usize) -> Result<()> {
        for _ in 0..count {
            let to = RECIPIENTS[(self.written.len() + 1) % 2];
            let letter = self.write(when);
            stage.sender.inject(SENDER, to, letter.as_bytes())?;
        }
        Ok(())
    }

    /// Whether there are as many in the mailboxes as were written, or more.
    pub(super) fn all_arrived(&self, stage: &Stage) -> Result<bool> {
        Ok(self.found(stage)?.len() >= self.written.len())
    }

    /// Each is there once, byte by byte as it was written.
    pub(super) fn each_once(&self, stage: &Stage) -> Result<()> {
        let found = self.found(stage)?;
        for (number, body) in &self.written {
            let copies = found.get(number).map(Vec::as_slice).unwrap_or_default();
            ensure!(
                copies.len() == 1,
                "letter {number} is there {} times",
                copies.len()
            );
            ensure!(
                copies[0] == *body,
                "letter {number} was altered: {:?}",
                copies[0]
            );
        }
        Ok(())
    }

    fn found(&self, stage: &Stage) -> Result<BTreeMap<usize, Vec<String>>> {
        let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for message in stage.dovecot.delivered()? {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            let Some((head, body)) = text.split_once("\n\n") else {
                continue;
            };
            let number = head
                .lines()
                .find_map(|line| line.strip_prefix(NUMBER)?.strip_prefix(": "));
            if let Some(number) = number.and_then(|number| number.trim().parse().ok()) {
                found.entry(number).or_default().push(body.to_owned());
            }
        }
        Ok(found)
    }
}

/// A body of one of several kinds.
fn body(number: usize) -> String {
    let mut body = format!("Brief Nummer {number}.\n");
    match number % 5 {
        0 => body += "Grüße aus Köln, žluťoučký kůň.\n",
        1 => body += ".\n..\n.dot at the beginning\n\n.\n",
        2 => {
            let _ = writeln!(body, "{}", "x".repeat(990));
        }
        3 => body += &"Eine Zeile von vielen.\n".repeat(2000),
        // Beyond what lies in the log with its envelope.
        _ if number % 45 == 4 => body += &"Ein langer Anhang in Zeilen.\n".repeat(40_000),
        _ => body += "From the beginning of a line\n",
    }
    body
}
