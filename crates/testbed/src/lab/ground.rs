//! The ground a laboratory stands on: private namespaces, prepared once for the process.
//!
//! Called first thing by the `e2e` and `bench` binaries. `cargo xtask` starts them through
//! `unshare` and tells in the environment which namespaces it stood in itself, so that a start
//! by hand on the real network is refused instead of rearranging it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use super::ip::{command, ip};

/// Set by xtask: the launcher's own `net` and `mnt` namespace links, separated by a space.
const OUTER: &str = "SERVERGATE_LAB_OUTER";
/// Set by xtask: the directory into which the peers' packages were unpacked.
const PEERS: &str = "SERVERGATE_PEERS";
/// Set by xtask: where this run writes.
const OUTPUT: &str = "SERVERGATE_LAB_DIR";

/// User number of Postfix's queue owner in the laboratory.
pub const POSTFIX_UID: u32 = 64101;
/// Group number of Postfix's drop directory in the laboratory.
pub const POSTDROP_GID: u32 = 64102;
/// User and group number of Dovecot's daemons in the laboratory.
pub const DOVECOT_UID: u32 = 64103;
/// User and group number of Dovecot's log-in processes in the laboratory.
pub const DOVENULL_UID: u32 = 64104;
/// User and group number of Exim in the laboratory.
pub const EXIM_UID: u32 = 64105;
/// User and group number of the mailboxes in the laboratory.
pub const VMAIL_UID: u32 = 64106;

/// User and group number of OpenSMTPD's daemons in the laboratory.
pub const OPENSMTPD_UID: u32 = 64107;
/// User and group number of OpenSMTPD's queue in the laboratory.
pub const OPENSMTPQ_UID: u32 = 64108;

/// Names and numbers of the peers' users, each with a group of the same name and number.
const USERS: &[(&str, u32)] = &[
    ("postfix", POSTFIX_UID),
    ("dovecot", DOVECOT_UID),
    ("dovenull", DOVENULL_UID),
    ("Debian-exim", EXIM_UID),
    ("vmail", VMAIL_UID),
    ("opensmtpd", OPENSMTPD_UID),
    ("opensmtpq", OPENSMTPQ_UID),
];

static READY: OnceLock<()> = OnceLock::new();

/// Makes the private mounts and the router's settings.
///
/// `/usr` becomes an overlay of the unpacked peers above the machine's own, `/etc` one of a few
/// files of ours above theirs; both read-only and seen by this process and its children only.
pub fn prepare() -> Result<()> {
    let outer = std::env::var(OUTER).ok();
    require_fresh(outer.as_deref())?;
    let peers = PathBuf::from(std::env::var(PEERS).with_context(|| format!("{PEERS} is not set"))?);
    let own = output_dir()?.join("ground");
    write_etc(&own.join("etc"))?;
    mount_overlay(
        &[&own.join("etc"), &peers.join("etc"), Path::new("/etc")],
        "/etc",
    )?;
    command("mount", &["-t", "tmpfs", "lab", "/etc/netns"])?;
    mount_overlay(&[&peers.join("usr"), Path::new("/usr")], "/usr")?;
    command("mount", &["-t", "tmpfs", "-o", "mode=755", "lab", "/run"])?;
    // OpenSMTPD's places are compiled in.
    fs::create_dir_all(own.join("lib/opensmtpd/empty"))?;
    mount_overlay(&[&own.join("lib"), Path::new("/var/lib")], "/var/lib")?;
    let spool = ["-t", "tmpfs", "-o", "mode=755", "lab", "/var/spool"];
    command("mount", &spool)?;
    fs::create_dir_all("/run/netns")?;
    ip(&["link", "set", "lo", "up"])?;
    set("net/ipv4/ip_forward", "1")?;
    // The router must never say "there is a shorter way": every packet passes it, to be cut.
    for which in ["all", "default"] {
        set(&format!("net/ipv4/conf/{which}/send_redirects"), "0")?;
        set(&format!("net/ipv4/conf/{which}/rp_filter"), "0")?;
    }
    if has_ipv6() {
        set("net/ipv6/conf/all/forwarding", "1")?;
    }
    READY.get_or_init(|| ());
    Ok(())
}

