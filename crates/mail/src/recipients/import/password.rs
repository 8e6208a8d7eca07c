//! Passwords in lists: only what is a hash is taken, in the notations of crypt(3) and Dovecot.

use super::collect::{Collector, shown};

/// Dovecot's names of passwords that anybody can read.
const CLEAR: [&str; 4] = ["PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-TRUNC"];
const MEND: &str = "was not taken; hash it with `doveadm pw -s SHA512-CRYPT`";

/// The password field if it is a hash.
pub(super) fn kept(line: usize, field: &str, out: &mut Collector<'_>) -> Option<String> {
    let field = field.trim();
    // passwd(5), shadow(5): no password, or a locked one.
    if field.is_empty() || field == "x" || field.starts_with(['*', '!']) {
        return None;
    }
    let scheme = field
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .map(|(scheme, _)| scheme.to_ascii_uppercase());
    let Some(scheme) = scheme else {
        if is_crypt(field) {
            return Some(field.to_owned());
        }
        out.noted(line, format!("the password is no hash and {MEND}"));
        return None;
    };
    // `.B64` and `.HEX` say how it is written down.
    let bare = scheme.split('.').next().unwrap_or_default();
    if CLEAR.contains(&bare) {
        let bare = shown(bare);
        out.noted(
            line,
            format!("the password lies here in clear ({{{bare}}}) and {MEND}"),
        );
        return None;
    }
    Some(field.to_owned())
}

/// crypt(5): `$id$…`, BSDi's `_…`, or the 13 characters of the oldest.
fn is_crypt(field: &str) -> bool {
    let oldest = |field: &str| {
        let sign = |sign: u8| sign.is_ascii_alphanumeric() || b"./".contains(&sign);
        field.len() == 13 && field.bytes().all(sign)
    };
    field.starts_with('$') || (field.starts_with('_') && field.len() == 20) || oldest(field)
}
