//! The load generators, one worker each: wrk, h2load, dnsperf. Anything but success is an error.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Server;

/// Requests over HTTP/1.1 on eight connections; `headers` as `Name: value`.
pub(super) fn wrk(server: &Server, seconds: u32, url: &str, headers: &[&str]) -> Result<u64> {
    let duration = format!("-d{seconds}s");
    let mut words = vec!["-t1", "-c8", &duration];
    for header in headers {
        words.extend(["-H", header]);
    }
    words.push(url);
    let said = run(server, seconds, "/usr/bin/wrk", &words)?;
    ensure!(
        !said.contains("Non-2xx"),
        "not every answer was a page:\n{said}"
    );
    let errors = said.lines().find(|line| line.contains("Socket errors"));
    ensure!(
        errors.is_none_or(|line| line.contains("connect 0, read 0, write 0")),
        "{said}"
    );
    before(&said, " requests in").with_context(|| format!("wrk said {said}"))
}

/// Requests over HTTP/2 on eight connections with eight streams each.
pub(super) fn h2load(server: &Server, seconds: u32, url: &str) -> Result<u64> {
    let duration = format!("-D{seconds}");
    let said = run(
        server,
        seconds,
        "/usr/bin/h2load",
        &["-t1", "-c8", "-m8", &duration, url],
    )?;
    ensure!(
        said.contains("Application protocol: h2"),
        "this was not HTTP/2:\n{said}"
    );
    ensure!(
        said.contains(" 0 4xx, 0 5xx"),
        "not every answer was a page:\n{said}"
    );
    before(&said, " 2xx").with_context(|| format!("h2load said {said}"))
}

/// Questions over UDP, a hundred under way.
pub(super) fn dnsperf(server: &Server, seconds: u32, questions: &Path) -> Result<u64> {
    let (address, limit) = (server.host.address()?.to_string(), seconds.to_string());
    let file = questions.to_str().context("a path that is not UTF-8")?;
    let words = [
        "-s", &address, "-d", file, "-l", &limit, "-c1", "-T1", "-q100",
    ];
    let said = run(server, seconds, "/usr/bin/dnsperf", &words)?;
    let figure = |mark: &str| {
        let line = said
            .lines()
            .find(|line| line.trim_start().starts_with(mark));
        let figure = line.and_then(|line| {
            line.split(':')
                .nth(1)?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        });
        figure.with_context(|| format!("dnsperf said {said}"))
    };
    let (done, lost) = (figure("Queries completed")?, figure("Queries lost")?);
    ensure!(
        lost * 100 <= done,
        "{lost} of {done} questions had no answer"
    );
    ensure!(
        !said.contains("REFUSED") && !said.contains("SERVFAIL"),
        "not every answer was one:\n{said}"
    );
    Ok(done)
}

fn run(server: &Server, seconds: u32, program: &str, words: &[&str]) -> Result<String> {
    let limit = Duration::from_secs(u64::from(seconds) + 30);
    let finished = server.host.spawn(program, words, &[])?.finish(limit)?;
    ensure!(
        finished.status.success(),
        "{program}: {}\n{}",
        finished.stdout,
        finished.stderr
    );
    Ok(finished.stdout)
}

/// The number right before `mark`.
fn before(said: &str, mark: &str) -> Option<u64> {
    said.split(mark)
        .next()?
        .split_whitespace()
        .last()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn the_generators_figures_are_found() {
        assert_eq!(
            before("Running\n  4711 requests in 5.00s, 3MB", " requests in"),
            Some(4711)
        );
        assert_eq!(
            before("status codes: 99 2xx, 0 3xx, 0 4xx, 0 5xx", " 2xx"),
            Some(99)
        );
    }
}
