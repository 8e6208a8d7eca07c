//! The root, the slots that wrap it, and the pair of reception that it wraps.
//!
//! The root is 32 random bytes that never lie in clear. Each slot holds it wrapped in another way;
//! opening one slot is enough. The first kind is a passphrase; others can be added beside it.
//!
//! | bytes | list of slots |
//! |---|---|
//! | 0 | version of this layout, `1` |
//! | then, for each slot | kind (1 byte), length of the body (2 bytes big-endian), body |
//!
//! | bytes | body of a passphrase's slot (kind `1`) |
//! |---|---|
//! | 0..12 | Argon2id: memory in KiB, passes, lanes; 4 bytes big-endian each |
//! | 12..28 | salt |
//! | 28..100 | nonce, root and tag: XChaCha20-Poly1305 under Argon2id's 32 bytes |
//!
//! | bytes | pair of reception |
//! |---|---|
//! | 0 | version of this layout, `1` |
//! | 1..1217 | public key |
//! | 1217..1289 | nonce, private key and tag: XChaCha20-Poly1305 under a key derived from the root |

use zeroize::Zeroizing;

use super::key::{Cipher, NONCE, PUBLIC, PrivateKey, Reception, Secret, TAG, random};
use crate::SealError;
use crate::options::PassphraseCost;

const VERSION: u8 = 1;
const PASSPHRASE: u8 = 1;
/// Shorter passphrases are refused.
pub(super) const LEAST_PASSPHRASE: usize = 8;
/// Costs beyond these are damage, not settings: they would only exhaust the machine.
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;

const FOR_PRIVATE_KEY: &str = "servergate store 2026: root, wraps the private key of reception";
const SLOT: &[u8] = b"servergate store 2026: slot";

/// One slot, as it lies in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Slot {
    kind: u8,
    body: Vec<u8>,
}

/// All slots. Kinds this program does not know are kept as they are.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Slots(Vec<Slot>);

impl Slots {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let mut rest = versioned(bytes, "the list of slots")?;
        let mut slots = Vec::new();
        while let Some((&[kind, high, low], after)) = rest.split_first_chunk::<3>() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let (body, next) = after
                .split_at_checked(length)
                .ok_or(SealError::Damaged("the list of slots"))?;
            let body = body.to_vec();
            slots.push(Slot { kind, body });
            rest = next;
        }
        if !rest.is_empty() {
            return Err(SealError::Damaged("the list of slots"));
        }
        Ok(Self(slots))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for slot in &self.0 {
            bytes.push(slot.kind);
            // No kind comes near the limit.
            let length = u16::try_from(slot.body.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&slot.body);
        }
        bytes
    }

    /// Adds a slot that `passphrase` opens.
    pub(super) fn add(
        &mut self,
        root: &Secret,
        passphrase: &[u8],
        cost: PassphraseCost,
        pair: &Pair,
    ) -> Result<(), SealError> {
        self.0.push(new_slot(root, passphrase, cost, pair)?);
        Ok(())
    }

    /// The root, from the slot that `passphrase` opens, and which slot that is.
    pub(super) fn open(
        &self,
        passphrase: &[u8],
        pair: &Pair,
    ) -> Result<(usize, Secret), SealError> {
        for (index, slot) in self.0.iter().enumerate() {
            if slot.kind == PASSPHRASE
                && let Some(root) = open_slot(&slot.body, passphrase, pair)?
            {
                return Ok((index, root));
            }
        }
        Err(SealError::WrongPassphrase)
    }

    /// Replaces the slot at `index` by one that `passphrase` opens.
    pub(super) fn replace(
        &mut self,
        index: usize,
        root: &Secret,
        passphrase: &[u8],
        cost: PassphraseCost,
        pair: &Pair,
    ) -> Result<(), SealError> {
        let slot = new_slot(root, passphrase, cost, pair)?;
        if let Some(old) = self.0.get_mut(index) {
            *old = slot;
        }
        Ok(())
    }
}

/// The pair of reception as it lies in the store.
#[derive(Clone)]
pub(super) struct Pair {
    public: Vec<u8>,
    private: Vec<u8>,
}

impl Pair {
    /// A new pair, its private half wrapped by `root`.
    pub(super) fn draw(root: &Secret) -> Result<(Self, PrivateKey), SealError> {
        let private = PrivateKey::draw()?;
        let public = private.reception().to_bytes();
        let mut wrapped = Vec::new();
        let bytes = private.to_bytes();
        key_of_pair(root).seal(&public, &bytes, &mut wrapped)?;
        let private_half = wrapped;
        let pair = Self {
            public,
            private: private_half,
        };
        Ok((pair, private))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let (public, private) = versioned(bytes, "the pair of reception")?
            .split_at_checked(PUBLIC)
            .ok_or(SealError::Damaged("the pair of reception"))?;
        Ok(Self {
            public: public.to_vec(),
            private: private.to_vec(),
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION][..], &self.public, &self.private].concat()
    }

    pub(super) fn reception(&self) -> Result<Reception, SealError> {
        Reception::from_bytes(&self.public)
    }

    /// The private half. Sees that the public half is its own: data keys wrapped to another one
    /// would be lost.
    pub(super) fn open(&self, root: &Secret) -> Result<PrivateKey, SealError> {
        let damaged = SealError::Damaged("the pair of reception");
        let bytes = key_of_pair(root)
            .open(&self.public, &self.private)
            .map(Zeroizing::new);
        let Some(private) = bytes.and_then(|bytes| PrivateKey::from_bytes(&bytes)) else {
            return Err(damaged);
        };
        if private.reception().to_bytes() != self.public {
            return Err(damaged);
        }
        Ok(private)
    }
}

