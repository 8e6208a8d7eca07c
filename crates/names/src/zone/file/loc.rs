//! Places on Earth (RFC 1876 §3): `52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m`.

/// The equator, the prime meridian, in thousandths of a second of arc.
const MIDDLE: i64 = 1 << 31;
/// The reference of altitudes lies so many centimetres below the ellipsoid.
const BELOW: i64 = 10_000_000;

/// Adds the sixteen octets of a place.
pub(super) fn encode(words: &[String], out: &mut Vec<u8>) -> Option<()> {
    let mut words = words.iter().map(String::as_str);
    let latitude = angle(&mut words, 90, ["N", "S"])?;
    let longitude = angle(&mut words, 180, ["E", "W"])?;
    let altitude = u32::try_from(centimetres(words.next()?)?.checked_add(BELOW)?).ok()?;
    // Version 0, then size and precisions, a metre, ten kilometres, ten metres by default.
    out.push(0);
    for default in [100, 1_000_000, 1000] {
        out.push(match words.next() {
            Some(word) => precision(centimetres(word)?)?,
            None => precision(default)?,
        });
    }
    for number in [latitude, longitude, altitude] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    words.next().is_none().then_some(())
}

fn angle<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    most: i64,
    [positive, negative]: [&str; 2],
) -> Option<u32> {
    let mut total = 0;
    // Degrees, minutes, seconds; only the degrees are needed.
    for (part, unit) in [3_600_000, 60_000, 1000, 0].into_iter().enumerate() {
        let word = words.next()?;
        let sign = match word {
            _ if part == 0 => 0,
            word if word.eq_ignore_ascii_case(positive) => 1,
            word if word.eq_ignore_ascii_case(negative) => -1,
            _ => 0,
        };
        if sign != 0 {
            let value = MIDDLE + sign * total;
            return u32::try_from(value)
                .ok()
                .filter(|_| total <= most * 3_600_000);
        }
        total += match unit {
            0 => return None,
            1000 => decimal(word, 3).filter(|value| (0..60_000).contains(value))?,
            60_000 => i64::from(word.parse::<u8>().ok().filter(|value| *value < 60)?) * unit,
            _ => i64::from(word.parse::<u8>().ok()?) * unit,
        };
    }
    None
}

fn centimetres(word: &str) -> Option<i64> {
    decimal(word.strip_suffix(['m', 'M']).unwrap_or(word), 2)
}

/// A decimal number with so many digits after the point, without the point.
fn decimal(word: &str, places: usize) -> Option<i64> {
    let (negative, word) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || part.len() > places || !digits(whole) || !digits(part) {
        return None;
    }
    let value: i64 = format!("{whole}{part:0<places$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

/// A mantissa and a power of ten, four bits each.
fn precision(centimetres: i64) -> Option<u8> {
    let (mut mantissa, mut exponent) = (u64::try_from(centimetres).ok()?, 0u8);
    while mantissa > 9 {
        mantissa /= 10;
        exponent += 1;
    }
    (exponent <= 9).then_some(u8::try_from(mantissa).ok()? << 4 | exponent)
}
