//! Targets for the fuzzer: a guest's, a primary's or a damaged disk's bytes in, nothing out.

use bytes::{Bytes, BytesMut};

use crate::head::{Head, Ours};
use crate::wire::command::Command;
use crate::wire::data::{DataDecoder, DataProgress};
use crate::wire::line::{Line, take_line};
use crate::wire::reply::{Capabilities, ReplyReader};
use crate::wire::{header, path};

/// Lines of a guest, and the commands in them.
pub fn smtp_line(data: &[u8]) {
    let mut input = BytesMut::from(data);
    while let Line::Whole(line) = take_line(&mut input, 2048) {
        let _ = Command::parse(&line);
    }
    let _ = path::Mailbox::parse(&String::from_utf8_lossy(data));
}

/// A body as DATA carries it, cut anywhere: it ends where a slow reading of the RFC says.
pub fn smtp_data(data: &[u8]) {
    let Some((&cut, body)) = data.split_first() else {
        return;
    };
    let (first, second) = body.split_at(usize::from(cut).min(body.len()));
    let (mut decoder, mut out) = (DataDecoder::default(), BytesMut::new());
    let mut input = BytesMut::from(first);
    let mut progress = decoder.feed(&mut input, &mut out);
    if progress == DataProgress::More {
        input.extend_from_slice(second);
        progress = decoder.feed(&mut input, &mut out);
    }
    assert_eq!(
        progress,
        slowly(body),
        "an end that is none, or none that is one"
    );
}

/// RFC 5321 §4.5.2, line by line.
fn slowly(body: &[u8]) -> DataProgress {
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            return DataProgress::More;
        };
        match (rest.get(end), rest.get(end + 1)) {
            (Some(b'\n'), _) => return DataProgress::Bare,
            (_, None) => return DataProgress::More,
            (_, Some(b'\n')) => {}
            (_, Some(_)) => return DataProgress::Bare,
        }
        if rest.get(..end) == Some(b".") {
            return DataProgress::End;
        }
        at += end + 2;
    }
}

/// Replies of a next hop.
pub fn smtp_reply(data: &[u8]) {
    let mut input = BytesMut::from(data);
    let mut reader = ReplyReader::default();
    while let Ok(Some(reply)) = reader.read(&mut input) {
        let _ = Capabilities::of(&reply);
    }
}

/// Header sections of messages.
pub fn mail_header(data: &[u8]) {
    let _ = header::fields(data).count();
    let ours = Ours {
        name: "mx.test".to_owned(),
        spam: true,
    };
    let mut head = Head::default();
    let (first, second) = data.split_at(data.len() / 2);
    for piece in [first, second] {
        if head.feed(Bytes::copy_from_slice(piece), &ours).is_err() {
            return;
        }
    }
    let _ = head.finish(&ours);
    for range in crate::auth::results::forged(data, "mx.test") {
        assert!(data.get(range).is_some());
    }
}

/// Records of kept messages as a damaged disk may give them back.
pub fn mail_record(data: &[u8]) {
    crate::spool::decode_any(data);
}
