//! What must hold at the end of the day, and what was seen: pure.

use std::collections::BTreeSet;
use std::time::Duration;

use model::outage::{Outage, Outages};
use model::{Cause, Service};

use super::config::{PACE, Server};
use super::ledger::{Dark, Ledger, Outcome, Visit, Who, dark};
use super::letters::Balance;
use super::visitor::STEP;

/// When things were done to the cables, since the start of the drill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// The primary's cable was pulled,
    pub(crate) pulled: Duration,
    /// and plugged in again.
    pub(crate) plugged: Duration,
    /// The observer's cable was pulled,
    pub(crate) cut: Duration,
    /// and plugged in again.
    pub(crate) rejoined: Duration,
}

/// All that checks look at.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) times: Times,
    /// What the standby's record says.
    pub(crate) outages: &'a Outages,
    /// How many files the folder has.
    pub(crate) files: usize,
    /// The statement was on the public page while the cable was out.
    pub(crate) spoke: bool,
    /// The verdict was blind in the second act.
    pub(crate) blind: bool,
    /// Where the standby led people at the end of the second act, before sight came back.
    pub(crate) led_to: Option<Server>,
    /// What became of the letters.
    pub(crate) mail: Balance,
}

/// One promise, and whether it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) what: String,
    pub(crate) figure: String,
    pub(crate) held: bool,
}

/// At the most from the last good page to the next one, seen by a visitor who asks every so often.
pub(crate) fn bound() -> Duration {
    PACE.recovered() + STEP * 2
}

/// The visitors' patience, and a machine that is busy with other things.
const LATER: Duration = Duration::from_millis(2500);
/// What was on its way when the cable was pulled.
const EARLIER: Duration = Duration::from_millis(500);

/// Everything that was promised.
pub(crate) fn all(evidence: &Evidence<'_>) -> Vec<Check> {
    vec![
        without(evidence),
        with(evidence),
        bytes(evidence),
        cause(evidence),
        outages(evidence),
        statement(evidence),
        back(evidence),
        mail(evidence),
        second_act(evidence),
    ]
}

/// The dark time of the visitor with Servergate in the first act.
pub(crate) fn recovery(evidence: &Evidence<'_>) -> Option<Dark> {
    let visits = evidence
        .ledger
        .between(Who::With, Duration::ZERO, evidence.times.cut);
    dark(&visits).into_iter().max_by_key(Dark::length)
}

fn without(evidence: &Evidence<'_>) -> Check {
    let Times {
        pulled,
        plugged,
        cut,
        ..
    } = evidence.times;
    let out = plugged.saturating_sub(pulled);
    let spells = dark(&evidence.ledger.between(Who::Without, Duration::ZERO, cut));
    let held = match &spells[..] {
        [one] => {
            let length = one.length();
            one.to.is_some() && length + EARLIER >= out && length <= out + LATER
        }
        _ => false,
    };
    Check {
        what: "without Servergate: dark as long as the cable was out".to_owned(),
        figure: format!("{}, the cable {}", described(&spells), seconds(out)),
        held,
    }
}

fn with(evidence: &Evidence<'_>) -> Check {
    let spells = dark(
        &evidence
            .ledger
            .between(Who::With, Duration::ZERO, evidence.times.cut),
    );
    let short = |spell: &Dark| spell.to.is_some() && spell.length() <= bound();
    // More than one dark time would mean that the return was noticed too.
    let held = spells.len() <= 1 && spells.iter().all(short);
    Check {
        what: format!(
            "with Servergate: dark once, for at most {}",
            seconds(bound())
        ),
        figure: described(&spells),
        held,
    }
}

fn described(spells: &[Dark]) -> String {
    let failed: usize = spells.iter().map(|spell| spell.failed).sum();
    match spells {
        [] => "never dark".to_owned(),
        [one] if one.to.is_none() => {
            format!(
                "{} and not over, {failed} requests failed",
                seconds(one.length())
            )
        }
        [one] => format!("{}, {failed} requests failed", seconds(one.length())),
        more => {
            let lengths: Vec<_> = more.iter().map(|spell| seconds(spell.length())).collect();
            format!(
                "{} times ({}), {failed} requests failed",
                more.len(),
                lengths.join(", ")
            )
        }
    }
}

