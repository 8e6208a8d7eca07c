//! The whole day: all of the organisation's cables are pulled at once, the standby takes over,
//! serves every page, speaks, and gives everything back.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage_set::{
    Alert, Crowd, HOST, ORGANISATION, Reading, STANDBY, STATUS_HOST, Terms, WEB, Wish, World,
    just_observed, one_outage_and_same_replay, told,
};
use crate::lab::until_asked;
use crate::report::Report;
use crate::standby::Standby;
use crate::visitor::Visitor;

const WORDS: &str = "We know of it. Our meeting on Friday takes place.";
const SOON: Duration = crate::lab::CEILING;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let world = World::build(report, &Wish::default())?;
    let terms = Terms::default();
    let mut standby = world.stand_by(report, &terms)?;
    let visitor = world.visitor()?;
    let reading = Reading::of_primary(report, &world, &visitor)?;
    let crowd = Crowd::sit_down(&visitor, 2);

    just_observed(&mut standby)?;
    world.lab.cut(&world.web)?;
    world.lab.cut(&world.dns)?;
    report.note("all of the organisation's cables are cut, just after a good probe");
    found_dark(report, &mut standby)?;
    crowd.all_read_from(STANDBY, SOON)?;

    reading.is_copied(report, &world, &visitor)?;
    not_captured(report, &visitor)?;
    by_other_doors(report, &visitor)?;
    in_parts(report, &world, &visitor)?;
    page_and_words(report, &standby, &visitor)?;
    told_of_both(report, &standby, &["dark"])?;

    let before = world.visits_at_primary()?;
    world.lab.heal(&world.web)?;
    world.lab.heal(&world.dns)?;
    let healed = visitor.elapsed();
    report.note("the cables are plugged in again");
    standby.wait_status("both services to be given back", SOON, |status| {
        ["web", "names"]
            .iter()
            .all(|service| status.role(service) == "standby" && status.outage(service).is_empty())
    })?;
    crowd.all_read_from(WEB, SOON)?;
    until_asked("visitors' requests in nginx' log", SOON, || {
        Ok((world.visits_at_primary()? > before + 4).then_some(()))
    })?;

    let diaries = crowd.get_up(report)?;
    diaries.taken_over(report, terms.pace)?;
    let back = diaries.given_back(report)?.at.saturating_sub(healed);
    let earliest = terms.clean + terms.stage;
    ensure!(
        back >= earliest,
        "given back after {back:?}, before clean and stage were over"
    );
    report.note(format_args!(
        "given back {:.1} s after the heal: {} s clean, {} s stage, and what resolvers remember",
        back.as_secs_f32(),
        terms.clean.as_secs(),
        terms.stage.as_secs()
    ));
    told_of_both(report, &standby, &["dark", "recovered"])?;
    recorded(report, &standby)
}

fn found_dark(report: &mut Report, standby: &mut Standby) -> Result<()> {
    let status = standby.wait_status("both verdicts", SOON, |status| {
        ["web", "names"]
            .iter()
            .all(|service| status.condition(service) == "dark" && status.role(service) == "acting")
    })?;
    let (web, names) = (status.cause("web"), status.cause("names"));
    ensure!(web == "silent", "the cause named for the web is {web}");
    ensure!(
        matches!(names, "dns-server" | "silent"),
        "the cause named for the names is {names}"
    );
    report.note(format_args!(
        "verdict: dark; cause {web} for the web, {names} for the names"
    ));
    Ok(())
}

/// What the copy does not have is refused honestly, with the way to the public page.
fn not_captured(report: &mut Report, visitor: &Visitor) -> Result<()> {
    let page = format!("https://{STATUS_HOST}/");
    let form = format!("https://{HOST}/kontakt.html");
    let cases: [(&str, String, &[&str]); 2] = [
        ("a form that is sent", form, &["--data", "name=x"]),
        (
            "a page that was never there",
            format!("https://{HOST}/nie/gesehen"),
            &[],
        ),
    ];
    for (what, url, more) in cases {
        let browser = ["-H", "Accept: text/html,application/xhtml+xml"];
        let visit = visitor.ask(&url, &[more, &browser].concat())?;
        ensure!(
            visit.status() == Some(503) && visit.from() == Some(STANDBY),
            "{what} should be refused with 503: {}",
            visit.line()
        );
        let later = visit
            .header("retry-after")
            .and_then(|value| value.parse::<u32>().ok());
        ensure!(
            later.is_some_and(|seconds| seconds > 0),
            "{what}: 503 without Retry-After"
        );
        ensure!(
            visit.text().contains(&format!("\"{page}")),
            "{what}: the page does not link {page}: {}",
            visit.text()
        );
    }
    report.note("a sent form and an unknown page: 503, Retry-After, a link to the public page");
    Ok(())
}

/// Without TLS, which leads to TLS since the primary is asked by it, and by the bare domain,
/// which the primary leads to `www`.
fn by_other_doors(report: &mut Report, visitor: &Visitor) -> Result<()> {
    let plain = visitor.get(&format!("http://{HOST}/kontakt.html"))?;
    let secure = format!("https://{HOST}/kontakt.html");
    ensure!(
        plain.status() == Some(307)
            && plain.from() == Some(STANDBY)
            && plain.header("location") == Some(secure.as_str()),
        "without TLS: {} {:?}",
        plain.line(),
        plain.header("location")
    );
    let bare = visitor.get(&format!("https://{ORGANISATION}/"))?;
    ensure!(
        bare.status() == Some(301)
            && bare.from() == Some(STANDBY)
            && bare.header("location") == Some("https://www.verein.test/"),
        "the bare domain: {} {:?}",
        bare.line(),
        bare.header("location")
    );
    report.note("without TLS it leads to TLS; the bare domain leads to www, as the primary said");
    Ok(())
}

