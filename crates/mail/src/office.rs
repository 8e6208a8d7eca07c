//! One organisation's mail: its settings, its people, its spool, its primary.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use host::Host;
use host::tls::HopTls;
use model::{Service, ServiceId, Standing, Standings, Timestamp};
use tokio::sync::{mpsc, watch};

use crate::config::MailConfig;
use crate::recipients::{Book, Change, Kept as KeptPeople, Known};
use crate::spool::Spool;
use crate::way::{self, Way};
use crate::wire::path::Mailbox;

/// Learned recipients that wait to be written down.
const LEARNED: usize = 1024;

/// One organisation's mail.
#[derive(Debug)]
pub struct Office {
    pub(crate) config: MailConfig,
    pub(crate) service: ServiceId,
    pub(crate) spool: Spool,
    pub(crate) tls: HopTls,
    book: Mutex<Option<Book>>,
    pub(crate) people: KeptPeople,
    learned: mpsc::Sender<Change>,
    /// The primary was found unable to shake hands for TLS: it is asked without for a while.
    pub(crate) no_tls: AtomicBool,
    standings: watch::Receiver<Standings>,
}

impl Office {
    /// Opens it; the book is empty until [`Self::read_book`].
    pub(crate) fn new(
        config: MailConfig,
        host: &Host,
        spool: Spool,
        tls: HopTls,
        standings: watch::Receiver<Standings>,
    ) -> (Arc<Self>, mpsc::Receiver<Change>) {
        let (learned, changes) = mpsc::channel(LEARNED);
        let service = ServiceId::new(config.organisation.clone(), Service::Mail);
        let people = KeptPeople::new(host.store.clone(), config.organisation.clone());
        let office = Self {
            config,
            service,
            spool,
            tls,
            book: Mutex::default(),
            people,
            learned,
            no_tls: AtomicBool::new(false),
            standings,
        };
        (Arc::new(office), changes)
    }

    /// The standing of this moment.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.standings.borrow().get(&self.service).cloned()
    }

    /// Follows the standings.
    pub(crate) fn follow(&self) -> watch::Receiver<Standings> {
        self.standings.clone()
    }

    /// The way of this moment.
    pub(crate) fn way(&self) -> Way {
        way::way(self.standings.borrow().get(&self.service), self.config.gate)
    }

    /// Whether what is kept may go back now.
    pub(crate) fn may_hand_back(&self) -> bool {
        way::may_hand_back(self.standings.borrow().get(&self.service))
    }

    /// Whether somebody exists. `None` while nobody unlocked the list of people.
    pub(crate) fn known(&self, mailbox: &Mailbox, now: Timestamp) -> Option<Known> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let book = book.as_ref()?;
        Some(book.look(mailbox.local(), mailbox.domain(), now))
    }

    /// Puts the list of people in place.
    pub(crate) fn set_book(&self, book: Book) {
        *self.book.lock().unwrap_or_else(PoisonError::into_inner) = Some(book);
    }

    /// Looks into the list of people.
    pub(crate) fn with_book<T>(&self, look: impl FnOnce(&Book) -> T) -> Option<T> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.as_ref().map(look)
    }

    /// The primary said whether somebody exists.
    pub(crate) fn learn(&self, mailbox: &Mailbox, valid: bool, now: Timestamp) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(book) = book.as_mut() else { return };
        if let Some(change) = book.learn(mailbox.local(), mailbox.domain(), valid, now) {
            // What does not fit is learned again the next time.
            let _ = self.learned.try_send(change);
        }
    }

    /// The name under which the next hop was last found unable to shake hands.
    pub(crate) fn without_tls(&self) -> bool {
        self.no_tls.load(Ordering::Relaxed)
    }
}
