//! What a person who wants the mail handed back now gets, and why not: a function of the standing
//! and of what is kept.

use model::{Condition, Mode, Question, Role, Standing, StateName};
use store::SealState;

use super::MailHandle;
use crate::way::may_hand_back;

/// What asking for the hand-back did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandBack {
    /// Nothing waits.
    Nothing,
    /// What is about people is locked.
    Locked,
    /// In mode observe nothing moves.
    Observes,
    /// A question is open.
    Asked(Question),
    /// We act for the primary; `ordered` by a person.
    Acting {
        /// Whether a person ordered it.
        ordered: bool,
    },
    /// It is being led back to the primary.
    Returning,
    /// The primary does not answer.
    Silent,
    /// A person said no to going on.
    Stopped,
    /// What waits is tried now.
    Started,
}

/// What it comes to. `is_read` says whether the list of people is there, which refusals are judged
/// by.
fn outcome(
    standing: Option<&Standing>,
    waiting: usize,
    seal: SealState,
    is_read: bool,
) -> HandBack {
    if waiting == 0 {
        return HandBack::Nothing;
    }
    if seal != SealState::Unlocked || !is_read {
        return HandBack::Locked;
    }
    let Some(standing) = standing else {
        return HandBack::Silent;
    };
    if standing.mode != Mode::Act {
        return HandBack::Observes;
    }
    if let Some(question) = &standing.question {
        return HandBack::Asked(question.clone());
    }
    if may_hand_back(Some(standing)) {
        return HandBack::Started;
    }
    let reachable = standing.condition() == Some(Condition::Reachable);
    match standing.state {
        StateName::Held if standing.role != Role::Standby => HandBack::Acting { ordered: true },
        StateName::Serving => HandBack::Acting { ordered: false },
        StateName::Returning => HandBack::Returning,
        StateName::HandingBack | StateName::Supporting | StateName::Held if reachable => {
            HandBack::Stopped
        }
        StateName::HandingBack
        | StateName::Supporting
        | StateName::Following
        | StateName::Suspecting
        | StateName::Held => HandBack::Silent,
    }
}

impl MailHandle {
    /// Whether what is kept may go back now.
    pub fn may_hand_back(&self) -> bool {
        self.office.may_hand_back()
    }

    /// Tries again now what was tried in vain, where that may be; says what it comes to.
    pub fn hand_back(&self) -> HandBack {
        let standings = self.office.follow();
        let standing = standings.borrow().get(&self.office.service).cloned();
        let outcome = outcome(
            standing.as_ref(),
            self.tally().waiting,
            self.post.host.store.seal().state(),
            self.office.people_are_read(),
        );
        self.office.hurry.notify_one();
        outcome
    }
}

#[cfg(test)]
mod tests;
