//! Power cuts: the file system of the standby's data stops at a random moment, and what was not
//! flushed is gone. An acknowledgement counts if the file system proved afterwards that it lived.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::book::Book;
use super::image::Probe;
use super::rounds;
use super::stage::Stage;
use crate::generated_site::Chance;
use crate::report::Report;

const SEED: u64 = 412;
/// The image's size: the store's reserve, its journals, and room for what is kept.
const MEGABYTES: u64 = 1024;
/// After so many cuts what is kept is handed back, so that a long run keeps no more than a short one.
const AT_ONCE: usize = 20;

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let rounds = rounds()?;
    let mut stage = Stage::build(report, Some(MEGABYTES))?;
    stage.go_dark()?;
    report.note("the standby acts, its data lies on an ext4 of its own");
    let mut day = Day {
        book: Book::default(),
        chance: Chance(SEED),
        gone: 0,
        late: 0,
    };
    for round in 0..rounds {
        day.round(&mut stage, round)
            .with_context(|| format!("power cut {round} of {rounds}"))?;
        if (round + 1) % AT_ONCE == 0 && round + 1 < rounds {
            stage.heal()?;
            stage.all_handed_back()?;
            stage.go_dark()?;
        }
    }
    report.note(format_args!(
        "{rounds} power cuts: {} acknowledged and proved, {} more that raced with a cut; {} of \
         {rounds} files that nobody synced were lost",
        day.book.promised(),
        day.late,
        day.gone
    ));
    ensure!(
        day.gone * 2 > rounds,
        "the cuts take too little: {} of {rounds} unsynced files",
        day.gone
    );
    ensure!(day.book.promised() > 20 * rounds, "this tested little");
    stage.heal()?;
    stage.all_handed_back()?;
    day.book.require_kept(report, &stage, 0)
}

struct Day {
    book: Book,
    chance: Chance,
    /// Unsynced files that a cut took.
    gone: usize,
    /// Acknowledged, and the file system stopped before it proved that it lived.
    late: usize,
}

impl Day {
    fn round(&mut self, stage: &mut Stage, round: usize) -> Result<()> {
        let mark = format!("unsynced-{round}");
        let count = 1 + self.chance.below(200);
        let then = Duration::from_micros(self.chance.below(20_000) as u64);
        let Stage {
            senders,
            standby,
            image,
            ..
        } = stage;
        let image = image.as_mut().context("there is no image")?;
        let probe = image.probe()?;
        let ((alive, dead), notes) = senders.during(u32::MAX, || {
            let cut = || {
                senders.wait_for(count, then)?;
                image.leave_unsynced(&mark)?;
                image.cut_power()?;
                Ok(Instant::now())
            };
            let both = while_probed(&probe, cut)?;
            standby.kill()?;
            Ok(both)
        })?;
        drop(probe);
        // What follows the cut is no promise at all: nothing could have been synced.
        let false_promises = notes
            .acknowledged
            .iter()
            .filter(|(_, at)| *at > dead + REPLY);
        ensure!(
            false_promises.count() == 0,
            "acknowledged after the file system was dead"
        );
        self.book.enter(&notes, |at| at < alive);
        let late = notes.acknowledged.iter().filter(|(_, at)| *at >= alive);
        self.late += late.count();
        image.unmount()?;
        image.mount()?;
        self.gone += usize::from(!image.kept_the_unsynced(&mark));
        stage.start_again()?;
        Ok(())
    }
}

/// A reply may have been on its way.
const REPLY: Duration = Duration::from_secs(1);

/// Does `cut` while the file system is probed; returns until when it is known to have lived.
fn while_probed(
    probe: &Probe,
    cut: impl FnOnce() -> Result<Instant>,
) -> Result<(Instant, Instant)> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probing = scope.spawn(|| probe.run(&over));
        let dead = cut();
        over.store(true, Ordering::Relaxed);
        let alive = probing.join().map_err(|_| anyhow!("the probe panicked"))?;
        Ok((alive.context("the first probe failed")?, dead?))
    })
}
