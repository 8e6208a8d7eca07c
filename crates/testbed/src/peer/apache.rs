//! Apache: an organisation's web server that bans an address after five log-ins in vain, as
//! fail2ban and its like do, in a script of its `mod_lua`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{directory, open_to_others, require_many_users, utf8, wait_listening};
use crate::authority::Identity;
use crate::lab::{Finished, Host, Process};

/// The page that nobody logs in to.
pub const LOGIN: &str = "/wp-login.php";
/// Log-ins in vain after which an address gets 403 for everything.
pub const TRIES: usize = 5;

const MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "dir",
    "mime",
    "lua",
    "remoteip",
    "ssl",
    "socache_shmcb",
];

/// A running Apache on the ports 80 and 443 of every address of its host.
#[derive(Debug)]
pub struct Apache {
    dir: PathBuf,
    /// The master process.
    pub process: Process,
}

impl Apache {
    /// Starts it for one name and the files of a folder. From `trusted` addresses it believes who
    /// the true client is (`X-Forwarded-For`, by `mod_remoteip`); without any it counts whoever
    /// connects.
    pub fn start(
        host: &Host,
        name: &str,
        root: &Path,
        identity: &Identity,
        trusted: &[IpAddr],
    ) -> Result<Self> {
        require_many_users("Apache")?;
        let dir = directory(host, "apache")?;
        open_to_others("Apache", &dir)?;
        open_to_others("Apache", root)?;
        fs::write(dir.join("ban.lua"), script())?;
        let path = dir.join("apache.conf");
        fs::write(&path, configuration(&dir, name, root, identity, trusted)?)?;
        let words = ["-f", utf8(&path)?, "-DFOREGROUND"];
        let mut process = host.spawn("/usr/sbin/apache2", &words, &[])?;
        for port in [80, 443] {
            wait_listening(host, &mut process, port)?;
        }
        Ok(Self { dir, process })
    }

    /// The access log's lines: the client it counts, the request, the status.
    pub fn requests(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.dir.join("access.log")).context("Apache's log")?;
        Ok(text.lines().map(ToOwned::to_owned).collect())
    }

    /// Ends it; whom it has banned is forgotten.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

/// What it counts is one process's own, so there is one.
fn script() -> String {
    format!(
        r#"-- Whoever has logged in in vain so often gets nothing more.
function check(r)
  local tries = tonumber(r:ivm_get(r.useragent_ip) or 0)
  if tries >= {TRIES} then return 403 end
  return apache2.DECLINED
end

-- Every password is wrong.
function login(r)
  r.content_type = "text/html"
  if r.method == "POST" then
    local tries = tonumber(r:ivm_get(r.useragent_ip) or 0)
    r:ivm_set(r.useragent_ip, tries + 1)
    r:puts("<title>Wrong password</title>")
  else
    r:puts("<title>Log in</title>")
  end
  return apache2.OK
end
"#
    )
}

fn configuration(
    dir: &Path,
    name: &str,
    root: &Path,
    identity: &Identity,
    trusted: &[IpAddr],
) -> Result<String> {
    let (place, root) = (utf8(dir)?, utf8(root)?);
    let (chain, key) = (utf8(&identity.chain)?, utf8(&identity.key)?);
    let mut text = String::new();
    for module in MODULES {
        text += &format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n");
    }
    text += &format!(
        "ServerRoot {place}\nServerName {name}\nDefaultRuntimeDir {place}\nPidFile {place}/pid\n\
         ServerLimit 1\nStartServers 1\nThreadsPerChild 25\nMaxRequestWorkers 25\n\
         MinSpareThreads 1\nMaxSpareThreads 25\nUser vmail\nGroup vmail\nListen 80\nListen 443\nErrorLog {place}/error.log\n\
         LogFormat \"%a %r %>s\" plain\nCustomLog {place}/access.log plain\n\
         TypesConfig /dev/null\nAddType text/html .html\nAddType text/css .css\n\
         DocumentRoot {root}\nDirectoryIndex index.html\n\
         <Directory {root}>\n  Require all granted\n</Directory>\n\
         LuaScope thread\n\
         LuaHookAccessChecker {place}/ban.lua check\n\
         LuaMapHandler {LOGIN} {place}/ban.lua login\n"
    );
    if !trusted.is_empty() {
        text += "RemoteIPHeader X-Forwarded-For\n";
        for address in trusted {
            text += &format!("RemoteIPInternalProxy {address}\n");
        }
    }
    text += &format!(
        "<VirtualHost *:443>\n  ServerName {name}\n  SSLEngine on\n  SSLCertificateFile {chain}\n  \
         SSLCertificateKeyFile {key}\n</VirtualHost>\n"
    );
    Ok(text)
}
