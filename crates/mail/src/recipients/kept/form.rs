//! The bytes of what is kept: versioned, compact, without a name of anybody.

use std::collections::{BTreeMap, BTreeSet};

use model::{OrganisationId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Key, Table};

use super::KeptError;
use crate::recipients::address::Case;
use crate::recipients::book::{AddressHash, Change, Learned, Minute, No};

/// Lists and learned answers, as hashes.
pub(super) const RECIPIENTS: Table = Table::sealed("mail-recipients");
/// What each organisation's list is: when, how many, which domains.
pub(super) const LISTS: Table = Table::sealed("mail-lists");
/// Mailboxes with their passwords' hashes.
pub(super) const MAILBOXES: Table = Table::sealed("mail-mailboxes");
/// The key of all hashes.
pub(super) const BOOK_KEY: Table = Table::sealed("mail-book-key");

/// So many hashes lie in one value of a list: 64 KiB.
pub(super) const CHUNK: usize = 4096;
const VERSION: u8 = 1;
const YES: u8 = 1;
const NO: u8 = 2;
const CONFIRMED: u8 = 4;

/// Which list is the valid one: the one key by which an import is switched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub(super) enum ListSpec {
    V1(ListRecord),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListRecord {
    pub(super) generation: u64,
    pub(super) imported_at: Timestamp,
    pub(super) count: u64,
    pub(super) covered: BTreeSet<String>,
    pub(super) catch_all: BTreeSet<String>,
    pub(super) whole: bool,
    pub(super) case: Case,
    /// How many addresses each domain has; empty where a former version wrote it.
    #[serde(default)]
    pub(super) by_domain: BTreeMap<String, u64>,
}

pub(super) fn list_key(organisation: &OrganisationId) -> Key {
    Key::new(LISTS, &[organisation.as_str(), "list"])
}

pub(super) fn mailboxes_key(organisation: &OrganisationId) -> Key {
    Key::new(LISTS, &[organisation.as_str(), "mailboxes"])
}

/// The last generation that was handed out, so that no two imports ever write under one.
pub(super) fn counter_key(organisation: &OrganisationId) -> Key {
    Key::new(LISTS, &[organisation.as_str(), "generation"])
}

pub(super) fn key_key() -> Key {
    Key::new(BOOK_KEY, &["key"])
}

/// Everything of all generations.
pub(super) fn generations(organisation: &OrganisationId) -> Key {
    Key::new(RECIPIENTS, &[organisation.as_str(), "list"])
}

pub(super) fn generation(organisation: &OrganisationId, number: u64) -> Key {
    generations(organisation).with_number(number)
}

pub(super) fn learned(organisation: &OrganisationId) -> Key {
    Key::new(RECIPIENTS, &[organisation.as_str(), "learned"])
}

pub(super) fn write_chunk(hashes: &[AddressHash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + hashes.len() * 16);
    bytes.push(VERSION);
    for hash in hashes {
        bytes.extend_from_slice(&hash.0);
    }
    bytes
}

pub(super) fn read_chunk(bytes: &[u8], into: &mut Vec<AddressHash>) -> Result<(), KeptError> {
    let (hashes, rest) = body(bytes)?.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(KeptError::Damaged);
    }
    into.extend(hashes.iter().map(|hash| AddressHash(*hash)));
    Ok(())
}

/// version, flags, minute of the yes, minute of the no (big-endian; zero if there is none).
pub(super) fn write_learned(learned: Learned) -> [u8; 10] {
    let mut flags = 0;
    let mut bytes = [0; 10];
    if let Some(yes) = learned.yes {
        flags |= YES;
        bytes[2..6].copy_from_slice(&yes.0.to_be_bytes());
    }
    if let Some(no) = learned.no {
        flags |= NO | if no.confirmed { CONFIRMED } else { 0 };
        bytes[6..10].copy_from_slice(&no.at.0.to_be_bytes());
    }
    bytes[0] = VERSION;
    bytes[1] = flags;
    bytes
}

pub(super) fn read_learned(key: &Key, bytes: &[u8]) -> Result<Change, KeptError> {
    let hash = key.parts().nth(2).ok_or(KeptError::Damaged)?;
    let hash = <[u8; 16]>::try_from(hash.as_ref()).map_err(|_| KeptError::Damaged)?;
    let &[flags, y0, y1, y2, y3, n0, n1, n2, n3] = body(bytes)? else {
        return Err(KeptError::Damaged);
    };
    let yes = Minute(u32::from_be_bytes([y0, y1, y2, y3]));
    let no = No {
        at: Minute(u32::from_be_bytes([n0, n1, n2, n3])),
        confirmed: flags & CONFIRMED != 0,
    };
    Ok(Change {
        hash: AddressHash(hash),
        learned: Learned {
            yes: (flags & YES != 0).then_some(yes),
            no: (flags & NO != 0).then_some(no),
        },
    })
}

pub(super) fn write_key(key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(key);
    bytes
}

pub(super) fn read_key(bytes: &[u8]) -> Result<[u8; 32], KeptError> {
    <[u8; 32]>::try_from(body(bytes)?).map_err(|_| KeptError::Damaged)
}

pub(super) fn write_counter(generation: u64) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes
}

pub(super) fn read_counter(bytes: &[u8]) -> Result<u64, KeptError> {
    let number = <[u8; 8]>::try_from(body(bytes)?).map_err(|_| KeptError::Damaged)?;
    Ok(u64::from_be_bytes(number))
}

fn body(bytes: &[u8]) -> Result<&[u8], KeptError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) if version > VERSION => Err(KeptError::Newer),
        _ => Err(KeptError::Damaged),
    }
}
