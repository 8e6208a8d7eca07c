//! The example site of the drill: a small association's pages, and how visitors ask for them.
//!
//! Two languages, pages in folders, a stylesheet that imports another and names a picture, a
//! picture in two sizes, a feed: what a capture has to find.

use std::io;
use std::path::Path;

/// A mark that every page bears.
pub(crate) const MARK: &str = "Verein Beispiel";

/// One file: its name in the folder and what is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    name: &'static str,
    pub(crate) bytes: &'static [u8],
}

impl File {
    /// How a visitor asks for it: a folder's `index.html` goes by the folder's name.
    pub(crate) fn target(&self) -> String {
        format!(
            "/{}",
            self.name.strip_suffix("index.html").unwrap_or(self.name)
        )
    }
}

/// All of them; pages and what belongs to them take turns, as they do for real visitors.
pub(crate) const FILES: &[File] = &[
    File {
        name: "index.html",
        bytes: include_bytes!("site/index.html"),
    },
    File {
        name: "style.css",
        bytes: include_bytes!("site/style.css"),
    },
    File {
        name: "verein.html",
        bytes: include_bytes!("site/verein.html"),
    },
    File {
        name: "bild/logo.svg",
        bytes: include_bytes!("site/bild/logo.svg"),
    },
    File {
        name: "termine.html",
        bytes: include_bytes!("site/termine.html"),
    },
    File {
        name: "farben.css",
        bytes: include_bytes!("site/farben.css"),
    },
    File {
        name: "aktuelles/index.html",
        bytes: include_bytes!("site/aktuelles/index.html"),
    },
    File {
        name: "bild/werkstatt-klein.svg",
        bytes: include_bytes!("site/bild/werkstatt-klein.svg"),
    },
    File {
        name: "mitmachen.html",
        bytes: include_bytes!("site/mitmachen.html"),
    },
    File {
        name: "aktuelles/sommerfest.html",
        bytes: include_bytes!("site/aktuelles/sommerfest.html"),
    },
    File {
        name: "bild/welle.svg",
        bytes: include_bytes!("site/bild/welle.svg"),
    },
    File {
        name: "kontakt.html",
        bytes: include_bytes!("site/kontakt.html"),
    },
    File {
        name: "en/index.html",
        bytes: include_bytes!("site/en/index.html"),
    },
    File {
        name: "bild/werkstatt-gross.svg",
        bytes: include_bytes!("site/bild/werkstatt-gross.svg"),
    },
    File {
        name: "impressum.html",
        bytes: include_bytes!("site/impressum.html"),
    },
    File {
        name: "aktuelles/werkstatt.html",
        bytes: include_bytes!("site/aktuelles/werkstatt.html"),
    },
    File {
        name: "aktuelles/feed.atom",
        bytes: include_bytes!("site/aktuelles/feed.atom"),
    },
    File {
        name: "en/about.html",
        bytes: include_bytes!("site/en/about.html"),
    },
    File {
        name: "druck.css",
        bytes: include_bytes!("site/druck.css"),
    },
    File {
        name: "en/dates.html",
        bytes: include_bytes!("site/en/dates.html"),
    },
];

/// Writes all files below `folder`.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    for file in FILES {
        let path = folder.join(file.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, file.bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_bears_the_mark_and_leads_only_to_what_is_there() {
        let targets: Vec<String> = FILES.iter().map(File::target).collect();
        for file in FILES.iter().filter(|file| file.name.ends_with(".html")) {
            let page = std::str::from_utf8(file.bytes).unwrap();
            assert!(page.contains(MARK), "{} lacks the mark", file.name);
            for part in page.split(['"', ' ']).filter(|part| part.starts_with('/')) {
                let asked = part.trim_end_matches(',').to_owned();
                let markup = part.starts_with("/>");
                assert!(
                    markup || targets.contains(&asked),
                    "{}: {part} is not there",
                    file.name
                );
            }
        }
    }

    #[test]
    fn the_list_is_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/drill/site");
        let (mut there, mut kept) = (Vec::new(), Vec::new());
        names(&source, &source, &mut there);
        names(folder.path(), folder.path(), &mut kept);
        assert_eq!(there, kept);
        assert!(
            FILES
                .iter()
                .all(|file| kept.contains(&file.name.to_owned()))
        );
    }

    fn names(root: &Path, folder: &Path, found: &mut Vec<String>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            match path.is_dir() {
                true => names(root, &path, found),
                false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
            }
        }
    }
}
