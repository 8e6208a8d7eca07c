//! Other primaries of mail than a Postfix that takes everything: one with bad manners, OpenSMTPD,
//! and Dovecot's LMTP server itself.
//!
//! ```text
//! 198.51.100.25  mail      the primary (MX 10), and Dovecot's mailboxes
//! 192.0.2.7      standby   servergate (MX 20)
//! 203.0.113.200  elsewhere somebody else's name server: the standby's reference, the senders' zone
//! 203.0.113.53   resolver  Unbound
//! 203.0.113.40   sender    whoever sends
//! ```

mod book;
mod manners;
mod short;
mod stage;

pub(super) use manners::run as manners;
pub(super) use short::{run_lmtp as lmtp, run_opensmtpd as opensmtpd};
