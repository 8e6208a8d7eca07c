//! A standby that does everything, on a disk in every kind of trouble, in the middle of an outage.
//! Somebody asks for all of it again and again: names, the public page and the website's start page are
//! never silent, the copy never hangs, no acknowledged message is lost, and after each mend all is as
//! it was without a hand.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::asker::{Answer, Asker, Kind, get};
use super::book::Book;
use super::image::Image;
use super::senders::Notes;
use super::stage::{SOON, STANDBY, Stage, configuration};
use crate::lab::{Host, Lab, until_asked};
use crate::report::Report;

const MEGABYTES: u64 = 512;
const ASKER: &str = "203.0.113.41";
/// Pages beside the start page; every fifth is too large to be held in memory.
const PAGES: usize = 40;
const LARGE: usize = 700 << 10;
/// So long after a mend everything is as before.
const MENDED: Duration = Duration::from_secs(15);
/// So long an order may take whatever the disk does.
const ORDER: Duration = Duration::from_secs(10);

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let mut asking = None;
    let mut stage = Stage::build_with(report, Some(MEGABYTES), |lab, dir| {
        asking = Some(lab.host("asker", &[ASKER])?);
        everything(lab, dir)
    })?;
    let host = asking.context("there is somebody who asks")?;
    let server = STANDBY.parse()?;
    until_asked("the copy", SOON, || {
        let page = host.inside(|| get(server, "www.verein.test", "/seite-1.html"));
        Ok((page.ok() == Some(200)).then_some(()))
    })?;
    // While the outage is being confirmed guests wait for the primary: from then on.
    stage.go_dark()?;
    let mut trouble = Trouble {
        asker: Asker::begin(&host, server, PAGES),
        stage,
        book: Book::default(),
        host,
    };
    trouble.keep_one()?;
    trouble.full(report)?;
    trouble.without_inodes(report)?;
    trouble.read_only(report)?;
    trouble.frozen(report)?;
    trouble.dead(report)?;
    let Trouble {
        asker,
        mut stage,
        book,
        ..
    } = trouble;
    let answers = asker.stop()?;
    judge(report, &answers)?;
    stage.heal()?;
    stage.all_handed_back()?;
    book.require_kept(report, &stage, 0)
}

/// A zone, a website and a public page beside the mail.
fn everything(_lab: &Lab, dir: &Path) -> Result<String> {
    let zone = format!(
        "$TTL 60\n@ SOA ns hm 1 3600 600 86400 60\n@ NS ns\nns A {STANDBY}\nwww A {STANDBY}\n\
         status A {STANDBY}\n@ MX 10 mail\nmail A 198.51.100.25\n"
    );
    fs::write(dir.join("verein.zone"), zone)?;
    let site = dir.join("site");
    fs::create_dir_all(&site)?;
    let start = "<!doctype html><title>Verein</title><link rel=stylesheet href=stil.css>\
                 <img src=bild.png alt=Bild><p>Verein Beispiel";
    fs::write(site.join("index.html"), start)?;
    fs::write(site.join("stil.css"), "p { color: black }")?;
    fs::write(
        site.join("bild.png"),
        b"\x89PNG\r\n\x1a\n, as far as this goes",
    )?;
    for number in 0..PAGES {
        let mut page = format!("<!doctype html><title>{number}</title><p>Seite {number}\n");
        if number.is_multiple_of(5) {
            while page.len() < LARGE {
                page.push_str("<p>Noch eine Zeile von sehr vielen, die niemand liest.\n");
            }
        }
        fs::write(site.join(format!("seite-{number}.html")), page)?;
    }
    let listen = format!("[listen]\ndns = [\"{STANDBY}:53\"]\nhttp = [\"{STANDBY}:80\"]\n");
    let tables = "[organisation.names]\nzones = [\"verein.test\"]\nfile = \"verein.zone\"\n\n\
         [organisation.web]\nhosts = [\"www.verein.test\"]\nfolder = \"site\"\n\n\
         [organisation.bulletin]\nhost = \"status.verein.test\"\n\n[organisation.mail]\n";
    Ok(configuration()
        .replace("[listen]\n", &listen)
        .replace("[organisation.mail]\n", tables))
}

struct Trouble {
    asker: Asker,
    stage: Stage,
    book: Book,
    host: Host,
}

