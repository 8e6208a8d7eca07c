//! The certificates that we show: chosen by server name, reloaded when their files change.
//!
//! A certificate in memory is never given up for a broken file: whatever happens to the files,
//! what was good is served on, and the trouble is said (log, metric, [`CertificateReport`]).

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{OrganisationId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

use self::table::{Table, WithFallback};
use super::pair::{Files, Pair, PairError};
use super::{SpkiHash, TlsError, provider};
use crate::metrics::Metrics;
use crate::{Clock, Drain, Tasks};

mod table;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(30);
/// Sessions kept for guests that cannot hold tickets (TLS 1.2).
const SESSIONS: usize = 4096;

/// Where an organisation's certificate lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Whose.
    pub organisation: OrganisationId,
    /// The chain in PEM, the host's own certificate first.
    pub chain: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// What `ready` says of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateReport {
    /// Whose.
    pub organisation: OrganisationId,
    /// The DNS names it is good for, lower case; empty while none was ever read.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: Option<Timestamp>,
    /// Until when it is valid.
    pub not_after: Option<Timestamp>,
    /// What is wrong with the files as they lie there now; what is served may be an older one.
    pub problem: Option<PairError>,
}

/// All certificates of all organisations. Cheap to clone.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    provider: Arc<CryptoProvider>,
    table: Arc<Table>,
    held: Mutex<Vec<Held>>,
    server: Arc<ServerConfig>,
    reloads: Counter,
    failures: Counter,
    soonest_expiry: Gauge,
}

/// One pair of files and what came of them.
struct Held {
    files: CertificateFiles,
    /// The content that was looked at last, good or not.
    seen: Option<Files>,
    pair: Option<LoadedPair>,
    problem: Option<PairError>,
}

struct LoadedPair {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificates {
    /// Reads all files. A broken one does not stop the others: see [`Self::report`].
    ///
    /// # Errors
    /// The TLS library refuses, which has nothing to do with the files.
    pub fn open(files: Vec<CertificateFiles>, metrics: &Metrics) -> Result<Self, TlsError> {
        let provider = provider();
        let table = Arc::new(Table::default());
        let resolver = Arc::clone(&table);
        let server = Arc::new(server_config(&provider, resolver, &[b"h2", b"http/1.1"])?);
        let inner = metrics.register("tls", |registry| {
            let (reloads, failures) = (Counter::default(), Counter::default());
            let (soonest_expiry, refused) = (Gauge::default(), UnknownNames(Arc::clone(&table)));
            registry.register(
                "certificate_reloads",
                "Certificates taken from changed files",
                reloads.clone(),
            );
            registry.register(
                "certificate_failures",
                "Certificate files that could not be used; the old certificate is kept",
                failures.clone(),
            );
            registry.register(
                "certificate_soonest_expiry_seconds",
                "When the first certificate expires, in seconds since 1970",
                soonest_expiry.clone(),
            );
            registry.register_collector(Box::new(refused));
            Inner {
                provider,
                table,
                held: Mutex::default(),
                server,
                reloads,
                failures,
                soonest_expiry,
            }
        });
        let held = files.into_iter().map(|files| Held {
            files,
            seen: None,
            pair: None,
            problem: None,
        });
        *inner.held.lock().unwrap_or_else(PoisonError::into_inner) = held.collect();
        let certificates = Self(Arc::new(inner));
        certificates.reload();
        Ok(certificates)
    }

    /// Looks at all files now; what changed and is good is shown from the next handshake on.
    /// Returns how many were taken. Blocks on the disk.
    pub fn reload(&self) -> usize {
        let mut held = self.held();
        let mut taken = 0;
        for one in held.iter_mut() {
            match one.look(&self.0.provider) {
                Look::Same => {}
                Look::Taken => {
                    taken += 1;
                    self.0.reloads.inc();
                }
                Look::Failed(problem) => {
                    self.0.failures.inc();
                    tracing::error!(
                        organisation = %one.files.organisation,
                        kept = one.pair.is_some(),
                        "certificate: {problem}"
                    );
                }
            }
        }
        let expiry = held
            .iter()
            .filter_map(|one| one.pair.as_ref())
            .map(|pair| pair.not_after.millis().div_euclid(1000))
            .min();
        self.0.soonest_expiry.set(expiry.unwrap_or(0));
        if taken > 0 {
            self.0.table.replace(&held);
        }
        taken
    }

