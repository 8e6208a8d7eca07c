//! Lines of SMTP as a client reads them (RFC 5321 §4.2), bounded.

use model::{Failure, Phase};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::probe::fault;

/// RFC 5321 §4.5.3.1.5 allows a reply line 512 octets; some servers do not count.
const LINE_MOST: usize = 2048;
/// So many lines a reply may have. No server has so many extensions.
const LINES_MOST: usize = 100;

/// A conversation in lines.
pub(super) struct Talk<S> {
    stream: S,
    /// What came and is not read yet.
    buffer: Vec<u8>,
}

/// One line of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its code.
    pub(super) code: u16,
    /// Whether the reply goes on after it.
    pub(super) more: bool,
    starttls: bool,
}

/// A whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its code.
    pub(super) code: u16,
    /// Whether one of its further lines is the keyword STARTTLS (RFC 3207 §2).
    pub(super) offers_starttls: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    pub(super) fn new(stream: S) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// Says a command and reads its reply.
    pub(super) async fn command(&mut self, text: &str, phase: Phase) -> Result<Reply, Failure> {
        // A server that answers before it is asked is none that we understand.
        if !self.buffer.is_empty() {
            return Err(Failure::Malformed { phase });
        }
        let line = format!("{text}\r\n");
        let sent = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| fault::talking(&error, phase))?;
        let first = self.line(phase).await?;
        self.rest(first, phase).await
    }

    /// Reads the lines that follow `first`, all with its code (RFC 5321 §4.2.1). Only a refusal
    /// may fall in, as it does where a server greets line by line while it looks at the client.
    pub(super) async fn rest(&mut self, first: Line, phase: Phase) -> Result<Reply, Failure> {
        let mut reply = Reply {
            code: first.code,
            // The first line is the server's name, keywords follow (RFC 5321 §4.1.1.1).
            offers_starttls: false,
        };
        let mut line = first;
        let mut lines = 1;
        while line.more {
            line = self.line(phase).await?;
            lines += 1;
            let refusal = line.code >= 400 && !line.more;
            if (line.code != reply.code && !refusal) || lines > LINES_MOST {
                return Err(Failure::Malformed { phase });
            }
            reply.code = line.code;
            reply.offers_starttls |= line.starttls;
        }
        Ok(reply)
    }

    /// Reads one line.
    pub(super) async fn line(&mut self, phase: Phase) -> Result<Line, Failure> {
        let mut looked = 0;
        loop {
            let new = self.buffer.get(looked..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', new) {
                let whole: Vec<u8> = self.buffer.drain(..=looked + end).collect();
                return parse(&whole).ok_or(Failure::Malformed { phase });
            }
            looked = self.buffer.len();
            if looked >= LINE_MOST {
                return Err(Failure::Malformed { phase });
            }
            let mut piece = [0; 512];
            match self.stream.read(&mut piece).await {
                Ok(0) => return Err(Failure::Reset { phase }),
                Ok(length) => self.buffer.extend(piece.iter().take(length)),
                Err(error) => return Err(fault::talking(&error, phase)),
            }
        }
    }

    /// Ends the talk in lines; `None` if something was said that nobody asked for.
    pub(super) fn end(self) -> Option<S> {
        self.buffer.is_empty().then_some(self.stream)
    }
}

/// A code of three digits, then `-` where more lines follow, then text. A client should take a
/// bare code too (RFC 5321 §4.2).
fn parse(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, rest) = line.split_at_checked(3)?;
    let code = match digits {
        [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] => str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    let (more, text) = match rest {
        [] => (false, rest),
        [b' ', text @ ..] => (false, text),
        [b'-', text @ ..] => (true, text),
        _ => return None,
    };
    let keyword = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    Some(Line {
        code,
        more,
        starttls: keyword.eq_ignore_ascii_case(b"STARTTLS"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_code_and_what_follows() {
        let line = |code, more, starttls| {
            Some(Line {
                code,
                more,
                starttls,
            })
        };
        assert_eq!(parse(b"220 mail.verein.test\r\n"), line(220, false, false));
        assert_eq!(parse(b"250-starttls\r\n"), line(250, true, true));
        assert_eq!(parse(b"250 STARTTLS REQUIRED\n"), line(250, false, true));
        assert_eq!(parse(b"250-XSTARTTLS\r\n"), line(250, true, false));
        assert_eq!(parse(b"421\r\n"), line(421, false, false));
        for nonsense in [
            "\r\n",
            "22\r\n",
            "220",
            "120 x\r\n",
            "620 x\r\n",
            "2 0 x\r\n",
            "220_x\r\n",
            "SSH-2.0-x\r\n",
            "* OK ready\r\n",
            "2200 x\r\n",
        ] {
            assert_eq!(parse(nonsense.as_bytes()), None, "{nonsense:?}");
        }
    }
}
