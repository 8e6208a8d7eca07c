//! What a mail server speaks: one understanding for whoever probes it and whoever brings it mail.

use serde::{Deserialize, Serialize};

/// The protocol of a mail server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailProtocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: no queue behind it, and so one answer a recipient.
    Lmtp,
}

impl MailProtocol {
    /// Its name, as the configuration says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
        }
    }

    /// The verb with which a client introduces itself. RFC 2033 §4.1: an LMTP server must not take
    /// EHLO, nor an SMTP server LHLO.
    pub fn hello(self) -> &'static str {
        match self {
            Self::Smtp => "EHLO",
            Self::Lmtp => "LHLO",
        }
    }

    /// Whether an old server may know HELO only (RFC 5321 §3.2). RFC 2033 §4.1: not with LMTP.
    pub fn has_old_hello(self) -> bool {
        self == Self::Smtp
    }

    /// The port if none is named: RFC 5321 §4.5.4.2; for LMTP the one for private mail systems, on
    /// which Dovecot listens.
    pub fn usual_port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Lmtp => 24,
        }
    }

    /// Whether it may be spoken on this port. RFC 2033 §5: LMTP never on that of SMTP.
    pub fn fits(self, port: u16) -> bool {
        self == Self::Smtp || port != Self::Smtp.usual_port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_are_never_mistaken_for_one_another() {
        use MailProtocol::{Lmtp, Smtp};
        assert_eq!((Smtp.hello(), Lmtp.hello()), ("EHLO", "LHLO"));
        assert!(Smtp.has_old_hello() && !Lmtp.has_old_hello());
        assert!(Smtp.fits(25) && Lmtp.fits(24) && !Lmtp.fits(25));
    }
}
