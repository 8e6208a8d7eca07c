//! Mailboxes: who may read here, and what their passwords are checked against. Sealed as all that
//! is about people; found by the address's hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::{Batch, Key, Versioned};

use super::form::{MAILBOXES, mailboxes_key};
use super::{Kept, KeptError, LEARNED_AT_ONCE};
use crate::recipients::address::{Address, Case};
use crate::recipients::book::{AddressHash, List};
use crate::recipients::import::{Imported, Mailbox};
use model::Timestamp;

/// So many mailboxes are written or read at once: some hundred KiB.
const AT_ONCE: usize = 1024;

#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum MailboxSpec {
    V1 {
        local: String,
        domain: String,
        password: Option<String>,
    },
}

impl Kept {
    /// Puts imported mailboxes durably in the place of the former ones, and gives their addresses
    /// for [`crate::recipients::Book::replace_mailboxes`].
    ///
    /// # Errors
    /// They could not be written, or another import was first; the former ones stay then.
    pub async fn import_mailboxes(
        &self,
        imported: &Imported,
        now: Timestamp,
    ) -> Result<List, KeptError> {
        let (generation, reserved) = self.reserve()?;
        let list = self.list_of_mailboxes(imported, now);
        let mut batches = vec![reserved];
        for some in imported.mailboxes.chunks(AT_ONCE) {
            let mut batch = Batch::new();
            for mailbox in some {
                let hash = self.hash(&mailbox.address, list.case);
                let key = self.mailboxes().with_number(generation).with_bytes(&hash.0);
                batch = batch.put(key, write(mailbox)?);
            }
            batches.push(batch);
        }
        batches.push(self.switch(
            mailboxes_key(&self.organisation),
            &list,
            BTreeMap::new(),
            generation,
        )?);
        self.carry_out(batches).await?;
        self.sweep_former(&self.mailboxes(), 1, generation).await;
        Ok(list)
    }

    /// The mailbox of this address, if one was imported.
    ///
    /// # Errors
    /// The store could not be read, or what is there makes no sense.
    pub fn mailbox(&self, address: &Address) -> Result<Option<Mailbox>, KeptError> {
        let Some(record) = self.record(&mailboxes_key(&self.organisation))? else {
            return Ok(None);
        };
        let hash = self.hash(address, record.case);
        let here = self.mailboxes().with_number(record.generation);
        let kept = self.store.get(&here.with_bytes(&hash.0))?;
        kept.map(|kept| read(&kept, record.case)).transpose()
    }

    pub(super) fn load_mailboxes(&self) -> Result<Option<List>, KeptError> {
        let Some(record) = self.record(&mailboxes_key(&self.organisation))? else {
            return Ok(None);
        };
        let mut hashes = Vec::new();
        let here = self.mailboxes().with_number(record.generation);
        self.each(&here, LEARNED_AT_ONCE, |key, _| {
            let hash = key.parts().nth(2).ok_or(KeptError::Damaged)?;
            let hash = <[u8; 16]>::try_from(hash.as_ref()).map_err(|_| KeptError::Damaged)?;
            hashes.push(AddressHash(hash));
            Ok(())
        })?;
        if hashes.len() as u64 != record.count {
            return Err(KeptError::Damaged);
        }
        hashes.sort_unstable();
        Ok(Some(List {
            hashes: hashes.into(),
            covered: record.covered,
            catch_all: record.catch_all,
            imported_at: record.imported_at,
            whole: record.whole,
            case: record.case,
        }))
    }

    /// Aliases are not among them, so their silence says nothing.
    pub(super) fn list_of_mailboxes(&self, imported: &Imported, now: Timestamp) -> List {
        let case = imported.case();
        let mailboxes = imported.mailboxes.iter();
        let mut hashes: Vec<_> = mailboxes.map(|one| self.hash(&one.address, case)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        List {
            hashes: hashes.into(),
            covered: std::collections::BTreeSet::new(),
            catch_all: std::collections::BTreeSet::new(),
            imported_at: now,
            whole: false,
            case,
        }
    }

    fn mailboxes(&self) -> Key {
        Key::new(MAILBOXES, &[self.organisation.as_str()])
    }

    fn hash(&self, address: &Address, case: Case) -> AddressHash {
        self.key.hash(address.local(), address.domain(), case)
    }
}

fn write(mailbox: &Mailbox) -> Result<Vec<u8>, KeptError> {
    let spec = MailboxSpec::V1 {
        local: mailbox.address.local().to_owned(),
        domain: mailbox.address.domain().to_owned(),
        password: mailbox.password.clone(),
    };
    serde_json::to_vec(&spec).map_err(|_| KeptError::Damaged)
}

fn read(kept: &Versioned, case: Case) -> Result<Mailbox, KeptError> {
    match serde_json::from_slice(&kept.value) {
        Ok(MailboxSpec::V1 {
            local,
            domain,
            password,
        }) => Ok(Mailbox {
            address: Address::new(&local, &domain, case),
            password,
        }),
        Err(_) if super::version_is_newer(&kept.value) => Err(KeptError::Newer),
        Err(_) => Err(KeptError::Damaged),
    }
}
