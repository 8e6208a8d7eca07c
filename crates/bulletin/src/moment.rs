//! Times as the page shows them: in the organisation's zone and language, always with the day.

use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use model::Timestamp;

use crate::language::Words;
use crate::sentence::Moment;

/// Tells times in one zone and one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments<'a> {
    zone: &'a TimeZone,
    words: &'a Words,
}

impl<'a> Moments<'a> {
    pub(crate) fn new(zone: &'a TimeZone, words: &'a Words) -> Self {
        Self { zone, words }
    }

    /// `20 May, 09:14`: for sentences; the page bears the year at its head.
    pub(crate) fn day_clock(&self, at: Timestamp) -> Moment {
        self.told("moment-day-clock", at)
    }

    /// `20 May 2026, 09:14`.
    pub(crate) fn full(&self, at: Timestamp) -> Moment {
        self.told("moment-full", at)
    }

    /// `20 May 2026`.
    pub(crate) fn day(&self, at: Timestamp) -> Moment {
        self.told("moment-day", at)
    }

    /// `2026-05-20`, in the zone of the page.
    pub(crate) fn date(&self, at: Timestamp) -> String {
        self.zoned(at).date().to_string()
    }

    /// `09:14`.
    pub(crate) fn clock(&self, at: Timestamp) -> Moment {
        self.told("moment-clock", at)
    }

    /// The name of the zone, for the foot of the page.
    pub(crate) fn zone(&self) -> String {
        match self.zone.iana_name() {
            Some("UTC" | "Etc/UTC") | None => self.words.get("zone-utc"),
            Some(name) => name.replace('_', " "),
        }
    }

    fn told(&self, message: &'static str, at: Timestamp) -> Moment {
        let zoned = self.zoned(at);
        let (year, day) = (zoned.year().to_string(), zoned.day().to_string());
        let clock = format!("{:02}:{:02}", zoned.hour(), zoned.minute());
        let month = self.words.get(month(zoned.month()));
        let values = [
            ("year", (&year).into()),
            ("month", (&month).into()),
            ("day", (&day).into()),
            ("clock", (&clock).into()),
        ];
        Moment {
            iso: at.to_string(),
            text: self.words.with(message, &values),
        }
    }

    fn zoned(&self, at: Timestamp) -> Zoned {
        let instant = Instant::from_millisecond(at.millis()).unwrap_or_default();
        instant.to_zoned(self.zone.clone())
    }
}

fn month(number: i8) -> &'static str {
    match number {
        1 => "month-1",
        2 => "month-2",
        3 => "month-3",
        4 => "month-4",
        5 => "month-5",
        6 => "month-6",
        7 => "month-7",
        8 => "month-8",
        9 => "month-9",
        10 => "month-10",
        11 => "month-11",
        _ => "month-12",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    const MAY: i64 = 1_779_268_443_999;

    #[test]
    fn a_moment_is_told_in_its_zone_and_language() -> Result<(), jiff::Error> {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3")?;
        let german = Words::of(Language::German);
        let moment = Moments::new(&berlin, &german).full(Timestamp::from_millis(MAY));
        assert_eq!(moment.text, "20. Mai 2026, 11:14 Uhr");
        assert_eq!(moment.iso, "2026-05-20T09:14:03Z");
        let english = Words::of(Language::English);
        let moment = Moments::new(&TimeZone::UTC, &english).day_clock(Timestamp::from_millis(MAY));
        assert_eq!(moment.text, "20 May, 09:14");
        Ok(())
    }

    #[test]
    fn a_time_out_of_range_is_told_and_does_not_panic() {
        let english = Words::of(Language::English);
        let utc = TimeZone::UTC;
        let moments = Moments::new(&utc, &english);
        assert!(
            !moments
                .full(Timestamp::from_millis(i64::MAX))
                .text
                .is_empty()
        );
    }
}
