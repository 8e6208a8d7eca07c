//! The website's part of `ready`: the copy, the certificate, the listeners.

use std::time::Duration;

use site::SiteHandle;
use site::shelf::State;

use super::{Light, Lines, now, rough};
use crate::admin::Desk;
use crate::config::Organisation;

/// A certificate that ends sooner than this is a weakness.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) fn look(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    if organisation.web.is_none() {
        return;
    }
    copy(desk, organisation, lines);
    certificate(desk, organisation, lines);
    let listen = &desk.config.listen;
    if listen.http.is_empty() && listen.https.is_empty() {
        lines.add(
            Light::Red,
            "web",
            "no web listener; write `http` and `https` under `[listen]`",
        );
    }
}

fn copy(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(Ok(status)) = desk.sites.get(&organisation.id).map(SiteHandle::status) else {
        lines.add(
            Light::Red,
            "web",
            "the copy cannot be read from the store; see the log",
        );
        return;
    };
    match (&status.serving, status.age_seconds) {
        (Some(copy), Some(age)) => {
            let light = if age > status.stale_after_seconds {
                Light::Yellow
            } else {
                Light::Green
            };
            let age = rough(Duration::from_secs(age));
            let pages = copy.pages;
            lines.add(
                light,
                "web",
                format!(
                    "copy: generation {}, {pages} pages, found right {age} ago",
                    copy.number
                ),
            );
        }
        _ => lines.add(
            Light::Red,
            "web",
            "no copy yet: the first capture has not been completed; see `servergate status`",
        ),
    }
    if let Some(rejected) = &status.last_rejected {
        let reason = match &rejected.state {
            State::Rejected { reason } => reason.as_str(),
            State::Kept => "it was set aside",
        };
        let number = rejected.number;
        let says = format!(
            "candidate {number} was not taken: {reason}; `servergate site accept {number}` takes it all the same"
        );
        lines.add(Light::Yellow, "web", says);
    }
}

fn certificate(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(web) = &organisation.web else { return };
    if desk.config.listen.https.is_empty() {
        lines.add(
            Light::Yellow,
            "web",
            "no HTTPS: visitors with an https link would reach nobody",
        );
        return;
    }
    let Some(certificates) = &desk.certificates else {
        lines.add(
            Light::Red,
            "web",
            "no certificate; write `certificate = { chain, key }`",
        );
        return;
    };
    for host in &web.hosts {
        if !certificates.covers(host) {
            lines.add(Light::Red, "web", format!("no certificate covers {host}"));
        }
    }
    let mine = certificates
        .report()
        .into_iter()
        .filter(|one| one.organisation == organisation.id);
    for report in mine {
        if let Some(problem) = &report.problem {
            lines.add(Light::Red, "web", format!("certificate: {problem}"));
        }
        let Some(end) = report.not_after else {
            continue;
        };
        let left = end.since(now(desk));
        let (light, says) = match left {
            Duration::ZERO => (Light::Red, "the certificate has expired".to_owned()),
            left if left < SOON => (
                Light::Yellow,
                format!("the certificate ends in {}", rough(left)),
            ),
            left => (
                Light::Green,
                format!("certificate good for {}", rough(left)),
            ),
        };
        lines.add(light, "web", says);
    }
}

/// What is held of the website.
pub(super) fn held(desk: &Desk, organisation: &Organisation) -> Option<String> {
    let status = desk.sites.get(&organisation.id)?.status().ok()?;
    let copy = status.serving?;
    let age = rough(Duration::from_secs(status.age_seconds?));
    let (number, pages) = (copy.number, copy.pages);
    Some(format!(
        "copy of the website: generation {number}, {pages} pages, found right {age} ago"
    ))
}
