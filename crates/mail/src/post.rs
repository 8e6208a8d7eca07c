//! What all conversations share: the organisations, our name, the budgets, the memory of who was
//! deferred.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::Host;
use host::session::Driver;
use model::Mono;
use tokio::sync::mpsc;

use crate::budget::Budget;
use crate::escape::Escape;
use crate::head::Ours;
use crate::memory::Memory;
use crate::metrics::{MailMetrics, Refusal};
use crate::office::Office;
use crate::recipients::domain_form;
use crate::wire::path::Mailbox;

/// A message whose checks are to be made.
#[derive(Debug)]
pub(crate) struct ToCheck {
    pub(crate) office: Arc<Office>,
    pub(crate) position: u64,
}

/// What all conversations share.
pub(crate) struct Post {
    pub(crate) host: Host,
    pub(crate) name: String,
    /// What must not come from elsewhere.
    pub(crate) ours: Ours,
    pub(crate) metrics: MailMetrics,
    /// Drives conversations with next hops.
    pub(crate) calls: Driver,
    pub(crate) escape: Mutex<Escape>,
    pub(crate) memory: Memory,
    budget: Mutex<Budget>,
    /// What the guests of one network may teach about recipients.
    lessons: Mutex<Budget>,
    offices: Vec<Arc<Office>>,
    by_domain: HashMap<String, usize>,
    checks: mpsc::Sender<ToCheck>,
    ids: AtomicU64,
    random: RandomState,
}

/// The window of the budgets.
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So much that is new is learned of recipients by the guests of one network in a day: nobody fills
/// the book alone.
const LESSONS: u64 = 500;

impl Post {
    pub(crate) fn new(
        host: Host,
        metrics: MailMetrics,
        calls: Driver,
        messages_per_network: u64,
        ours: Ours,
        offices: Vec<Arc<Office>>,
        checks: mpsc::Sender<ToCheck>,
    ) -> Self {
        let mut by_domain = HashMap::new();
        for (index, office) in offices.iter().enumerate() {
            for domain in &office.config.domains {
                by_domain.insert(domain_form(domain), index);
            }
        }
        Self {
            host,
            name: ours.name.clone(),
            ours,
            metrics,
            calls,
            escape: Mutex::default(),
            memory: Memory::default(),
            budget: Mutex::new(Budget::new(messages_per_network, HOUR)),
            lessons: Mutex::new(Budget::new(LESSONS, DAY)),
            offices,
            by_domain,
            checks,
            ids: AtomicU64::new(0),
            random: RandomState::new(),
        }
    }

    pub(crate) fn offices(&self) -> &[Arc<Office>] {
        &self.offices
    }

    /// Whose a mailbox is; `postmaster` without a domain is the first organisation's (RFC 5321
    /// §4.5.1).
    pub(crate) fn office(&self, mailbox: &Mailbox) -> Option<Arc<Office>> {
        let index = match mailbox.domain() {
            "" => 0,
            domain => *self.by_domain.get(&domain_form(domain))?,
        };
        self.offices.get(index).map(Arc::clone)
    }

    /// Whether a network may leave another message.
    pub(crate) fn within_budget(&self, now: Mono, client: IpAddr) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.spend(now, client)
    }

    /// Whether a network may teach us more about recipients; a refusal is counted.
    pub(crate) fn may_teach(&self, client: IpAddr) -> bool {
        let now = self.host.clock.now().mono;
        let mut lessons = self.lessons.lock().unwrap_or_else(PoisonError::into_inner);
        let may = lessons.spend(now, client);
        if !may {
            self.metrics.refused(Refusal::Lesson);
        }
        may
    }

    /// A name for a message: different from every other, and not to be guessed.
    pub(crate) fn new_id(&self) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let now = self.host.clock.now().wall.millis();
        let (high, low) = (
            self.random.hash_one((number, now, 'h')),
            self.random.hash_one((number, now, 'l')),
        );
        let place = &self.host.place;
        format!("{place}-{high:016x}{:04x}", low & 0xFFFF)
    }

    /// Has a message checked in the background; what does not fit is handed back without results.
    pub(crate) fn ask_for_checks(&self, office: &Arc<Office>, position: u64) {
        let office = Arc::clone(office);
        if self.checks.try_send(ToCheck { office, position }).is_err() {
            self.metrics.refused(Refusal::Check);
        }
    }
}
