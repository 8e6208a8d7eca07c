//! Whether the website's server bears what the standby passes on to it.

use site::trial::Trial;

use super::{Light, Lines};
use crate::admin::Desk;
use crate::config::Organisation;

pub(super) async fn look(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(handle) = desk.sites.get(&organisation.id) else {
        return;
    };
    match handle.trial().await {
        Ok(Some(trial)) => {
            let (light, says) = judged(&trial);
            lines.add(light, "web", says);
        }
        Ok(None) => {}
        Err(error) => lines.add(Light::Red, "web", error.to_string()),
    }
}

/// What its answers mean.
fn judged(trial: &Trial) -> (Light, String) {
    let asked = trial.answered;
    match (trial.denied, trial.refused) {
        (Some(status), _) => (
            Light::Red,
            format!(
                "the primary refuses what the standby passes on ({status}): except this address from limits and bans (docs/website.md)"
            ),
        ),
        (None, Some((count, status))) => (
            Light::Yellow,
            format!(
                "of {asked} requests in a row, for as many guests, the primary refused {count} ({status}): it counts all of them as one client; let it take the guest's address from the standby (docs/website.md)"
            ),
        ),
        (None, None) if trial.broke_off => (
            Light::Yellow,
            format!(
                "the primary answered {asked} requests in a row and then no more: does it limit or ban the standby's address? (docs/website.md)"
            ),
        ),
        (None, None) => (
            Light::Green,
            format!(
                "the primary answers {asked} requests in a row from here; a ban after failed logins does not show so (docs/website.md)"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(
        answered: u8,
        refused: Option<(u8, u16)>,
        denied: Option<u16>,
        broke_off: bool,
    ) -> Light {
        let mut trial = Trial::default();
        (trial.answered, trial.refused) = (answered, refused);
        (trial.denied, trial.broke_off) = (denied, broke_off);
        judged(&trial).0
    }

    #[test]
    fn only_a_primary_that_refuses_nothing_is_green() {
        assert_eq!(light(24, None, None, false), Light::Green);
        assert_eq!(light(24, Some((14, 429)), None, false), Light::Yellow);
        assert_eq!(light(7, None, None, true), Light::Yellow);
        assert_eq!(light(24, None, Some(403), false), Light::Red);
    }
}
