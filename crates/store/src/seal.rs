//! Sealing: what lies at rest in a sealed table, log or blob is of no use without the passphrase.
//!
//! ```text
//! passphrase ─Argon2id─▶ slot ─▶ root ─▶ private key of reception ─HPKE─▶ data keys ─▶ records, blobs
//!                                        public key of reception ─HPKE─▶ a new data key
//! ```
//!
//! A store that is locked has the public key only: it draws a data key, wraps it, and goes on
//! taking what comes. It reads what it sealed under the data key it has in memory, and nothing
//! older. A data key is drawn at the first need after opening or [`Seal::renew`], and is durable in
//! its wrapped form before anything is sealed with it. Who holds the disk learns names of tables
//! and logs, keys, sizes and times, but no body; who holds the running machine learns what it can
//! read. The record of all this is `docs/decisions/0008-sealing.md`.

mod key;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fjall::PersistMode;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::engine::{self, Engine};
use crate::options::PassphraseCost;
use crate::stats::Counters;
use crate::{EngineError, ReadError, SealError};

use key::{PrivateKey, Reception, Secret};
use slots::{LEAST_PASSPHRASE, Pair, Slots};

#[cfg(test)]
pub(crate) use key::test_key;
pub(crate) use key::{DataKey, NONCE, TAG, random};

/// So many data keys are held in memory while unlocked; one a day and opening, 32 bytes each.
const MOST_HELD: usize = 4096;

/// Whether sealed records can be written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealState {
    /// There are no keys yet: sealed records are refused. [`Seal::set_up`] makes them.
    NotSetUp,
    /// Sealed records are taken; those from before the present data key cannot be read.
    Locked,
    /// Sealed records are taken and read.
    Unlocked,
}

/// The store's sealing: set up, lock and unlock. A cheap handle; like a [`crate::Blobs`] it keeps
/// the store's files open.
#[derive(Clone)]
pub struct Seal(pub(crate) Arc<Sealing>);

impl Seal {
    /// How it stands now.
    pub fn state(&self) -> SealState {
        *self.0.state.borrow()
    }

    /// Makes the store's keys, to be unlocked with `passphrase`, durably; it is unlocked then.
    /// Blocks for about 0.2 s and takes 64 MiB meanwhile.
    ///
    /// # Errors
    /// It is set up already, the passphrase is too short, or a write failed.
    pub fn set_up(&self, passphrase: &[u8]) -> Result<(), SealError> {
        self.0.set_up(passphrase)
    }

    /// Makes everything sealed readable. Costs as much as [`Seal::set_up`], right or wrong.
    ///
    /// # Errors
    /// Another passphrase, nothing set up, or the keys are damaged.
    pub fn unlock(&self, passphrase: &[u8]) -> Result<(), SealError> {
        self.0.unlock(passphrase)
    }

    /// Forgets everything but the present data key, which is still written with and read.
    pub fn lock(&self) {
        self.0.lock();
    }

    /// Exchanges the passphrase `old` for `new`, durably. Locked stays locked. Copies of the disk
    /// from before, and blocks not yet overwritten, still open with `old`.
    ///
    /// # Errors
    /// `old` is not the passphrase, `new` is too short, or a write failed.
    pub fn change_passphrase(&self, old: &[u8], new: &[u8]) -> Result<(), SealError> {
        self.0.change_passphrase(old, new)
    }

    /// Forgets the present data key: the next sealed record draws a new one. To be called once a
    /// day, so that what a locked store can read, and who takes it running, is a day at most.
    pub fn renew(&self) {
        *held(&self.0.current) = None;
    }

    /// Waits until it is unlocked. Cancel-safe.
    pub async fn unlocked(&self) {
        let mut state = self.0.state.subscribe();
        // Fails only when the sender is gone, which `self` holds.
        let _ = state.wait_for(|state| *state == SealState::Unlocked).await;
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seal").field(&self.state()).finish()
    }
}

/// What the committer, the readers and the blobs ask for keys.
pub(crate) struct Sealing {
    engine: Engine,
    counters: Arc<Counters>,
    read_only: bool,
    cost: PassphraseCost,
    state: watch::Sender<SealState>,
    /// What new data keys are wrapped to; there once it is set up.
    reception: RwLock<Option<Arc<Reception>>>,
    /// What new records are sealed with, once one was.
    current: Mutex<Option<Arc<DataKey>>>,
    unlocked: RwLock<Option<Unlocked>>,
    /// Held over set-up, unlocking and a change of the passphrase: one at a time.
    turn: Mutex<()>,
}

/// What an unlocked store has in memory.
struct Unlocked {
    private: PrivateKey,
    keys: HashMap<u32, Arc<DataKey>>,
}

impl Sealing {
    /// As it stands in the engine: not set up, or locked.
    pub(crate) fn open(
        engine: Engine,
        counters: Arc<Counters>,
        read_only: bool,
        cost: PassphraseCost,
    ) -> Result<Self, SealError> {
        let reception = match own(&engine, &engine::OWN_SEAL_PAIR)? {
            None => None,
            Some(bytes) => Some(Arc::new(Pair::from_bytes(&bytes)?.reception()?)),
        };
        let state = match reception {
            None => SealState::NotSetUp,
            Some(_) => SealState::Locked,
        };
        Ok(Self {
            engine,
            counters,
            read_only,
            cost,
            state: watch::Sender::new(state),
            reception: RwLock::new(reception),
            current: Mutex::default(),
            unlocked: RwLock::default(),
            turn: Mutex::default(),
        })
    }

    /// What to seal with now. Drawn and made durable if there is none.
    pub(crate) fn current(&self) -> Result<Arc<DataKey>, SealError> {
        let mut current = held(&self.current);
        if let Some(key) = &*current {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.draw()?);
        *current = Some(Arc::clone(&key));
        Ok(key)
    }

