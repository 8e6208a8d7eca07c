//! What is ready to be served: bytes written when something changed, so that a flood of visitors
//! costs no writing.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use model::{OrganisationId, Standing, Timestamp};
use sha2::{Digest, Sha256};

use crate::config::Organisation;
use crate::language::{Language, Words};
use crate::state::State;
use crate::view::Ground;
use crate::{feed, notice, page, status};

/// Something to be served, in its plain and its small form.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) kind: &'static str,
    pub(crate) language: Option<Language>,
    pub(crate) plain: Form,
    pub(crate) gzip: Option<Form>,
}

/// Bytes and the name of their version.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Document {
    fn new(kind: &'static str, language: Option<Language>, text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let version = HEXLOWER.encode(digest.get(..12).unwrap_or(&digest));
        let gzip = gzip(text.as_bytes()).map(|bytes| Form {
            bytes,
            // RFC 9110 §8.8.3.3: another coding is another representation, with its own tag.
            etag: etag(&format!("\"{version}-gz\"")),
        });
        Self {
            kind,
            language,
            plain: Form {
                bytes: Bytes::from(text),
                etag: etag(&format!("\"{version}\"")),
            },
            gzip,
        }
    }
}

fn etag(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("\"0\""))
}

fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    let small = encoder.finish().ok()?;
    (small.len() < bytes.len()).then(|| Bytes::from(small))
}

/// Everything that is served for one organisation.
#[derive(Clone, Debug)]
pub(crate) struct Stand {
    pub(crate) organisation: Arc<Organisation>,
    pub(crate) pages: BTreeMap<Language, Document>,
    pub(crate) statements: BTreeMap<Language, Document>,
    pub(crate) feeds: BTreeMap<Language, Document>,
    pub(crate) missing: BTreeMap<Language, Document>,
    pub(crate) notices: BTreeMap<Language, notice::Bodies>,
    pub(crate) status: Document,
}

/// Something could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("a template: {0}")]
    Template(#[from] askama::Error),
    #[error("status.json: {0}")]
    Json(#[from] serde_json::Error),
}

const HTML: &str = "text/html; charset=utf-8";
const ATOM: &str = "application/atom+xml; charset=utf-8";
const JSON: &str = "application/json";

/// Writes everything for one organisation. Takes no time and no place from outside: the same
/// state gives the same bytes.
pub(crate) fn write(
    organisation: &Arc<Organisation>,
    words: &BTreeMap<Language, Words>,
    standings: &[Standing],
    state: &State,
    opened: Timestamp,
) -> Result<Stand, WriteError> {
    let nothing = crate::state::Chronicle::default();
    let chronicle = state.chronicle(&organisation.id).unwrap_or(&nothing);
    let mut pages = BTreeMap::new();
    let mut statements = BTreeMap::new();
    let mut feeds = BTreeMap::new();
    let mut missing = BTreeMap::new();
    let mut notices = BTreeMap::new();
    let mut json = String::new();
    for language in &organisation.languages {
        let Some(words) = words.get(language) else {
            continue;
        };
        let ground = Ground {
            organisation,
            words,
            standings,
            chronicle,
            opened,
        };
        let document = |kind, text| Document::new(kind, Some(*language), text);
        pages.insert(*language, document(HTML, page::page(&ground)?));
        statements.insert(*language, document(HTML, page::statements(&ground)?));
        if let Some(feed) = feed::feed(&ground) {
            feeds.insert(*language, document(ATOM, feed?));
        }
        let text = page::missing(words, &organisation.name)?;
        missing.insert(*language, document(HTML, text));
        notices.insert(*language, notice::bodies(&ground)?);
        json = status::status(&ground)?;
    }
    Ok(Stand {
        organisation: Arc::clone(organisation),
        pages,
        statements,
        feeds,
        missing,
        notices,
        status: Document::new(JSON, None, json),
    })
}

/// All that is served at this moment. Replaced as a whole; a stand that did not change is shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    stands: BTreeMap<OrganisationId, Arc<Stand>>,
    hosts: BTreeMap<String, OrganisationId>,
}

impl Shelf {
    pub(crate) fn put(&mut self, stand: Stand) {
        let organisation = &stand.organisation;
        if let Some(host) = &organisation.host {
            self.hosts.insert(host.clone(), organisation.id.clone());
        }
        self.stands.insert(organisation.id.clone(), Arc::new(stand));
    }

    pub(crate) fn of(&self, organisation: &OrganisationId) -> Option<&Stand> {
        self.stands.get(organisation).map(|stand| &**stand)
    }

    pub(crate) fn at(&self, host: &str) -> Option<&Stand> {
        self.of(self.hosts.get(host)?)
    }
}
