//! The bytes that go to the primary: the message as it came, with our results of its checks on top
//! and without results that somebody forged under our name.

use bytes::{Bytes, BytesMut};

use crate::auth::results;
use crate::auth::verdict::Verdicts;
use crate::envelope::Recipient;
use crate::spool::{Message, MessageBody, SpoolError};

/// Pieces of a large message, in bytes.
const PIECE: usize = 64 << 10;
/// Header sections are looked at so far.
const HEAD: usize = 256 << 10;

/// A message being read out, piece by piece.
pub(super) struct Reading<'m> {
    first: Option<Bytes>,
    rest: Option<(&'m store::SealedBlob, u64)>,
}

impl<'m> Reading<'m> {
    /// Begins; `name` is ours. Blocks on the disk for large messages.
    pub(super) fn begin(
        message: &'m Message,
        verdicts: Option<&Verdicts>,
        name: &str,
    ) -> Result<Self, SpoolError> {
        let head = head(message)?;
        let rest = match &message.body {
            MessageBody::Inline(_) => None,
            MessageBody::Blob(blob) => Some((blob, head.len() as u64)),
        };
        let on_top = verdicts
            .map(|verdicts| on_top(verdicts, name))
            .unwrap_or_default();
        Ok(Self {
            first: Some(put_together(&head, on_top.as_bytes(), name)),
            rest,
        })
    }

    /// The next piece; `None` at the end. Blocks on the disk for large messages.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, SpoolError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some((blob, offset)) = &mut self.rest else {
            return Ok(None);
        };
        let mut piece = BytesMut::zeroed(PIECE);
        let read = blob.read_at(*offset, &mut piece)?;
        *offset += read as u64;
        piece.truncate(read);
        Ok((read > 0).then(|| piece.freeze()))
    }
}

/// The beginning of a message, or all of it. Blocks on the disk for large messages.
fn head(message: &Message) -> Result<Bytes, SpoolError> {
    match &message.body {
        MessageBody::Inline(bytes) => Ok(bytes.clone()),
        MessageBody::Blob(blob) => {
            let mut head = BytesMut::zeroed(HEAD);
            let read = blob.read_at(0, &mut head)?;
            head.truncate(read);
            Ok(head.freeze())
        }
    }
}

/// RFC 6531 §3.4: SMTPUTF8 is needed for an envelope or a header section that is not ASCII. That a
/// sender announced it is not the need.
pub(super) fn needs_utf8(message: &Message) -> Result<bool, SpoolError> {
    let envelope = &message.meta.envelope;
    if !envelope.sender.utf8 {
        return Ok(false);
    }
    let addressed = |one: &Recipient| one.mailbox.needs_utf8();
    if envelope.sender.path.needs_utf8() || envelope.recipients.iter().any(addressed) {
        return Ok(true);
    }
    let head = head(message)?;
    let end = memchr::memmem::find(&head, b"\r\n\r\n").unwrap_or(head.len());
    Ok(!head.get(..end).unwrap_or_default().is_ascii())
}

fn on_top(verdicts: &Verdicts, name: &str) -> String {
    let mut fields = results::header(name, verdicts);
    fields.extend(verdicts.spam.map(|spam| spam.header()));
    fields
}

fn put_together(head: &Bytes, on_top: &[u8], name: &str) -> Bytes {
    // RFC 8601 §5: results under our name that are not ours are removed.
    let head = results::without_forged(head, name);
    if on_top.is_empty() {
        return head;
    }
    [on_top, &head].concat().into()
}
