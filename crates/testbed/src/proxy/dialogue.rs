//! Which answer belongs to what: commands and answers counted, bodies passed over. Pure.

use std::collections::VecDeque;

/// Of a line nobody needs more.
const LONGEST: usize = 4096;

/// What a server is expected to answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Command,
    Data,
    End,
}

/// A conversation as somebody in the middle sees it.
#[derive(Debug)]
pub(super) struct Dialogue {
    expected: VecDeque<Expected>,
    /// What the client says is a body.
    in_body: bool,
    line: Vec<u8>,
    answer: Vec<u8>,
    answer_line: usize,
}

/// What the server's next byte completes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing yet.
    Part,
    /// An answer.
    Answer(Vec<u8>),
    /// The answer that takes a message.
    Taken(Vec<u8>),
}

impl Default for Dialogue {
    fn default() -> Self {
        Self {
            // The greeting answers to the connection.
            expected: VecDeque::from([Expected::Command]),
            in_body: false,
            line: Vec::new(),
            answer: Vec::new(),
            answer_line: 0,
        }
    }
}

impl Dialogue {
    /// The client says something.
    pub(super) fn said(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.line.len() < LONGEST {
                self.line.push(*byte);
            }
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.said_line(&line);
            }
        }
    }

    fn said_line(&mut self, line: &[u8]) {
        if !self.in_body {
            let is_data = line.eq_ignore_ascii_case(b"DATA\r\n");
            self.expected.push_back(match is_data {
                true => Expected::Data,
                false => Expected::Command,
            });
        } else if line == b".\r\n" {
            self.in_body = false;
            self.expected.push_back(Expected::End);
        }
    }

    /// The server says something.
    pub(super) fn heard(&mut self, byte: u8) -> Heard {
        self.answer.push(byte);
        if byte != b'\n' {
            return Heard::Part;
        }
        // RFC 5321 §4.2.1: a hyphen behind the code of every line but the last.
        let last = self.answer.get(self.answer_line..).unwrap_or_default();
        if last.get(3) == Some(&b'-') {
            self.answer_line = self.answer.len();
            return Heard::Part;
        }
        self.answer_line = 0;
        let answer = std::mem::take(&mut self.answer);
        let code = answer.first().copied();
        match self.expected.pop_front() {
            Some(Expected::Data) => {
                // DATA is the last of its group (RFC 2920 §3.1): nothing came behind it.
                self.in_body = code == Some(b'3');
                Heard::Answer(answer)
            }
            Some(Expected::End) if code == Some(b'2') => Heard::Taken(answer),
            _ => Heard::Answer(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(dialogue: &mut Dialogue, text: &str) -> Vec<bool> {
        let all = text.bytes().map(|byte| dialogue.heard(byte));
        let whole = all.filter(|heard| *heard != Heard::Part);
        whole
            .map(|heard| matches!(heard, Heard::Taken(_)))
            .collect()
    }

    #[test]
    fn the_answer_that_takes_a_message_is_found_among_pipelined_commands() {
        let mut dialogue = Dialogue::default();
        assert_eq!(heard(&mut dialogue, "220 hello\r\n"), [false]);
        dialogue.said(b"EHLO us\r\n");
        assert_eq!(
            heard(&mut dialogue, "250-it\r\n250 PIPELINING\r\n"),
            [false]
        );
        dialogue.said(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        let ready = heard(&mut dialogue, "250 Ok\r\n250 Ok\r\n354 Go\r\n");
        assert_eq!(ready, [false; 3]);
        // A dot that is doubled ends nothing; the end comes in two pieces, with the next message.
        dialogue.said(b"Subject: MAIL\r\n\r\n..\r\nDATA\r\n.\r");
        dialogue.said(b"\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
        let taken = heard(
            &mut dialogue,
            "250 Kept\r\n250 Ok\r\n550 No\r\n554 None\r\n",
        );
        assert_eq!(taken, [true, false, false, false]);
        // That DATA was refused, so what follows is a command.
        dialogue.said(b".\r\n");
        assert_eq!(heard(&mut dialogue, "250 Ok\r\n"), [false]);
    }

    #[test]
    fn a_message_that_is_refused_is_not_taken() {
        let mut dialogue = Dialogue::default();
        heard(&mut dialogue, "220 hello\r\n");
        dialogue.said(b"DATA\r\n");
        heard(&mut dialogue, "354 Go\r\n");
        dialogue.said(b"text\r\n.\r\n");
        assert_eq!(heard(&mut dialogue, "451 Later\r\n"), [false]);
    }
}
