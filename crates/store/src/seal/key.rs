//! Data keys: what seals records and blobs, and how one lies wrapped in the store.
//!
//! A data key is 32 random bytes with a number, the key id. Two keys are derived from it, one for
//! records and one for blobs, so that their nonces, which are made in different ways, never meet.
//! It is stored wrapped to the store's public key of reception by HPKE (RFC 9180, base mode) with
//! X-Wing (X25519 and ML-KEM-768 together), HKDF-SHA256 and ChaCha20-Poly1305:
//!
//! | bytes | wrapped data key |
//! |---|---|
//! | 0 | version of this layout, `1` |
//! | 1..1121 | HPKE's encapsulated key |
//! | 1121..1169 | the data key and its tag; associated data: the key id, big-endian |

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::SealError;

/// Bytes of a nonce before what it sealed.
pub(crate) const NONCE: usize = 24;
/// Bytes of a tag behind what it seals.
pub(crate) const TAG: usize = 16;
/// Bytes of the public key of reception.
pub(super) const PUBLIC: usize = 1216;
const ENCAPSULATED: usize = 1120;
const VERSION: u8 = 1;

const FOR_RECORDS: &str = "servergate store 2026: data key, records";
const FOR_BLOBS: &str = "servergate store 2026: data key, blobs";
const INFO: &[u8] = b"servergate store 2026: wrapped data key";

/// 32 secret bytes, wiped when they are dropped.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// New random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| SealError::Random(error.into()))?;
    Ok(bytes)
}

/// A cipher whose key is wiped when it is dropped.
#[derive(Clone)]
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(super) fn new(key: &Secret) -> Self {
        let key: &[u8; 32] = key;
        Self(XChaCha20Poly1305::new(key.into()))
    }

    fn derived(purpose: &str, secret: &Secret) -> Self {
        Self::new(&Zeroizing::new(blake3::derive_key(purpose, &secret[..])))
    }

    /// Adds to `out`: a random nonce, `body` sealed, the tag.
    pub(super) fn seal(&self, aad: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = random::<NONCE>()?;
        out.reserve(NONCE + body.len() + TAG);
        out.extend_from_slice(&nonce);
        let begin = out.len();
        out.extend_from_slice(body);
        self.seal_from(&nonce, aad, out, begin)
    }

    /// Opens what [`Self::seal`] added; `None` if a bit of it or of `aad` is another.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let mut body = sealed.to_vec();
        self.open_whole(nonce, aad, &mut body).then_some(body)
    }

    /// Seals the bytes of `out` from `begin` on and adds the tag.
    fn seal_from(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        out: &mut Vec<u8>,
        begin: usize,
    ) -> Result<(), SealError> {
        let body = out.get_mut(begin..).unwrap_or_default();
        let tag = self
            .0
            .encrypt_inout_detached(&XNonce::from(*nonce), aad, body.into());
        let Ok(tag) = tag else {
            // Only beyond 256 GiB; nothing in clear may stay where something sealed is awaited.
            out.truncate(begin);
            return Err(SealError::TooLong);
        };
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens `sealed` in place and removes the tag. Nothing is left in it if it does not open.
    fn open_whole(&self, nonce: &[u8; NONCE], aad: &[u8], sealed: &mut Vec<u8>) -> bool {
        let Some(tag) = sealed.last_chunk::<TAG>().copied() else {
            sealed.clear();
            return false;
        };
        sealed.truncate(sealed.len() - TAG);
        let (nonce, tag) = (XNonce::from(*nonce), Tag::from(tag));
        let body = sealed.as_mut_slice().into();
        let opened = self.0.decrypt_inout_detached(&nonce, aad, body, &tag);
        if opened.is_err() {
            sealed.clear();
        }
        opened.is_ok()
    }
}

/// What seals records and blobs.
pub(crate) struct DataKey {
    id: u32,
    records: Cipher,
    blobs: Cipher,
}

impl DataKey {
    pub(super) fn new(id: u32, secret: &Secret) -> Self {
        Self {
            id,
            records: Cipher::derived(FOR_RECORDS, secret),
            blobs: Cipher::derived(FOR_BLOBS, secret),
        }
    }

    /// Its number, greater than 0.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Adds to `out`: a random nonce, the body sealed, the tag.
    pub(crate) fn seal_record(
        &self,
        aad: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.records.seal(aad, body, out)
    }

    /// Opens what [`Self::seal_record`] added; `None` if a bit of it or of `aad` is another.
    pub(crate) fn open_record(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.records.open(aad, sealed)
    }

    /// Seals a piece of a blob in place and adds the tag.
    pub(crate) fn seal_chunk(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        chunk: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.blobs.seal_from(nonce, aad, chunk, 0)
    }

    /// Opens a piece in place; `false`, and nothing left in it, if it is not what was sealed.
    pub(crate) fn open_chunk(&self, nonce: &[u8; NONCE], aad: &[u8], chunk: &mut Vec<u8>) -> bool {
        self.blobs.open_whole(nonce, aad, chunk)
    }
}

