//! The asking side of DNS: every question of this crate goes through here.
//!
//! A stub resolver (RFC 1034 §5.3.1) that asks one configured server, or those of the system,
//! over UDP and, when an answer is truncated, over TCP (RFC 7766). Answers are not validated:
//! whoever needs DNSSEC (DANE) has to ask a validating server over a path it trusts. The cache
//! is bounded and keeps negative answers too (RFC 2308).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use mail_auth::MessageAuthenticator;
use tokio::time::timeout;

/// Answers kept at most.
const CACHED: u64 = 4096;

/// No answer is believed for longer than this, and no refusal for longer than [`LONGEST_NO`].
const LONGEST_YES: Duration = Duration::from_secs(3600);
const LONGEST_NO: Duration = Duration::from_secs(300);

/// Records of one answer that are looked at, at most.
const RECORDS: usize = 64;

/// How long one question may take, unless told otherwise.
pub const QUERY_LIMIT: Duration = Duration::from_millis(1800);

/// Asks DNS. Cheap to clone; the clones share one cache.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    asker: MessageAuthenticator,
    limit: Duration,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("limit", &self.0.limit)
            .finish_non_exhaustive()
    }
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverError {
    /// The system names no server that could be asked.
    #[error("the system's resolver configuration names no usable server: {0}")]
    System(String),
    /// The resolver could not be put together.
    #[error("no resolver: {0}")]
    Local(String),
}

/// Why a question has no records for an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// There is no such name (NXDOMAIN, RFC 8020), or what was asked for cannot be a name.
    #[error("no such name")]
    NoSuchName,
    /// Nobody answered, or the answer was a failure of the server: ask again later.
    #[error("no answer: {0}")]
    NoAnswer(&'static str),
}

/// One mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanger {
    /// The lower is asked first.
    pub preference: u16,
    /// The host in lower case, without the final dot; empty in a null MX (RFC 7505).
    pub host: String,
}

/// One TLSA record (RFC 6698 §2.1). Not validated, see the head of this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage.
    pub usage: u8,
    /// Selector.
    pub selector: u8,
    /// Matching type.
    pub matching: u8,
    /// Certificate association data.
    pub data: Vec<u8>,
}