/// HEAD, ranges and conditions on the big file.
fn in_parts(report: &mut Report, world: &World, visitor: &Visitor) -> Result<()> {
    let url = format!("https://{HOST}/datei/band.bin");
    let big = std::fs::read(world.site.root.join("datei/band.bin"))?;
    let head = visitor.ask(&url, &["--head"])?;
    let length = big.len().to_string();
    ensure!(
        head.status() == Some(200)
            && head.header("content-length") == Some(&length)
            && head.header("accept-ranges") == Some("bytes"),
        "HEAD: {}",
        head.line()
    );
    let tag = format!("If-None-Match: {}", head.header("etag").unwrap_or_default());
    let since = format!(
        "If-Modified-Since: {}",
        head.header("last-modified").unwrap_or_default()
    );
    for condition in [&tag, &since] {
        let visit = visitor.ask(&url, &["-H", condition])?;
        ensure!(visit.status() == Some(304), "{condition}: {}", visit.line());
    }
    let end = big.len();
    let parts: [(&str, std::ops::Range<usize>); 3] = [
        ("0-0", 0..1),
        ("10000000-10099999", 10_000_000..10_100_000),
        ("-1000", end - 1000..end),
    ];
    for (range, bytes) in parts {
        let visit = visitor.ask(&url, &["--range", range])?;
        let said = format!("bytes {}-{}/{end}", bytes.start, bytes.end - 1);
        ensure!(
            visit.status() == Some(206) && visit.header("content-range") == Some(&said),
            "range {range}: {} {:?}",
            visit.line(),
            visit.header("content-range")
        );
        ensure!(
            Some(visit.body()) == big.get(bytes),
            "range {range}: other bytes"
        );
    }
    let beyond = visitor.ask(&url, &["--range", "99999999-"])?;
    ensure!(
        beyond.status() == Some(416),
        "a range beyond the end: {}",
        beyond.line()
    );
    report.note("the 20 MB file: HEAD, 304 by ETag and by date, three ranges 206, one beyond 416");
    Ok(())
}

/// The public page says what was measured and no reason; what the organisation says appears.
fn page_and_words(report: &mut Report, standby: &Standby, visitor: &Visitor) -> Result<()> {
    let url = format!("https://{STATUS_HOST}/en");
    let page = visitor.get(&url)?;
    ensure!(
        page.status() == Some(200),
        "the public page: {}",
        page.line()
    );
    let text = page.text();
    for sentence in [
        "The address of the website has not answered",
        "The reason is not known.",
    ] {
        ensure!(
            text.contains(sentence),
            "the public page does not say {sentence:?}: {text}"
        );
    }
    ensure!(
        !text.contains(WORDS),
        "the public page knows the words before they were said"
    );
    let said = standby.command(&["say", WORDS])?;
    ensure!(
        said.status.success(),
        "say: {} {}",
        said.stdout,
        said.stderr
    );
    until_asked("the words on the public page", SOON, || {
        Ok(visitor.get(&url)?.text().contains(WORDS).then_some(()))
    })?;
    let text = visitor.get(&url)?.text();
    ensure!(
        text.contains("The reason is not known."),
        "a statement that names no reason became one: {text}"
    );
    let feed = visitor.get(&format!("https://{STATUS_HOST}/feed.atom"))?;
    ensure!(
        feed.text().contains(WORDS),
        "the words are not in the feed: {}",
        feed.line()
    );
    report.note("the public page says what is measured, that no reason is known, and our words");
    Ok(())
}

/// One message per outage and one per recovery, of both services together.
fn told_of_both(report: &mut Report, standby: &Standby, kinds: &[&str]) -> Result<()> {
    let all = told(standby, kinds)?;
    let Some(Alert {
        kind,
        services,
        text,
    }) = all.last()
    else {
        return Ok(());
    };
    ensure!(
        services.contains("web") && services.contains("names"),
        "the alert is about {services:?}: {text}"
    );
    let subject = text.lines().next().unwrap_or_default();
    report.note(format_args!(
        "the alert command was called once ({kind}): {subject}"
    ));
    Ok(())
}

fn recorded(report: &mut Report, standby: &Standby) -> Result<()> {
    let outage = one_outage_and_same_replay(standby, "web")?;
    one_outage_and_same_replay(standby, "names")?;
    let id = outage["id"].as_str().unwrap_or_default();
    let explained = standby.command(&["outage", "explain", id])?;
    let text = &explained.stdout;
    let connect = text
        .lines()
        .any(|line| line.contains("silent") && line.contains(" ms"));
    for (wanted, there) in [
        ("Evidence with a silent probe and its times", connect),
        (
            "the references that answered",
            text.contains("our references answer"),
        ),
        ("the alert", text.contains("alert sent")),
        ("the take-over", text.contains("role acting")),
    ] {
        ensure!(there, "`outage explain` lacks {wanted}: {text}");
    }
    std::fs::write(report.dir().join("explained"), text)?;
    report.note("one outage of each service in the record, explained; decided again: the same");
    Ok(())
}
