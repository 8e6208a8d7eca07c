//! Addresses as keyed hashes: the only form in which the book and the store hold them.

use std::fmt;

use crate::recipients::address::Case;

/// The secret under which a standby hashes addresses. Without it the hashes name nobody.
#[derive(Clone, Copy)]
pub struct BookKey([u8; 32]);

impl BookKey {
    /// The key with these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The hash of an address in normal form. Hashes of the two ways of comparing never meet, so
    /// a change of the setting cannot make one person another.
    pub(crate) fn hash(&self, local: &str, domain: &str, case: Case) -> AddressHash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(match case {
            Case::Fold => b"~",
            Case::Exact => b"=",
        });
        hasher.update(local.as_bytes());
        hasher.update(b"@");
        hasher.update(domain.as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        AddressHash(hash)
    }
}

impl fmt::Debug for BookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BookKey(…)")
    }
}

/// An address under the book key: BLAKE3 of its normal form, the first 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressHash(pub(crate) [u8; 16]);

impl fmt::Debug for AddressHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressHash(…)")
    }
}
