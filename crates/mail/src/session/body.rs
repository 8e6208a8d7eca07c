//! Bodies: DATA with its dots (RFC 5321 §4.5.2), BDAT with its lengths (RFC 3030), and the end.

use bytes::{Buf, BytesMut};
use host::session::Output;
use model::Now;

use super::{Answer, Asked, Body, BodyFault, Inbound, PIECE, Question, Stage, reply};
use crate::wire::data::DataProgress;
use crate::wire::reply::Reply;

/// After so many bytes a guest has got on. One byte now and then is no progress.
const STRIDE: u64 = 8 << 10;

impl Body {
    /// The surroundings do not want it; the reply is said when it is over.
    fn refuse(&mut self, reply: Reply) {
        self.fault = Some(BodyFault::Refused);
        self.said = Some(reply);
        self.piece.clear();
    }

    /// Counts what was added and notes what is too much.
    fn grew(&mut self, by: usize, most: u64) {
        self.length += by as u64;
        if self.length > most && self.fault.is_none() {
            self.fault = Some(BodyFault::TooLarge);
        }
        if self.fault.is_some() {
            self.piece.clear();
        }
    }

    /// Adds bytes of a chunk; a CR or LF alone is noted, also over the border of two chunks.
    fn add(&mut self, bytes: &[u8], most: u64) {
        for &byte in bytes {
            let bare = match byte {
                b'\n' => !self.after_cr,
                _ => self.after_cr,
            };
            self.after_cr = byte == b'\r';
            if bare && self.fault.is_none() {
                self.fault = Some(BodyFault::Bare);
            }
        }
        self.piece.extend_from_slice(bytes);
        self.grew(bytes.len(), most);
    }
}

impl Inbound {
    pub(super) fn take_data(&mut self, now: Now, input: &mut BytesMut, out: &mut Output<Question>) {
        let Stage::Data(decoder, body) = &mut self.stage else {
            return;
        };
        let before = body.piece.len();
        let strides = body.length / STRIDE;
        let progress = decoder.feed(input, &mut body.piece);
        let grown = body.piece.len().saturating_sub(before);
        body.grew(grown, self.terms.message);
        let full = body.piece.len() >= PIECE;
        let on = body.length / STRIDE > strides;
        match progress {
            // Whatever follows is not ours to understand: CVE-2023-51764 and its sisters.
            DataProgress::Bare => self.farewell(&reply::BARE_IN_BODY, out),
            DataProgress::End => self.body_ended(out),
            DataProgress::More => {
                if on {
                    self.got_on(now);
                }
                if full {
                    self.hand_on(out);
                }
            }
        }
    }

    fn hand_on(&mut self, out: &mut Output<Question>) {
        if let Stage::Data(_, body) | Stage::Chunk(_, body, _) = &mut self.stage {
            let piece = body.piece.split().freeze();
            self.ask(Question::Piece(piece), Asked::Piece, out);
        }
    }

    fn body_ended(&mut self, out: &mut Output<Question>) {
        let (Stage::Data(_, body) | Stage::Chunk(_, body, _)) = &mut self.stage else {
            return;
        };
        match body.fault {
            None => {
                let rest = body.piece.split().freeze();
                self.ask(Question::End(rest), Asked::End, out);
            }
            Some(fault) => {
                let reply = body.said.take().unwrap_or(match fault {
                    BodyFault::TooLarge => reply::TOO_LARGE,
                    BodyFault::Bare | BodyFault::Refused => reply::BARE_IN_BODY,
                });
                self.give_up(out);
                self.say(&reply, out);
            }
        }
    }

    pub(super) fn first_chunk_answered(&mut self, size: u64, last: bool, answer: Answer) {
        let Stage::Transaction(mut transaction) = std::mem::replace(&mut self.stage, Stage::Ready)
        else {
            return;
        };
        transaction.open = true;
        let mut body = Body::default();
        let chunk = super::Chunk {
            left: size,
            last,
            inside: true,
        };
        if let Answer::Say(reply) = answer
            && reply.code() != 354
        {
            body.refuse(reply);
        }
        self.stage = Stage::Chunk(transaction, body, chunk);
    }

    pub(super) fn take_chunk(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Output<Question>,
    ) {
        let Stage::Chunk(_, body, chunk) = &mut self.stage else {
            return;
        };
        let strides = body.length / STRIDE;
        let most = usize::try_from(chunk.left).unwrap_or(usize::MAX);
        let take = input.len().min(most).min(PIECE);
        let bytes = input.get(..take).unwrap_or_default();
        body.add(bytes, self.terms.message);
        input.advance(take);
        chunk.left -= take as u64;
        let (full, on) = (body.piece.len() >= PIECE, body.length / STRIDE > strides);
        if on {
            self.got_on(now);
        }
        if full {
            self.hand_on(out);
        } else {
            self.after_chunk(out);
        }
    }

    /// Answers a chunk that is whole.
    pub(super) fn after_chunk(&mut self, out: &mut Output<Question>) {
        let Stage::Chunk(_, body, chunk) = &mut self.stage else {
            return;
        };
        if self.open.is_some() || !chunk.inside || chunk.left > 0 {
            return;
        }
        chunk.inside = false;
        if chunk.last || body.fault.is_some() {
            if body.after_cr && body.fault.is_none() {
                body.fault = Some(BodyFault::Bare);
            }
            // RFC 3030 §2: after a refusal the message is over; further chunks are refused.
            return self.body_ended(out);
        }
        self.say(&reply::CHUNK_OK, out);
    }

    pub(super) fn piece_answered(&mut self, answer: Answer, out: &mut Output<Question>) {
        if let Answer::Say(reply) = answer {
            let for_good = reply.code() / 100 == 5;
            match &mut self.stage {
                Stage::Chunk(_, body, _) => body.refuse(reply),
                // DATA has no way to say no in the middle. Who shall not come again must hear it,
                // so the rest is swallowed; whoever shall is sent away at once.
                Stage::Data(_, body) if for_good => body.refuse(reply),
                _ => return self.farewell(&reply, out),
            }
        }
        self.after_chunk(out);
    }

    pub(super) fn end_answered(&mut self, answer: Answer, out: &mut Output<Question>) {
        self.stage = Stage::Ready;
        self.idle = 0;
        match answer {
            Answer::Kept(kept) => self.say(&reply::kept(kept), out),
            Answer::Say(reply) => self.say(&reply, out),
            // Nobody promised anything: the sender shall come again.
            Answer::Go | Answer::Stay(_) => self.say(&reply::NOT_KEPT, out),
        }
    }
}
