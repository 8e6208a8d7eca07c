//! A generation from files on this machine, for who publishes from a folder.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use model::Timestamp;
use store::{BlobError, Blobs};

use super::build::{Added, Builder, Previous};
use super::digest;
use super::fetch::Content;
use super::policy;
use crate::config::CaptureConfig;
use crate::wire::address::Address;
use crate::wire::manifest::Manifest;

/// Folders in folders deeper than this are not entered.
const DEEPEST: usize = 64;

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FolderError {
    /// A file or a folder could not be read.
    #[error("{}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file could not be kept.
    #[error("keeping a file")]
    Keep(#[from] BlobError),
    /// There are more files or bytes than the capture may take.
    #[error("more than {0}; raise the limit or choose another folder")]
    Limit(&'static str),
}

/// What a folder is turned into a generation with.
pub(crate) struct Folder<'a> {
    pub(crate) root: &'a Path,
    pub(crate) hosts: &'a [String],
    pub(crate) config: &'a CaptureConfig,
    pub(crate) now: Timestamp,
}

struct File {
    /// `/a/b.html`, as it is asked for.
    target: String,
    path: PathBuf,
    modified: Option<i64>,
}

impl Folder<'_> {
    /// Reads the folder; blocks on the disk.
    pub(crate) fn read(&self, blobs: &Blobs, previous: &Previous) -> Result<Manifest, FolderError> {
        let mut files = Vec::new();
        self.list(self.root, "", 0, &mut files)?;
        let mut builder = Builder::default();
        for file in files {
            self.add(&file, blobs, previous, &mut builder)?;
        }
        Ok(builder.finish())
    }

    fn list(
        &self,
        folder: &Path,
        above: &str,
        depth: usize,
        files: &mut Vec<File>,
    ) -> Result<(), FolderError> {
        if depth > DEEPEST {
            return Err(FolderError::Limit("64 folders in one another"));
        }
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Read { path, source }
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(wrong(folder))? {
            entries.push(entry.map_err(wrong(folder))?);
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_public(name)) else {
                continue;
            };
            let path = entry.path();
            // A link may lead anywhere on this machine; what lies outside is not published.
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            let target = format!("{above}/{}", encoded(name));
            if metadata.is_dir() {
                self.list(&path, &target, depth + 1, files)?;
            } else if metadata.is_file() {
                let modified = modified(&metadata);
                files.push(File {
                    target,
                    path,
                    modified,
                });
            }
            if files.len() > self.config.pages {
                return Err(FolderError::Limit("the pages that `capture.pages` allows"));
            }
        }
        Ok(())
    }

    fn add(
        &self,
        file: &File,
        blobs: &Blobs,
        previous: &Previous,
        builder: &mut Builder,
    ) -> Result<(), FolderError> {
        let wrong = |source| FolderError::Read {
            path: file.path.clone(),
            source,
        };
        let length = fs::metadata(&file.path).map_err(wrong)?.len();
        if length > self.config.file {
            return Ok(());
        }
        if builder.bytes().saturating_add(length) > self.config.bytes {
            return Err(FolderError::Limit("the bytes that `capture.bytes` allows"));
        }
        if self.is_unchanged(file, length, previous) {
            self.each(file, |address| {
                builder.carry(address, previous, self.now, self.now)
            });
            return Ok(());
        }
        let bytes = fs::read(&file.path).map_err(wrong)?;
        let content_type = content_type(&file.target, &bytes);
        let content = Content::Memory(bytes);
        let before = |id: &store::BlobId| {
            builder
                .coded(id)
                .or_else(|| previous.coded().get(id).copied())
        };
        let kept = digest::keep(blobs, &content, policy::form(&content_type), before)?;
        let mut headers = vec![("content-type", content_type)];
        if let Some(date) = file.modified.and_then(http_date) {
            headers.push(("last-modified", date));
        }
        self.each(file, |address| {
            let (captured, linked) = (self.now, self.now);
            let page = Added {
                address,
                status: 200,
                kept,
                captured,
                linked,
            };
            builder.add(
                &page,
                headers.iter().map(|(name, value)| (*name, value.clone())),
            );
        });
        Ok(())
    }

    /// Calls `take` with every address under which a file is asked for.
    fn each(&self, file: &File, mut take: impl FnMut(&Address)) {
        let mut targets = vec![file.target.as_str()];
        targets.extend(
            file.target
                .strip_suffix("index.html")
                .filter(|it| it.ends_with('/')),
        );
        for host in self.hosts {
            let host: Arc<str> = Arc::from(host.as_str());
            for target in &targets {
                take(&Address {
                    host: Arc::clone(&host),
                    target: Arc::from(*target),
                });
            }
        }
    }

    /// Whether a file has the length and the time it had, and that time is long enough ago for a
    /// second change within the same second to have shown.
    fn is_unchanged(&self, file: &File, length: u64, previous: &Previous) -> bool {
        let mut all = true;
        let date = file.modified.and_then(http_date);
        let settled = file
            .modified
            .is_some_and(|at| self.now.millis() / 1000 - at > 2);
        self.each(file, |address| {
            let page = previous.page(address).filter(|page| page.body.1 == length);
            let known = page.and_then(|page| previous.header(page, "last-modified"));
            all &= known.is_some() && known == date.as_deref();
        });
        all && settled
    }
}

