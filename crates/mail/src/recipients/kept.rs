//! The book over restarts, in the store: lists by generation, learned answers one by one.
//!
//! An import writes its hashes under a new generation and then switches one key to it, so a crash
//! in between leaves the former list whole. What a crash or a switch leaves behind is swept after
//! the next switch. Learned answers carry no promise: the caller writes them when it suits, and one
//! that is lost is learned again.
//!
//! | table | key | value |
//! |---|---|---|
//! | `mail-recipients` | organisation, `list`, generation, number | version, up to 4096 hashes in order |
//! | `mail-recipients` | organisation, `learned`, hash | version, flags, minute of the yes, of the no |
//! | `mail-lists` | organisation, `list` | JSON: generation, when, how many, which domains |
//! | `mail-mailboxes` | organisation, generation, hash | JSON: address and password hash |
//! | `mail-lists` | organisation, `mailboxes` | as `list`, for the mailboxes |
//! | `mail-lists` | organisation, `generation` | version, the last number handed out |
//! | `mail-book-key` | `key` | version, 32 bytes |

mod changed;
mod form;
mod mailboxes;

use std::collections::{BTreeMap, BTreeSet};

use model::{OrganisationId, Timestamp};
use store::{Batch, CommitError, Expect, Key, ReadError, Store, Versioned};

use super::address::Case;
use super::book::{AddressHash, Book, BookKey, Change, List, Settings};
use super::import::Imported;
pub use changed::Changed;
use form::{ListRecord, ListSpec};

/// So many values of a list are written or read at once: about 512 KiB.
const CHUNKS_AT_ONCE: usize = 8;
/// So many learned answers are written or read at once: about 600 KiB.
const LEARNED_AT_ONCE: usize = 4096;
/// How often a list is read anew because an import came in between.
const TRIES: usize = 3;

/// Why recipients could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// Another import for the same organisation was first.
    #[error("another import of recipients is running; wait for it and import again")]
    Busy,
    /// What lies in the store makes no sense.
    #[error("what is kept of the recipients is damaged; import the list again")]
    Damaged,
    /// A newer version of the program wrote it.
    #[error("the recipients were written by a newer version; install that one again")]
    Newer,
    /// The operating system gives no randomness for the key.
    #[error("the machine gives no randomness; look whether getrandom is allowed")]
    Random,
    /// The store could not be read.
    #[error("reading the recipients")]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error("writing the recipients")]
    Commit(#[from] CommitError),
}

/// Where one organisation's recipients lie. A cheap handle.
#[derive(Clone, Debug)]
pub struct Kept {
    store: Store,
    organisation: OrganisationId,
    key: BookKey,
}

/// An import about to be written: all before the last batch is invisible, the last one switches.
struct Plan {
    batches: Vec<Batch>,
    list: List,
    generation: u64,
}

