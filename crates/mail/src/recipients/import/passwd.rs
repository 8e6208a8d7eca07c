//! Dovecot's passwd-file: `user:password:uid:gid:(gecos):home:(shell):extra_fields`, of which only
//! the user need be there. `/etc/passwd` and `/etc/shadow` have the same beginning.

use super::collect::Collector;
use super::password::kept;

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
