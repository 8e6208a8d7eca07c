//! JSON with its version, as everything has it that goes to the disk.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum Spec<T> {
    #[serde(rename = "1")]
    V1(T),
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Spec::V1(value))
}

/// `None` for what is damaged, or written by a newer version.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let Spec::V1(value) = serde_json::from_slice(bytes).ok()?;
    Some(value)
}
