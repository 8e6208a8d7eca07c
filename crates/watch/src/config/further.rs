//! `[[organisation.watch.target]]`: further targets of every kind, which are shown and never steer.

use std::path::PathBuf;

use host::config::Fields;
use model::{MailProtocol, Service};

use super::{is_host, is_zone};
use crate::target::{HttpProbe, Probe, SmtpProbe, TlsProbe, WebPrimary};

/// One `[[organisation.watch.target]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Further {
    pub(super) name: Option<String>,
    pub(super) service: Service,
    pub(super) third_party: bool,
    pub(super) probe: Probe,
}

/// The kinds of further targets.
#[derive(Clone, Copy)]
enum Kind {
    Http,
    Tcp,
    Tls,
    Mail(MailProtocol),
    Dns,
    Icmp,
}

const KINDS: [(&str, Kind); 7] = [
    ("http", Kind::Http),
    ("tcp", Kind::Tcp),
    ("tls", Kind::Tls),
    ("smtp", Kind::Mail(MailProtocol::Smtp)),
    ("lmtp", Kind::Mail(MailProtocol::Lmtp)),
    ("dns", Kind::Dns),
    ("icmp", Kind::Icmp),
];

const SERVICES: [(&str, Service); 4] = [
    ("web", Service::Web),
    ("mail", Service::Mail),
    ("chat", Service::Chat),
    ("names", Service::Names),
];

impl Further {
    pub(super) fn read(fields: &Fields<'_>, ca: Option<&PathBuf>) -> Option<Self> {
        let kind = fields.choice("kind", &KINDS);
        if !fields.has("kind") {
            fields.missing("kind", "\"http\"");
        }
        if !fields.has("address") {
            fields.missing("address", "\"198.51.100.80:443\"");
        }
        let name = fields.string("name");
        let usual = match kind {
            Some(Kind::Dns) => Service::Names,
            Some(Kind::Mail(_)) => Service::Mail,
            _ => Service::Web,
        };
        let service = fields.choice("service", &SERVICES).unwrap_or(usual);
        let third_party = fields.boolean("third_party").unwrap_or(false);
        let Some(kind) = kind else {
            fields.leave_rest();
            return None;
        };
        let probe = Self::probe(fields, kind, ca)?;
        Some(Self {
            name,
            service,
            third_party,
            probe,
        })
    }

    fn probe(fields: &Fields<'_>, kind: Kind, ca: Option<&PathBuf>) -> Option<Probe> {
        match kind {
            Kind::Http => http(fields, ca).map(Probe::Http),
            Kind::Tcp => fields
                .socket("address")
                .map(|address| Probe::Tcp { address }),
            Kind::Icmp => fields.ip("address").map(|address| Probe::Icmp { address }),
            Kind::Tls => {
                let name = host_name(fields);
                Some(Probe::Tls(TlsProbe {
                    address: fields.socket("address")?,
                    name: name?,
                    ca: ca.cloned(),
                }))
            }
            Kind::Mail(protocol) => {
                let name = host_name(fields);
                let verify = fields.boolean("verify").unwrap_or(false);
                let address = fields.socket("address");
                if address.is_some_and(|address| !protocol.fits(address.port())) {
                    // RFC 2033 §5.
                    fields.problem("address", "LMTP is never spoken on port 25");
                }
                Some(Probe::Smtp(SmtpProbe {
                    address: address?,
                    protocol,
                    name: name?,
                    verify,
                    ca: ca.cloned(),
                }))
            }
            Kind::Dns => {
                let zone = fields.parse("zone", "a domain name like \"verein.test\"", |text| {
                    is_zone(text).then(|| text.into())
                });
                if !fields.has("zone") {
                    fields.missing("zone", "\"verein.test\"");
                }
                Some(Probe::Dns {
                    address: fields.socket("address")?,
                    zone: zone?,
                })
            }
        }
    }
}

fn http(fields: &Fields<'_>, ca: Option<&PathBuf>) -> Option<HttpProbe> {
    let want = "an address like \"https://198.51.100.80\", never a name";
    let primary = fields.parse("address", want, WebPrimary::parse);
    let host = host_name(fields);
    let path = fields.parse("path", "a path like \"/status\"", |text| {
        let plain = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| text.to_owned())
    });
    let expect = fields.string("expect");
    let (primary, host) = (primary?, host?);
    Some(HttpProbe {
        address: primary.address,
        tls: primary.tls,
        hosts: vec![host.clone()],
        host,
        path: path.unwrap_or_else(|| "/".to_owned()),
        expect: expect.filter(|mark| !mark.is_empty()),
        ca: ca.cloned(),
    })
}

fn host_name(fields: &Fields<'_>) -> Option<String> {
    if !fields.has("host") {
        fields.missing("host", "\"verein.test\"");
    }
    fields.parse("host", "a host name like \"verein.test\"", |text| {
        is_host(text).then(|| text.to_owned())
    })
}
