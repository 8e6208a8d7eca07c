//! Since when the oldest message is kept, and when a person was reminded of that.

use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Batch, Table};

use super::{Spool, SpoolError, versioned};

const REMINDED: Table = Table::new("mail-reminded");

#[derive(Serialize, Deserialize)]
struct Reminded {
    at: Timestamp,
}

impl Spool {
    /// When the oldest message that is kept was taken, whether it waits or was refused. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn oldest(&self) -> Result<Option<Timestamp>, SpoolError> {
        let position = {
            let held = self.held();
            let first = held.messages.first_key_value().into_iter();
            let first = first.chain(held.quarantined.first_key_value());
            first.map(|(position, _)| *position).min()
        };
        match position.map(|position| self.row(position)) {
            None => Ok(None),
            Some(Ok(row)) => Ok(Some(row.at)),
            // Settled meanwhile.
            Some(Err(SpoolError::Gone(_))) => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }

    /// When a person was last reminded. Blocks on the disk.
    pub(crate) fn reminded(&self) -> Result<Option<Timestamp>, SpoolError> {
        let found = self.0.store.get(&self.key(REMINDED))?;
        // What cannot be read is reminded of once more.
        let reminded = found.and_then(|found| versioned::decode::<Reminded>(&found.value));
        Ok(reminded.map(|reminded| reminded.at))
    }

    /// Writes down that a person is reminded now.
    pub(crate) async fn remind(&self, at: Timestamp) -> Result<(), SpoolError> {
        let value = versioned::encode(&Reminded { at }).map_err(|_| SpoolError::Damaged(0))?;
        let batch = Batch::new().put(self.key(REMINDED), value);
        self.0.store.commit(batch).await?;
        Ok(())
    }
}