/// The public half of reception: wraps data keys, opens nothing.
pub(super) struct Reception(<XWing as Kem>::PublicKey);

/// The private half; wiped when it is dropped.
pub(super) struct PrivateKey(<XWing as Kem>::PrivateKey);

impl Reception {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let key = <XWing as Kem>::PublicKey::from_bytes(bytes);
        key.map(Self)
            .map_err(|_| SealError::Damaged("the public key of reception"))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }

    /// The data key `id`, as it lies in the store.
    pub(super) fn wrap(&self, id: u32, secret: &Secret) -> Result<Vec<u8>, SealError> {
        // HPKE's own draw from the operating system would panic where this one reports.
        random::<1>()?;
        let (encapsulated, sealed) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            INFO,
            &secret[..],
            &id.to_be_bytes(),
        )
        .map_err(|_| SealError::Damaged("the public key of reception"))?;
        Ok([&[VERSION][..], &encapsulated.to_bytes(), &sealed].concat())
    }
}

impl PrivateKey {
    /// A new pair, from 32 random bytes.
    pub(super) fn draw() -> Result<Self, SealError> {
        let seed = Zeroizing::new(random::<32>()?);
        Ok(Self(XWing::derive_keypair(&seed[..]).0))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <XWing as Kem>::PrivateKey::from_bytes(bytes).ok().map(Self)
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; <XWing as Kem>::PrivateKey::size()]);
        self.0.write_exact(&mut bytes);
        bytes
    }

    pub(super) fn reception(&self) -> Reception {
        Reception(XWing::sk_to_pk(&self.0))
    }

    /// The data key in what [`Reception::wrap`] made; `None` if it is not one of this pair.
    pub(super) fn unwrap_key(&self, id: u32, wrapped: &[u8]) -> Option<DataKey> {
        let (_, rest) = wrapped
            .split_first()
            .filter(|(version, _)| **version == VERSION)?;
        let (encapsulated, sealed) = rest.split_at_checked(ENCAPSULATED)?;
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let secret = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            INFO,
            sealed,
            &id.to_be_bytes(),
        );
        let secret = Zeroizing::new(secret.ok()?);
        let secret: Secret = Zeroizing::new(secret.as_slice().try_into().ok()?);
        Some(DataKey::new(id, &secret))
    }
}

#[cfg(test)]
pub(crate) fn test_key(id: u32) -> DataKey {
    DataKey::new(id, &Zeroizing::new([id as u8; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_under_its_own_number_and_pair_only() {
        let private = PrivateKey::draw().unwrap();
        let secret = Zeroizing::new([9; 32]);
        let reception = Reception::from_bytes(&private.reception().to_bytes()).unwrap();
        let wrapped = reception.wrap(7, &secret).unwrap();
        assert_eq!(wrapped.len(), 1 + ENCAPSULATED + 32 + TAG);
        let mut sealed = Vec::new();
        DataKey::new(7, &secret)
            .seal_record(b"aad", b"body", &mut sealed)
            .unwrap();
        let again = PrivateKey::from_bytes(&private.to_bytes()).unwrap();
        let key = again.unwrap_key(7, &wrapped).unwrap();
        assert_eq!(key.open_record(b"aad", &sealed).unwrap(), b"body");
        assert!(again.unwrap_key(8, &wrapped).is_none());
        assert!(
            PrivateKey::draw()
                .unwrap()
                .unwrap_key(7, &wrapped)
                .is_none()
        );
        for index in (0..wrapped.len()).step_by(97) {
            let mut bad = wrapped.clone();
            bad[index] ^= 1;
            assert!(again.unwrap_key(7, &bad).is_none(), "byte {index}");
        }
        assert!(again.unwrap_key(7, &wrapped[..100]).is_none());
    }

    #[test]
    fn the_keys_of_records_and_blobs_differ() {
        let key = test_key(1);
        let nonce = [0; NONCE];
        let mut chunk = b"the same".to_vec();
        key.seal_chunk(&nonce, b"", &mut chunk).unwrap();
        let as_record = [&nonce[..], &chunk].concat();
        assert_eq!(key.open_record(b"", &as_record), None);
        assert!(key.open_chunk(&nonce, b"", &mut chunk));
        assert_eq!(chunk, b"the same");
    }

    #[test]
    fn what_does_not_open_leaves_nothing() {
        let key = test_key(1);
        let mut chunk = b"in clear".to_vec();
        key.seal_chunk(&[1; NONCE], b"", &mut chunk).unwrap();
        assert!(!key.open_chunk(&[2; NONCE], b"", &mut chunk));
        assert!(chunk.is_empty());
        assert!(!key.open_chunk(&[2; NONCE], b"", &mut vec![0; TAG - 1]));
    }
}