impl Trouble {
    /// One message is acknowledged.
    fn keep_one(&mut self) -> Result<()> {
        let said = self.offer_one()?;
        ensure!(said.is_none(), "refused with a disk that is well: {said:?}");
        Ok(())
    }

    fn offer_one(&mut self) -> Result<Option<String>> {
        let mut notes = Notes::default();
        let said = self.stage.senders.one(&mut notes)?;
        self.book.enter(&notes, |_| true);
        Ok(said)
    }

    /// No message is acknowledged, and the sender hears that it may come again.
    fn takes_no_mail(&mut self) -> Result<()> {
        until_asked("mail to be put off", SOON, || {
            let mut notes = Notes::default();
            let said = self.stage.senders.one(&mut notes)?;
            self.book.enter(&notes, |_| true);
            Ok(said.filter(|said| said.starts_with('4')).map(drop))
        })
    }

    /// An order is answered soon; its words.
    fn order(&self, verb: &str) -> Result<String> {
        let begun = Instant::now();
        let said = self
            .stage
            .standby
            .command(&[verb, "mail", "--by", "test"])?;
        ensure!(said.status.success(), "{verb}: {}", said.stderr);
        let took = begun.elapsed();
        ensure!(took < ORDER, "{verb} took {took:?}");
        Ok(said.stdout)
    }

    fn order_in_memory(&self, verb: &str) -> Result<()> {
        let said = self.order(verb)?;
        ensure!(
            said.contains("a restart would forget it"),
            "an order that is not durable says {said}"
        );
        Ok(())
    }

    fn process(&self) -> Result<u32> {
        let process = self.stage.standby.process.as_ref();
        Ok(process.context("it does not run")?.id())
    }

    fn stop(&mut self) -> Result<()> {
        self.asker.is_there(false);
        self.stage.standby.stop().map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        self.asker.is_there(false);
        self.stage.standby.kill()
    }

    /// Started again, whatever the disk is like, it answers and serves.
    fn start(&mut self) -> Result<()> {
        self.stage.standby.start_listening(25)?;
        self.stage
            .standby
            .wait_status("its answer", SOON, |status| status.role("mail") == "acting")?;
        let server = STANDBY.parse()?;
        for (host, what) in [
            ("www.verein.test", "start page"),
            ("status.verein.test", "page"),
        ] {
            until_asked(what, SOON, || {
                let page = self.host.inside(|| get(server, host, "/"));
                Ok((page.ok() == Some(200)).then_some(()))
            })?;
        }
        self.asker.is_there(true);
        Ok(())
    }

    /// All is as before, soon and by itself.
    fn is_mended(&mut self, report: &mut Report, what: &str) -> Result<()> {
        let mended = Instant::now();
        self.stage
            .standby
            .wait_status("the mended disk to be used", SOON, |status| {
                let null = |name| status.pointer(name).is_some_and(|it| it.is_null());
                null("/store") && null("/undurable")
            })?;
        let took = mended.elapsed();
        ensure!(took < MENDED, "{what}: used again only after {took:?}");
        for verb in ["hold", "auto"] {
            let said = self.order(verb)?;
            ensure!(!said.contains("forget"), "{what}, mended: {said}");
        }
        let words = format!("Wieder da: {what}.");
        let said = self.stage.standby.command(&["say", &words])?;
        ensure!(said.status.success(), "{what}, mended: {}", said.stderr);
        self.keep_one()?;
        report.note(format_args!(
            "{what}: used again {:.1} s after it was mended",
            took.as_secs_f32()
        ));
        Ok(())
    }

    fn image(&mut self) -> Result<&mut Image> {
        self.stage.image()
    }

    fn full(&mut self, report: &mut Report) -> Result<()> {
        self.image()?.fill_to_the_last_block()?;
        self.takes_no_mail()?;
        self.asker.dwell()?;
        self.order("hold")?;
        self.order("auto")?;
        self.kill()?;
        self.start()?;
        self.takes_no_mail()?;
        self.asker.dwell()?;
        self.image()?.empty()?;
        self.is_mended(report, "full to the last block")
    }

    fn without_inodes(&mut self, report: &mut Report) -> Result<()> {
        self.image()?.take_all_inodes()?;
        self.order("hold")?;
        self.order("auto")?;
        self.stop()?;
        self.start()?;
        self.order("hold")?;
        self.order("auto")?;
        self.asker.dwell()?;
        self.image()?.give_inodes_back()?;
        self.is_mended(report, "without an inode")
    }

