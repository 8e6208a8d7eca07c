//! Who answered, kept across restarts: the keys of TLS servers as last seen with a good chain.
//!
//! Written by `run` when a key changes (rarely), read once when the part opens.

use model::{Identity, Target};
use serde::{Deserialize, Serialize};
use store::{Key, Store, Table};

const TABLE: Table = Table::new("watch-known");

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum Spec {
    V1 { identity: Identity },
}

fn key(target: &Target) -> Key {
    Key::new(TABLE, &[&target.service.to_string(), &target.name])
}

/// What to write for a target that was answered by `identity`.
pub(crate) fn entry(target: &Target, identity: &Identity) -> (Key, Vec<u8>) {
    let spec = Spec::V1 {
        identity: identity.clone(),
    };
    // A struct of one string cannot fail to be written.
    (key(target), serde_json::to_vec(&spec).unwrap_or_default())
}

/// Who answered last. What cannot be read counts as unknown.
pub(crate) fn load(store: &Store, target: &Target) -> Option<Identity> {
    let value = store.get(&key(target)).ok()??;
    let Spec::V1 { identity } = serde_json::from_slice(&value.value).ok()?;
    Some(identity)
}