impl Kept {
    /// The book key of this store; `random` becomes it on first use.
    ///
    /// # Errors
    /// The store could not be read or written, or the key is damaged.
    pub async fn book_key(store: &Store, random: [u8; 32]) -> Result<BookKey, KeptError> {
        if let Some(kept) = store.get(&form::key_key())? {
            return form::read_key(&kept.value).map(BookKey::new);
        }
        let first = Batch::new().put_if(form::key_key(), form::write_key(&random), Expect::Absent);
        match store.commit(first).await {
            Ok(_) => Ok(BookKey::new(random)),
            Err(CommitError::Precondition { .. }) => {
                let kept = store.get(&form::key_key())?.ok_or(KeptError::Damaged)?;
                form::read_key(&kept.value).map(BookKey::new)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The recipients of `organisation` in `store`.
    pub fn new(store: Store, organisation: OrganisationId, key: BookKey) -> Self {
        Self {
            store,
            organisation,
            key,
        }
    }

    /// Reads everything into a book. Blocks for the reading; for start and tests.
    ///
    /// # Errors
    /// The store could not be read, or what is there makes no sense.
    pub fn load(&self, settings: Settings, now: Timestamp) -> Result<Book, KeptError> {
        let mut book = Book::new(self.key, settings);
        if let Some(list) = self.load_list()? {
            book.replace_list(list);
        }
        if let Some(mailboxes) = self.load_mailboxes()? {
            book.replace_mailboxes(mailboxes);
        }
        self.each_learned(|_, change| book.restore(change, now))?;
        Ok(book)
    }

    /// Puts an imported list durably in the place of the former one, and gives it for
    /// [`Book::replace_list`].
    ///
    /// # Errors
    /// It could not be written, or another import was first; the former list stays then.
    pub async fn import(&self, imported: &Imported, now: Timestamp) -> Result<List, KeptError> {
        let plan = self.plan(imported, now)?;
        self.carry_out(plan.batches).await?;
        let lists = form::generations(&self.organisation);
        self.sweep_former(&lists, 2, plan.generation).await;
        Ok(plan.list)
    }

    /// Writes what was learned.
    ///
    /// # Errors
    /// It could not be written; it may be tried again, or forgotten.
    pub async fn note(&self, changes: &[Change]) -> Result<(), KeptError> {
        for some in changes.chunks(LEARNED_AT_ONCE) {
            let batch = some.iter().fold(Batch::new(), |batch, change| {
                let key = form::learned(&self.organisation).with_bytes(&change.hash.0);
                if change.learned.is_empty() {
                    batch.delete(key)
                } else {
                    batch.put(key, form::write_learned(change.learned))
                }
            });
            let _receipt = self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Deletes learned answers that are no longer believed, and gives how many; to be called daily.
    ///
    /// # Errors
    /// The store could not be read or written.
    pub async fn sweep(&self, now: Timestamp) -> Result<usize, KeptError> {
        let mut expired = Vec::new();
        self.each_learned(|key, change| {
            if change.learned.at(now).is_empty() {
                expired.push(key);
            }
        })?;
        let count = expired.len();
        self.delete(expired).await?;
        Ok(count)
    }

    fn plan(&self, imported: &Imported, now: Timestamp) -> Result<Plan, KeptError> {
        let (generation, reserved) = self.reserve()?;
        let list = self.list(imported, now);
        let mut batches = vec![reserved];
        let mut chunks = list.hashes.chunks(form::CHUNK).zip(0_u64..).peekable();
        while chunks.peek().is_some() {
            let some = chunks.by_ref().take(CHUNKS_AT_ONCE);
            batches.push(some.fold(Batch::new(), |batch, (chunk, number)| {
                let key = form::generation(&self.organisation, generation).with_number(number);
                batch.put(key, form::write_chunk(chunk))
            }));
        }
        batches.push(self.switch(
            form::list_key(&self.organisation),
            &list,
            by_domain(imported),
            generation,
        )?);
        Ok(Plan {
            batches,
            list,
            generation,
        })
    }

    /// The number of a new import, and the batch that makes it nobody else's.
    fn reserve(&self) -> Result<(u64, Batch), KeptError> {
        let key = form::counter_key(&self.organisation);
        let counter = self.store.get(&key)?;
        let last = match &counter {
            Some(counter) => form::read_counter(&counter.value)?,
            None => 0,
        };
        let written = form::write_counter(last + 1);
        let reserved = Batch::new().put_if(key, written, unchanged(counter.as_ref()));
        Ok((last + 1, reserved))
    }

    /// The batch that puts `list` in the place of what `key` says now.
    fn switch(
        &self,
        key: Key,
        list: &List,
        by_domain: BTreeMap<String, u64>,
        generation: u64,
    ) -> Result<Batch, KeptError> {
        let former = self.store.get(&key)?;
        let record = ListSpec::V1(ListRecord {
            generation,
            imported_at: list.imported_at,
            count: list.hashes.len() as u64,
            covered: list.covered.clone(),
            catch_all: list.catch_all.clone(),
            whole: list.whole,
            case: list.case,
            by_domain,
        });
        let record = serde_json::to_vec(&record).map_err(|_| KeptError::Damaged)?;
        Ok(Batch::new().put_if(key, record, unchanged(former.as_ref())))
    }

    async fn carry_out(&self, batches: Vec<Batch>) -> Result<(), KeptError> {
        for batch in batches {
            let written = self.store.commit(batch).await;
            let _receipt = written.map_err(|error| match error {
                CommitError::Precondition { .. } => KeptError::Busy,
                error => error.into(),
            })?;
        }
        Ok(())
    }

    fn list(&self, imported: &Imported, now: Timestamp) -> List {
        let case: Case = imported.case();
        let mut hashes: Vec<AddressHash> = imported
            .addresses
            .iter()
            .map(|address| self.key.hash(address.local(), address.domain(), case))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        let named = imported.addresses.iter().map(|address| address.domain());
        let catch_all: BTreeSet<String> = imported.catch_all.iter().cloned().collect();
        let covered: BTreeSet<&str> = named.chain(catch_all.iter().map(String::as_str)).collect();
        List {
            hashes: hashes.into(),
            covered: covered.into_iter().map(ToOwned::to_owned).collect(),
            catch_all,
            imported_at: now,
            whole: imported.whole,
            case,
        }
    }

    fn record(&self, key: &Key) -> Result<Option<ListRecord>, KeptError> {
        let Some(kept) = self.store.get(key)? else {
            return Ok(None);
        };
        match serde_json::from_slice(&kept.value) {
            Ok(ListSpec::V1(record)) => Ok(Some(record)),
            Err(_) if version_is_newer(&kept.value) => Err(KeptError::Newer),
            Err(_) => Err(KeptError::Damaged),
        }
    }

    fn load_list(&self) -> Result<Option<List>, KeptError> {
        let mut tried = None;
        for _ in 0..TRIES {
            let Some(record) = self.record(&form::list_key(&self.organisation))? else {
                return Ok(None);
            };
            // The same record twice: nobody came in between, chunks are missing.
            if tried == Some(record.generation) {
                return Err(KeptError::Damaged);
            }
            let mut hashes = Vec::new();
            let prefix = form::generation(&self.organisation, record.generation);
            self.each(&prefix, CHUNKS_AT_ONCE, |_, kept| {
                form::read_chunk(&kept.value, &mut hashes)
            })?;
            if hashes.len() as u64 == record.count && hashes.is_sorted() {
                return Ok(Some(List {
                    hashes: hashes.into(),
                    covered: record.covered,
                    catch_all: record.catch_all,
                    imported_at: record.imported_at,
                    whole: record.whole,
                    case: record.case,
                }));
            }
            tried = Some(record.generation);
        }
        Err(KeptError::Busy)
    }

    /// Deletes below `all` what imports before `current` left, whole or abandoned; a running one
    /// has a higher number. The number is part `at` of a key.
    async fn sweep_former(&self, all: &Key, at: usize, current: u64) {
        let mut old = Vec::new();
        let looked = self.each(all, CHUNKS_AT_ONCE, |key, _| {
            if key.number(at).is_some_and(|number| number < current) {
                old.push(key);
            }
            Ok(())
        });
        let swept = match looked {
            Ok(()) => self.delete(old).await,
            Err(error) => Err(error),
        };
        // The switch is done: what cannot be swept now is swept after the next one.
        if let Err(error) = swept {
            tracing::warn!(%error, "the former list of recipients still takes room");
        }
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<(), KeptError> {
        for some in keys.chunks(LEARNED_AT_ONCE) {
            let batch = some
                .iter()
                .fold(Batch::new(), |batch, key| batch.delete(key.clone()));
            let _receipt = self.store.commit(batch).await?;
        }
        Ok(())
    }

    fn each_learned(&self, mut take: impl FnMut(Key, Change)) -> Result<(), KeptError> {
        let prefix = form::learned(&self.organisation);
        self.each(&prefix, LEARNED_AT_ONCE, |key, kept| {
            let change = form::read_learned(&key, &kept.value)?;
            take(key, change);
            Ok(())
        })
    }

    /// All values below `prefix`, `at_once` of them in memory at a time.
    fn each(
        &self,
        prefix: &Key,
        at_once: usize,
        mut take: impl FnMut(Key, Versioned) -> Result<(), KeptError>,
    ) -> Result<(), KeptError> {
        let mut after = prefix.clone();
        loop {
            let some = self.store.scan_after(prefix, &after, at_once)?;
            let Some((last, _)) = some.last() else {
                return Ok(());
            };
            after = last.clone();
            for (key, kept) in some {
                take(key, kept)?;
            }
        }
    }
}

fn by_domain(imported: &Imported) -> BTreeMap<String, u64> {
    let counts = imported.by_domain().into_iter();
    counts
        .map(|(domain, count)| (domain.to_owned(), count))
        .collect()
}

fn unchanged(kept: Option<&Versioned>) -> Expect {
    kept.map_or(Expect::Absent, |kept| Expect::Revision(kept.revision))
}

fn version_is_newer(bytes: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let version = value
        .as_ref()
        .and_then(|value| value.get("version")?.as_str());
    version.is_some_and(|version| version != "V1" && version.starts_with('V'))
}

#[cfg(test)]
mod tests;
