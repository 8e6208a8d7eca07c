//! Power cuts at bad moments: twenty times the standby is killed while it captures, transfers
//! and commits. What it acknowledged is there afterwards, and what it served is served again.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stage_set::{
    HOST, ORGANISATION, STANDBY, STATUS_HOST, Terms, Wish, World, admin_socket, held_pages, zone,
};
use crate::generated_site::Chance;
use crate::lab::until_asked;
use crate::peer::knot::Knot;
use crate::question::{serial_at, until_answered};
use crate::report::Report;
use crate::standby::{Console, Standby};
use crate::visitor::Visitor;

const ROUNDS: usize = 20;
const SEED: u64 = 1720;
/// So many of the latest statements are looked for on the public page.
const SHOWN: usize = 50;
/// What a whole run may take.
const SOON: Duration = crate::lab::CEILING;

/// What is known before a power cut.
#[derive(Clone, Copy, Debug)]
struct Known {
    serial: u32,
    generation: u64,
}

pub(super) fn run(report: &mut Report) -> Result<()> {
    let world = World::build(report, &Wish::default())?;
    let terms = Terms {
        refresh: Duration::from_secs(10),
        ..Terms::default()
    };
    let mut standby = world.stand_by(report, &terms)?;
    let mut day = Day {
        visitor: world.visitor()?,
        world,
        serial: 1,
        acknowledged: Vec::new(),
        answered: Vec::new(),
    };
    let mut chance = Chance(SEED);
    for round in 0..ROUNDS {
        // Every fifth one is long enough for a capture to be judged and taken.
        let millis = match round % 5 {
            0 => 8_000 + chance.below(2_500),
            _ => 300 + chance.below(2_200),
        };
        let span = Duration::from_millis(millis as u64);
        let dark = round % 5 == 2;
        day.round(&mut standby, round, span, dark)
            .with_context(|| {
                format!("round {round}, killed after {millis} ms, primary cut: {dark}")
            })?;
    }
    day.answered.sort_unstable();
    let middle = day.answered.get(ROUNDS / 2).copied().unwrap_or_default();
    let last = day.answered.last().copied().unwrap_or_default();
    report.note(format_args!(
        "{ROUNDS} power cuts; first DNS answer after {} ms (median), {} ms (slowest), from the \
         start of the process",
        middle.as_millis(),
        last.as_millis()
    ));
    day.all_is_there(report, &mut standby)
}

struct Day {
    world: World,
    visitor: Visitor,
    /// The last serial that Knot was given.
    serial: u32,
    acknowledged: Vec<String>,
    answered: Vec<Duration>,
}

impl Day {
    fn round(
        &mut self,
        standby: &mut Standby,
        round: usize,
        span: Duration,
        dark: bool,
    ) -> Result<()> {
        let article = self.world.site.root.join(format!("artikel/{round}.html"));
        let text = fs::read_to_string(&article)?;
        fs::write(&article, format!("{text}<!-- round {round} -->\n"))?;
        let (known, said) = self.busy_until_killed(standby, round, span)?;
        if dark {
            self.world.lab.cut(&self.world.web)?;
            self.world.lab.cut(&self.world.dns)?;
        }
        let launched = standby.launch()?;
        let zones = [ORGANISATION.to_owned()];
        let answer = until_answered(&self.world.cafe, STANDBY.parse()?, &zones, SOON)?;
        self.answered
            .push(answer.at.saturating_duration_since(launched));
        let serial = answer.serials.first().copied().unwrap_or(0);
        ensure!(
            serial >= known.serial,
            "serial {serial} is served, {} was",
            known.serial
        );
        standby.wait_status("the admin socket", SOON, |_| true)?;
        let generation = generation(standby)?;
        ensure!(
            generation >= known.generation && held_pages(standby)? > 600,
            "generation {generation} is served, {} was",
            known.generation
        );
        self.copy_is_served()?;
        self.statements_are_shown(&said)?;
        self.acknowledged.extend(said);
        if dark {
            self.world.lab.heal(&self.world.web)?;
            self.world.lab.heal(&self.world.dns)?;
        }
        Ok(())
    }

