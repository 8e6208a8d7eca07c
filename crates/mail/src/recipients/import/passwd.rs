//! Dovecot's passwd-file: `user:password:uid:gid:(gecos):home:(shell):extra_fields`, of which only
//! the user need be there. `/etc/passwd` and `/etc/shadow` have the same beginning.

use super::collect::{Collector, shown};

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split(':');
        let user = fields.next().unwrap_or_default();
        let password = fields.next().unwrap_or_default();
        if let Some(address) = out.address(index + 1, user) {
            let password = kept(index + 1, password, out);
            out.mailbox(address, password);
        }
    }
}

/// The password field if it is a hash.
fn kept(line: usize, field: &str, out: &mut Collector<'_>) -> Option<String> {
    // passwd(5), shadow(5): no password, or a locked one.
    if field.is_empty() || field == "x" || field.starts_with(['*', '!']) {
        return None;
    }
    let scheme = field
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .map(|(scheme, _)| scheme.to_ascii_uppercase());
    let bare = scheme.as_deref().unwrap_or_default();
    let bare = bare.split('.').next().unwrap_or_default();
    if matches!(bare, "PLAIN" | "CLEAR" | "CLEARTEXT") {
        let message = format!(
            "the password lies here in clear ({{{}}}) and was not taken; hash it with `doveadm pw -s SHA512-CRYPT`",
            shown(bare)
        );
        out.noted(line, message);
        return None;
    }
    Some(field.to_owned())
}