/// Where this run writes (`target/e2e` unless told otherwise by xtask).
pub fn output_dir() -> Result<PathBuf> {
    let dir = std::env::var(OUTPUT).with_context(|| format!("{OUTPUT} is not set"))?;
    Ok(PathBuf::from(dir))
}

/// An error unless [`prepare`] has run.
pub(super) fn require() -> Result<()> {
    match READY.get() {
        Some(()) => Ok(()),
        None => bail!("lab::ground::prepare() has to run before a laboratory is built"),
    }
}

/// Whether the kernel has IPv6 in these namespaces.
#[must_use]
pub fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6/conf/all/forwarding").exists()
}

/// Whether files can be given to other users here: as real root, or with a whole range of users
/// mapped by `newuidmap`.
#[must_use]
pub fn has_many_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let users: u64 = map
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
        .sum();
    users > u64::from(OPENSMTPQ_UID)
}

fn require_fresh(outer: Option<&str>) -> Result<()> {
    let advice = "start it with `cargo xtask test --only e2e` or `cargo xtask e2e NAME`";
    let Some((net, mnt)) = outer.and_then(|links| links.split_once(' ')) else {
        bail!(
            "this rearranges the network and mounts and so runs in namespaces of its own: {advice}"
        );
    };
    for (kind, outside) in [("net", net), ("mnt", mnt)] {
        let inside = fs::read_link(format!("/proc/self/ns/{kind}"))?;
        if inside == Path::new(outside) {
            bail!("still in the launcher's {kind} namespace: {advice}");
        }
    }
    // A fresh network namespace has its loopback and nothing that leads anywhere.
    let devices = fs::read_to_string("/proc/net/dev")?;
    let foreign: Vec<&str> = devices
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':').map(|(name, _)| name.trim()))
        .filter(|name| name.starts_with("eth") || name.starts_with("en") || name.starts_with("wl"))
        .collect();
    if !foreign.is_empty() {
        bail!(
            "this network namespace is not fresh, it has {}: {advice}",
            foreign.join(", ")
        );
    }
    Ok(())
}

fn write_etc(etc: &Path) -> Result<()> {
    fs::create_dir_all(etc.join("netns"))?;
    let ours = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        name == "postdrop" || USERS.iter().any(|(known, _)| *known == name)
    };
    let extend = |name: &str, lines: &str| -> Result<()> {
        let theirs = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        let kept: Vec<&str> = theirs.lines().filter(|line| !ours(line)).collect();
        fs::write(etc.join(name), format!("{}\n{lines}", kept.join("\n")))?;
        Ok(())
    };
    let (mut users, mut groups) = (String::new(), format!("postdrop:x:{POSTDROP_GID}:\n"));
    for (name, number) in USERS {
        users.push_str(&format!(
            "{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        ));
        groups.push_str(&format!("{name}:x:{number}:\n"));
    }
    extend("passwd", &users)?;
    extend("group", &groups)?;
    fs::write(etc.join("hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
    fs::write(
        etc.join("nsswitch.conf"),
        "passwd: files\ngroup: files\nhosts: files dns\n",
    )?;
    fs::write(
        etc.join("resolv.conf"),
        "# no name server outside a laboratory's host\n",
    )?;
    Ok(())
}

fn mount_overlay(layers: &[&Path], at: &str) -> Result<()> {
    let mut lower = Vec::new();
    for layer in layers.iter().filter(|layer| layer.is_dir()) {
        let text = layer.to_str().context("a path that is not UTF-8")?;
        if text.contains([':', ',', '\\']) {
            bail!(
                "overlay mounts cannot name {text}: check the project out at a path without `:` `,` `\\`"
            );
        }
        lower.push(text);
    }
    let options = format!("lowerdir={}", lower.join(":"));
    command("mount", &["-t", "overlay", "-o", &options, "lab", at]).map(|_| ()).context(
        "the peers are laid over the system with overlayfs; without root this needs Linux 5.11 or newer",
    )
}

fn set(key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/{key}");
    fs::write(&path, value).with_context(|| format!("set {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_network_is_refused() {
        let own = |kind: &str| {
            fs::read_link(format!("/proc/self/ns/{kind}"))
                .unwrap()
                .display()
                .to_string()
        };
        assert!(require_fresh(None).is_err());
        assert!(require_fresh(Some(&format!("{} {}", own("net"), own("mnt")))).is_err());
    }
}