/// A new root.
pub(super) fn draw_root() -> Result<Secret, SealError> {
    Ok(Zeroizing::new(random()?))
}

fn key_of_pair(root: &Secret) -> Cipher {
    Cipher::new(&Zeroizing::new(blake3::derive_key(
        FOR_PRIVATE_KEY,
        &root[..],
    )))
}

fn versioned<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a [u8], SealError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&found, _)) if found > VERSION => Err(SealError::Newer { found }),
        _ => Err(SealError::Damaged(what)),
    }
}

fn new_slot(
    root: &Secret,
    passphrase: &[u8],
    cost: PassphraseCost,
    pair: &Pair,
) -> Result<Slot, SealError> {
    let salt = random::<16>()?;
    let mut body = Vec::with_capacity(28 + NONCE + 32 + TAG);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    body.extend_from_slice(&salt);
    let key = stretched(passphrase, &salt, cost)?;
    let aad = slot_aad(&body, pair);
    key.seal(&aad, &root[..], &mut body)?;
    let kind = PASSPHRASE;
    Ok(Slot { kind, body })
}

/// `None`: another passphrase, or altered; which of the two cannot be told.
fn open_slot(body: &[u8], passphrase: &[u8], pair: &Pair) -> Result<Option<Secret>, SealError> {
    let damaged = SealError::Damaged("the slot of a passphrase");
    let Some((head, sealed)) = body.split_at_checked(28) else {
        return Err(damaged);
    };
    let number = |at: usize| {
        let bytes = head.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    let cost = PassphraseCost {
        memory_kib: number(0),
        passes: number(4),
        lanes: number(8),
    };
    if cost.memory_kib > MOST_MEMORY_KIB || cost.passes > MOST_PASSES {
        return Err(damaged);
    }
    let salt = head.get(12..).unwrap_or_default();
    let key = stretched(passphrase, salt, cost)?;
    let root = key.open(&slot_aad(head, pair), sealed).map(Zeroizing::new);
    let root = root.and_then(|root| root.as_slice().try_into().ok());
    Ok(root.map(Zeroizing::new))
}

/// Ties a slot to its settings and to the pair whose root it holds.
fn slot_aad(head: &[u8], pair: &Pair) -> Vec<u8> {
    let pair = blake3::hash(&pair.public);
    [SLOT, &[PASSPHRASE], head, pair.as_bytes()].concat()
}

/// The key that Argon2id makes of a passphrase (RFC 9106).
fn stretched(passphrase: &[u8], salt: &[u8], cost: PassphraseCost) -> Result<Cipher, SealError> {
    let refused = |_| SealError::Damaged("the cost of a passphrase's slot");
    let params = argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
    let argon2 = argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        params.map_err(refused)?,
    );
    let mut key = Zeroizing::new([0; 32]);
    argon2
        .hash_password_into(passphrase, salt, &mut key[..])
        .map_err(refused)?;
    Ok(Cipher::new(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PassphraseCost = PassphraseCost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn filled() -> (Secret, Pair, Slots) {
        let root = draw_root().unwrap();
        let (pair, _) = Pair::draw(&root).unwrap();
        let mut slots = Slots::default();
        slots.add(&root, b"open sesame", CHEAP, &pair).unwrap();
        (root, pair, slots)
    }

    #[test]
    fn a_slot_opens_with_its_passphrase_and_its_pair_only() {
        let (root, pair, slots) = filled();
        let slots = Slots::from_bytes(&slots.to_bytes()).unwrap();
        assert_eq!(slots.open(b"open sesame", &pair).unwrap(), (0, root));
        let wrong = slots.open(b"open barley", &pair);
        assert!(matches!(wrong, Err(SealError::WrongPassphrase)));
        let (_, other, _) = filled();
        assert!(slots.open(b"open sesame", &other).is_err());
    }

    #[test]
    fn unknown_kinds_are_kept_and_passed_over() {
        let (root, pair, slots) = filled();
        let mut list = slots.to_bytes();
        list.splice(1..1, [200, 0, 2, 8, 9]);
        let slots = Slots::from_bytes(&list).unwrap();
        assert_eq!(slots.to_bytes(), list);
        assert_eq!(slots.open(b"open sesame", &pair).unwrap(), (1, root));
    }

    #[test]
    fn damaged_newer_and_costly_lists_are_refused_in_words() {
        let (_, pair, slots) = filled();
        let good = slots.to_bytes();
        assert!(Slots::from_bytes(&good[..good.len() - 1]).is_err());
        assert!(Slots::from_bytes(&[]).is_err());
        let newer = Slots::from_bytes(&[2]);
        assert!(matches!(newer, Err(SealError::Newer { found: 2 })));
        let mut costly = good.clone();
        costly[4] = 0xFF;
        let refused = Slots::from_bytes(&costly)
            .unwrap()
            .open(b"open sesame", &pair);
        assert!(matches!(refused, Err(SealError::Damaged(_))));
        for index in 8..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 1;
            let opened = Slots::from_bytes(&bad).unwrap().open(b"open sesame", &pair);
            assert!(opened.is_err(), "byte {index}");
        }
    }

    #[test]
    fn the_pair_opens_with_its_root_and_its_public_half() {
        let (root, pair, _) = filled();
        let bytes = pair.to_bytes();
        assert_eq!(bytes.len(), 1 + PUBLIC + NONCE + 32 + TAG);
        assert!(Pair::from_bytes(&bytes).unwrap().open(&root).is_ok());
        assert!(pair.open(&draw_root().unwrap()).is_err());
        for index in [1, 600, PUBLIC, PUBLIC + 1, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[index] ^= 1;
            assert!(Pair::from_bytes(&bad).unwrap().open(&root).is_err());
        }
    }
}
