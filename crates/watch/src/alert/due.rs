//! When news are told: at once, with what comes together, or not before the last message is old
//! enough. Pure; asked by the machine beside it.

use model::{Condition, Mono, Now, ServiceId, Timestamp};

use super::{About, BACK_TOGETHER, Desk, Kept, MOST, PACE, Stage, TOGETHER_MOST, WINDOW};

impl Desk {
    /// When something is due next.
    pub(crate) fn next_wakeup(&self, now: Now) -> Option<Mono> {
        self.tables
            .keys()
            .filter_map(|about| self.due(now, about))
            .min()
    }

    /// When the news about these may be told.
    pub(super) fn due(&self, now: Now, about: &About) -> Option<Mono> {
        let table = self.tables.get(about)?;
        let (first, last) = table.first_news.zip(table.last_news)?;
        if table.in_flight {
            return None;
        }
        let most = first.after(self.together.saturating_mul(TOGETHER_MOST));
        let together = last.after(self.together).min(most);
        let mut due: Option<Mono> = None;
        let mut at = |moment: Mono| due = Some(due.map_or(moment, |due| due.min(moment)));
        let recent: Vec<_> = table
            .sent
            .iter()
            .filter(|(sent, _)| sent.after(WINDOW) > now.mono)
            .collect();
        // What goes up and down is told in its turn, what is new at once.
        let in_turn = match recent.last() {
            Some((sent, _)) if recent.len() >= MOST => together.max(sent.after(PACE)),
            _ => together,
        };
        let heard = |service: &ServiceId| {
            let mut recent = recent.iter();
            recent.any(|(_, services)| services.contains(service))
        };
        for (_, kept) in self.untold(about) {
            match kept.stage {
                Stage::Told => {}
                Stage::Began => {
                    let moment = if self.suspects(about) { most } else { together };
                    at(match heard(&kept.service) {
                        true => moment.max(in_turn),
                        false => moment,
                    });
                }
                Stage::Over { .. } => match self.waits_for_others(now, kept) {
                    Some(until) => at(until.max(in_turn)),
                    None => at(in_turn),
                },
            }
        }
        // Nobody waits for anything before a question.
        if self.asks(about) {
            at(together);
        }
        if !self.reminders_about(about).is_empty() {
            at(together);
        }
        if *about == About::Ourselves && self.disk_news().is_some() {
            at(together);
        }
        if table.uncounted > 0 || (*about == About::Ourselves && self.blindness.is_some()) {
            at(in_turn);
        }
        // News that came to nothing are forgotten at their moment.
        let due = due.unwrap_or(together);
        Some(due.max(table.not_before.unwrap_or_default()))
    }

    fn asks(&self, about: &About) -> bool {
        let mut questions = self.questions.values();
        questions.any(|asked| !asked.told && is_of(about, &asked.service))
    }

    /// Whether something more of this organisation is just being confirmed.
    fn suspects(&self, about: &About) -> bool {
        let mut standings = self.standings.values();
        standings
            .any(|one| is_of(about, &one.service) && one.condition() == Some(Condition::Suspect))
    }

    /// Until when the end of an outage waits for the end of those that were told with it, so that
    /// they are told together.
    pub(super) fn waits_for_others(&self, now: Now, kept: &Kept) -> Option<Mono> {
        let (Stage::Over { at, .. }, Some(told)) = (kept.stage, kept.told) else {
            return None;
        };
        let until = at.after(BACK_TOGETHER);
        (until > now.mono && self.is_anything_dark_of(told)).then_some(until)
    }

    fn is_anything_dark_of(&self, told: Timestamp) -> bool {
        let mut outages = self.outages.values();
        outages.any(|kept| kept.told == Some(told) && kept.stage == Stage::Told)
    }
}

fn is_of(about: &About, service: &ServiceId) -> bool {
    matches!(about, About::Organisation(organisation) if *organisation == service.organisation)
}
