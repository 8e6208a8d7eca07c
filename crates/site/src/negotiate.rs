//! Which coding of a body a guest gets: Accept-Encoding, RFC 9110 §12.5.3. Pure; called by
//! `serve` for every page that lies there in more than one coding.

use std::fmt;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};

/// A coding that the copy keeps bodies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// As it stands in Content-Encoding; nothing for identity.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Brotli => Some(HeaderValue::from_static("br")),
        }
    }

    /// What tells the entity tags of codings apart.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "-gzip",
            Self::Brotli => "-br",
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
    }
}

/// Which codings a body lies there in, besides identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Available {
    /// With gzip.
    pub(crate) gzip: bool,
    /// With Brotli.
    pub(crate) brotli: bool,
}

/// A weight in thousandths.
type Weight = u16;

/// What the guest said of each coding.
#[derive(Clone, Copy, Debug, Default)]
struct Wishes {
    identity: Option<Weight>,
    gzip: Option<Weight>,
    brotli: Option<Weight>,
    any: Option<Weight>,
}

/// The coding to send. A guest that refuses all that there is gets identity: RFC 9110 §12.5.3
/// allows it, and an answer helps more than a 406.
pub(crate) fn choose(headers: &HeaderMap, available: Available) -> Coding {
    if !available.gzip && !available.brotli {
        return Coding::Identity;
    }
    let mut wishes = Wishes::default();
    let mut said = false;
    for line in headers.get_all(ACCEPT_ENCODING) {
        said = true;
        wishes.read(line.as_bytes());
    }
    if !said {
        return Coding::Identity;
    }
    // Of equal weights the smaller body wins; identity only counts as wished for if it is named.
    let candidates = [
        (
            available.brotli,
            wishes.brotli.or(wishes.any),
            Coding::Brotli,
        ),
        (available.gzip, wishes.gzip.or(wishes.any), Coding::Gzip),
        (true, wishes.identity, Coding::Identity),
    ];
    let mut best = (0, Coding::Identity);
    for (there, weight, coding) in candidates {
        let weight = weight.unwrap_or(0);
        if there && weight > best.0 {
            best = (weight, coding);
        }
    }
    best.1
}

impl Wishes {
    fn read(&mut self, line: &[u8]) {
        for element in line.split(|byte| *byte == b',') {
            let mut parts = element.split(|byte| *byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let Some(weight) = parts.try_fold(1000, parameter) else {
                continue;
            };
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            if is(b"br") {
                self.brotli = Some(weight);
            } else if is(b"gzip") || is(b"x-gzip") {
                self.gzip = Some(weight);
            } else if is(b"identity") {
                self.identity = Some(weight);
            } else if name == b"*" {
                self.any = Some(weight);
            }
        }
    }
}

/// Other parameters than `q` are passed over; a weight that is none spoils its element.
fn parameter(weight: Weight, part: &[u8]) -> Option<Weight> {
    let part = part.trim_ascii();
    let Some(value) = part
        .strip_prefix(b"q=")
        .or_else(|| part.strip_prefix(b"Q="))
    else {
        return Some(weight);
    };
    thousandths(value)
}

/// RFC 9110 §12.4.2: `0`, `0.5`, `0.125`, `1`, `1.000`.
fn thousandths(value: &[u8]) -> Option<Weight> {
    let (whole, fraction) = value.split_first()?;
    let digits = match fraction.split_first() {
        None => &[][..],
        Some((b'.', digits)) if digits.len() <= 3 => digits,
        Some(_) => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    let mut unit = 100;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += unit * Weight::from(digit - b'0');
        unit /= 10;
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Available = Available {
        gzip: true,
        brotli: true,
    };
    const GZIP: Available = Available {
        gzip: true,
        brotli: false,
    };

    fn ask(line: &str, available: Available) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        choose(&headers, available).to_string()
    }

    #[test]
    fn the_table_of_wishes() {
        for (line, both, gzip) in [
            ("", "identity", "identity"),
            ("gzip, deflate, br, zstd", "br", "gzip"),
            ("gzip, deflate", "gzip", "gzip"),
            ("GZIP", "gzip", "gzip"),
            ("x-gzip", "gzip", "gzip"),
            ("br;q=0.5, gzip", "gzip", "gzip"),
            ("br;q=0.5,gzip;q=0.5", "br", "gzip"),
            ("br ; q=0.501 , gzip;q=0.5", "br", "gzip"),
            ("br;q=0, gzip;q=0", "identity", "identity"),
            ("br;q=0, *", "gzip", "gzip"),
            ("*", "br", "gzip"),
            ("*;q=0", "identity", "identity"),
            ("identity;q=0", "identity", "identity"),
            ("identity", "identity", "identity"),
            ("identity, gzip;q=0.5", "identity", "identity"),
            ("identity;q=0.5, gzip;q=0.4, *;q=0.9", "br", "identity"),
            ("gzip;q=1.1", "identity", "identity"),
            ("gzip;q=1.001", "identity", "identity"),
            ("gzip;q=0.1234", "identity", "identity"),
            ("gzip;q=", "identity", "identity"),
            ("gzip;q=x, br", "br", "identity"),
            ("gzip;level=9;q=0.2", "gzip", "gzip"),
            ("deflate, zstd", "identity", "identity"),
            (",,,gzip,", "gzip", "gzip"),
            ("gzipx", "identity", "identity"),
        ] {
            assert_eq!(ask(line, BOTH), both, "{line} with both");
            assert_eq!(ask(line, GZIP), gzip, "{line} with gzip");
            assert_eq!(
                ask(line, Available::default()),
                "identity",
                "{line} with neither"
            );
        }
    }

    #[test]
    fn silence_means_identity_and_several_lines_are_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(choose(&headers, BOTH), Coding::Identity);
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(choose(&headers, BOTH), Coding::Brotli);
    }
}
