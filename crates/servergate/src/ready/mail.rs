//! The mail's part of `ready`: the listener, the seal, who exists, what is kept.

use std::time::Duration;

use model::Timestamp;
use store::SealState;

use super::{Light, Lines, now, rough};
use crate::admin::Desk;
use crate::config::Organisation;

/// A list of recipients that is older deserves a look.
const OLD: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) fn look(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(config) = &organisation.mail else {
        return;
    };
    if desk.config.listen.smtp.is_empty() {
        lines.add(
            Light::Red,
            "mail",
            "nobody is heard; write `smtp = [\"192.0.2.7:25\"]` under `[listen]`",
        );
    }
    if config.mx.is_none() {
        lines.add(
            Light::Yellow,
            "mail",
            "no `mx` name: write the one under which this standby stands in your MX records, with a larger number than your primary's",
        );
    }
    match desk.host.store.seal().state() {
        SealState::Unlocked => lines.add(Light::Green, "mail", "what is kept rests sealed, and is open"),
        SealState::Locked => lines.add(
            Light::Yellow,
            "mail",
            "locked: mail is taken and stays shut, and is not handed back before `servergate unlock`",
        ),
        SealState::NotSetUp => lines.add(
            Light::Red,
            "mail",
            "nothing about people can be kept yet: run `servergate unlock` once, or write `passphrase_file`",
        ),
    }
    certificate(desk, organisation, lines);
    people(desk, organisation, lines);
    age(desk, organisation, lines);
    match desk.host.store.has_room() {
        Ok(()) => {}
        Err(store::CommitError::NoSpace { .. }) => lines.add(
            Light::Red,
            "mail",
            "no room: the disk is at its reserve, and senders hear 452",
        ),
        Err(error) => lines.add(
            Light::Red,
            "mail",
            format!("nothing is kept, and senders hear 451: {error}"),
        ),
    }
}

fn certificate(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(mx) = organisation
        .mail
        .as_ref()
        .and_then(|mail| mail.mx.as_deref())
    else {
        return;
    };
    let covered = desk.certificates.as_ref().is_some_and(|all| all.covers(mx));
    match covered {
        true => lines.add(Light::Green, "mail", format!("a certificate covers {mx}")),
        false => lines.add(
            Light::Yellow,
            "mail",
            format!("no certificate covers {mx}: senders that insist on TLS will not come; write `certificate` under `[organisation.mail]`"),
        ),
    }
}

fn people(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(people) = desk
        .mails
        .get(&organisation.id)
        .and_then(mail::MailHandle::people)
    else {
        return;
    };
    let count = people.imported;
    match people.at {
        Some(at) if people.fresh => {
            let age = now(desk).since(at);
            let light = if age > OLD { Light::Yellow } else { Light::Green };
            lines.add(light, "mail", format!("{count} recipients, imported {} ago", rough(age)));
        }
        Some(at) => lines.add(
            Light::Yellow,
            "mail",
            format!(
                "the list of {count} recipients is {} old: unknown ones would be deferred, not refused; `servergate import recipients FILE`",
                rough(now(desk).since(at))
            ),
        ),
        None => lines.add(
            Light::Yellow,
            "mail",
            format!(
                "no list of recipients ({} learned): unknown ones would be deferred; `servergate import recipients FILE`",
                people.learned
            ),
        ),
    }
}

fn oldest(mail: &mail::MailHandle) -> Option<Timestamp> {
    // A store that cannot be read says so elsewhere.
    mail.oldest().ok().flatten()
}

/// What was kept for long deserves a person's look.
fn age(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(mail) = desk.mails.get(&organisation.id) else {
        return;
    };
    if let Some(oldest) = oldest(mail).filter(|oldest| mail.is_long(*oldest)) {
        let age = rough(now(desk).since(oldest));
        lines.add(
            Light::Yellow,
            "mail",
            format!("kept for {age}: `servergate mail list` and `mail quarantine` show what is"),
        );
    }
}

/// How much is kept, and where to look for what nobody hands back by itself: the quarantine may hold
/// all the mail of somebody who is missing on the primary, and nothing else asks about that.
fn kept(waiting: usize, quarantined: usize, bytes: u64) -> String {
    let waits = match waiting {
        1 => "1 message waits".to_owned(),
        waiting => format!("{waiting} messages wait"),
    };
    let refused = match quarantined {
        0 => "none in quarantine".to_owned(),
        number => format!(
            "{number} in quarantine, which a person decides about: `servergate mail quarantine`"
        ),
    };
    format!("mail: {waits}, {refused}; {bytes} bytes")
}

/// What is kept of mail.
pub(super) fn held(desk: &Desk, organisation: &Organisation) -> Option<String> {
    let mail = desk.mails.get(&organisation.id)?;
    let tally = mail.tally();
    let mut held = kept(tally.waiting, tally.quarantined, tally.bytes);
    if let Some(oldest) = oldest(mail) {
        held.push_str(&format!(", the oldest since {oldest}"));
        if mail.is_long(oldest) {
            held.push_str(": kept for long; see `servergate mail list` and `mail quarantine`");
        }
    }
    Some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_quarantine_is_said_with_the_command_that_shows_it() {
        assert_eq!(
            kept(2, 0, 300),
            "mail: 2 messages wait, none in quarantine; 300 bytes"
        );
        assert_eq!(
            kept(1, 3, 4),
            "mail: 1 message waits, 3 in quarantine, which a person decides about: `servergate mail quarantine`; 4 bytes"
        );
    }
}
