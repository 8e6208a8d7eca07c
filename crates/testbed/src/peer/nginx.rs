//! nginx: the primary's web server, or the peer of a benchmark.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::{directory, utf8, wait_listening};
use crate::authority::Identity;
use crate::lab::{Finished, Host, Process, ground};

/// One site: its names, its folder, how it is reached.
#[derive(Clone, Debug)]
pub struct Site {
    names: Vec<String>,
    root: PathBuf,
    identity: Option<Identity>,
    more: String,
}

impl Site {
    /// A site under these names from the files in `root`, on port 80 only.
    #[must_use]
    pub fn new(names: &[&str], root: &Path) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            names,
            root: root.to_path_buf(),
            identity: None,
            more: String::new(),
        }
    }

    /// Serves it on port 443 too (with HTTP/2).
    #[must_use]
    pub fn with_tls(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Adds directives to the `server` block (redirects, types, headers, error pages).
    #[must_use]
    pub fn with(mut self, directives: &str) -> Self {
        self.more.push_str(directives);
        self
    }

    fn block(&self) -> Result<String> {
        let mut block = String::from("  server {\n    listen 80;\n");
        let ipv6 = ground::has_ipv6();
        if ipv6 {
            block.push_str("    listen [::]:80;\n");
        }
        if let Some(identity) = &self.identity {
            block.push_str("    listen 443 ssl http2;\n");
            if ipv6 {
                block.push_str("    listen [::]:443 ssl http2;\n");
            }
            let (chain, key) = (utf8(&identity.chain)?, utf8(&identity.key)?);
            writeln!(
                block,
                "    ssl_certificate {chain};\n    ssl_certificate_key {key};"
            )?;
        }
        writeln!(
            block,
            "    server_name {};\n    root {};",
            self.names.join(" "),
            utf8(&self.root)?
        )?;
        writeln!(block, "{}\n  }}", self.more)?;
        Ok(block)
    }
}

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    dir: PathBuf,
    /// The master process.
    pub process: Process,
}

impl Nginx {
    /// Starts it with these sites, one worker. Files beside a file with `.gz` at the end are
    /// served to who takes gzip.
    pub fn start(host: &Host, sites: &[Site]) -> Result<Self> {
        Self::start_with(host, sites, "")
    }

    /// Like [`Nginx::start`] with more directives for the `http` block.
    pub fn start_with(host: &Host, sites: &[Site], directives: &str) -> Result<Self> {
        let dir = directory(host, "nginx")?;
        let path = dir.join("nginx.conf");
        fs::write(&path, configuration(&dir, sites, directives)?)?;
        let place = utf8(&dir)?;
        let mut process = host.spawn("/usr/sbin/nginx", &["-p", place, "-c", utf8(&path)?], &[])?;
        wait_listening(host, &mut process, 80)?;
        Ok(Self { dir, process })
    }

    /// Lets it read its configuration and certificates again.
    pub fn reload(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGHUP)
    }

    /// The access log's lines.
    pub fn requests(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.dir.join("access.log")).context("nginx' access log")?;
        Ok(text.lines().map(ToOwned::to_owned).collect())
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn configuration(dir: &Path, sites: &[Site], directives: &str) -> Result<String> {
    let place = utf8(dir)?;
    let mut text = String::from("daemon off;\nworker_processes 1;\n");
    // Its files belong to who started the harness, so it stays that user.
    text.push_str("user root;\n");
    if !ground::has_many_users() {
        // A worker gives up its groups, which a single mapped user cannot.
        text.push_str("master_process off;\n");
    }
    writeln!(text, "pid {place}/pid;\nerror_log stderr notice;")?;
    writeln!(text, "events {{ worker_connections 1024; }}\nhttp {{")?;
    writeln!(
        text,
        "  include /etc/nginx/mime.types;\n  default_type application/octet-stream;"
    )?;
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "  {kind}_temp_path {place}/{kind};")?;
    }
    writeln!(
        text,
        "  ssl_protocols TLSv1.2 TLSv1.3;\n  access_log {place}/access.log;\n  gzip_static on;\n  sendfile on;"
    )?;
    writeln!(text, "  server_tokens off;\n{directives}")?;
    for site in sites {
        text.push_str(&site.block()?);
    }
    text.push_str("}\n");
    Ok(text)
}
