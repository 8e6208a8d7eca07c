//! Signs messages of our own (RFC 6376, RFC 8463): reports about delivery, and the testbed's mail.

use data_encoding::BASE64;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner, Done};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::message::header_len;

/// The fields that are signed where a message has them (RFC 6376 §5.4.1).
const FIELDS: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Auto-Submitted",
];

/// Signs in the name of a domain.
pub struct Signer {
    signer: DkimSigner<DkimKey, Done>,
    record: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key is neither Ed25519 (PKCS#8) nor RSA of at least 2048 bits (PKCS#8, PKCS#1).
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The message does not say who it is from.
    #[error("a message without From: is not signed")]
    NoAuthor,
    /// The signature could not be made.
    #[error("the message cannot be signed: {0}")]
    Message(String),
}

impl Signer {
    /// Signs for `domain` with the private key in `key`, PEM or DER, whose public half is
    /// published below `selector` (see [`Self::record`]).
    pub fn new(selector: &str, domain: &str, key: &[u8]) -> Result<Self, SignError> {
        let (key, record) = read(key)?;
        let signer = DkimSigner::from_key(key)
            .domain(domain)
            .selector(selector)
            .headers(FIELDS)
            .header_canonicalization(Canonicalization::Relaxed)
            .body_canonicalization(Canonicalization::Relaxed);
        Ok(Self { signer, record })
    }

    /// The field to be put on top of `message`, with its line end.
    pub fn sign(&self, message: &[u8]) -> Result<String, SignError> {
        // RFC 6376 §5.4: From: is always signed. The library would sign that there is none.
        let header = message.get(..header_len(message)).unwrap_or(message);
        let mut lines = header.split(|byte| *byte == b'\n');
        if !lines.any(is_from) {
            return Err(SignError::NoAuthor);
        }
        let signature = self.signer.sign(message);
        let signature = signature.map_err(|error| SignError::Message(error.to_string()))?;
        Ok(signature.to_header())
    }

    /// The text to be published at `SELECTOR._domainkey.DOMAIN`.
    pub fn record(&self) -> &str {
        &self.record
    }
}

fn is_from(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len() && name.trim_ascii_end().eq_ignore_ascii_case(b"From")
}

fn read(key: &[u8]) -> Result<(DkimKey, String), SignError> {
    let bad = |error: &dyn std::fmt::Display| SignError::Key(error.to_string());
    let key = if key.starts_with(b"-----") {
        PrivateKeyDer::from_pem_slice(key).map_err(|error| bad(&error))?
    } else {
        PrivateKeyDer::try_from(key.to_vec()).map_err(|error| bad(&error))?
    };
    if let PrivateKeyDer::Pkcs8(der) = &key {
        // OpenSSL writes the first version of PKCS#8, which leaves the public half out.
        let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der());
        if let Ok(key) = key {
            // RFC 8463 §4: the 32 octets as they are.
            let record = format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(&key.public_key()));
            return Ok((DkimKey::Ed25519(key), record));
        }
    }
    let key = RsaKey::<Sha256>::from_key_der(key).map_err(|error| bad(&error))?;
    let public = BASE64.encode(&subject_public_key_info(&key.public_key()));
    Ok((DkimKey::Rsa(key), format!("v=DKIM1; k=rsa; p={public}")))
}

/// An RSAPublicKey as everybody publishes it: in a SubjectPublicKeyInfo (RFC 5280 §4.1; the
/// erratum 3017 to RFC 6376).
fn subject_public_key_info(public: &[u8]) -> Vec<u8> {
    // SEQUENCE { OID rsaEncryption, NULL }
    const ALGORITHM: [u8; 15] = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let bits = [&[0], public].concat();
    let inner = [ALGORITHM.to_vec(), tagged(0x03, &bits)].concat();
    tagged(0x30, &inner)
}

/// DER (X.690 §8.1.3): the length in the shortest form.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let used = length.iter().position(|byte| *byte != 0);
    let used = length.get(used.unwrap_or(length.len() - 1)..);
    let used = used.unwrap_or_default();
    let mut out = vec![tag];
    match used {
        [short @ 0..=0x7f] => out.push(*short),
        long => {
            // At most eight octets.
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_what_openssl_writes() {
        let signer = Signer::new("s", "verein.test", include_bytes!("testdata/rsa.pem")).unwrap();
        let public: String = include_str!("testdata/rsa.pub.pem")
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        assert_eq!(signer.record(), format!("v=DKIM1; k=rsa; p={public}"));
    }

    #[test]
    fn other_keys_are_refused_in_words() {
        for key in [b"".as_slice(), b"-----BEGIN NOTHING-----\n", b"\x30\x00"] {
            let error = Signer::new("s", "verein.test", key).unwrap_err();
            assert!(matches!(error, SignError::Key(_)), "{error}");
        }
        let signer = Signer::new("s", "verein.test", include_bytes!("testdata/rsa.pem")).unwrap();
        for message in [
            b"".as_slice(),
            b"From\r\n\r\nFrom: x\r\n",
            b" From: x\r\n\r\n",
        ] {
            let refused = signer.sign(message);
            assert!(matches!(refused, Err(SignError::NoAuthor)), "{refused:?}");
        }
        assert!(signer.sign(b"from : a@b.test\r\n\r\n").is_ok());
    }
}