fn bytes(evidence: &Evidence<'_>) -> Check {
    let Evidence { ledger, files, .. } = evidence;
    let all = [Who::Without, Who::With].map(|who| ledger.of(who)).concat();
    let good = all.iter().filter(|visit| visit.is_good()).count();
    let wrong = |outcome| matches!(outcome, Outcome::Differs | Outcome::Status(_));
    let wrong = all.iter().filter(|visit| wrong(visit.outcome)).count();
    let copied = from_copy(evidence);
    Check {
        what: "every page as in the folder, byte for byte, also from the copy".to_owned(),
        figure: format!("{good} pages, {wrong} wrong; {copied} of {files} files from the copy"),
        held: wrong == 0 && copied == *files,
    }
}

/// How many files were right when they came from the standby while the cable was out.
pub(crate) fn from_copy(evidence: &Evidence<'_>) -> usize {
    let Times {
        pulled, plugged, ..
    } = evidence.times;
    let visits = evidence.ledger.between(Who::With, pulled, plugged);
    let copied = |visit: &&&Visit| visit.is_good() && visit.server() == Some(Server::Standby);
    visits
        .iter()
        .filter(copied)
        .map(|visit| &visit.target)
        .collect::<BTreeSet<_>>()
        .len()
}

/// The website's outages.
fn of_web(outages: &Outages) -> Vec<&Outage> {
    outages
        .all()
        .iter()
        .filter(|outage| outage.service.service == Service::Web)
        .collect()
}

fn cause(evidence: &Evidence<'_>) -> Check {
    let causes: Vec<_> = of_web(evidence.outages)
        .iter()
        .flat_map(|outage| outage.causes.iter().map(|(_, cause)| *cause))
        .collect();
    let named: Vec<_> = causes.iter().map(Cause::to_string).collect();
    Check {
        what: "the cause is what was measured, and no more".to_owned(),
        figure: if named.is_empty() {
            "none".to_owned()
        } else {
            named.join(", ")
        },
        held: causes == [Cause::Silent],
    }
}

fn outages(evidence: &Evidence<'_>) -> Check {
    let web = of_web(evidence.outages);
    let running = evidence
        .outages
        .all()
        .iter()
        .filter(|outage| outage.ended.is_none())
        .count();
    Check {
        what: "one outage of the website in the record, and it has ended".to_owned(),
        figure: format!("{} of the website, {running} still running", web.len()),
        held: web.len() == 1 && running == 0,
    }
}

fn statement(evidence: &Evidence<'_>) -> Check {
    Check {
        what: "the public page carried the statement while the plug was pulled".to_owned(),
        figure: if evidence.spoke {
            "it did"
        } else {
            "it did not"
        }
        .to_owned(),
        held: evidence.spoke,
    }
}

fn back(evidence: &Evidence<'_>) -> Check {
    let Times { plugged, cut, .. } = evidence.times;
    let after = evidence.ledger.between(Who::With, plugged, cut);
    let failed = after.iter().filter(|visit| !visit.is_good()).count();
    let last = after.last().and_then(|visit| visit.server());
    let where_to = match last {
        Some(Server::Primary) => "the primary",
        Some(Server::Standby) => "the standby still",
        None => "nobody",
    };
    Check {
        what: "the primary has its visitors back, and they did not notice".to_owned(),
        figure: format!("the name leads to {where_to}, {failed} requests failed"),
        held: last == Some(Server::Primary) && failed == 0,
    }
}

fn mail(evidence: &Evidence<'_>) -> Check {
    Check {
        what: "every message that was accepted arrived, once".to_owned(),
        figure: evidence.mail.to_string(),
        held: evidence.mail.holds(),
    }
}

