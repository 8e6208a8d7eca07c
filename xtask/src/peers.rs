//! Other people's programs for scenarios and benchmarks: fetched as Debian packages and
//! unpacked into `target/peers`, never installed. A second run fetches nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run};
use crate::place::Place;

/// Package, and the program for which it is wanted.
const WANTED: &[(&str, &str)] = &[
    ("apache2-bin", "apache2"),
    ("bind9", "named"),
    ("bind9-dnsutils", "nsupdate"),
    ("curl", "curl"),
    ("dnsperf", "dnsperf"),
    ("dovecot-core", "dovecot"),
    ("dovecot-imapd", "imap"),
    ("dovecot-lmtpd", "lmtp"),
    ("dovecot-sieve", "sievec"),
    ("exim4-daemon-light", "exim4"),
    ("iproute2", "ip"),
    ("knot", "knotd"),
    ("knot-dnsutils", "kdig"),
    // For swaks' TLS; a library is known by its papers.
    ("libnet-ssleay-perl", "libnet-ssleay-perl"),
    ("nghttp2-client", "h2load"),
    ("nginx", "nginx"),
    ("nsd", "nsd"),
    ("opendkim", "opendkim"),
    ("opendkim-tools", "opendkim-testmsg"),
    // Makes opendkim-genkey's keys.
    ("openssl", "openssl"),
    ("opensmtpd", "smtpd"),
    ("pdns-backend-sqlite3", "pdns-backend-sqlite3"),
    ("pdns-server", "pdns_server"),
    ("postfix", "postfix"),
    ("rspamd", "rspamd"),
    ("sqlite3", "sqlite3"),
    ("strace", "strace"),
    ("swaks", "swaks"),
    ("unbound", "unbound"),
    ("wrk", "wrk"),
    ("e2fsprogs", "mkfs.ext4"),
    ("xfsprogs", "xfs_io"),
];

/// Where a program may lie, below `/` or `target/peers`.
const BINARIES: &[&str] = &[
    "usr/sbin",
    "usr/bin",
    "sbin",
    "bin",
    "usr/lib/dovecot",
    "usr/share/doc",
];

/// Packages that Debian never installs beside the others (here they are only unpacked, and
/// what they share with a later name is the later one's: `sendmail` is Postfix').
const APART: &[&str] = &["exim4-daemon-light", "opensmtpd"];

/// Makes sure that every wanted program is on the machine or in `target/peers`; returns that
/// directory.
pub(crate) fn fetch(place: &Place) -> Result<PathBuf> {
    let peers = place.target.join("peers");
    fs::create_dir_all(peers.join("usr"))?;
    let missing = missing(&peers);
    if missing.is_empty() {
        return Ok(peers);
    }
    println!("fetching {}", missing.join(", "));
    let cache = place.target.join("peers-cache");
    let (apart, together): (Vec<&str>, Vec<&str>) = missing
        .iter()
        .copied()
        .partition(|package| APART.contains(package));
    let groups = std::iter::once(together).chain(apart.into_iter().map(|package| vec![package]));
    for packages in groups.filter(|group| !group.is_empty()) {
        download(&cache, &packages).with_context(|| by_hand(&packages))?;
    }
    unpack(&archives(&cache)?, &peers)?;
    let still: Vec<&str> = self::missing(&peers);
    if !still.is_empty() {
        bail!(
            "the packages came without {}. {}",
            still.join(", "),
            by_hand(&still)
        );
    }
    Ok(peers)
}

/// The packages whose program is neither on the machine nor unpacked.
fn missing(peers: &Path) -> Vec<&'static str> {
    let present = |program: &str| {
        let roots = [Path::new("/"), peers];
        roots.iter().any(|root| {
            BINARIES
                .iter()
                .any(|dir| root.join(dir).join(program).exists())
        })
    };
    WANTED
        .iter()
        .filter(|(_, program)| !present(program))
        .map(|(package, _)| *package)
        .collect()
}

