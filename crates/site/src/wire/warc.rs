//! WARC 1.1 records (ISO 28500:2017), each its own gzip member. The export writes them.

use std::io::{self, Write};

use data_encoding::BASE32;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// One record to be written.
#[derive(Debug)]
pub struct Record<'a> {
    /// `warcinfo` or `response`.
    pub kind: &'static str,
    /// `https://verein.test/`; none for `warcinfo`.
    pub target: Option<String>,
    /// RFC 3339 in UTC.
    pub date: String,
    /// The media type of the block.
    pub content_type: &'static str,
    /// What goes before the payload in the block: the HTTP status line and headers.
    pub head: &'a [u8],
    /// The payload, in pieces that are read twice: once for the digests, once for the file.
    pub payload: &'a mut dyn Payload,
    /// Further named fields.
    pub fields: Vec<(&'static str, String)>,
}

/// Bytes that can be read more than once.
pub trait Payload: std::fmt::Debug {
    /// How many bytes there are.
    fn length(&self) -> u64;
    /// Hands all bytes to `take`, in order.
    ///
    /// # Errors
    /// They could not be read, or `take` failed.
    fn each(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}

/// A payload in memory.
impl Payload for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn each(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        take(self)
    }
}

impl Record<'_> {
    /// Writes the record as one gzip member.
    ///
    /// # Errors
    /// The payload could not be read or `to` not written.
    pub fn write(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let mut block = Sha256::new();
        let mut payload = Sha256::new();
        block.update(self.head);
        self.payload.each(&mut |piece| {
            block.update(piece);
            payload.update(piece);
            Ok(())
        })?;
        let block = digest(&block.finalize());
        let payload = digest(&payload.finalize());
        let length = (self.head.len() as u64).saturating_add(self.payload.length());
        let mut member = GzEncoder::new(to, Compression::default());
        let line =
            |member: &mut dyn Write, name: &str, value: &str| write!(member, "{name}: {value}\r\n");
        write!(member, "WARC/1.1\r\n")?;
        line(&mut member, "WARC-Type", self.kind)?;
        line(&mut member, "WARC-Record-ID", &self.id(&block))?;
        line(&mut member, "WARC-Date", &self.date)?;
        if let Some(target) = &self.target {
            line(&mut member, "WARC-Target-URI", target)?;
            line(&mut member, "WARC-Payload-Digest", &payload)?;
        }
        line(&mut member, "WARC-Block-Digest", &block)?;
        for (name, value) in &self.fields {
            line(&mut member, name, value)?;
        }
        line(&mut member, "Content-Type", self.content_type)?;
        line(&mut member, "Content-Length", &length.to_string())?;
        member.write_all(b"\r\n")?;
        member.write_all(self.head)?;
        self.payload.each(&mut |piece| member.write_all(piece))?;
        member.write_all(b"\r\n\r\n")?;
        member.finish()?;
        Ok(())
    }

    /// A name of its own for the record, the same at every export of the same generation.
    fn id(&self, block: &str) -> String {
        let target = self.target.as_deref().unwrap_or_default();
        let hash =
            blake3::hash(format!("{}\n{target}\n{}\n{block}", self.kind, self.date).as_bytes());
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(hash.as_bytes())
            .for_each(|(to, from)| *to = *from);
        // RFC 9562 §5.8: version 8, a UUID of our own making.
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = (*version & 0x0f) | 0x80;
        *variant = (*variant & 0x3f) | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        let parts = [
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32),
        ];
        format!("<urn:uuid:{}>", parts.join("-"))
    }
}

fn digest(hash: &[u8]) -> String {
    format!("sha256:{}", BASE32.encode(hash))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::*;

    #[test]
    fn a_record_has_its_lengths_and_digests() {
        let mut out = Vec::new();
        let mut record = Record {
            kind: "response",
            target: Some("https://verein.test/".into()),
            date: "2026-05-20T09:14:03Z".into(),
            content_type: "application/http; msgtype=response",
            head: b"HTTP/1.1 200 OK\r\n\r\n",
            payload: &mut &b"hello"[..],
            fields: vec![("WARC-IP-Address", "192.0.2.1".into())],
        };
        record.write(&mut out).unwrap();
        record.write(&mut out).unwrap();
        let mut text = String::new();
        MultiGzDecoder::new(&out[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(
            text.matches("WARC/1.1\r\nWARC-Type: response\r\n").count(),
            2
        );
        assert!(text.contains("Content-Length: 24\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello\r\n\r\n"));
        // The SHA-256 of "hello", as sha256sum and base32 print it.
        assert!(text.contains(
            "WARC-Payload-Digest: sha256:FTZE3OS7WCRQ4JXIHMVMLOPCTYNRMHS4D6TUEXTTAQZWFE4LTASA===="
        ), "{text}");
        let ids: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("WARC-Record-ID"))
            .collect();
        assert!(
            ids.iter()
                .all(|id| id.len() == "WARC-Record-ID: <urn:uuid:>".len() + 36)
        );
    }
}
