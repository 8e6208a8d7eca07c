//! What is probed: one way to reach one service, and what is asked beside it when it fails.
//!
//! Plain data, made by [`crate::OrganisationWatch`] or by a rehearsal; [`crate::Watch`] prepares
//! it for use when it opens.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{ConfigurationId, MailProtocol, Target};
use sha2::{Digest, Sha256};

/// One target and how it is watched.
#[derive(Clone, Debug)]
pub struct TargetConfig {
    /// Its name and the service it stands for.
    pub target: Target,
    /// Whether its observations reach the detector. What does not steer is only shown.
    pub steering: bool,
    /// Somebody else's: asked at most once a minute, never in a burst; a refusal of the prober
    /// (403, 429; 421, 550 and 554 of a mail server) is no failure.
    pub third_party: bool,
    /// How it is asked.
    pub probe: Probe,
    /// From one scheduled probe to the next.
    pub interval: Duration,
    /// The whole probe's time.
    pub timeout: Duration,
    /// From the start of one probe of a burst to the start of the next.
    pub burst_spacing: Duration,
    /// What else is asked while it fails.
    pub companions: Companions,
}

impl TargetConfig {
    /// The fingerprint of all that decides whether a probe is good; `besides` is what the caller
    /// adds to it. Authorities count by what stands in their file. Every field of a probe counts,
    /// so a version that asks in another way has another fingerprint, and the first good answer
    /// proves it anew.
    pub fn configuration(&self, besides: &str) -> ConfigurationId {
        let (probe, ca) = self.probe.without_ca();
        let trust = match ca {
            None => Vec::new(),
            Some(path) => std::fs::read(&path)
                .map(|bytes| Sha256::digest(bytes).to_vec())
                .unwrap_or_else(|_| path.to_string_lossy().into_owned().into_bytes()),
        };
        let timeout = self.timeout.as_millis();
        let text = format!("{probe:?}\n{timeout}\n{besides}\n{trust:?}");
        let digest = Sha256::digest(text.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        ConfigurationId::new(hex)
    }
}

/// What else is asked while a target fails, to tell the cause. All of it is named in the
/// configuration or is the target itself; nobody is asked by guess.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Companions {
    /// Other TCP ports of the target's own address.
    pub ports: Vec<u16>,
    /// Neighbours of the target, by ICMP.
    pub neighbours: Vec<IpAddr>,
    /// The last routers before the target, by ICMP.
    pub routers: Vec<IpAddr>,
}

/// How a target is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// One page over HTTP/1.1.
    Http(HttpProbe),
    /// A TCP connection.
    Tcp {
        /// Where.
        address: SocketAddr,
    },
    /// A TLS handshake.
    Tls(TlsProbe),
    /// A mail server, as far as a sender gets before any mail.
    Smtp(SmtpProbe),
    /// A zone's SOA; the answer must be authoritative.
    Dns {
        /// The name server.
        address: SocketAddr,
        /// The zone.
        zone: Arc<str>,
    },
    /// An ICMP echo.
    Icmp {
        /// Whom.
        address: IpAddr,
    },
}

/// One page over HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// Where it is connected, never a steered name.
    pub address: SocketAddr,
    /// Over TLS or in clear.
    pub tls: bool,
    /// Asked for under this name.
    pub host: String,
    /// And this path.
    pub path: String,
    /// A mark that the right page bears. Without one, any status below 400 is good.
    pub expect: Option<String>,
    /// Redirects are followed to these hosts at the same address only.
    pub hosts: Vec<String>,
    /// One more authority to trust, PEM.
    pub ca: Option<PathBuf>,
}

/// A TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProbe {
    /// Where.
    pub address: SocketAddr,
    /// The name the certificate must be for.
    pub name: String,
    /// One more authority to trust, PEM.
    pub ca: Option<PathBuf>,
}

/// A mail server: greeting, EHLO or LHLO, STARTTLS where it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpProbe {
    /// Where.
    pub address: SocketAddr,
    /// What it speaks.
    pub protocol: MailProtocol,
    /// The name its certificate bears, and people know it by.
    pub name: String,
    /// Whether it has to offer TLS with a certificate that can be verified. Otherwise TLS is taken
    /// as it comes, as most senders do.
    pub verify: bool,
    /// One more authority to trust, PEM.
    pub ca: Option<PathBuf>,
}

/// Where the organisation's own web server answers, from `https://198.51.100.80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebPrimary {
    /// Over TLS or in clear.
    pub tls: bool,
    /// Address and port.
    pub address: SocketAddr,
}

impl WebPrimary {
    /// Reads `http://` or `https://`, an IP address, and a port if it is not the usual one.
    /// `None` for anything else, above all for a name: names are what we steer.
    pub fn parse(text: &str) -> Option<Self> {
        let url = url::Url::parse(text).ok()?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let ip = match url.host()? {
            url::Host::Ipv4(ip) => IpAddr::V4(ip),
            url::Host::Ipv6(ip) => IpAddr::V6(ip),
            url::Host::Domain(_) => return None,
        };
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let address = SocketAddr::new(ip, url.port_or_known_default()?);
        bare.then_some(Self { tls, address })
    }
}

impl Probe {
    /// The kind, for counters.
    pub fn kind(&self) -> ProbeKind {
        match self {
            Self::Http(_) => ProbeKind::Http,
            Self::Tcp { .. } => ProbeKind::Tcp,
            Self::Tls(_) => ProbeKind::Tls,
            Self::Smtp(_) => ProbeKind::Smtp,
            Self::Dns { .. } => ProbeKind::Dns,
            Self::Icmp { .. } => ProbeKind::Icmp,
        }
    }