/// Names that start with a dot are the owner's own, but for what RFC 8615 asks for.
fn is_public(name: &str) -> bool {
    !name.starts_with('.') || name == ".well-known"
}

fn modified(metadata: &Metadata) -> Option<i64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

fn http_date(seconds: i64) -> Option<String> {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).ok()?);
    Some(httpdate::fmt_http_date(UNIX_EPOCH.checked_add(since)?))
}

/// A file name as a browser writes it in a path (WHATWG URL, path percent-encode set).
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            byte if b"-._~!$&'()*+,;=:@|[]\\^".contains(&byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The content type of a file, by the end of its name.
fn content_type(target: &str, bytes: &[u8]) -> String {
    let name = target.rsplit('/').next().unwrap_or(target);
    let end = name
        .rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase())
        .unwrap_or_default();
    let known = TYPES.iter().find(|(known, _)| *known == end);
    let media = known.map_or("application/octet-stream", |(_, media)| *media);
    let text = media.starts_with("text/") || media == "application/javascript";
    match text && std::str::from_utf8(bytes).is_ok() {
        true => format!("{media}; charset=utf-8"),
        false => media.to_owned(),
    }
}

const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("atom", "application/atom+xml"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("eot", "application/vnd.ms-fontobject"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("rss", "application/rss+xml"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

#[cfg(test)]
mod tests {
    use store::{Options, Store};

    use super::*;

    fn read(root: &Path, config: &CaptureConfig) -> Result<Manifest, FolderError> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let hosts = ["verein.test".to_owned(), "www.verein.test".to_owned()];
        let now = Timestamp::from_millis(7);
        let folder = Folder {
            root,
            hosts: &hosts,
            config,
            now,
        };
        folder.read(store.blobs(), &Previous::default())
    }

    #[test]
    fn files_become_pages() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("index.html", b"<p>\xc3\xbc</p>");
        write("a b/index.html", b"x");
        write("latin.html", b"\xfc");
        write(".well-known/security.txt", b"Contact: mailto:a@verein.test");
        write(".git/config", b"no");
        std::os::unix::fs::symlink("/etc/hostname", root.path().join("link.txt")).unwrap();
        let manifest = read(root.path(), &CaptureConfig::default()).unwrap();
        let pages: Vec<_> = manifest
            .pages
            .iter()
            .filter(|page| manifest.host(page) == "verein.test")
            .map(|page| {
                (
                    &*page.target,
                    manifest.header(page, "content-type").unwrap(),
                )
            })
            .collect();
        assert_eq!(
            pages,
            [
                ("/", "text/html; charset=utf-8"),
                ("/.well-known/security.txt", "text/plain; charset=utf-8"),
                ("/a%20b/", "text/html; charset=utf-8"),
                ("/a%20b/index.html", "text/html; charset=utf-8"),
                ("/index.html", "text/html; charset=utf-8"),
                ("/latin.html", "text/html"),
            ]
        );
        assert_eq!(manifest.pages.len(), 12);
        assert!(
            manifest
                .header(manifest.pages.first().unwrap(), "last-modified")
                .is_some()
        );
    }

    #[test]
    fn a_folder_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.html"), b"12345").unwrap();
        fs::write(root.path().join("b.html"), b"12345").unwrap();
        let few = CaptureConfig {
            pages: 1,
            ..CaptureConfig::default()
        };
        assert!(matches!(
            read(root.path(), &few),
            Err(FolderError::Limit(_))
        ));
        let small = CaptureConfig {
            bytes: 7,
            ..CaptureConfig::default()
        };
        assert!(matches!(
            read(root.path(), &small),
            Err(FolderError::Limit(_))
        ));
        let files = CaptureConfig {
            file: 4,
            ..CaptureConfig::default()
        };
        assert_eq!(read(root.path(), &files).unwrap().pages.len(), 0);
        assert!(matches!(
            read(&root.path().join("none"), &few),
            Err(FolderError::Read { .. })
        ));
    }
}
