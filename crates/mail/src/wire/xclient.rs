//! XCLIENT: the true client is told to a primary that trusts us, so that it checks, logs and limits
//! whoever really speaks. (Postfix' own extension; its attributes and `xtext` are documented in its
//! XCLIENT_README.)

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Where the client connected from.
    pub address: SocketAddr,
    /// What it called itself.
    pub helo: String,
    /// Whether it said EHLO.
    pub esmtp: bool,
}

impl Attributes {
    /// The command with those attributes that are `offered`; `None` if the address, which matters
    /// most, is not among them.
    pub fn line(&self, offered: &[String]) -> Option<String> {
        let offers = |name: &str| offered.iter().any(|one| one == name);
        if !offers("ADDR") {
            return None;
        }
        let mut line = String::from("XCLIENT");
        // No name was looked up: accepting waits for no DNS. The primary looks it up itself.
        if offers("NAME") {
            line.push_str(" NAME=[UNAVAILABLE]");
        }
        match self.address.ip().to_canonical() {
            IpAddr::V4(v4) => push(&mut line, "ADDR", &v4.to_string()),
            IpAddr::V6(v6) => push(&mut line, "ADDR", &format!("IPV6:{v6}")),
        }
        if offers("PORT") {
            push(&mut line, "PORT", &self.address.port().to_string());
        }
        if offers("HELO") && !self.helo.is_empty() {
            push(&mut line, "HELO", &self.helo);
        }
        if offers("PROTO") {
            push(
                &mut line,
                "PROTO",
                if self.esmtp { "ESMTP" } else { "SMTP" },
            );
        }
        line.push_str("\r\n");
        Some(line)
    }
}

fn push(line: &mut String, name: &str, value: &str) {
    let _ = write!(line, " {name}=");
    for byte in value.bytes() {
        match byte {
            b'+' | b'=' | 0..=b' ' | 0x7F.. => {
                let _ = write!(line, "+{byte:02X}");
            }
            byte => line.push(char::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_offered_is_told() {
        let client = Attributes {
            address: "[2001:db8::1]:4711".parse().unwrap(),
            helo: "a+b müller".to_owned(),
            esmtp: true,
        };
        let offered = ["NAME", "ADDR", "HELO", "PROTO"].map(str::to_owned);
        assert_eq!(
            client.line(&offered).unwrap(),
            "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 HELO=a+2Bb+20m+C3+BCller PROTO=ESMTP\r\n"
        );
        assert_eq!(client.line(&["NAME".to_owned()]), None);
    }
}
