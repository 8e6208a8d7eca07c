//! Whether the primary would take what is handed back: it is asked, and sent nothing.

use mail::client::caller::CallError;
use mail::trial::{Trial, TrialError};
use mail::wire::reply::Reply;

use super::{Light, Lines};
use crate::admin::Desk;
use crate::config::Organisation;

pub(super) async fn look(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let (Some(config), Some(handle)) = (&organisation.mail, desk.mails.get(&organisation.id))
    else {
        return;
    };
    let primary = config.primary.address;
    match handle.trial().await {
        Ok(trial) => {
            for (light, says) in judged(&trial) {
                lines.add(light, "mail", says);
            }
        }
        Err(error) => lines.add(
            Light::Red,
            "mail",
            unreachable(&error, &primary.to_string()),
        ),
    }
}

fn unreachable(error: &TrialError, primary: &str) -> String {
    let mut says =
        format!("the primary {primary} could not be asked ({error}): nothing would be handed back");
    if let TrialError::Call(CallError::Refused(reply)) = error
        && reply.code() == 421
    {
        says += "; if it limits the connections of one client, let its limit be above `primary_connections`";
    }
    if primary.ends_with(":25") {
        says += "; if it lives, your provider may block port 25 outward: name another port (`primary = \"…:587\"`) or `protocol = \"lmtp\"`";
    }
    says
}

/// What its answers mean.
fn judged(trial: &Trial) -> Vec<(Light, String)> {
    let mut all = Vec::new();
    let mut add = |light, says: String| all.push((light, says));
    match (&trial.sender, &trial.postmaster) {
        (sender, _) if !is_good(sender) => add(
            Light::Red,
            format!(
                "the primary refuses mail from the standby: {}; let it trust this address",
                shown(sender)
            ),
        ),
        (_, Some(reply)) if is_good(reply) => {
            add(Light::Green, "the primary takes mail from here".to_owned());
        }
        (_, Some(reply)) if reply.code() / 100 == 4 => add(
            Light::Yellow,
            format!(
                "the primary puts us off: {}; except this address from greylisting and limits",
                shown(reply)
            ),
        ),
        (_, Some(reply))
            if reply
                .enhanced()
                .is_some_and(|(class, subject, _)| (class, subject) == (5, 1)) =>
        {
            add(
                Light::Yellow,
                format!(
                    "the primary knows no postmaster, whom every domain has (RFC 5321): {}; whether it takes mail from here is not shown by that",
                    shown(reply)
                ),
            )
        }
        (_, Some(reply)) => add(
            Light::Red,
            format!(
                "the primary refuses its postmaster from here: {}; let it trust this address",
                shown(reply)
            ),
        ),
        (_, None) => {}
    }
    match trial.xclient {
        true => add(Light::Green, "the primary hears who the true client is (XCLIENT)".to_owned()),
        false => add(
            Light::Yellow,
            "the primary takes us for the sender (no XCLIENT): except this address from SPF, greylisting and limits, or let it offer XCLIENT".to_owned(),
        ),
    }
    if trial.unknown.as_ref().is_some_and(is_good) {
        add(
            Light::Yellow,
            "the primary takes mail for somebody who cannot exist: a catch-all, or it bounces afterwards; nobody is learned from it".to_owned(),
        );
    }
    if trial.relay.as_ref().is_some_and(is_good) {
        add(
            Light::Yellow,
            "the primary relays for this address to anywhere: take it out of `mynetworks` or `relay_from_hosts`, for there unknown recipients may be taken and bounced".to_owned(),
        );
    }
    all
}

fn is_good(reply: &Reply) -> bool {
    reply.code() / 100 == 2
}

/// Its words, without what was asked: an address may stand in them.
fn shown(reply: &Reply) -> String {
    let first = reply.to_string();
    first
        .chars()
        .filter(|sign| !sign.is_control())
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(sender: u16, postmaster: u16, unknown: u16, relay: u16, xclient: bool) -> Trial {
        let reply = |code: u16| Reply::owned(code, None, "words".to_owned());
        Trial {
            xclient,
            smtputf8: true,
            size: None,
            sender: reply(sender),
            postmaster: Some(reply(postmaster)),
            unknown: Some(reply(unknown)),
            relay: Some(reply(relay)),
        }
    }

    fn lights(trial: &Trial) -> Vec<Light> {
        judged(trial).into_iter().map(|(light, _)| light).collect()
    }

    #[test]
    fn a_primary_that_trusts_us_is_green_and_nothing_else() {
        use Light::{Green, Red, Yellow};
        assert_eq!(lights(&trial(250, 250, 550, 554, true)), [Green, Green]);
        assert_eq!(lights(&trial(250, 250, 550, 554, false)), [Green, Yellow]);
        assert_eq!(lights(&trial(250, 450, 550, 554, true)), [Yellow, Green]);
        assert_eq!(lights(&trial(250, 550, 550, 554, true)), [Red, Green]);
        assert_eq!(lights(&trial(554, 250, 550, 554, true)), [Red, Green]);
        let mut without = trial(250, 550, 550, 554, true);
        without.postmaster = Some(Reply::owned(550, Some((5, 1, 1)), "nobody".to_owned()));
        assert_eq!(lights(&without), [Yellow, Green]);
        let open = lights(&trial(250, 250, 250, 250, true));
        assert_eq!(open, [Green, Green, Yellow, Yellow]);
    }

    #[test]
    fn an_unreachable_primary_is_explained_by_its_port() {
        let says = |primary| unreachable(&TrialError::Late, primary);
        assert!(says("192.0.2.1:25").contains("block port 25"));
        assert!(!says("192.0.2.1:587").contains("block port 25"));
        let busy = Reply::owned(421, None, "too many connections".to_owned());
        let busy = TrialError::Call(CallError::Refused(busy));
        assert!(unreachable(&busy, "192.0.2.1:587").contains("primary_connections"));
    }
}