impl Resolver {
    /// A resolver that asks `server`, or the servers of `/etc/resolv.conf` as it is now, and
    /// gives a question up after `limit` (see [`QUERY_LIMIT`]).
    pub fn new(server: Option<SocketAddr>, limit: Duration) -> Result<Self, ResolverError> {
        let config = match server {
            Some(server) => only(server),
            None => system()?,
        };
        let mut options = ResolverOpts::default();
        // A datagram is repeated within an attempt; the second attempt is for a connection that
        // the server has closed meanwhile.
        options.attempts = 1;
        options.timeout = limit / 2;
        options.cache_size = CACHED;
        options.positive_max_ttl = Some(LONGEST_YES);
        options.negative_max_ttl = Some(LONGEST_NO);
        // Only DNS is evidence of what a domain publishes.
        options.use_hosts_file = ResolveHosts::Never;
        let asker = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| ResolverError::Local(error.to_string()))?;
        let asker = MessageAuthenticator(asker);
        Ok(Self(Arc::new(Inner { asker, limit })))
    }

    /// The mail exchangers of `domain`, most preferred first; none where it publishes none.
    pub async fn mx(&self, domain: &str) -> Result<Vec<Exchanger>, LookupError> {
        let mut found = self.ask(name(domain)?, RecordType::MX, exchanger).await?;
        found.sort_by_key(|exchanger| exchanger.preference);
        Ok(found)
    }

    /// The addresses of `host`, those of IPv6 first.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let (six, four) = tokio::join!(
            self.ask(name(host)?, RecordType::AAAA, address),
            self.ask(name(host)?, RecordType::A, address),
        );
        match (six, four) {
            (Ok(six), Ok(four)) => Ok(six.into_iter().chain(four).collect()),
            // One of the two is enough.
            (Ok(found), Err(error)) | (Err(error), Ok(found)) if found.is_empty() => Err(error),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The text records at `name`, the strings of each put together (RFC 7208 §3.3).
    pub async fn txt(&self, at: &str) -> Result<Vec<String>, LookupError> {
        self.ask(name(at)?, RecordType::TXT, text).await
    }

    /// The TLSA records at `name`, such as `_25._tcp.mx.example.org` (RFC 7672).
    pub async fn tlsa(&self, at: &str) -> Result<Vec<Tlsa>, LookupError> {
        self.ask(name(at)?, RecordType::TLSA, association).await
    }

    /// The names that the owner of `address` gives it, in lower case, without final dots.
    pub async fn ptr(&self, address: IpAddr) -> Result<Vec<String>, LookupError> {
        self.ask(Name::from(address), RecordType::PTR, pointer)
            .await
    }

    /// Whether anybody answers at all: the question is one that every resolver can answer from
    /// memory, and a refusal is an answer.
    pub async fn answers(&self, limit: Duration) -> bool {
        let resolver = self.0.asker.resolver();
        resolver.clear_lookup_cache(Name::root(), RecordType::NS);
        match timeout(limit, resolver.lookup(Name::root(), RecordType::NS)).await {
            Ok(Ok(_) | Err(NetError::Dns(_))) => true,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// What the checks of a message ask with.
    pub(super) fn asker(&self) -> &MessageAuthenticator {
        &self.0.asker
    }

    async fn ask<T>(
        &self,
        name: Name,
        kind: RecordType,
        read: fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, LookupError> {
        let asking = Box::pin(self.0.asker.resolver().lookup(name, kind));
        match timeout(self.0.limit, asking).await {
            Ok(Ok(lookup)) => Ok(records(&lookup, read)),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => {
                // RFC 2308 §2.2: the name is there, records of this type are not.
                let nobody = hickory_resolver::proto::op::ResponseCode::NXDomain;
                if none.response_code == nobody {
                    Err(LookupError::NoSuchName)
                } else {
                    Ok(Vec::new())
                }
            }
            Ok(Err(NetError::Dns(_))) => Err(LookupError::NoAnswer("the server failed")),
            Ok(Err(NetError::Timeout)) | Err(_) => Err(LookupError::NoAnswer("time-out")),
            Ok(Err(_)) => Err(LookupError::NoAnswer("the server cannot be reached")),
        }
    }
}

fn only(server: SocketAddr) -> ResolverConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    udp.port = server.port();
    tcp.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![udp, tcp]);
    ResolverConfig::from_name_servers(vec![server])
}

fn system() -> Result<ResolverConfig, ResolverError> {
    let (config, _) =
        read_system_conf().map_err(|error| ResolverError::System(error.to_string()))?;
    if config.name_servers().is_empty() {
        return Err(ResolverError::System("it is empty".to_owned()));
    }
    Ok(config)
}

/// `text` as a full name: search lists are for people at a shell.
fn name(text: &str) -> Result<Name, LookupError> {
    let text = mail_auth::common::to_a_label(text);
    let mut name = Name::from_ascii(&*text).map_err(|_| LookupError::NoSuchName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn records<T>(lookup: &Lookup, read: fn(&RData) -> Option<T>) -> Vec<T> {
    let answers = lookup.answers().iter().take(RECORDS);
    answers.filter_map(|record| read(&record.data)).collect()
}

fn exchanger(data: &RData) -> Option<Exchanger> {
    let RData::MX(mx) = data else { return None };
    Some(Exchanger {
        preference: mx.preference,
        host: host(&mx.exchange),
    })
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

fn text(data: &RData) -> Option<String> {
    let RData::TXT(txt) = data else { return None };
    Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
}

fn association(data: &RData) -> Option<Tlsa> {
    let RData::TLSA(tlsa) = data else { return None };
    Some(Tlsa {
        usage: tlsa.cert_usage.into(),
        selector: tlsa.selector.into(),
        matching: tlsa.matching.into(),
        data: tlsa.cert_data.clone(),
    })
}

fn pointer(data: &RData) -> Option<String> {
    let RData::PTR(name) = data else { return None };
    Some(host(name))
}

fn host(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}
