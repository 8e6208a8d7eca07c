//! The bytes of a kept message in the log.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version, `1` |
//! | 1..5 | length of the meta, big-endian |
//! | 5.. | [`Meta`] in JSON, then the message with the trace fields that we gave it |
//!
//! A large message is in a blob that the meta names; nothing follows the meta then.

use bytes::{Buf, Bytes};
use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;

const VERSION: u8 = 1;

/// What is known of a kept message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Its name, as it stands in `X-Servergate-Id`.
    pub id: String,
    /// When it was taken.
    pub at: Timestamp,
    /// Who sent it, to whom.
    pub envelope: Envelope,
    /// Its length in bytes, with our trace fields.
    pub size: u64,
    /// The blob that holds it, if it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

pub(super) fn encode(meta: &Meta, message: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(512 + message.len());
    bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    serde_json::to_writer(&mut bytes, meta)?;
    let length = u32::try_from(bytes.len() - 5).unwrap_or(u32::MAX);
    if let Some(field) = bytes.get_mut(1..5) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    bytes.extend_from_slice(message);
    Ok(bytes)
}

pub(super) fn decode(mut bytes: Bytes) -> Option<(Meta, Bytes)> {
    let (&version, rest) = bytes.split_first()?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if version != VERSION {
        return None;
    }
    bytes.advance(5);
    let meta = serde_json::from_slice(bytes.get(..length)?).ok()?;
    bytes.advance(length);
    Some((meta, bytes))
}

/// For the fuzzer: bytes that may have been altered on the disk.
pub(crate) fn decode_any(bytes: &[u8]) {
    let _ = decode(Bytes::copy_from_slice(bytes));
}
