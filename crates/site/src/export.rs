//! A generation as a WARC 1.1 file, for archives and for people who want to look with other tools.

use std::io::{self, Write};

use http::StatusCode;
use store::{Blob, BlobError, Blobs};

use crate::capture::AGENT;
use crate::wire::manifest::{Manifest, PageSpec};
use crate::wire::warc::{Payload, Record};

/// Pieces in which bodies are read.
const PIECE: usize = 64 * 1024;

/// Writes every page of `manifest` as a response record, after a record that says what it is.
/// Blocks on the disk. Returns how many pages were written.
///
/// # Errors
/// A body is missing or damaged, or `to` cannot be written.
pub(crate) fn warc(manifest: &Manifest, blobs: &Blobs, to: &mut dyn Write) -> io::Result<u64> {
    let info = info(manifest);
    let mut record = Record {
        kind: "warcinfo",
        target: None,
        date: manifest.ended.to_string(),
        content_type: "application/warc-fields",
        head: &[],
        payload: &mut info.as_bytes(),
        fields: Vec::new(),
    };
    record.write(to)?;
    let mut written = 0;
    for page in &manifest.pages {
        let blob = blobs.open(&page.body.0).map_err(io::Error::other)?;
        blob.verify().map_err(io::Error::other)?;
        response(manifest, page, blob).map(|mut it| it.write(to))??;
        written += 1;
    }
    Ok(written)
}

fn info(manifest: &Manifest) -> String {
    let hosts: Vec<&str> = manifest.hosts.iter().map(|host| &**host).collect();
    format!(
        "software: {AGENT}\r\nformat: WARC File Format 1.1\r\n\
         conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n\
         description: generation {} of {}, from {}\r\n",
        manifest.number,
        hosts.join(", "),
        manifest.source,
    )
}

/// What a response record is made of.
struct Response {
    target: String,
    date: String,
    head: Vec<u8>,
    body: Body,
}

impl Response {
    fn write(&mut self, to: &mut dyn Write) -> io::Result<()> {
        let mut record = Record {
            kind: "response",
            target: Some(self.target.clone()),
            date: self.date.clone(),
            content_type: "application/http; msgtype=response",
            head: &self.head,
            payload: &mut self.body,
            fields: Vec::new(),
        };
        record.write(to)
    }
}

fn response(manifest: &Manifest, page: &PageSpec, blob: Blob) -> io::Result<Response> {
    let status = StatusCode::from_u16(page.status).map_err(io::Error::other)?;
    let reason = status.canonical_reason().unwrap_or("Status");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", page.status).into_bytes();
    for (name, value) in manifest.headers(page) {
        // The body is kept decoded: what spoke of its coding on the wire gets another name.
        let moved = ["content-encoding", "transfer-encoding", "content-length"];
        if moved.contains(&name.to_ascii_lowercase().as_str()) {
            head.extend_from_slice(b"X-Archive-Orig-");
        }
        head.extend_from_slice(title_case(name).as_bytes());
        head.extend_from_slice(b": ");
        head.extend(crate::generation::latin1(value));
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-Length: {}\r\n\r\n", blob.len()).as_bytes());
    Ok(Response {
        target: format!("https://{}{}", manifest.host(page), page.target),
        date: page.captured.to_string(),
        head,
        body: Body(blob),
    })
}

/// `content-type` → `Content-Type`: names came in small letters from the library.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

#[derive(Debug)]
struct Body(Blob);

impl Payload for Body {
    fn length(&self) -> u64 {
        self.0.len()
    }

    fn each(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        let mut offset = 0;
        loop {
            let read = self
                .0
                .read_at(offset, &mut buffer)
                .map_err(|error: BlobError| io::Error::other(error))?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                return Ok(());
            };
            take(piece)?;
            offset += read as u64;
        }
    }
}
