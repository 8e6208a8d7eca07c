//! A person with a browser: asks a page anew each time (name, connection, page) and keeps the
//! log. Dark time is computed from visitors' logs, never from the standby's opinion.

mod log;
mod many;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::lab::Host;

pub use log::{Handover, Log};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let answer = Visit {
            at: Duration::ZERO,
            took: Duration::ZERO,
            url: String::new(),
            outcome: Outcome::Answer {
                status: 200,
                from: String::new(),
                headers: "HTTP/1.1 200 OK\r\nRetry-After: 5\r\n".to_owned(),
                body: Vec::new(),
            },
        };
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
}
