//! Questions as a guest would send them, and answers as text, read by another library.

use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::AllRecordData;
use names::answer::{self, Transport, ZoneSet};
use names::wire::parse;

/// What came back, in presentation form; sections are sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reply {
    pub(crate) rcode: String,
    pub(crate) authoritative: bool,
    pub(crate) truncated: bool,
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
    pub(crate) size: usize,
}

/// Builds a question; `dnssec` adds EDNS with DO.
pub(crate) fn question(name: &str, rtype: &str, dnssec: bool) -> Vec<u8> {
    let name: Name<Vec<u8>> = name.parse().expect(name);
    let rtype: Rtype = rtype.parse().expect("type");
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(4711);
    builder.push((name, rtype)).unwrap();
    let mut builder = builder.additional();
    if dnssec {
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(4096);
                opt.set_dnssec_ok(true);
                Ok(())
            })
            .unwrap();
    }
    builder.finish()
}

/// Asks the pure answering function.
pub(crate) fn ask(zones: &ZoneSet, message: &[u8], transport: Transport) -> Reply {
    let mut out = Vec::new();
    match parse(message) {
        Ok(query) => answer::answer(zones, &query, message, transport, &mut out),
        Err(refusal) => answer::refuse(refusal, message, &mut out),
    };
    read(&out)
}

/// Reads an answer.
pub(crate) fn read(bytes: &[u8]) -> Reply {
    let message = Message::from_octets(bytes.to_vec()).expect("an answer has a header");
    let section = |section: domain::base::message::RecordSection<'_, Vec<u8>>| {
        let mut lines: Vec<String> = section
            .limit_to::<AllRecordData<_, _>>()
            .map(|record| record.expect("a readable record"))
            .filter(|record| record.rtype() != Rtype::OPT)
            .map(|record| {
                let (owner, ttl) = (record.owner().to_string(), record.ttl().as_secs());
                format!(
                    "{} {ttl} IN {} {}",
                    dot(&owner),
                    record.rtype(),
                    record.data()
                )
            })
            .collect();
        lines.sort();
        lines
    };
    Reply {
        rcode: message.header().rcode().to_string(),
        authoritative: message.header().aa(),
        truncated: message.header().tc(),
        answer: section(message.answer().expect("an answer section")),
        authority: section(message.authority().expect("an authority section")),
        additional: section(message.additional().expect("an additional section")),
        size: bytes.len(),
    }
}

fn dot(name: &str) -> String {
    if name.ends_with('.') {
        name.to_owned()
    } else {
        format!("{name}.")
    }
}
