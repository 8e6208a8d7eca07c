//! A person with a browser: asks a page anew each time (name, connection, page) and keeps the
//! log. Dark time is computed from visitors' logs, never from the standby's opinion.

mod many;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::lab::Host;

pub use many::Page;

/// A visitor at a host. Cloning gives a second person at the same desk.
#[derive(Clone, Debug)]
pub struct Visitor {
    host: Host,
    authority: Option<PathBuf>,
    begun: Instant,
}

/// What came of asking one page.
#[derive(Clone, Debug)]
pub struct Visit {
    /// When it was asked, counted from the visitor's first day.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// What was asked.
    pub url: String,
    /// What came back.
    pub outcome: Outcome,
}

/// An answer, or why there was none.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A server answered.
    Answer {
        /// HTTP status.
        status: u16,
        /// The server's address.
        from: String,
        /// The header lines.
        headers: String,
        /// The body.
        body: Vec<u8>,
    },
    /// Nobody answered whole: curl's exit number (28 is a time-out, 6 an unknown name) and words.
    Nothing {
        /// curl's exit number.
        number: i32,
        /// curl's words.
        words: String,
    },
}

impl Visit {
    /// The status, if anybody answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Answer { status, .. } => Some(*status),
            Outcome::Nothing { .. } => None,
        }
    }

    /// Whether the page came, whole and with success.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.status()
            .is_some_and(|status| (200..400).contains(&status))
    }

    /// The address that answered.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answer { from, .. } => Some(from),
            Outcome::Nothing { .. } => None,
        }
    }

    /// The body (empty when nobody answered).
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.outcome {
            Outcome::Answer { body, .. } => body,
            Outcome::Nothing { .. } => &[],
        }
    }

    /// The body as text (empty when nobody answered).
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    /// The value of a header of the answer.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let Outcome::Answer { headers, .. } = &self.outcome else {
            return None;
        };
        headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// One line for a log.
    #[must_use]
    pub fn line(&self) -> String {
        let outcome = match &self.outcome {
            Outcome::Answer {
                status, from, body, ..
            } => format!("{status} from {from}, {} bytes", body.len()),
            Outcome::Nothing { number, words } => format!("nothing ({number}: {words})"),
        };
        let (at, took) = (self.at.as_secs_f32(), self.took.as_secs_f32());
        format!("{at:8.2} s  {took:5.2} s  {}  {outcome}", self.url)
    }
}

impl Visitor {
    /// A visitor on `host` who resolves names through `resolver` and trusts `authority` only.
    pub fn new(host: &Host, resolver: IpAddr, authority: Option<&Path>) -> Result<Self> {
        host.resolve_through(resolver)?;
        let authority = authority.map(Path::to_path_buf);
        Ok(Self {
            host: host.clone(),
            authority,
            begun: Instant::now(),
        })
    }

    /// Asks one page: names resolved anew, a new connection (2 s at most), 10 s for the whole.
    /// Redirects are reported, not followed.
    pub fn get(&self, url: &str) -> Result<Visit> {
        self.ask(url, &[])
    }

