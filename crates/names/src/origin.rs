//! A zone that is ours from a file: read at the start, and again when the file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host::{Drain, Host, OpenError};
use model::{Fact, OrganisationId, TransferFact};

use crate::desk::Desk;
use crate::keep::Version;
use crate::notices::Notices;
use crate::wire::Name;
use crate::zone::{Zone, check_file, read_file};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(30);

/// Keeps one zone as its file says.
pub(crate) struct Origin {
    pub(crate) host: Host,
    pub(crate) desk: Arc<Desk>,
    pub(crate) organisation: OrganisationId,
    pub(crate) apex: Name,
    pub(crate) path: PathBuf,
    pub(crate) notices: Notices,
}

/// Reads the zone at the start.
pub(crate) fn open(apex: &Name, path: &Path) -> Result<Version, OpenError> {
    let text = std::fs::read(path).map_err(|source| OpenError::Local {
        what: format!("the zone file {} cannot be read", path.display()),
        source,
    })?;
    let zone = read_file(apex, &text)
        .map_err(|fault| OpenError::Config(format!("{}:{fault}", path.display())))?;
    Ok(Version {
        zone: Arc::new(zone),
        history: Arc::from([]),
    })
}

impl Origin {
    pub(crate) async fn run(self: Arc<Self>, drain: Drain) {
        let mut told = String::new();
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = self.host.clock.sleep(LOOK) => {}
            }
            match self.read().await {
                Ok(zone) => {
                    told.clear();
                    self.serve(zone).await;
                }
                // What is served stays; each fault is said once.
                Err(fault) if fault != told => {
                    tracing::warn!(zone = %self.apex, %fault, "the zone file was not taken");
                    told = fault;
                }
                Err(_) => {}
            }
        }
    }

    async fn read(&self) -> Result<Zone, String> {
        let (apex, path) = (self.apex.clone(), self.path.clone());
        let read = move || {
            let text = std::fs::read(&path).map_err(|error| error.to_string())?;
            check_file(&apex, &text).map_err(|problems| {
                let first = problems.first();
                first.map_or_else(String::new, |problem| {
                    format!("{}:{}: {}", path.display(), problem.line, problem.what)
                })
            })
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result,
            Err(_) => Err("no thread for the work".to_owned()),
        }
    }

    async fn serve(&self, zone: Zone) {
        let before = self.desk.published.version(&self.apex);
        if before.as_ref().is_some_and(|version| *version.zone == zone) {
            return;
        }
        let serial = zone.soa().serial;
        if before.is_some_and(|version| version.zone.soa().serial == serial) {
            tracing::warn!(zone = %self.apex, serial, "the zone file changed but not its serial; \
                secondaries will not notice");
        }
        let zone = Arc::new(zone);
        let version = Version {
            zone: Arc::clone(&zone),
            history: Arc::from([]),
        };
        self.desk.published.put(&self.apex, version, true);
        let organisation = self.organisation.clone();
        let fact = TransferFact {
            organisation,
            zone: self.apex.to_string(),
            serial,
        };
        self.host.outlets.records.send(Fact::Transfer(fact)).await;
        self.notices.tell(&self.apex, zone);
    }
}