fn by_hand(packages: &[&str]) -> String {
    format!(
        "The programs cannot be fetched here. With them installed on the machine it goes on: \
         sudo apt-get update && sudo apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Three ways, from the cheapest: the machine's own package lists; lists fetched afresh; and
/// those without regard to what is installed (when a package here would conflict with it).
fn download(cache: &Path, packages: &[&str]) -> Result<()> {
    for dir in ["archives/partial", "lists/partial"] {
        fs::create_dir_all(cache.join(dir))?;
    }
    let empty = cache.join("status");
    fs::write(&empty, "")?;
    let before = archives(cache)?;
    if output(&mut apt(cache, &[], packages)).is_ok() {
        return Ok(());
    }
    // What it brought of the machine's own, older lists would lie beside what comes now.
    for stale in archives(cache)?
        .iter()
        .filter(|path| !before.contains(path))
    {
        fs::remove_file(stale)?;
    }
    let lists = format!("Dir::State::lists={}", cache.join("lists").display());
    let mut update = Command::new("apt-get");
    update.args([
        "update",
        "-q",
        "-o",
        lists.as_str(),
        "-o",
        "Debug::NoLocking=1",
    ]);
    update.args([
        "-o",
        "APT::Sandbox::User=root",
        "-o",
        "Dir::Cache::pkgcache=",
        "-o",
        "Dir::Cache::srcpkgcache=",
    ]);
    // One broken source of the machine need not matter; if it does, the download says so.
    let updated = output(&mut update).map(|_| ());
    if output(&mut apt(cache, &[&lists], packages)).is_ok() {
        return Ok(());
    }
    let nothing = format!("Dir::State::status={}", empty.display());
    match (
        output(&mut apt(cache, &[&lists, &nothing], packages)),
        updated,
    ) {
        (Ok(_), _) => Ok(()),
        (Err(error), Err(update)) => Err(error.context(format!("{update:#}"))),
        (Err(error), Ok(())) => Err(error),
    }
}

fn apt(cache: &Path, settings: &[&str], packages: &[&str]) -> Command {
    let archives = format!("Dir::Cache::archives={}", cache.join("archives").display());
    let mut command = Command::new("apt-get");
    command.args([
        "install",
        "--download-only",
        "--no-install-recommends",
        "--no-remove",
        "-y",
        "-q",
    ]);
    let ours = [
        archives.as_str(),
        "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=",
        "Debug::NoLocking=1",
    ];
    // As root apt would download as a user who cannot write to our directory.
    for setting in ours
        .iter()
        .chain(&["APT::Sandbox::User=root"])
        .chain(settings)
    {
        command.args(["-o", setting]);
    }
    command.args(packages);
    command
}

/// The packages that lie in the cache, by name.
fn archives(cache: &Path) -> Result<Vec<PathBuf>> {
    let mut packages: Vec<PathBuf> = fs::read_dir(cache.join("archives"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    packages.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    packages.sort();
    Ok(packages)
}

/// Unpacks every package into a fresh directory and puts that in the place of the old one, so
/// that an interrupted run leaves nothing half done.
fn unpack(packages: &[PathBuf], peers: &Path) -> Result<()> {
    let fresh = peers.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    // Some packages still put files into /bin and /lib, which are links into /usr.
    for dir in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(fresh.join("usr").join(dir))?;
        std::os::unix::fs::symlink(Path::new("usr").join(dir), fresh.join(dir))?;
    }
    let script = "dpkg-deb --fsys-tarfile \"$1\" | tar -x --no-same-owner --keep-directory-symlink -C \"$2\"";
    for package in packages {
        let mut unpack = Command::new("sh");
        run(unpack.args(["-c", script, "sh"]).arg(package).arg(&fresh))?;
    }
    fs::remove_dir_all(peers).with_context(|| format!("clear {}", peers.display()))?;
    fs::rename(&fresh, peers).context("put the unpacked packages into their place")
}