    /// Looks at the files again and again until the drain begins.
    pub async fn follow(self, clock: Clock, tasks: Tasks, drain: Drain) {
        loop {
            // Both arms are cancel-safe: they only wait.
            tokio::select! {
                () = drain.begun() => return,
                () = clock.sleep(INTERVAL) => {}
            }
            let here = self.clone();
            // A disk that hangs must not hang the listeners.
            let looked = tasks.blocking("certificates", move || here.reload()).await;
            if matches!(looked, Ok(taken) if taken > 0) {
                tracing::info!("certificates reloaded");
            }
        }
    }

    /// What is shown, until when, and what is wrong with the files.
    pub fn report(&self) -> Vec<CertificateReport> {
        let report = |one: &Held| CertificateReport {
            organisation: one.files.organisation.clone(),
            names: one
                .pair
                .as_ref()
                .map_or_else(Vec::new, |pair| pair.names.clone()),
            not_before: one.pair.as_ref().map(|pair| pair.not_before),
            not_after: one.pair.as_ref().map(|pair| pair.not_after),
            problem: one.problem.clone(),
        };
        self.held().iter().map(report).collect()
    }

    /// Whether a guest who asks for `host` gets a certificate that names it.
    pub fn covers(&self, host: &str) -> bool {
        self.0.table.find(host).is_some()
    }

    /// The fingerprint of the key that a guest who asks for `host` is shown.
    pub fn fingerprint(&self, host: &str) -> Option<SpkiHash> {
        let found = self.0.table.find(host)?;
        SpkiHash::of(found.cert.first()?)
    }

    /// The configuration of listeners that speak something else than HTTP, over the same
    /// certificates; make one for each protocol and keep it. Without `alpn` guests may offer what
    /// they like, for a list of ours that names none of theirs ends the handshake (RFC 7301 §3.2).
    ///
    /// Guests who name no host, or one that no certificate names, are shown the certificate of
    /// `usual` if there is one, otherwise the first: many mail servers name nobody, and a refusal
    /// would make them come back in clear (RFC 7435). Sessions are not shared with other protocols.
    ///
    /// # Errors
    /// The TLS library refuses.
    pub fn server_config_for(
        &self,
        alpn: &[&[u8]],
        usual: Option<&str>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let usual = usual.map(str::to_owned);
        let resolver = Arc::new(WithFallback {
            table: Arc::clone(&self.0.table),
            usual,
        });
        server_config(&self.0.provider, resolver, alpn).map(Arc::new)
    }

    /// The web listeners' configuration. It stays the same over reloads, and so do sessions.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.server)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    resolver: Arc<dyn ResolvesServerCert>,
    alpn: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // RFC 8446 §4.6.1, RFC 5077: the keys are made here, rotate by themselves and are never kept.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(SESSIONS);
    Ok(config)
}

enum Look {
    Same,
    Taken,
    Failed(PairError),
}

impl Held {
    /// Compares the files' content with what was seen last; times of change lie.
    fn look(&mut self, provider: &CryptoProvider) -> Look {
        let (chain, key) = (&self.files.chain, &self.files.key);
        let files = match Files::read(chain, key) {
            Ok(files) => files,
            Err(problem) if self.problem.as_ref() == Some(&problem) => return Look::Same,
            Err(problem) => {
                self.seen = None;
                self.problem = Some(problem.clone());
                return Look::Failed(problem);
            }
        };
        if self.seen.as_ref() == Some(&files) {
            return Look::Same;
        }
        let parsed = Pair::parse(&files, chain, key, provider);
        self.seen = Some(files);
        match parsed {
            Ok(pair) => {
                self.problem = None;
                self.pair = Some(LoadedPair {
                    key: Arc::new(pair.key),
                    names: pair.names,
                    not_before: pair.not_before,
                    not_after: pair.not_after,
                });
                Look::Taken
            }
            Err(problem) => {
                self.problem = Some(problem.clone());
                Look::Failed(problem)
            }
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys never reach a log.
        f.debug_list().entries(self.report()).finish()
    }
}

/// Lets the count of refused names be read where it is kept.
#[derive(Debug)]
struct UnknownNames(Arc<Table>);

impl prometheus_client::collector::Collector for UnknownNames {
    fn encode(
        &self,
        mut encoder: prometheus_client::encoding::DescriptorEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        use prometheus_client::encoding::EncodeMetric;
        use prometheus_client::metrics::counter::ConstCounter;

        let counter = ConstCounter::new(self.0.unknown.load(Ordering::Relaxed));
        let metric = encoder.encode_descriptor(
            "unknown_names",
            "Handshakes refused because no certificate names the host asked for",
            None,
            counter.metric_type(),
        )?;
        counter.encode(metric)
    }
}

#[cfg(test)]
mod tests;
