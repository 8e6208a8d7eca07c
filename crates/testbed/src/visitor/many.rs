//! A visitor who reads a whole website: many pages with one curl, for comparing copies.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Visitor;

/// What came back for one page of many.
#[derive(Clone, Debug)]
pub struct Page {
    /// What was asked.
    pub url: String,
    /// The status; 0 when nobody answered.
    pub status: u16,
    /// The server's address.
    pub from: String,
    /// The `Content-Type` field, empty if there was none.
    pub kind: String,
    /// Where a redirect leads, empty if it is none.
    pub leads_to: String,
    body: PathBuf,
}

impl Page {
    /// The body.
    pub fn body(&self) -> Result<Vec<u8>> {
        match fs::read(&self.body) {
            // curl writes no file for an empty body.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.with_context(|| format!("the body of {}", self.url)),
        }
    }
}

const SAID: &str = "%{http_code}\\t%{remote_ip}\\t%{content_type}\\t%{redirect_url}\\n";

impl Visitor {
    /// Asks all these pages in turn, names resolved once, connections kept. Bodies go into
    /// `folder`, and stay there.
    pub fn get_all(&self, urls: &[String], folder: &Path) -> Result<Vec<Page>> {
        fs::create_dir_all(folder)?;
        let body = |number: usize| folder.join(format!("{number}.body"));
        let mut wanted = String::from("silent\nshow-error\nnoproxy = \"*\"\ngloboff\n");
        writeln!(wanted, "connect-timeout = 2\nmax-time = 30")?;
        writeln!(wanted, "write-out = \"{SAID}\"")?;
        if let Some(authority) = &self.authority {
            writeln!(wanted, "cacert = {authority:?}")?;
        }
        for (number, url) in urls.iter().enumerate() {
            writeln!(wanted, "url = {url:?}\noutput = {:?}", body(number))?;
        }
        let list = folder.join("wanted");
        fs::write(&list, wanted)?;
        let path = list.to_str().context("a path that is not UTF-8")?;
        let finished = self.host.run("/usr/bin/curl", &["--config", path])?;
        let lines: Vec<&str> = finished.stdout.lines().collect();
        ensure!(
            lines.len() == urls.len(),
            "curl spoke of {} of {} pages: {}",
            lines.len(),
            urls.len(),
            finished.stderr.trim()
        );
        let page = |(number, (url, line)): (usize, (&String, &&str))| {
            let mut words = line.split('\t').map(ToOwned::to_owned);
            let mut next = || words.next().unwrap_or_default();
            let status = next()
                .parse()
                .with_context(|| format!("curl said {line:?}"))?;
            Ok(Page {
                url: url.clone(),
                status,
                from: next(),
                kind: next(),
                leads_to: next(),
                body: body(number),
            })
        };
        urls.iter().zip(&lines).enumerate().map(page).collect()
    }
}