    fn read_only(&mut self, report: &mut Report) -> Result<()> {
        self.image()?.abort()?;
        self.takes_no_mail()?;
        self.order_in_memory("hold")?;
        self.order_in_memory("auto")?;
        self.asker.dwell()?;
        let process = self.process()?;
        self.image()?.mount_anew(process)?;
        self.is_mended(report, "gone read-only by itself")?;

        self.stop()?;
        self.image()?.unmount()?;
        self.image()?.mount_read_only()?;
        let outages = self.stage.standby.command(&["outage", "list"])?;
        ensure!(
            outages.status.success() && outages.stdout.contains("mail"),
            "outages of a dead standby on a read-only disk: {}{}",
            outages.stdout,
            outages.stderr
        );
        self.start()?;
        self.takes_no_mail()?;
        let status = self.stage.standby.status()?;
        let why = status
            .pointer("/undurable/why")
            .and_then(|why| why.as_str());
        ensure!(
            why.is_some_and(|why| why.to_lowercase().contains("read-only")),
            "`status` says of a read-only disk: {}",
            status.text()
        );
        self.order_in_memory("hold")?;
        self.asker.dwell()?;
        let process = self.process()?;
        self.image()?.remount_writable(process)?;
        self.is_mended(report, "started on a read-only disk")
    }

    fn frozen(&mut self, report: &mut Report) -> Result<()> {
        let frozen = self.image()?.freeze()?;
        self.order_in_memory("hold")?;
        self.takes_no_mail()?;
        let said = self.stage.standby.command(&["say", "Das hört niemand."])?;
        ensure!(
            !said.status.success() && said.stderr.contains("not published"),
            "a statement on a frozen disk: {}{}",
            said.stdout,
            said.stderr
        );
        self.asker.dwell()?;
        drop(frozen);
        self.is_mended(report, "frozen")?;
        let frozen = self.image()?.freeze()?;
        self.order_in_memory("hold")?;
        drop(frozen);
        self.stage
            .standby
            .wait_status("the order to be written", SOON, |status| {
                status.pointer("/undurable").is_some_and(|it| it.is_null())
            })?;
        self.kill()?;
        self.start()?;
        let status = self.stage.standby.status()?;
        ensure!(
            status.state("mail") == "held",
            "what was ordered on the frozen disk is forgotten: {}",
            status.text()
        );
        self.order("auto").map(drop)
    }

    fn dead(&mut self, report: &mut Report) -> Result<()> {
        self.image()?.cut_power()?;
        self.takes_no_mail()?;
        self.order_in_memory("hold")?;
        self.order_in_memory("auto")?;
        self.asker.dwell()?;
        let process = self.process()?;
        self.image()?.mount_anew(process)?;
        self.is_mended(report, "dead")
    }
}

/// What must not have been silent was not, and the rest was quick.
fn judge(report: &mut Report, answers: &[Answer]) -> Result<()> {
    for kind in [Kind::Name, Kind::Start, Kind::Other, Kind::Page, Kind::Mail] {
        let of: Vec<_> = answers.iter().filter(|one| one.kind == kind).collect();
        let is_right = |one: &&&Answer| match (kind, &one.said) {
            (Kind::Name, Ok(count)) => *count > 0,
            (Kind::Start | Kind::Page, Ok(status)) => *status == 200,
            (Kind::Other, Ok(status)) => matches!(status, 200 | 503),
            (Kind::Mail, Ok(code)) => matches!(code, 250 | 400..=499),
            (_, Err(_)) => false,
        };
        let wrong: Vec<_> = of.iter().filter(|one| !is_right(one)).collect();
        let slowest = of.iter().map(|one| one.took).max().unwrap_or_default();
        let unavailable = of.iter().filter(|one| one.said == Ok(503)).count();
        report.note(format_args!(
            "{kind:?}: {} answers, {} wrong or none, {unavailable} times 503, the slowest after {} ms",
            of.len(),
            wrong.len(),
            slowest.as_millis()
        ));
        ensure!(!of.is_empty(), "{kind:?} was never asked for");
        ensure!(
            wrong.is_empty(),
            "{kind:?}: {:?}",
            wrong.get(..3).unwrap_or(&wrong)
        );
    }
    Ok(())
}