    /// The same, and apart from it the authority that it trusts beside the usual ones.
    fn without_ca(&self) -> (Self, Option<PathBuf>) {
        let mut probe = self.clone();
        let ca = match &mut probe {
            Self::Http(HttpProbe { ca, .. })
            | Self::Tls(TlsProbe { ca, .. })
            | Self::Smtp(SmtpProbe { ca, .. }) => ca.take(),
            Self::Tcp { .. } | Self::Dns { .. } | Self::Icmp { .. } => None,
        };
        (probe, ca)
    }

    /// The address that is asked.
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::Http(HttpProbe { address, .. })
            | Self::Tcp { address }
            | Self::Tls(TlsProbe { address, .. })
            | Self::Smtp(SmtpProbe { address, .. })
            | Self::Dns { address, .. } => address.ip(),
            Self::Icmp { address } => *address,
        }
    }

    /// Where the probe connects first, if it does.
    pub(crate) fn connects_to(&self) -> Option<SocketAddr> {
        match self {
            Self::Http(HttpProbe { address, .. })
            | Self::Tcp { address }
            | Self::Tls(TlsProbe { address, .. })
            | Self::Smtp(SmtpProbe { address, .. }) => Some(*address),
            Self::Dns { .. } | Self::Icmp { .. } => None,
        }
    }

    /// The TCP port that the probe itself asks, which no companion needs to ask again.
    pub(crate) fn tcp_port(&self) -> Option<u16> {
        self.connects_to().map(|address| address.port())
    }

    /// How people would name the target: `https://verein.test/ at 198.51.100.80:443`.
    pub fn name(&self) -> String {
        match self {
            Self::Http(http) => {
                let scheme = if http.tls { "https" } else { "http" };
                format!("{scheme}://{}{} at {}", http.host, http.path, http.address)
            }
            Self::Tcp { address } => format!("tcp at {address}"),
            Self::Tls(tls) => format!("tls {} at {}", tls.name, tls.address),
            Self::Smtp(smtp) => {
                let protocol = smtp.protocol.name();
                format!("{protocol} {} at {}", smtp.name, smtp.address)
            }
            Self::Dns { address, zone } => format!("SOA {zone} at {address}"),
            Self::Icmp { address } => format!("echo at {address}"),
        }
    }
}

/// The kind of a probe, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // they are documented at `Probe`
pub enum ProbeKind {
    Http,
    Tcp,
    Tls,
    Smtp,
    Dns,
    Icmp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_decides_whether_a_probe_is_good_is_in_the_fingerprint() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            Some(path)
        };
        let web = |change: fn(&mut HttpProbe), ca: Option<PathBuf>| {
            let mut probe = HttpProbe {
                address: ([198, 51, 100, 80], 443).into(),
                tls: true,
                host: "verein.test".to_owned(),
                path: "/".to_owned(),
                expect: Some("Verein".to_owned()),
                hosts: vec!["verein.test".to_owned()],
                ca,
            };
            change(&mut probe);
            let watch = crate::OrganisationWatch::default();
            let organisation = model::OrganisationId::new("verein.test");
            watch.steering(&organisation, model::Service::Web, Probe::Http(probe))
        };
        let same = |_: &mut HttpProbe| {};
        let usual = web(same, file("a", "one")).configuration("");
        let others = [
            web(
                |probe| probe.address = ([198, 51, 100, 81], 443).into(),
                file("a", "one"),
            ),
            web(|probe| probe.address.set_port(444), file("a", "one")),
            web(|probe| probe.tls = false, file("a", "one")),
            web(
                |probe| probe.host = "verien.test".to_owned(),
                file("a", "one"),
            ),
            web(|probe| probe.path = "/x".to_owned(), file("a", "one")),
            web(|probe| probe.expect = None, file("a", "one")),
            web(|probe| probe.hosts.clear(), file("a", "one")),
            web(same, None),
            TargetConfig {
                timeout: Duration::from_millis(100),
                ..web(same, file("a", "one"))
            },
        ];
        for other in others {
            assert_ne!(other.configuration(""), usual, "{:?}", other.probe);
        }
        assert_ne!(web(same, file("a", "one")).configuration("lmtp"), usual);
        // Its place in the file system does not count, what stands in it does.
        assert_eq!(web(same, file("b", "one")).configuration(""), usual);
        assert_ne!(web(same, file("b", "two")).configuration(""), usual);
        // What tells causes apart, and how often is asked, decides nothing.
        let also = TargetConfig {
            interval: Duration::from_secs(60),
            companions: Companions::default(),
            ..web(same, file("a", "one"))
        };
        assert_eq!(also.configuration(""), usual);
    }

    #[test]
    fn a_web_primary_is_an_address_and_never_a_name() {
        let read = |text| WebPrimary::parse(text).map(|web| (web.tls, web.address.to_string()));
        assert_eq!(
            read("https://198.51.100.80"),
            Some((true, "198.51.100.80:443".to_owned()))
        );
        assert_eq!(
            read("http://[2001:db8::80]:8080/"),
            Some((false, "[2001:db8::80]:8080".to_owned()))
        );
        assert_eq!(read("https://verein.test"), None);
        assert_eq!(read("https://198.51.100.80/path"), None);
        assert_eq!(read("https://user@198.51.100.80/"), None);
        assert_eq!(read("198.51.100.80:443"), None);
    }
}
