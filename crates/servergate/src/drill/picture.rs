//! The day as two rows of signs: pure, so that a terminal and a pipe show the same.

use std::time::Duration;

use super::config::Server;
use super::ledger::{Ledger, Visit, Who};
use super::visitor::STEP;

/// What one sign stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Not answered yet.
    Open,
    /// Good, from the primary's address.
    Primary,
    /// Good, from the standby's.
    Standby,
    /// Failed.
    Dark,
}

impl Sign {
    fn of(visit: &Visit) -> Self {
        match visit.is_good() {
            false => Self::Dark,
            true if visit.server() == Some(Server::Standby) => Self::Standby,
            true => Self::Primary,
        }
    }

    pub(crate) fn glyph(self) -> char {
        match self {
            Self::Open => '·',
            Self::Primary | Self::Standby => '●',
            Self::Dark => '○',
        }
    }
}

/// Something that happened at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) at: Duration,
    pub(crate) words: &'static str,
}

/// The width of the labels before the rows.
pub(crate) const LABEL: usize = 9;

/// The last `width` requests of a visitor, one sign each.
pub(crate) fn recent(ledger: &Ledger, who: Who, width: usize) -> Vec<Sign> {
    let signs = signs(ledger, who);
    let from = signs.len().saturating_sub(width);
    signs.get(from..).unwrap_or_default().to_vec()
}

fn signs(ledger: &Ledger, who: Who) -> Vec<Sign> {
    let length = [Who::Without, Who::With]
        .iter()
        .flat_map(|who| ledger.of(*who));
    let length = length.map(|visit| visit.number + 1).max().unwrap_or(0);
    let mut signs = vec![Sign::Open; length];
    for visit in ledger.of(who) {
        if let Some(sign) = signs.get_mut(visit.number) {
            *sign = Sign::of(visit);
        }
    }
    signs
}

/// The whole of it in at most `width` columns.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Seconds, above the rows.
    pub(crate) scale: String,
    pub(crate) without: Vec<Sign>,
    pub(crate) with: Vec<Sign>,
    /// What happened, below the rows.
    pub(crate) legend: Vec<String>,
}

impl Picture {
    /// `began` is when the first request was asked. A sign stands for as many requests as needed
    /// and is dark if any of them failed.
    pub(crate) fn of(ledger: &Ledger, began: Duration, marks: &[Mark], width: usize) -> Self {
        let room = width.saturating_sub(LABEL).max(10);
        let (without, with) = (signs(ledger, Who::Without), signs(ledger, Who::With));
        let each = without.len().div_ceil(room).max(1);
        let column = |at: Duration| {
            let step = STEP.as_millis() * each as u128;
            usize::try_from(at.saturating_sub(began).as_millis() / step).unwrap_or(usize::MAX)
        };
        let columns = without.len().div_ceil(each);
        let places: Vec<_> = marks
            .iter()
            .map(|mark| (column(mark.at), mark.words))
            .collect();
        Self {
            scale: scale(columns, began, column),
            without: condense(&without, each),
            with: condense(&with, each),
            legend: legend(&places, room),
        }
    }
}

fn condense(signs: &[Sign], each: usize) -> Vec<Sign> {
    let worst = |signs: &[Sign]| {
        let order = [Sign::Dark, Sign::Standby, Sign::Primary];
        order
            .into_iter()
            .find(|sign| signs.contains(sign))
            .unwrap_or(Sign::Open)
    };
    signs.chunks(each).map(worst).collect()
}

fn scale(columns: usize, began: Duration, column: impl Fn(Duration) -> usize) -> String {
    let mut line = String::new();
    for tens in (0..).map(|tens| Duration::from_secs(10 * tens)).take(360) {
        let place = column(began + tens);
        let label = format!("{} s", tens.as_secs());
        if place + label.len() > columns {
            break;
        }
        let shown = line.chars().count();
        if place < shown + usize::from(shown > 0) {
            continue;
        }
        line.extend(std::iter::repeat_n(' ', place - shown));
        line.push_str(&label);
    }
    line
}

/// Arrows at their places, and under them the words, on as many lines as they need.
fn legend(places: &[(usize, &str)], room: usize) -> Vec<String> {
    let mut arrows: Vec<char> = Vec::new();
    let mut lines: Vec<Vec<char>> = Vec::new();
    for (place, words) in places {
        let arrow = (*place).min(room.saturating_sub(1));
        arrows.resize(arrows.len().max(arrow + 1), ' ');
        if let Some(sign) = arrows.get_mut(arrow) {
            *sign = '▲';
        }
        let length = words.chars().count();
        let start = arrow.min(room.saturating_sub(length));
        let free = lines
            .iter()
            .position(|line| line.is_empty() || line.len() < start);
        let line = free.unwrap_or_else(|| {
            lines.push(Vec::new());
            lines.len() - 1
        });
        if let Some(line) = lines.get_mut(line) {
            line.resize(start, ' ');
            line.extend(words.chars());
        }
    }
    let lines = std::iter::once(arrows).chain(lines);
    lines.map(|line| line.into_iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ledger::tests::visits;
    use super::*;

    fn ledger(without: &str, with: &str) -> Ledger {
        let mut ledger = Ledger::default();
        let all = visits(Who::Without, without)
            .into_iter()
            .chain(visits(Who::With, with));
        all.for_each(|visit| ledger.enter(visit));
        ledger
    }

    fn glyphs(signs: &[Sign]) -> String {
        signs.iter().map(|sign| sign.glyph()).collect()
    }

    #[test]
    fn a_row_shows_the_last_requests_one_sign_each() {
        let ledger = ledger("..xx", "..xss");
        assert_eq!(glyphs(&recent(&ledger, Who::Without, 80)), "●●○○·");
        assert_eq!(glyphs(&recent(&ledger, Who::With, 3)), "○●●");
        assert_eq!(recent(&ledger, Who::With, 1), [Sign::Standby]);
    }

    #[test]
    fn the_picture_fits_and_hides_no_failure() {
        let without = ".".repeat(30) + &"x".repeat(60) + &".".repeat(30);
        let with = ".".repeat(30) + "xxx" + &"s".repeat(57) + &".".repeat(30);
        let ledger = ledger(&without, &with);
        let marks = [
            Mark {
                at: Duration::from_millis(7500),
                words: "the plug is pulled",
            },
            Mark {
                at: Duration::from_millis(22_500),
                words: "it is back",
            },
        ];
        let picture = Picture::of(&ledger, Duration::ZERO, &marks, 49);
        assert_eq!(picture.scale, "0 s          10 s         20 s");
        assert_eq!(
            glyphs(&picture.without),
            "●".repeat(10) + &"○".repeat(20) + &"●".repeat(10)
        );
        assert_eq!(
            glyphs(&picture.with),
            "●".repeat(10) + "○" + &"●".repeat(29)
        );
        assert_eq!(
            picture.legend[0],
            " ".repeat(10) + "▲" + &" ".repeat(19) + "▲"
        );
        assert_eq!(
            picture.legend[1],
            " ".repeat(10) + "the plug is pulled  it is back"
        );
        let widest = picture.legend.iter().map(|line| line.chars().count()).max();
        assert!(widest <= Some(40));
    }

    #[test]
    fn words_that_would_meet_go_to_another_line() {
        let lines = legend(&[(2, "pulled"), (5, "back"), (38, "the end of it")], 40);
        assert_eq!(lines[1], "  pulled                   the end of it");
        assert_eq!(lines[2], "     back");
    }
}
