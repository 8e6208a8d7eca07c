//! Which certificate for which name.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Held;

/// Which certificate for which name; read at each handshake.
#[derive(Default)]
pub(super) struct Table {
    now: RwLock<Arc<Names>>,
    pub(super) unknown: AtomicU64,
}

#[derive(Default)]
struct Names {
    /// Exact names, and the part behind `*.` of wildcards.
    exact: HashMap<String, Arc<CertifiedKey>>,
    below: HashMap<String, Arc<CertifiedKey>>,
    /// For guests that name nobody.
    first: Option<Arc<CertifiedKey>>,
}

impl Table {
    pub(super) fn replace(&self, held: &[Held]) {
        let mut names = Names::default();
        let mut pairs: Vec<_> = held.iter().filter_map(|one| one.pair.as_ref()).collect();
        names.first = pairs.first().map(|pair| Arc::clone(&pair.key));
        // Where two are good for one name, the one that lives longer is shown.
        pairs.sort_by_key(|pair| pair.not_after);
        for pair in pairs {
            for name in &pair.names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut names.below, parent),
                    None => (&mut names.exact, name.as_str()),
                };
                map.insert(name.to_owned(), Arc::clone(&pair.key));
            }
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }

    fn names(&self) -> Arc<Names> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// RFC 9525 §6.3: a wildcard stands for exactly one label.
    pub(super) fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let names = self.names();
        let lower;
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = host.to_ascii_lowercase();
            &lower
        } else {
            host
        };
        let found = names.exact.get(host).or_else(|| {
            let (_, parent) = host.split_once('.')?;
            names.below.get(parent)
        });
        found.cloned()
    }
}

impl ResolvesServerCert for Table {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else {
            // A guest that knows only an address still learns whom it has met.
            return self.names().first.clone();
        };
        let found = self.find(name);
        if found.is_none() {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
        found
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

/// The same table for protocols whose guests would rather have some certificate than none.
#[derive(Debug)]
pub(super) struct WithFallback {
    pub(super) table: Arc<Table>,
    /// The host whose certificate is shown to whoever names none that is known.
    pub(super) usual: Option<String>,
}

impl ResolvesServerCert for WithFallback {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name();
        if let Some(found) = named.and_then(|name| self.table.find(name)) {
            return Some(found);
        }
        let usual = self.usual.as_deref();
        usual
            .and_then(|name| self.table.find(name))
            .or_else(|| self.table.names().first.clone())
    }
}
