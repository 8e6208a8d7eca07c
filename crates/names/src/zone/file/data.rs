//! Data of record types that the zone file parser does not read itself, as octets: what BIND writes
//! with a name of its own. Everything else can be written as in RFC 3597 §5.

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::Rtype;
use domain::utils::{base16, base64};

use super::lex::octets;

/// What follows in the data.
#[derive(Clone, Copy)]
enum Field {
    U8,
    U16,
    U32,
    /// A name, relative to the origin.
    Name,
    /// One character string, with its length.
    Text,
    /// As many character strings as there are, at least one.
    Texts,
    /// The octets of one word, without a length (RFC 7553 §4.5).
    Bare,
    /// The rest in hexadecimal digits.
    Hex,
    /// The rest in base64.
    Base64,
    V4,
    /// Four groups of hexadecimal digits (RFC 6742 §2.1.2).
    Locator,
    /// So many octets with dashes between them (RFC 7043).
    Dashed(usize),
    /// A DNSSEC algorithm or certificate type, by number or mnemonic (RFC 4398 §2.1).
    CertificateType,
    Algorithm,
    /// A type, by name (RFC 4034 §3.1).
    Type,
    /// Types, as a bitmap (RFC 4034 §4.1.2).
    Types,
    /// RFC 1876 §3.
    Location,
}

use Field::*;

/// The types, each with its data.
const TYPES: &[(&str, &[Field])] = &[
    ("LOC", &[Location]),
    ("CERT", &[CertificateType, U16, Algorithm, Base64]),
    ("URI", &[U16, U16, Bare]),
    ("AFSDB", &[U16, Name]),
    ("RT", &[U16, Name]),
    ("KX", &[U16, Name]),
    ("LP", &[U16, Name]),
    ("PX", &[U16, Name, Name]),
    ("TALINK", &[Name, Name]),
    ("NSAP-PTR", &[Name]),
    ("SMIMEA", &[U8, U8, U8, Hex]),
    ("SPF", &[Texts]),
    ("AVC", &[Texts]),
    ("NINFO", &[Texts]),
    ("WALLET", &[Texts]),
    ("X25", &[Text]),
    ("ISDN", &[Texts]),
    ("GPOS", &[Text, Text, Text]),
    ("RESINFO", &[Texts]),
    ("EUI48", &[Dashed(6)]),
    ("EUI64", &[Dashed(8)]),
    ("DLV", &[U16, Algorithm, U8, Hex]),
    ("TA", &[U16, Algorithm, U8, Hex]),
    ("KEY", &[U16, U8, Algorithm, Base64]),
    ("RKEY", &[U16, U8, Algorithm, Base64]),
    (
        "SIG",
        &[Type, Algorithm, U8, U32, U32, U32, U16, Name, Base64],
    ),
    ("CSYNC", &[U32, U16, Types]),
    ("NID", &[U16, Locator]),
    ("L64", &[U16, Locator]),
    ("L32", &[U16, V4]),
    ("DHCID", &[Base64]),
    ("EID", &[Hex]),
    ("NIMLOC", &[Hex]),
];

/// The octets of the data of a type of [`TYPES`]; `None` for other types, and for data in the form
/// of RFC 3597. Names are read by `name`.
pub(super) fn encode(
    rtype: &str,
    words: &[String],
    name: impl Fn(&str) -> Option<Vec<u8>>,
) -> Option<Result<Vec<u8>, String>> {
    let (_, fields) = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(rtype))?;
    if words.first().is_some_and(|word| word == "\\#") {
        return None;
    }
    let mut rest = words;
    let mut out = Vec::new();
    for field in *fields {
        if one(*field, &mut rest, &name, &mut out).is_none() {
            let at = rest.first().map_or("its end", String::as_str);
            return Some(Err(format!(
                "the data of {rtype} is not understood at `{at}`"
            )));
        }
    }
    Some(match rest.first() {
        None => Ok(out),
        Some(word) => Err(format!("`{word}` is too much for {rtype}")),
    })
}

