//! Messages on a stream: two bytes of length before each (RFC 1035 §4.2.2, RFC 7766).

/// Splits complete messages off a growing buffer.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buf: Vec<u8>,
    at: usize,
}

impl Frames {
    /// Adds bytes as they came.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.buf.drain(..self.at);
            self.at = 0;
        }
        self.buf.extend_from_slice(bytes);
    }

    /// The next complete message.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let len = usize::from(super::read_u16(&self.buf, self.at)?);
        let from = self.at + 2;
        if self.buf.len() < from + len {
            return None;
        }
        self.at = from + len;
        self.buf.get(from..from + len)
    }

    /// Whether [`Self::next`] would give a message.
    pub(crate) fn is_complete(&self) -> bool {
        let len = super::read_u16(&self.buf, self.at).map(usize::from);
        len.is_some_and(|len| self.pending() >= 2 + len)
    }

    /// Bytes of a message that is not complete yet.
    pub(crate) fn pending(&self) -> usize {
        self.buf.len().saturating_sub(self.at)
    }
}

/// Appends `message` with its length; a message above 65,535 bytes is left out.
pub(crate) fn push_frame(out: &mut Vec<u8>, message: &[u8]) {
    if let Ok(len) = u16::try_from(message.len()) {
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(message);
    }
}