    fn draw(&self) -> Result<DataKey, SealError> {
        let reception = read(&self.reception).clone().ok_or(SealError::NotSetUp)?;
        let last = self.engine.own_number(&engine::OWN_SEAL_LAST)?.unwrap_or(0);
        let number = last.saturating_add(1);
        let id = u32::try_from(number).map_err(|_| SealError::Damaged("the count of data keys"))?;
        let secret: Secret = Zeroizing::new(random()?);
        let wrapped = reception.wrap(id, &secret)?;
        self.write(&[
            (&engine::OWN_SEAL_LAST, &number.to_be_bytes()),
            (&engine::seal_key(id), &wrapped),
        ])?;
        Ok(DataKey::new(id, &secret))
    }

    /// The data key `id`, for opening what it sealed.
    pub(crate) fn key(&self, id: u32) -> Result<Arc<DataKey>, ReadError> {
        if let Some(key) = held(&self.current).as_ref().filter(|key| key.id() == id) {
            return Ok(Arc::clone(key));
        }
        let sealed = ReadError::Sealed { key_id: id };
        match &*read(&self.unlocked) {
            None => return Err(sealed),
            Some(unlocked) => {
                if let Some(key) = unlocked.keys.get(&id) {
                    return Ok(Arc::clone(key));
                }
            }
        }
        let lost = ReadError::KeyLost { key_id: id };
        let Some(wrapped) = self.engine.spaces()?.kv.get(engine::seal_key(id))? else {
            return Err(lost);
        };
        let mut unlocked = self
            .unlocked
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Locked in between.
        let unlocked = unlocked.as_mut().ok_or(sealed)?;
        let key = unlocked.private.unwrap_key(id, &wrapped).ok_or(lost)?;
        let key = Arc::new(key);
        if unlocked.keys.len() >= MOST_HELD {
            unlocked.keys.clear();
        }
        unlocked.keys.insert(id, Arc::clone(&key));
        Ok(key)
    }

    fn set_up(&self, passphrase: &[u8]) -> Result<(), SealError> {
        let _turn = held(&self.turn);
        if read(&self.reception).is_some() {
            return Err(SealError::AlreadySetUp);
        }
        long_enough(passphrase)?;
        let root = slots::draw_root()?;
        let (pair, private) = Pair::draw(&root)?;
        let mut slots = Slots::default();
        slots.add(&root, passphrase, self.cost, &pair)?;
        self.write(&[
            (&engine::OWN_SEAL_PAIR, &pair.to_bytes()),
            (&engine::OWN_SEAL_SLOTS, &slots.to_bytes()),
        ])?;
        *self
            .reception
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(private.reception()));
        self.hold(private);
        Ok(())
    }

    fn unlock(&self, passphrase: &[u8]) -> Result<(), SealError> {
        let _turn = held(&self.turn);
        let (pair, slots) = self.stored()?;
        let (_, root) = slots.open(passphrase, &pair)?;
        self.hold(pair.open(&root)?);
        Ok(())
    }

    fn lock(&self) {
        let _turn = held(&self.turn);
        let before = self
            .unlocked
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if before.is_some() {
            self.state.send_replace(SealState::Locked);
        }
    }

    fn change_passphrase(&self, old: &[u8], new: &[u8]) -> Result<(), SealError> {
        let _turn = held(&self.turn);
        long_enough(new)?;
        let (pair, mut slots) = self.stored()?;
        let (index, root) = slots.open(old, &pair)?;
        slots.replace(index, &root, new, self.cost, &pair)?;
        self.write(&[(&engine::OWN_SEAL_SLOTS, &slots.to_bytes())])
    }

    fn stored(&self) -> Result<(Pair, Slots), SealError> {
        let pair = own(&self.engine, &engine::OWN_SEAL_PAIR)?.ok_or(SealError::NotSetUp)?;
        let slots = own(&self.engine, &engine::OWN_SEAL_SLOTS)?
            .ok_or(SealError::Damaged("the list of slots"))?;
        Ok((Pair::from_bytes(&pair)?, Slots::from_bytes(&slots)?))
    }

    fn hold(&self, private: PrivateKey) {
        let keys = HashMap::new();
        *self
            .unlocked
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Unlocked { private, keys });
        self.state.send_replace(SealState::Unlocked);
    }

    /// Writes own entries with a sync of their own. Beside the committer, which never writes these.
    fn write(&self, entries: &[(&[u8], &[u8])]) -> Result<(), SealError> {
        if self.read_only {
            return Err(SealError::ReadOnly);
        }
        if self.counters.is_poisoned() {
            return Err(SealError::Poisoned);
        }
        let spaces = self.engine.spaces()?;
        let mut batch = spaces.db.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in entries {
            batch.insert(&spaces.kv, *key, *value);
        }
        let written = spaces.wait_for_workers().and_then(|_| batch.commit());
        written.map_err(|error| {
            // As in the committer: the kernel reports a lost page once.
            self.counters.poison();
            tracing::error!(%error, "a key could not be written; nothing more is accepted until the files are opened again");
            SealError::Engine(EngineError::of(&error))
        })
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealing")
            .field(&*self.state.borrow())
            .finish()
    }
}

fn own(engine: &Engine, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    Ok(engine.spaces()?.kv.get(key)?.map(|bytes| bytes.to_vec()))
}

fn long_enough(passphrase: &[u8]) -> Result<(), SealError> {
    if passphrase.len() < LEAST_PASSPHRASE {
        let least = LEAST_PASSPHRASE;
        return Err(SealError::ShortPassphrase { least });
    }
    Ok(())
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
