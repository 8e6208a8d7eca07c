//! Names of things: organisations, services, places, outages. Opaque, ordered, cheap to clone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name as it is.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An organisation, known by its first domain: `verein.test`.
    OrganisationId
}
name! {
    /// A place we probe from: the name of a standby, `oslo`.
    PlaceId
}
name! {
    /// One outage of one service: `verein.test/web/2026-05-20T09:14:03Z`.
    OutageId
}
name! {
    /// One question to a person.
    QuestionId
}
name! {
    /// A fingerprint of all that decides whether a probe of a service is good: address, port,
    /// protocol, name, trust, mark. Another one is another configuration, which may be wrong.
    ConfigurationId
}

impl OutageId {
    /// The outage of `service` whose first failed observation was made at `since`.
    pub fn of(service: &ServiceId, since: Timestamp) -> Self {
        Self::new(format!("{service}/{since}"))
    }
}

/// What an organisation offers and we stand by for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Jabber.
    Chat,
    /// E-mail.
    Mail,
    /// The primary's name servers.
    Names,
    /// The website.
    Web,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "chat",
            Self::Mail => "mail",
            Self::Names => "names",
            Self::Web => "web",
        })
    }
}

/// A name that is none of those we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId(pub String);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a service; say web, mail, chat or names",
            self.0
        )
    }
}

impl std::error::Error for InvalidId {}

impl FromStr for Service {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "chat" => Ok(Self::Chat),
            "mail" => Ok(Self::Mail),
            "names" => Ok(Self::Names),
            "web" => Ok(Self::Web),
            _ => Err(InvalidId(text.to_owned())),
        }
    }
}

/// One service of one organisation: `verein.test/web`. The key of everything that is decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceId {
    /// Whose.
    pub organisation: OrganisationId,
    /// Which.
    pub service: Service,
}

impl ServiceId {
    /// Puts the two together.
    pub fn new(organisation: OrganisationId, service: Service) -> Self {
        Self {
            organisation,
            service,
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organisation, self.service)
    }
}

/// Counts the changes of role of one service. No epoch has two roles.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
