//! Killed (SIGKILL) at random moments: two hand-backs and three times of keeping in turn.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::book::Book;
use super::rounds;
use super::stage::{LONG, Stage};
use crate::generated_site::Chance;
use crate::lab::until;
use crate::report::Report;

const SEED: u64 = 200;
/// The program has at most so many messages under way at once while it hands back.
const UNDER_WAY: usize = 256;
/// While it hands back, senders bring so many more.
const MEANWHILE: u32 = 60;

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let rounds = rounds()?;
    let mut stage = Stage::build(report, None)?;
    report.note("Postfix and Dovecot serve, the standby watches");
    let mut day = Day {
        book: Book::default(),
        chance: Chance(SEED),
        held: 0,
        hand_backs: 0,
        in_the_middle: 0,
    };
    for round in 0..rounds {
        day.round(&mut stage, round)
            .with_context(|| format!("round {round} of {rounds}"))?;
        if round % 5 == 4 || round + 1 == rounds {
            stage.heal()?;
            stage.all_handed_back()?;
            report.note(format_args!(
                "after {} kills everything is handed back, {} acknowledged so far",
                round + 1,
                day.book.promised()
            ));
        }
    }
    report.note(format_args!(
        "{} of {} kills in a hand-back came in its middle",
        day.in_the_middle, day.hand_backs
    ));
    report.note(format_args!(
        "the ledger knows of {} cut connections: one that is killed writes nothing down",
        cuts(&stage)?
    ));
    ensure!(
        day.in_the_middle * 2 >= day.hand_backs && day.book.promised() > 20 * rounds,
        "this tested little"
    );
    day.book
        .require_kept(report, &stage, UNDER_WAY * day.hand_backs)
}

/// How often the ledger says that a connection was cut before the primary's answer.
fn cuts(stage: &Stage) -> Result<u64> {
    let ledger = stage.standby.json(&["mail", "ledger"])?;
    let rows = ledger["rows"].as_array().context("no rows")?;
    Ok(rows.iter().filter_map(|row| row[7].as_u64()).sum())
}

struct Day {
    book: Book,
    chance: Chance,
    /// How many messages waited at the last start.
    held: usize,
    /// Kills while the primary lived, and those after which messages still waited.
    hand_backs: usize,
    in_the_middle: usize,
}

impl Day {
    fn round(&mut self, stage: &mut Stage, round: usize) -> Result<()> {
        match round % 5 {
            0 => {
                self.held = 0;
                stage.go_dark()?;
            }
            3 => stage.heal()?,
            _ => {}
        }
        if round % 5 < 3 {
            self.killed_while_it_keeps(stage)
        } else {
            self.killed_while_it_hands_back(stage)
        }
    }

    fn killed_while_it_keeps(&mut self, stage: &mut Stage) -> Result<()> {
        let count = 1 + self.chance.below(200);
        let then = Duration::from_micros(self.chance.below(5_000) as u64);
        let Stage {
            senders, standby, ..
        } = stage;
        let ((), notes) = senders.during(u32::MAX, || {
            senders.wait_for(count, then)?;
            standby.kill()
        })?;
        self.book.enter(&notes, |_| true);
        let before = self.held;
        self.held = stage.start_again()?;
        ensure!(
            self.held >= before + notes.acknowledged.len(),
            "{} wait, {before} did before, and {} were acknowledged since",
            self.held,
            notes.acknowledged.len()
        );
        Ok(())
    }

    fn killed_while_it_hands_back(&mut self, stage: &mut Stage) -> Result<()> {
        let before = stage.dovecot.count()?;
        let count = 1 + self.chance.below(self.held / 3);
        let then = Duration::from_micros(self.chance.below(5_000) as u64);
        let Stage {
            senders,
            standby,
            dovecot,
            ..
        } = stage;
        let arrived = |wanted: usize| {
            until("messages to come back", LONG, || {
                dovecot.count().is_ok_and(|count| count >= before + wanted)
            })
        };
        arrived(1)?;
        let ((), notes) = senders.during(MEANWHILE, || {
            arrived(count)?;
            let begun = std::time::Instant::now();
            until("a moment", LONG, || begun.elapsed() >= then)?;
            standby.kill()
        })?;
        self.book.enter(&notes, |_| true);
        self.held = stage.start_again()?;
        self.hand_backs += 1;
        self.in_the_middle += usize::from(self.held > 0);
        Ok(())
    }
}
