//! Which messages of the quarantine a person means: by sender, recipient, domain, or the primary's
//! words.

use serde::{Deserialize, Serialize};

use super::Summary;
use crate::spool::Fate;

/// Which messages; all conditions hold together, and none means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// From this address, or from this domain.
    pub from: Option<String>,
    /// To this address, or to this domain.
    pub to: Option<String>,
    /// The sender or a recipient is of this domain.
    pub domain: Option<String>,
    /// These words are in the primary's.
    pub reason: Option<String>,
}

impl Filter {
    /// Whether it means every message.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it means this message. Of recipients only those count whom the primary refused.
    pub fn means(&self, message: &Summary) -> bool {
        let sender = message.sender.as_deref();
        let refused = || {
            let all = message.recipients.iter();
            all.filter(|(_, fate, _)| *fate == Fate::Quarantined)
        };
        let any = |wanted: &str| refused().any(|(to, _, _)| is_of(to, wanted));
        let from = |wanted: &str| sender.is_some_and(|sender| is_of(sender, wanted));
        holds(&self.from, from)
            && holds(&self.to, any)
            && holds(&self.domain, |wanted| {
                let wanted = wanted.trim_start_matches('@');
                from(wanted) || any(wanted)
            })
            && holds(&self.reason, |wanted| {
                let wanted = wanted.to_lowercase();
                refused().any(|(_, _, reply)| reply.to_lowercase().contains(&wanted))
            })
    }
}

fn holds(condition: &Option<String>, check: impl Fn(&str) -> bool) -> bool {
    condition.as_deref().is_none_or(check)
}

/// Whether an address is this one, or of this domain. `<>` is the null sender.
fn is_of(address: &str, wanted: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim().trim_start_matches('<').trim_end_matches('>');
        text.to_lowercase()
    };
    let (address, wanted) = (bare(address), bare(wanted));
    match wanted.strip_prefix('@') {
        None if wanted.is_empty() || wanted.contains('@') => address == wanted,
        domain => {
            let domain = domain.unwrap_or(&wanted).trim_end_matches('.');
            address.rsplit_once('@').is_some_and(|(_, of)| of == domain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Summary {
        let refused = |to: &str, words: &str| (to.to_owned(), Fate::Quarantined, words.to_owned());
        Summary {
            number: 7,
            id: "x".to_owned(),
            at: model::Timestamp::from_millis(0),
            size: 1,
            sender: Some("Anna@sender.test".to_owned()),
            recipients: vec![
                refused("bert@verein.test", "550 5.7.1 Spam detected"),
                (
                    "carl@stadt.test".to_owned(),
                    Fate::HandedBack,
                    "250 fine".to_owned(),
                ),
            ],
            told: Vec::new(),
            cut: Vec::new(),
        }
    }

    #[test]
    fn a_filter_means_by_sender_recipient_domain_and_words() {
        let cases = [
            ("from", "anna@SENDER.test", true),
            ("from", "<anna@sender.test>", true),
            ("from", "sender.test", true),
            ("from", "@sender.test.", true),
            ("from", "ender.test", false),
            ("from", "<>", false),
            ("to", "bert@verein.test", true),
            ("to", "verein.test", true),
            // Nothing waits for a decision there.
            ("to", "carl@stadt.test", false),
            ("domain", "sender.test", true),
            ("domain", "verein.test", true),
            ("domain", "stadt.test", false),
            ("reason", "spam", true),
            ("reason", "5.7.1", true),
            ("reason", "fine", false),
        ];
        for (field, value, expected) in cases {
            let value = Some(value.to_owned());
            let mut filter = Filter::default();
            match field {
                "from" => filter.from = value.clone(),
                "to" => filter.to = value.clone(),
                "domain" => filter.domain = value.clone(),
                _ => filter.reason = value.clone(),
            }
            assert_eq!(filter.means(&message()), expected, "{field} {value:?}");
            assert!(!filter.is_all());
        }
        assert!(Filter::default().is_all() && Filter::default().means(&message()));
        let both = Filter {
            from: Some("sender.test".to_owned()),
            reason: Some("quota".to_owned()),
            ..Filter::default()
        };
        assert!(!both.means(&message()));
    }

    #[test]
    fn the_null_sender_is_meant_by_its_name() {
        let null = Summary {
            sender: Some(String::new()),
            ..message()
        };
        let filter = Filter {
            from: Some("<>".to_owned()),
            ..Filter::default()
        };
        assert!(filter.means(&null) && !filter.means(&message()));
    }
}