    /// Like [`Visitor::get`] with more arguments for curl (`--head`, `--http2`, `-H …`).
    pub fn ask(&self, url: &str, more: &[&str]) -> Result<Visit> {
        let at = self.begun.elapsed();
        let desk = self
            .host
            .dir()
            .join(format!("visit-{:?}", std::thread::current().id()));
        let (body, headers) = (desk.with_extension("body"), desk.with_extension("headers"));
        for left in [&body, &headers] {
            let _ = std::fs::remove_file(left);
        }
        let text = |path: &Path| {
            path.to_str()
                .map(ToOwned::to_owned)
                .context("a path that is not UTF-8")
        };
        let (body_text, headers_text) = (text(&body)?, text(&headers)?);
        let mut arguments = vec!["--silent", "--show-error", "--noproxy", "*"];
        arguments.extend(["--connect-timeout", "2", "--max-time", "10"]);
        arguments.extend(["--output", &body_text, "--dump-header", &headers_text]);
        arguments.extend(["--write-out", "%{http_code} %{remote_ip}"]);
        let authority = self.authority.as_deref().map(text).transpose()?;
        if let Some(path) = &authority {
            arguments.extend(["--cacert", path]);
        }
        arguments.extend(more);
        arguments.push(url);
        let finished = self.host.run("/usr/bin/curl", &arguments)?;
        let took = self.begun.elapsed().saturating_sub(at);
        let outcome = if finished.status.success() {
            let (status, from) = finished.stdout.trim().split_once(' ').unwrap_or_default();
            Outcome::Answer {
                status: status
                    .parse()
                    .with_context(|| format!("curl said {:?}", finished.stdout))?,
                from: from.to_owned(),
                headers: std::fs::read_to_string(&headers).unwrap_or_default(),
                body: std::fs::read(&body).unwrap_or_default(),
            }
        } else {
            let words = finished.stderr.trim().to_owned();
            Outcome::Nothing {
                number: finished.status.code().unwrap_or(-1),
                words,
            }
        };
        Ok(Visit {
            at,
            took,
            url: url.to_owned(),
            outcome,
        })
    }

    /// Since the visitor's first day.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Sits down and asks the pages in turn, one every `interval`, until told to stop.
    /// Bodies are not kept.
    #[must_use]
    pub fn browse(&self, pages: Vec<String>, interval: Duration) -> Browsing {
        let (visitor, (stop, stopped)) = (self.clone(), channel());
        let latest = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&latest);
        let thread = std::thread::spawn(move || -> Result<Log> {
            let mut visits = Vec::new();
            for page in pages.iter().cycle() {
                let mut visit = visitor.get(page)?;
                if let Outcome::Answer { body, .. } = &mut visit.outcome {
                    *body = Vec::new();
                }
                let rest = interval.saturating_sub(visit.took);
                if visit.is_served() {
                    let from = visit.from().unwrap_or_default();
                    from.clone_into(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
                }
                visits.push(visit);
                if !matches!(stopped.recv_timeout(rest), Err(RecvTimeoutError::Timeout)) {
                    break;
                }
            }
            Ok(Log { visits })
        });
        Browsing {
            stop,
            latest,
            thread,
        }
    }
}

/// A visitor who is browsing in the background.
#[derive(Debug)]
pub struct Browsing {
    stop: Sender<()>,
    latest: Arc<Mutex<String>>,
    thread: JoinHandle<Result<Log>>,
}

impl Browsing {
    /// The address that the last page came from; empty before the first one.
    #[must_use]
    pub fn latest(&self) -> String {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }

    /// Lets the visitor get up; the log comes back.
    pub fn stop(self) -> Result<Log> {
        let _ = self.stop.send(());
        self.thread
            .join()
            .map_err(|_| anyhow!("the visitor's thread panicked"))?
    }
}

/// What a visitor lived through.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// All visits in their order.
    pub visits: Vec<Visit>,
}

