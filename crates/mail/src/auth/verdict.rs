//! What the checks of a message found: kept beside the message, without its addresses.

use std::borrow::Cow;

use prometheus_client::encoding::EncodeLabelValue;
use serde::{Deserialize, Serialize};

use crate::spam::Spam;

/// A result, in the words of RFC 8601 §2.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is who it says it is.
    Pass,
    /// It is not.
    Fail,
    /// Probably not (SPF `~all`).
    SoftFail,
    /// Nothing is said, or a signature could not be read.
    Neutral,
    /// A signature of a kind that is not accepted here.
    Policy,
    /// The domain publishes nothing about it.
    None,
    /// Not known now, perhaps later: DNS did not answer in time.
    TempError,
    /// What is published cannot be used.
    PermError,
}

/// Which name SPF looked at (RFC 7208 §2.3 and §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// That of the sender in MAIL FROM.
    MailFrom,
    /// That of HELO or EHLO, because the sender is empty.
    Helo,
}

/// May this client send for this domain (RFC 7208)?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spf {
    /// The answer.
    pub result: Outcome,
    /// Which name was looked at.
    pub identity: Identity,
    /// That name, in lower case; empty where there is none.
    pub domain: String,
}

/// Did this domain sign the message, and is it as it was signed (RFC 6376)?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dkim {
    /// The answer for one signature.
    pub result: Outcome,
    /// Who signed (`d=`), empty where that cannot be read.
    pub domain: String,
    /// With which key (`s=`).
    pub selector: String,
    /// Why it is no pass.
    pub reason: Option<Cow<'static, str>>,
}

/// What a domain wants done with mail that is not from it (RFC 9989 §4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Nothing.
    None,
    /// Put it aside.
    Quarantine,
    /// Refuse it.
    Reject,
}

/// Does SPF or DKIM vouch for the author's domain (RFC 9989)?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dmarc {
    /// The answer.
    pub result: Outcome,
    /// The domain of the header `From:`; empty where there is none, or more than one.
    pub domain: String,
    /// What that domain asks for, where it publishes something.
    pub policy: Option<Policy>,
}

/// Whether DNS was there during a check; for the pause in [`super::queue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Heard {
    /// Something answered.
    Answered,
    /// Nothing did, not even for the root.
    Silent,
    /// Nothing was asked.
    #[default]
    NotAsked,
}

/// All that is known of where a message comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {
    /// SPF.
    pub spf: Spf,
    /// DKIM, one for each signature that was looked at.
    pub dkim: Vec<Dkim>,
    /// DMARC.
    pub dmarc: Dmarc,
    /// What a spam filter says, if one was asked and answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spam: Option<Spam>,
    /// How DNS was meanwhile. Not kept.
    #[serde(skip)]
    pub heard: Heard,
}

impl Verdicts {
    /// Whether the sender in MAIL FROM is proved to have to do with the message, so that a
    /// report to that address does not reach a bystander: SPF passed for its domain, or the
    /// domain or one above it signed. Never for the null sender, whom nothing may be sent to
    /// (RFC 5321 §4.5.5).
    pub fn passed_for_sender(&self) -> bool {
        if self.spf.identity != Identity::MailFrom || self.spf.domain.is_empty() {
            return false;
        }
        let signed = |dkim: &Dkim| {
            dkim.result == Outcome::Pass && is_at_or_below(&self.spf.domain, &dkim.domain)
        };
        self.spf.result == Outcome::Pass || self.dkim.iter().any(signed)
    }

    /// Whether something is open that a later check may find out.
    pub fn is_open(&self) -> bool {
        let dkim = self.dkim.iter().map(|dkim| dkim.result);
        let mut all = dkim.chain([self.spf.result, self.dmarc.result]);
        all.any(|result| result == Outcome::TempError)
    }
}

/// Whether `domain` is `above` or lies below it. A domain speaks for what is below it and not
/// for what is above it: whoever has `user.pages.example` has not got `pages.example`.
fn is_at_or_below(domain: &str, above: &str) -> bool {
    let Some(split) = domain.len().checked_sub(above.len()) else {
        return false;
    };
    let Some((front, end)) = domain.split_at_checked(split) else {
        return false;
    };
    // A name without a dot is a registry's, and signs for nobody.
    above.contains('.')
        && end.eq_ignore_ascii_case(above)
        && (front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(spf: Outcome, identity: Identity, signed: &[(&str, Outcome)]) -> Verdicts {
        let dkim = |(domain, result): &(&str, Outcome)| Dkim {
            result: *result,
            domain: (*domain).to_owned(),
            selector: "s".to_owned(),
            reason: None,
        };
        Verdicts {
            spf: Spf {
                result: spf,
                identity,
                domain: "news.verein.test".to_owned(),
            },
            dkim: signed.iter().map(dkim).collect(),
            dmarc: Dmarc {
                result: Outcome::None,
                domain: String::new(),
                policy: None,
            },
            spam: None,
            heard: Heard::NotAsked,
        }
    }

    #[test]
    fn a_report_is_sent_only_to_a_sender_who_is_proved() {
        use Outcome::{Fail, Pass, SoftFail};
        let passes = |spf, signed: &[(&str, Outcome)]| {
            verdicts(spf, Identity::MailFrom, signed).passed_for_sender()
        };
        assert!(passes(Pass, &[]));
        assert!(passes(Fail, &[("news.verein.test", Pass)]));
        assert!(passes(Fail, &[("other.test", Pass), ("Verein.test", Pass)]));
        assert!(!passes(SoftFail, &[]));
        assert!(!passes(Fail, &[("verein.test", Fail)]));
        assert!(!passes(Fail, &[("erein.test", Pass)]), "half a label");
        assert!(!passes(Fail, &[("test", Pass)]), "a registry");
        assert!(!passes(Fail, &[("", Pass)]));
        assert!(!passes(Fail, &[("a.news.verein.test", Pass)]), "below");
    }

    #[test]
    fn nothing_is_sent_to_the_null_sender() {
        let verdicts = verdicts(
            Outcome::Pass,
            Identity::Helo,
            &[("verein.test", Outcome::Pass)],
        );
        assert!(!verdicts.passed_for_sender());
    }

    #[test]
    fn they_are_kept_in_words() {
        let mut verdicts = verdicts(
            Outcome::SoftFail,
            Identity::MailFrom,
            &[("verein.test", Outcome::TempError)],
        );
        assert!(verdicts.is_open());
        let kept = serde_json::to_string(&verdicts).unwrap();
        assert!(kept.contains(r#""result":"softfail""#), "{kept}");
        assert_eq!(
            serde_json::from_str::<Verdicts>(&kept).unwrap(),
            verdicts,
            "{kept}"
        );
        verdicts.dkim.clear();
        assert!(!verdicts.is_open());
    }
}