    /// Statements are made and the zone is changed until the power is cut.
    fn busy_until_killed(
        &mut self,
        standby: &mut Standby,
        round: usize,
        span: Duration,
    ) -> Result<(Known, Vec<String>)> {
        let (over, console) = (AtomicBool::new(false), standby.console());
        let (world, knot, serial) = (&self.world, &self.world.knot, self.serial);
        let (asker, address) = (&world.cafe, STANDBY.parse()?);
        let (known, said, serial) = std::thread::scope(|scope| {
            let speaker = scope.spawn(|| speak(&console, round, &over));
            let changer = scope.spawn(|| change(knot, serial, &over));
            let killed = (|| {
                let begun = Instant::now();
                until_asked("the moment of the power cut", span + SOON, || {
                    Ok((begun.elapsed() >= span).then_some(()))
                })?;
                let known = Known {
                    generation: generation(standby)?,
                    serial: serial_at(asker, address, ORGANISATION, SOON)?,
                };
                standby.kill()?;
                anyhow::Ok(known)
            })();
            over.store(true, Ordering::Relaxed);
            let join = "a thread of the round panicked";
            let said = speaker.join().map_err(|_| anyhow::anyhow!(join))??;
            let serial = changer.join().map_err(|_| anyhow::anyhow!(join))??;
            anyhow::Ok((killed?, said, serial))
        })?;
        self.serial = serial;
        Ok((known, said))
    }

    /// The copy (or the primary through us) gives the page as it is.
    fn copy_is_served(&self) -> Result<()> {
        let path = "artikel/300.html";
        let visit = self.direct(HOST, &format!("https://{HOST}/{path}"))?;
        let body = fs::read(self.world.site.root.join(path))?;
        ensure!(
            visit.is_served() && visit.body() == body,
            "the copy: {}",
            visit.line()
        );
        Ok(())
    }

    fn statements_are_shown(&self, said: &[String]) -> Result<()> {
        let page = self.direct(STATUS_HOST, &format!("https://{STATUS_HOST}/en/statements"))?;
        let text = page.text();
        // The page keeps the latest ones; the record has all.
        for words in said.iter().rev().take(SHOWN) {
            ensure!(
                text.contains(words.as_str()),
                "{words:?} is gone: {}",
                page.line()
            );
        }
        Ok(())
    }

    /// Asked at the standby itself, wherever names lead.
    fn direct(&self, host: &str, url: &str) -> Result<crate::visitor::Visit> {
        let to = format!("{host}:443:{STANDBY}");
        self.visitor.ask(url, &["--resolve", &to])
    }

    fn all_is_there(&self, report: &mut Report, standby: &mut Standby) -> Result<()> {
        ensure!(
            self.acknowledged.len() > ROUNDS,
            "hardly anything was acknowledged"
        );
        let records = records()?;
        for words in &self.acknowledged {
            ensure!(
                records.contains(words.as_str()),
                "acknowledged and not in the record: {words}"
            );
        }
        report.note(format_args!(
            "{} acknowledged statements are all in the record; {} changes of the zone, last \
             generation {}",
            self.acknowledged.len(),
            self.serial - 1,
            generation(standby)?
        ));
        let ended = standby.stop()?;
        ensure!(
            ended.status.success(),
            "the standby ended with {}: {}",
            ended.status,
            ended.stderr
        );
        let outages = standby.json(&["outage", "list"])?;
        ensure!(outages.is_array(), "the dead standby's record: {outages}");
        Ok(())
    }
}

/// Says one thing after the other; returns what was acknowledged.
fn speak(console: &Console, round: usize, over: &AtomicBool) -> Result<Vec<String>> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let words = format!("Word {number} of round {round}.");
        if console.command(&["say", &words])?.status.success() {
            acknowledged.push(words);
        }
    }
    Ok(acknowledged)
}

/// Changes the zone again and again; returns the last serial.
fn change(knot: &Knot, mut serial: u32, over: &AtomicBool) -> Result<u32> {
    while !over.load(Ordering::Relaxed) {
        serial += 1;
        let records = format!("@ A 198.51.100.80\nwww A 198.51.100.80\nmark TXT \"{serial}\"\n");
        knot.replace(ORGANISATION, &zone(serial, &records))?;
    }
    Ok(serial)
}

/// The number of the generation that is served.
fn generation(standby: &Standby) -> Result<u64> {
    let answer = standby.json(&["site", "generations"])?;
    answer
        .pointer("/current/number")
        .and_then(Value::as_u64)
        .context("no generation is served")
}

/// The whole record, as the admin socket gives it.
fn records() -> Result<String> {
    let (mut all, mut from) = (String::new(), 1);
    loop {
        let mut stream = UnixStream::connect(admin_socket())?;
        writeln!(stream, "{}", json!({ "do": "records", "from": from }))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let reply: Value = serde_json::from_str(&line)?;
        let next = reply["next"]
            .as_u64()
            .with_context(|| format!("records: {line}"))?;
        if next == from {
            return Ok(all);
        }
        all.push_str(&line);
        from = next;
    }
}