fn one(
    field: Field,
    rest: &mut &[String],
    name: &impl Fn(&str) -> Option<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let joined = |words: &[String]| words.concat();
    match field {
        Texts => {
            if rest.is_empty() {
                return None;
            }
            while !rest.is_empty() {
                text(rest.first()?, out)?;
                *rest = rest.get(1..)?;
            }
            return Some(());
        }
        Hex => {
            let octets: Vec<u8> = base16::decode(&joined(rest)).ok()?;
            out.extend_from_slice(&octets);
            *rest = &[];
            return Some(());
        }
        Base64 => {
            let octets: Vec<u8> = base64::decode(&joined(rest)).ok()?;
            out.extend_from_slice(&octets);
            *rest = &[];
            return Some(());
        }
        Types => {
            bitmap(rest, out)?;
            *rest = &[];
            return Some(());
        }
        Location => {
            super::loc::encode(rest, out)?;
            *rest = &[];
            return Some(());
        }
        _ => {}
    }
    let word = rest.first()?.as_str();
    match field {
        U8 => out.push(word.parse().ok()?),
        U16 => out.extend_from_slice(&word.parse::<u16>().ok()?.to_be_bytes()),
        U32 => out.extend_from_slice(&word.parse::<u32>().ok()?.to_be_bytes()),
        Name => out.extend_from_slice(&name(word)?),
        Text => text(word, out)?,
        Bare => out.extend_from_slice(&octets(word)?),
        V4 => out.extend_from_slice(&word.parse::<Ipv4Addr>().ok()?.octets()),
        Locator => {
            // The last half of an IPv6 address, written alike.
            let whole: Ipv6Addr = format!("0:0:0:0:{word}").parse().ok()?;
            out.extend_from_slice(whole.octets().get(8..)?);
        }
        Dashed(count) => {
            let octets: Option<Vec<u8>> = word
                .split('-')
                .map(|pair| {
                    u8::from_str_radix(pair, 16)
                        .ok()
                        .filter(|_| pair.len() == 2)
                })
                .collect();
            out.extend_from_slice(&octets.filter(|octets| octets.len() == count)?);
        }
        CertificateType => {
            const NAMES: [(&str, u16); 10] = [
                ("PKIX", 1),
                ("SPKI", 2),
                ("PGP", 3),
                ("IPKIX", 4),
                ("ISPKI", 5),
                ("IPGP", 6),
                ("ACPKIX", 7),
                ("IACPKIX", 8),
                ("URI", 253),
                ("OID", 254),
            ];
            out.extend_from_slice(&number(word, &NAMES)?.to_be_bytes());
        }
        Algorithm => {
            const NAMES: [(&str, u16); 12] = [
                ("RSAMD5", 1),
                ("DH", 2),
                ("DSA", 3),
                ("RSASHA1", 5),
                ("NSEC3RSASHA1", 7),
                ("RSASHA256", 8),
                ("RSASHA512", 10),
                ("ECDSAP256SHA256", 13),
                ("ECDSAP384SHA384", 14),
                ("ED25519", 15),
                ("ED448", 16),
                ("PRIVATEDNS", 253),
            ];
            out.push(u8::try_from(number(word, &NAMES)?).ok()?);
        }
        Type => out.extend_from_slice(&word.parse::<Rtype>().ok()?.to_int().to_be_bytes()),
        Texts | Hex | Base64 | Types | Location => return None,
    }
    *rest = rest.get(1..)?;
    Some(())
}

fn number(word: &str, names: &[(&str, u16)]) -> Option<u16> {
    let named = names
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    named
        .map(|(_, number)| *number)
        .or_else(|| word.parse().ok())
}

/// RFC 1035 §3.3: at most 255 octets behind their length.
fn text(word: &str, out: &mut Vec<u8>) -> Option<()> {
    let octets = octets(word)?;
    out.push(u8::try_from(octets.len()).ok()?);
    out.extend_from_slice(&octets);
    Some(())
}

/// RFC 4034 §4.1.2: windows of 256 types, each as long as it must be.
fn bitmap(words: &[String], out: &mut Vec<u8>) -> Option<()> {
    let mut types = std::collections::BTreeSet::new();
    for word in words {
        types.insert(word.parse::<Rtype>().ok()?.to_int().to_be_bytes());
    }
    let types: Vec<[u8; 2]> = types.into_iter().collect();
    for window in types.chunk_by(|left, right| left[0] == right[0]) {
        let (first, last) = (window.first()?, window.last()?);
        let len = last[1] / 8 + 1;
        out.extend_from_slice(&[first[0], len]);
        let start = out.len();
        out.resize(start + usize::from(len), 0);
        for [_, low] in window {
            *out.get_mut(start + usize::from(low / 8))? |= 0x80 >> (low % 8);
        }
    }
    Some(())
}
