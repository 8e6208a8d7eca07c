//! The nouns of a message on its way: who sent it, to whom, and by which connection.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::wire::path::{Mailbox, ReversePath};

/// Who spoke to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Where from.
    pub address: SocketAddr,
    /// What it called itself; empty before EHLO or HELO.
    pub helo: String,
    /// Whether it said EHLO.
    pub esmtp: bool,
    /// Protocol version and cipher suite, where the conversation was encrypted.
    pub tls: Option<(String, String)>,
}

/// What was said with MAIL (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The reverse path.
    pub path: ReversePath,
    /// `BODY=8BITMIME` (RFC 6152).
    #[serde(default)]
    pub eight_bit: bool,
    /// `SMTPUTF8` (RFC 6531).
    #[serde(default)]
    pub utf8: bool,
    /// `RET`, as said (RFC 3461 §4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<String>,
    /// `ENVID`, as said (RFC 3461 §4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
}

/// What was said with one RCPT (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Whom.
    pub mailbox: Mailbox,
    /// `NOTIFY`, as said (RFC 3461 §4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// `ORCPT`, as said (RFC 3461 §4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<String>,
}

/// Everything about a message but the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who spoke to us.
    pub client: Client,
    /// MAIL.
    pub sender: Sender,
    /// Every RCPT that was accepted, in order.
    pub recipients: Vec<Recipient>,
}

impl Client {
    /// The protocol's name in a trace header (RFC 3848, RFC 6531 §4.3).
    pub fn protocol(&self, utf8: bool) -> &'static str {
        match (self.esmtp, self.tls.is_some(), utf8) {
            (true, true, true) => "UTF8SMTPS",
            (true, false, true) => "UTF8SMTP",
            (true, true, false) => "ESMTPS",
            (true, false, false) => "ESMTP",
            (false, ..) => "SMTP",
        }
    }
}
