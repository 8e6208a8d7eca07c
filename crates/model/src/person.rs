//! What people say to the standby: orders and answers; and what it asks them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Cause, QuestionId, ServiceId, Timestamp};

/// Who gave an order: the account name at the admin socket, or what the caller said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Operator(pub String);

/// What was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// Act now, whatever the verdict, until told otherwise.
    Failover,
    /// Stand by now, whatever the verdict, until told otherwise.
    Failback,
    /// Keep the role of this moment until told otherwise.
    Hold,
    /// Decide by verdict again.
    Auto,
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Hold => "hold",
            Self::Auto => "auto",
        })
    }
}

/// An order for one service. Persisted, survives a restart, shown with who and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// For which.
    pub service: ServiceId,
    /// What.
    pub kind: OrderKind,
    /// Who.
    pub by: Operator,
    /// When.
    pub at: Timestamp,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Shall we take over although the cause is one that people judge?
    TakeOver(Cause),
    /// The primary answers 451: does a person confirm that serving the copy is permitted?
    Permission,
    /// It was never seen as it should be under its present configuration, which may be what is
    /// wrong: shall we take over all the same?
    NeverGood(Cause),
    /// There is no copy that could be served: shall visitors see our notice instead of nothing?
    NoCopy(Cause),
    /// The primary answers again: is it still yours, shall it have its traffic back?
    Return,
    /// The hand-back was stopped, for the primary refuses what it should take: shall it go on?
    HandBack,
}

/// A question to a person, answered with `servergate answer ID yes|no`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its name.
    pub id: QuestionId,
    /// Of which service.
    pub service: ServiceId,
    /// About what.
    pub topic: Topic,
    /// Since when.
    pub asked: Timestamp,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.topic {
            Topic::TakeOver(cause) => write!(
                f,
                "{} shows `{cause}`, which a person should judge. Take over?",
                self.service
            ),
            Topic::Permission => write!(
                f,
                "{} answers 451 (unavailable for legal reasons); what lies behind it is not known. \
                 Its own notice goes on being shown and the copy stays off until a named person \
                 confirms that serving is permitted. Is it, and take over?",
                self.service
            ),
            Topic::NeverGood(cause) => write!(
                f,
                "{} shows `{cause}`, and was never seen as it should be since it is configured \
                 as it is now. Look first whether address, port, protocol, name, `ca` and \
                 `expect` are right. Take over all the same?",
                self.service
            ),
            Topic::NoCopy(cause) => write!(
                f,
                "{} shows `{cause}`, and there is no copy that could be served: visitors would \
                 see our own notice (503). Lead them here all the same?",
                self.service
            ),
            Topic::Return => write!(
                f,
                "{} answers again. Look whether the server is still yours. Give it its traffic back?",
                self.service
            ),
            Topic::HandBack => write!(
                f,
                "The hand-back of {} was stopped: the primary refuses recipients it knew. Nothing \
                 is lost, the rest is kept. Continue?",
                self.service
            ),
        }
    }
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// To which question.
    pub question: QuestionId,
    /// Of which service.
    pub service: ServiceId,
    /// Yes or no.
    pub yes: bool,
    /// Who.
    pub by: Operator,
    /// When.
    pub at: Timestamp,
}
