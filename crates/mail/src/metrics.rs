//! What is counted: messages by what became of them, refusals by their reason.

use std::sync::Arc;

use host::limits::Guests;
use host::metrics::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::auth::verdict::Heard;
use crate::dsn::Why;
use crate::office::Office;

/// Why a guest, a recipient or a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Refusal {
    /// More messages than its network may leave.
    Budget,
    /// For a domain that is not ours.
    Relay,
    /// Nobody of that name.
    Unknown,
    /// Whether there is somebody of that name is not known now.
    Unverified,
    /// The primary refused whoever it is when it was asked last.
    Doubtful,
    /// Too much to learn about recipients from one network.
    Lesson,
    /// The primary lives: go there.
    Gate,
    /// The primary did not answer: come again.
    Later,
    /// The primary could not be asked.
    Primary,
    /// All connections to the primary that a guest may have are taken.
    Places,
    /// No room.
    Room,
    /// No receipt.
    NotDurable,
    /// Too many hops.
    Loop,
    /// A field of the header that hides what it is.
    Header,
    /// Checks that did not fit.
    Check,
}

/// How a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Taken {
    /// The primary has it.
    Passed,
    /// We have it.
    Kept,
    /// The primary has it again.
    HandedBack,
    /// The primary refused it; it waits for a person.
    Quarantined,
    /// It was tried in vain and waits.
    Deferred,
    /// The connection was cut before the primary's answer.
    Cut,
}

/// What became of a notification to a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    /// The sender's server has it.
    Sent,
    /// It was tried in vain and waits.
    Deferred,
    /// It is not sent.
    Left(Why),
}

impl EncodeLabelValue for Told {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        match self {
            Self::Sent => "Sent".encode(encoder),
            Self::Deferred => "Deferred".encode(encoder),
            Self::Left(why) => format!("{why:?}").encode(encoder),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToldLabel {
    became: Told,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeardLabel {
    dns: Heard,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FateLabel {
    fate: Taken,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrganisationLabel {
    organisation: String,
}

/// The counters of this part.
#[derive(Clone, Debug, Default)]
pub(crate) struct MailMetrics {
    refusals: Family<ReasonLabel, Counter>,
    messages: Family<FateLabel, Counter>,
    checks: Family<HeardLabel, Counter>,
    notifications: Family<ToldLabel, Counter>,
    forged: Counter,
    held: Family<OrganisationLabel, Gauge>,
    guests: Gauge,
    guests_refused: Gauge,
}

impl MailMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let mail = Self::default();
        metrics.register("mail", |registry| {
            registry.register("refusals", "Refusals, by reason", mail.refusals.clone());
            registry.register("messages", "Messages, by fate", mail.messages.clone());
            let help = "SPF, DKIM and DMARC of kept messages, by what DNS did";
            registry.register("checks", help, mail.checks.clone());
            let help = "Notifications to senders, by what became of them";
            registry.register("notifications", help, mail.notifications.clone());
            let help = "Fields that came in our name and were taken out";
            registry.register("forged_fields", help, mail.forged.clone());
            registry.register("held_items", "Messages that are kept", mail.held.clone());
            registry.register("guests", "Guests connected", mail.guests.clone());
            let help = "Guests over the limits since the start";
            registry.register("guests_refused", help, mail.guests_refused.clone());
        });
        mail
    }

    pub(crate) fn refused(&self, reason: Refusal) {
        self.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A message was checked; `dns` was heard meanwhile.
    pub(crate) fn checked(&self, dns: Heard) {
        self.checks.get_or_create(&HeardLabel { dns }).inc();
    }

    /// So many fields of a message were taken out.
    pub(crate) fn forged(&self, fields: u64) {
        self.forged.inc_by(fields);
    }

    pub(crate) fn taken(&self, fate: Taken) {
        self.messages.get_or_create(&FateLabel { fate }).inc();
    }

    pub(crate) fn told(&self, became: Told) {
        self.notifications
            .get_or_create(&ToldLabel { became })
            .inc();
    }

    /// Takes the gauges' present values.
    pub(crate) fn look(&self, offices: &[Arc<Office>], guests: &Guests) {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for office in offices {
            let organisation = office.config.organisation.to_string();
            let tally = office.spool.tally();
            let label = OrganisationLabel { organisation };
            self.held
                .get_or_create(&label)
                .set(whole(tally.waiting + tally.quarantined));
        }
        self.guests.set(whole(guests.present()));
        self.guests_refused
            .set(i64::try_from(guests.refused()).unwrap_or(i64::MAX));
    }
}
