//! One organisation's mail: its settings, its people, its spool, its primary.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::tls::HopTls;
use host::{Drain, Held, Host, Tasks};
use model::{Mono, Service, ServiceId, Standings, Timestamp, Topic};
use store::Store;
use tokio::sync::{Notify, SetOnce, mpsc, watch};

use crate::config::MailConfig;
use crate::recipients::import::{Imported, Scope};
use crate::recipients::{Book, Case, Change, Kept, KeptError, Known, Settings};
use crate::spool::Spool;
use crate::way::{self, Way};
use crate::wire::path::Mailbox;

/// After a failed handshake the primary is asked in clear for so long, where that is allowed.
const IN_CLEAR: Duration = Duration::from_secs(600);
/// Learned recipients that wait to be written down.
const LEARNED: usize = 1024;

/// Who exists, as far as it is known and unlocked.
#[derive(Debug)]
struct People {
    book: Book,
    kept: Kept,
}

/// Why a list of people was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Nobody unlocked the standby.
    #[error("what is about people is locked; `servergate unlock` opens it")]
    Locked,
    /// It could not be kept.
    #[error(transparent)]
    Kept(#[from] KeptError),
}

/// One organisation's mail.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) config: MailConfig,
    pub(crate) service: ServiceId,
    pub(crate) spool: Spool,
    pub(crate) tls: HopTls,
    people: Mutex<Option<People>>,
    /// The list of people was read, or cannot be.
    read: SetOnce<()>,
    store: Store,
    learned: mpsc::Sender<Change>,
    /// When the primary was found unable to shake hands for TLS.
    no_tls: Mutex<Option<Mono>>,
    /// A person wants what waits to be tried now.
    pub(crate) hurry: Notify,
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
        let office = Self {
            config,
            service,
            spool,
            tls,
            people: Mutex::default(),
            read: SetOnce::new(),
            store: host.store.clone(),
            learned,
            no_tls: Mutex::default(),
            hurry: Notify::new(),
            standings,
        };
        (Arc::new(office), changes)
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

    /// Whether anything may be moved: in mode observe nothing is.
    pub(crate) fn acts(&self) -> bool {
        let standings = self.standings.borrow();
        let standing = standings.get(&self.service);
        standing.is_some_and(|standing| standing.mode == model::Mode::Act)
    }

    /// Whether a person is asked because the primary refuses what it should take.
    pub(crate) fn asks_about_handback(&self) -> bool {
        let standings = self.standings.borrow();
        let question = standings
            .get(&self.service)
            .and_then(|one| one.question.as_ref());
        question.is_some_and(|question| question.topic == Topic::HandBack)
    }

    /// Whether somebody exists. `None` while nobody unlocked the list of people.
    pub(crate) fn known(&self, mailbox: &Mailbox, now: Timestamp) -> Option<Known> {
        self.with_book(|book| book.look(mailbox.local(), mailbox.domain(), now))
    }

    /// Looks into the list of people.
    pub(crate) fn with_book<T>(&self, look: impl FnOnce(&Book) -> T) -> Option<T> {
        self.people().as_ref().map(|people| look(&people.book))
    }

    /// The primary said whether somebody exists, because of a guest who `may` teach more.
    pub(crate) fn learn(
        &self,
        mailbox: &Mailbox,
        valid: bool,
        now: Timestamp,
        may: impl FnOnce() -> bool,
    ) {
        let mut people = self.people();
        let Some(people) = people.as_mut() else {
            return;
        };
        if let Some(change) =
            people
                .book
                .learn_if(mailbox.local(), mailbox.domain(), valid, now, may)
        {
            // What does not fit is learned again the next time.
            let _ = self.learned.try_send(change);
        }
    }

    fn people(&self) -> std::sync::MutexGuard<'_, Option<People>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kept(&self) -> Option<Kept> {
        self.people().as_ref().map(|people| people.kept.clone())
    }

    /// What an import may hold.
    pub(crate) fn scope(&self) -> Scope {
        let domains = self.config.domains.iter().map(String::as_str);
        let scope = Scope::new(domains, Case::default());
        match self.config.domains.first() {
            Some(first) => scope.with_default(first),
            None => scope,
        }
    }

    /// Puts an imported list in the place of the former one; says how many it has.
    pub(crate) async fn import(
        &self,
        imported: &Imported,
        now: Timestamp,
    ) -> Result<usize, ImportError> {
        let kept = self.kept().ok_or(ImportError::Locked)?;
        let list = kept.import(imported, now).await?;
        let count = list.len();
        if let Some(people) = self.people().as_mut() {
            people.book.replace_list(list);
        }
        Ok(count)
    }

    /// Puts imported mailboxes in the place of the former ones; says how many there are.
    pub(crate) async fn import_mailboxes(
        &self,
        imported: &Imported,
        now: Timestamp,
    ) -> Result<usize, ImportError> {
        let kept = self.kept().ok_or(ImportError::Locked)?;
        let mailboxes = kept.import_mailboxes(imported, now).await?;
        let count = mailboxes.len();
        if let Some(people) = self.people().as_mut() {
            people.book.replace_mailboxes(mailboxes);
        }
        Ok(count)
    }

    /// Reads the list of people, which must be unlocked.
    async fn read_people(self: &Arc<Self>, tasks: &Tasks, now: Timestamp) -> Result<(), KeptError> {
        let key = Kept::book_key(&self.store, random()?).await?;
        let kept = Kept::new(self.store.clone(), self.config.organisation.clone(), key);
        let rules = &self.config.people;
        let domains = rules
            .domains
            .iter()
            .map(|(name, rules)| (name.as_str(), *rules));
        let settings = Settings::new(domains).with_fresh(rules.fresh);
        let reading = kept.clone();
        let reading = tasks.blocking("mail people reading", move || reading.load(settings, now));
        // A panic was counted; the list stays unread.
        let book = reading.await.map_err(|_| KeptError::Damaged)??;
        *self.people() = Some(People { book, kept });
        Ok(())
    }

    /// Whether the list of people was read, or cannot be.
    pub(crate) fn people_are_read(&self) -> bool {
        self.read.initialized()
    }

    /// Waits until it is. Cancel-safe.
    pub(crate) async fn people_read(&self) {
        self.read.wait().await;
    }

    async fn read_or_say(self: &Arc<Self>, host: &Host) {
        if let Err(error) = self.read_people(&host.tasks, host.clock.now().wall).await {
            tracing::error!(error = %host::chain(&error), "the list of people cannot be read");
        }
        // It is read once only.
        let _ = self.read.set(());
    }

    async fn note(&self, learned: &[Change]) {
        let Some(kept) = self.kept() else { return };
        if let Err(error) = kept.note(learned).await {
            tracing::debug!(%error, "what was learned of recipients was not written down");
        }
    }

    /// Whether the primary is asked in clear: its handshake failed not long ago.
    pub(crate) fn without_tls(&self, now: Mono) -> bool {
        let failed = *self.no_tls.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|failed| now.since(failed) < IN_CLEAR)
    }

    /// The handshake with the primary failed.
    pub(crate) fn note_no_tls(&self, now: Mono) {
        *self.no_tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

/// Reads the list of people once it is unlocked, then writes down what is learned, until the drain
/// begins.
pub(crate) async fn keep_learned(
    host: Host,
    office: Arc<Office>,
    mut changes: Held<mpsc::Receiver<Change>>,
    drain: Drain,
) {
    let seal = host.store.seal();
    // Both arms are cancel-safe.
    tokio::select! {
        () = drain.begun() => return,
        () = seal.unlocked() => {}
    }
    office.read_or_say(&host).await;
    let mut learned = Vec::new();
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            () = drain.begun() => return,
            count = changes.recv_many(&mut learned, LEARNED) => if count == 0 { return },
        }
        office.note(&learned).await;
        learned.clear();
    }
}

/// 32 bytes that nobody can guess.
fn random() -> Result<[u8; 32], KeptError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| KeptError::Random)?;
    Ok(bytes)
}