impl Log {
    /// How many visits were not served.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.visits
            .iter()
            .filter(|visit| !visit.is_served())
            .count()
    }

    /// How long a page took that was served, but for one in ten that took longer. On an idle
    /// machine that is a few hundredths of a second: the rest is how late the machine itself was.
    #[must_use]
    pub fn usual(&self) -> Duration {
        let served = self.visits.iter().filter(|visit| visit.is_served());
        let mut times: Vec<Duration> = served.map(|visit| visit.took).collect();
        times.sort_unstable();
        times.get(times.len() * 9 / 10).copied().unwrap_or_default()
    }

    /// Dark time: from the asking of each first failed visit to the end of the next one that
    /// was served (or of the last one there is), added up.
    #[must_use]
    pub fn dark(&self) -> Duration {
        let (mut dark, mut since) = (Duration::ZERO, None);
        let mut last = Duration::ZERO;
        for visit in &self.visits {
            last = visit.at + visit.took;
            match (visit.is_served(), since) {
                (false, None) => since = Some(visit.at),
                (true, Some(begin)) => {
                    dark += last.saturating_sub(begin);
                    since = None;
                }
                _ => {}
            }
        }
        dark + since.map_or(Duration::ZERO, |begin| last.saturating_sub(begin))
    }

    /// From the end of the last page that `before` served to the end of the first one after it
    /// that `after` served; nothing if there was no such change of hands.
    #[must_use]
    pub fn handover(&self, before: &str, after: &str) -> Option<Handover> {
        let served_by = |visit: &&Visit, who| visit.is_served() && visit.from() == Some(who);
        let known = self
            .visits
            .iter()
            .position(|visit| served_by(&visit, before))?;
        let come = |visit: &Visit| served_by(&visit, after);
        let first = known + self.visits.iter().skip(known).position(come)?;
        let (old, new) = self.visits.split_at(first);
        let last = old.iter().rev().find(|visit| served_by(visit, before))?;
        let begin = last.at + last.took;
        let end = new.first().map(|visit| visit.at + visit.took)?;
        let lost = |visit: &&Visit| visit.at >= last.at && !visit.is_served();
        Some(Handover {
            took: end.saturating_sub(begin),
            at: end,
            lost: old.iter().filter(lost).count(),
        })
    }

    /// The log as text, one line a visit.
    #[must_use]
    pub fn text(&self) -> String {
        self.visits.iter().fold(String::new(), |mut text, visit| {
            let _ = writeln!(text, "{}", visit.line());
            text
        })
    }
}

/// Another server's pages instead of those that came before, as one visitor saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// From the last page of the one to the first page of the other.
    pub took: Duration,
    /// When that first page was there, counted from the visitor's first day.
    pub at: Duration,
    /// How many visits between the two were not served.
    pub lost: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(at: u64, status: Option<u16>) -> Visit {
        let outcome = match status {
            Some(status) => Outcome::Answer {
                status,
                from: String::new(),
                headers: String::new(),
                body: Vec::new(),
            },
            None => Outcome::Nothing {
                number: 28,
                words: String::new(),
            },
        };
        Visit {
            at: Duration::from_secs(at),
            took: Duration::from_secs(1),
            url: String::new(),
            outcome,
        }
    }

    #[test]
    fn dark_time_runs_from_the_first_failure_to_the_next_page() {
        let visits = vec![
            visit(0, Some(200)),
            visit(10, None),
            visit(20, Some(502)),
            visit(30, Some(200)),
        ];
        let log = Log { visits };
        assert_eq!((log.dark(), log.failed()), (Duration::from_secs(21), 2));
    }

    #[test]
    fn one_slow_page_does_not_make_the_machine_late() {
        let mut visits: Vec<Visit> = (0..20).map(|at| visit(at, Some(200))).collect();
        visits[3].took = Duration::from_secs(9);
        visits.push(visit(30, None));
        assert_eq!(Log { visits }.usual(), Duration::from_secs(1));
        assert_eq!(Log::default().usual(), Duration::ZERO);
    }

    #[test]
    fn a_log_that_ends_dark_counts_to_its_end() {
        let log = Log {
            visits: vec![visit(0, Some(200)), visit(5, None), visit(9, None)],
        };
        assert_eq!(log.dark(), Duration::from_secs(5));
    }

    #[test]
    fn a_handover_runs_from_page_to_page() {
        let mut visits: Vec<Visit> = [Some(200), Some(200), None, None, Some(200)]
            .into_iter()
            .zip([0, 10, 20, 30, 40])
            .map(|(status, at)| visit(at, status))
            .collect();
        let names = ["old", "old", "", "", "new"];
        for (visit, name) in visits.iter_mut().zip(names) {
            if let Outcome::Answer { from, .. } = &mut visit.outcome {
                name.clone_into(from);
            }
        }
        let handover = Log { visits }.handover("old", "new").unwrap();
        let seconds = Duration::from_secs;
        assert_eq!((handover.took, handover.lost), (seconds(30), 2));
        assert_eq!(handover.at, seconds(41));
        assert_eq!(Log::default().handover("old", "new"), None);
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let mut answer = visit(0, Some(200));
        if let Outcome::Answer { headers, .. } = &mut answer.outcome {
            "HTTP/1.1 200 OK\r\nRetry-After: 5\r\n".clone_into(headers);
        }
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
}