fn second_act(evidence: &Evidence<'_>) -> Check {
    let Times { cut, rejoined, .. } = evidence.times;
    let visits = evidence.ledger.between(Who::With, cut, Duration::MAX);
    let failed = visits.iter().filter(|visit| !visit.is_good()).count();
    let elsewhere = visits
        .iter()
        .filter(|visit| visit.server() != Some(Server::Primary))
        .count();
    let changed = elsewhere + usize::from(evidence.led_to != Some(Server::Primary));
    let verdict = if evidence.blind { "blind" } else { "not blind" };
    Check {
        what: "the observer's own cable cut: it says it is blind, nothing moves".to_owned(),
        figure: format!(
            "{}, verdict {verdict}, {failed} requests failed, {changed} answers changed",
            seconds(rejoined.saturating_sub(cut))
        ),
        held: evidence.blind && failed == 0 && changed == 0 && !visits.is_empty(),
    }
}

/// `4.2 s`.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::ledger::tests::visits;
    use super::*;

    const TIMES: Times = Times {
        pulled: Duration::from_millis(2550),
        plugged: Duration::from_millis(20_050),
        cut: Duration::from_millis(30_000),
        rejoined: Duration::from_millis(37_500),
    };

    fn day(without: &str, with: &str) -> Ledger {
        let mut ledger = Ledger::default();
        let all = visits(Who::Without, without)
            .into_iter()
            .chain(visits(Who::With, with));
        all.for_each(|visit| ledger.enter(visit));
        ledger
    }

    /// 10 good, 70 with the cable out, 40 until the cut, 30 in the second act.
    fn good_day() -> (String, String) {
        let without = ".".repeat(11) + &"x".repeat(70) + &".".repeat(79);
        let with = ".".repeat(11) + &"x".repeat(20) + &"s".repeat(60) + &".".repeat(69);
        (without, with)
    }

    fn check(ledger: &Ledger, which: fn(&Evidence<'_>) -> Check) -> Check {
        which(&Evidence {
            ledger,
            times: TIMES,
            outages: &Outages::new(),
            files: 1,
            spoke: true,
            blind: true,
            led_to: Some(Server::Primary),
            mail: Balance::default(),
        })
    }

    #[test]
    fn a_good_day_passes() {
        let (without_row, with_row) = good_day();
        let ledger = day(&without_row, &with_row);
        for which in [without, with, bytes, back, second_act, statement] {
            let check = check(&ledger, which);
            assert!(check.held, "{check:?}");
        }
        let dark = check(&ledger, with).figure;
        assert_eq!(dark, "5.2 s, 20 requests failed");
    }

    #[test]
    fn a_record_without_an_outage_fails() {
        let (without_row, with_row) = good_day();
        let ledger = day(&without_row, &with_row);
        assert!(!check(&ledger, outages).held);
        assert!(!check(&ledger, cause).held);
        assert!(!check(&ledger, mail).held, "nothing was sent");
    }

    #[test]
    fn each_mistake_fails_its_check() {
        let (without_row, with_row) = good_day();
        let change = |row: &str, from: usize, to: usize, sign: char| -> String {
            let sign = |(place, old)| {
                if (from..to).contains(&place) {
                    sign
                } else {
                    old
                }
            };
            row.chars().enumerate().map(sign).collect()
        };
        // The cable was out, and the visitor without was not dark.
        let ledger = day(&change(&without_row, 40, 60, '.'), &with_row);
        assert!(!check(&ledger, without).held);
        // Dark for as long as the cable was out.
        let ledger = day(&without_row, &change(&with_row, 11, 81, 'x'));
        assert!(!check(&ledger, with).held);
        assert!(!check(&ledger, bytes).held, "nothing came from the copy");
        // Dark a second time, at the return.
        let ledger = day(&without_row, &change(&with_row, 95, 96, 'x'));
        assert!(!check(&ledger, with).held);
        assert!(!check(&ledger, back).held);
        // Wrong bytes once.
        let ledger = day(&without_row, &change(&with_row, 50, 51, '!'));
        assert!(!check(&ledger, bytes).held);
        // Still at the standby.
        let ledger = day(&without_row, &change(&with_row, 91, 160, 's'));
        assert!(!check(&ledger, back).held);
        // The second act moved an answer, or lost a request.
        for sign in ['s', 'x'] {
            let ledger = day(&without_row, &change(&with_row, 130, 131, sign));
            assert!(!check(&ledger, second_act).held);
        }
    }
}
