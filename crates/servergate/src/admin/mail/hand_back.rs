//! What `servergate mail hand-back` really does, in words.

use ::mail::{HandBack, MailHandle};

/// Asks for it, and says what came of it.
pub(super) fn words(mail: &MailHandle) -> String {
    let outcome = mail.hand_back();
    let tally = mail.tally();
    let service = format!("{}/mail", mail.organisation());
    said(&outcome, tally.waiting, tally.quarantined, &service)
}

fn said(outcome: &HandBack, waiting: usize, quarantined: usize, service: &str) -> String {
    let waits = match waiting {
        1 => "1 message waits".to_owned(),
        waiting => format!("{waiting} messages wait"),
    };
    match outcome {
        HandBack::Nothing if quarantined > 0 => format!(
            "Nothing waits, so nothing is handed back. {quarantined} in quarantine: `servergate mail quarantine` shows and releases them."
        ),
        HandBack::Nothing => "Nothing waits, so nothing is handed back.".to_owned(),
        HandBack::Locked => format!(
            "{waits}, and nothing goes back while what is about people is locked; `servergate unlock` opens it."
        ),
        HandBack::Observes => format!(
            "{waits}. In mode observe nothing moves: write `mode = \"act\"` in the configuration and start again."
        ),
        HandBack::Asked(question) => format!(
            "{waits} for an answer. {question} `servergate answer {} yes|no`",
            question.id
        ),
        HandBack::Acting { ordered: true } => format!(
            "{waits}. The standby acts because a person ordered it; `servergate failback {service}` hands back now, `servergate auto {service}` once the primary answers."
        ),
        HandBack::Acting { ordered: false } => format!(
            "{waits} and will go back when the primary is back. If it is back and yours, `servergate failback {service}` hands back now."
        ),
        HandBack::Returning => {
            format!("{waits} and will go back as soon as the return to the primary is done.")
        }
        HandBack::Silent => format!(
            "{waits}: the primary does not answer. They go back by themselves when it does; `servergate status` shows what is measured."
        ),
        HandBack::Stopped => format!(
            "{waits}: somebody said no to going on. `servergate auto {service}` begins again."
        ),
        HandBack::Started => {
            format!("{waits} and is tried again now; `servergate mail list` shows what is left.")
                .replace("messages wait and is", "messages wait and are")
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{OrganisationId, Question, QuestionId, Service, ServiceId, Timestamp, Topic};

    use super::*;

    #[test]
    fn every_outcome_says_what_it_waits_for_and_what_would_help() {
        let question = Question {
            id: QuestionId::new("mail-1"),
            service: ServiceId::new(OrganisationId::new("verein.test"), Service::Mail),
            topic: Topic::HandBack,
            asked: Timestamp::from_millis(0),
        };
        for (outcome, waiting, help) in [
            (HandBack::Nothing, 0, "servergate mail quarantine"),
            (HandBack::Locked, 3, "servergate unlock"),
            (HandBack::Observes, 3, "mode = \"act\""),
            (
                HandBack::Asked(question),
                3,
                "servergate answer mail-1 yes|no",
            ),
            (
                HandBack::Acting { ordered: true },
                3,
                "servergate auto verein.test/mail",
            ),
            (
                HandBack::Acting { ordered: false },
                3,
                "servergate failback verein.test/mail",
            ),
            (HandBack::Silent, 3, "does not answer"),
            (HandBack::Stopped, 3, "servergate auto verein.test/mail"),
            (
                HandBack::Started,
                3,
                "3 messages wait and are tried again now",
            ),
            (
                HandBack::Started,
                1,
                "1 message waits and is tried again now",
            ),
        ] {
            let words = said(&outcome, waiting, 2, "verein.test/mail");
            assert!(words.contains(help), "{words}");
            assert_eq!(
                words.contains("tried again now"),
                outcome == HandBack::Started
            );
        }
    }
}
