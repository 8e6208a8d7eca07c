//! DNS questions from inside a host, quick enough to time the first answer after a start
//! (RFC 1035 §4; a started program such as `kdig` takes longer than what is timed).

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lab::Host;

/// How long one look for answers takes; then what is not answered yet is asked again.
const LOOK: Duration = Duration::from_millis(2);
const SOA: u16 = 6;

/// The answers to one question about each of several zones.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When the last of them was there.
    pub at: Instant,
    /// The serials, in the order of the zones.
    pub serials: Vec<u32>,
}

/// Asks `server` (port 53) from `host` for the SOA of every zone, again and again, until each
/// was answered with authority.
pub fn until_answered(
    host: &Host,
    server: IpAddr,
    zones: &[String],
    within: Duration,
) -> Result<Answered> {
    host.inside(|| ask_all(server, zones, within))
}

fn ask_all(server: IpAddr, zones: &[String], within: Duration) -> Result<Answered> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(SocketAddr::new(server, 53))?;
    socket.set_read_timeout(Some(LOOK))?;
    let questions: Vec<Vec<u8>> = (0..)
        .zip(zones)
        .map(|(id, zone)| question(id, zone))
        .collect();
    let mut serials = vec![None; zones.len()];
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    while begun.elapsed() < within {
        let open = questions
            .iter()
            .zip(&serials)
            .filter(|(_, serial)| serial.is_none());
        for (question, _) in open {
            // Refused while nobody listens there yet.
            let _ = socket.send(question);
        }
        loop {
            let length = match socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => break,
            };
            let Some((id, serial)) = buffer.get(..length).and_then(serial) else {
                continue;
            };
            if let Some(known) = serials.get_mut(usize::from(id)) {
                *known = Some(serial);
            }
            if let Some(serials) = serials.iter().copied().collect::<Option<Vec<u32>>>() {
                let at = Instant::now();
                return Ok(Answered { at, serials });
            }
        }
    }
    let open = zones
        .iter()
        .zip(&serials)
        .filter(|(_, serial)| serial.is_none());
    let open: Vec<&str> = open.map(|(zone, _)| zone.as_str()).collect();
    bail!(
        "waited {within:?} in vain: answers from {server} about {} zones: {open:?}",
        open.len()
    )
}

fn question(id: u16, zone: &str) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Flags: nothing wanted; one question.
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in zone.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(SOA.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// The question's number and the serial of an authoritative answer; `None` for any other.
fn serial(bytes: &[u8]) -> Option<(u16, u32)> {
    let number = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let (id, flags, answers) = (number(0)?, number(2)?, number(6)?);
    // Response, with authority, no error.
    if flags & 0x8400 != 0x8400 || flags & 0xF != 0 || answers == 0 {
        return None;
    }
    let answer = skip_name(bytes, 12)? + 4;
    let fixed = skip_name(bytes, answer)?;
    if number(fixed)? != SOA {
        return None;
    }
    // Type, class, TTL and length; then two names.
    let names = fixed + 10;
    let at = skip_name(bytes, skip_name(bytes, names)?)?;
    Some((id, u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)))
}

/// Where the name that begins at `at` ends (RFC 1035 §4.1.4).
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            0xC0.. => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// One question of this kind, for the serial that is served now.
pub fn serial_at(host: &Host, server: IpAddr, zone: &str, within: Duration) -> Result<u32> {
    let answered = until_answered(host, server, &[zone.to_owned()], within)?;
    answered.serials.first().copied().context("no serial")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_read_out_of_an_answer() {
        let mut answer = question(7, "verein.test");
        let (flags, count) = (2..4, 6..8);
        answer.splice(flags, [0x84, 0x00]);
        answer.splice(count, [0, 1]);
        // A pointer to the question's name, SOA IN, a TTL, the length.
        answer.extend([0xC0, 12, 0, 6, 0, 1, 0, 0, 0, 5, 0, 26]);
        answer.extend([2, b'n', b's', 0xC0, 12, 0xC0, 12]);
        answer.extend(2011_u32.to_be_bytes());
        assert_eq!(serial(&answer), Some((7, 2011)));
        answer.splice(2..4, [0x84, 0x05]);
        assert_eq!(serial(&answer), None);
        assert_eq!(serial(&question(7, "verein.test")), None);
    }
}
