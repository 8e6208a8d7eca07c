//! The trace fields that we put on top of a message (RFC 5321 §4.4).

use model::Timestamp;

use crate::envelope::Envelope;
use crate::wire::header::{self, Received, write_received};

/// RFC 5321 §6.3: so many `Received` fields are a loop.
pub(crate) const MOST_HOPS: usize = 100;
/// The field that names a message, the same in every copy of it.
pub(crate) const ID_FIELD: &str = "X-Servergate-Id";

/// On top of a message that is kept: what names it, and where it came from.
pub(crate) fn kept(name: &str, envelope: &Envelope, id: &str, at: Timestamp) -> Vec<u8> {
    let mut bytes = passed(name, envelope, id, at);
    bytes.extend_from_slice(format!("{ID_FIELD}: {id}\r\n").as_bytes());
    bytes
}

/// On top of a message that is passed through.
pub(crate) fn passed(name: &str, envelope: &Envelope, id: &str, at: Timestamp) -> Vec<u8> {
    // More than one recipient would tell one about the others (RFC 5321 §7.2).
    let only = match envelope.recipients.as_slice() {
        [one] => Some(&one.mailbox),
        _ => None,
    };
    let client = &envelope.client;
    let mut bytes = Vec::with_capacity(512);
    let received = Received {
        helo: &client.helo,
        address: client.address.ip(),
        by: name,
        with: client.protocol(envelope.sender.utf8),
        id,
        tls: client
            .tls
            .as_ref()
            .map(|(version, cipher)| (version.as_str(), cipher.as_str())),
        only,
        at,
    };
    write_received(&received, &mut bytes);
    bytes
}

/// A kept message as it came: without the fields that [`kept`] put on top.
pub(crate) fn without(message: &[u8]) -> &[u8] {
    let end = header::fields(message)
        .nth(1)
        .map_or(0, |(_, field)| field.end);
    message.get(end..).unwrap_or_default()
}
