//! Other people's servers, configured and run on hosts of the laboratory. The programs come
//! from `target/peers`, which lies over `/usr` (see [`crate::lab::ground`]).

pub mod apache;
pub mod bind;
pub mod dovecot;
pub mod exim;
pub mod knot;
pub mod nginx;
pub mod nsd;
pub mod opendkim;
pub mod opensmtpd;
pub mod postfix;
pub mod powerdns;
pub mod rspamd;
pub mod tools;
pub mod unbound;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::lab::{Host, Process, ground, until, until_some};

/// How long a peer has to come up.
const START_LIMIT: Duration = crate::lab::CEILING;

/// Makes the peer's own directory on a host.
fn directory(host: &Host, name: &str) -> Result<PathBuf> {
    let dir = host.dir().join(name);
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    Ok(dir)
}

/// Mail servers give their files to users of their own, which needs more than one user here.
fn require_many_users(what: &str) -> Result<()> {
    if !ground::has_many_users() {
        bail!(
            "{what} gives its files to a user of its own. Run this as root, or once: \
             sudo apt-get install uidmap && \
             sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\""
        );
    }
    Ok(())
}

/// A user of the server's own has to reach its files: every directory above lets others
/// through, or the server would only say "permission denied" much later.
fn open_to_others(what: &str, dir: &Path) -> Result<()> {
    for above in dir.ancestors() {
        let mode = fs::metadata(above)?.permissions().mode();
        if mode & 0o001 == 0 {
            let place = above.display();
            bail!(
                "{what}'s own user cannot pass {place}: chmod o+x {place}, or check the project out elsewhere"
            );
        }
    }
    Ok(())
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// Waits until something listens on a TCP port of this host, asking the kernel's own list.
pub(crate) fn wait_listening(host: &Host, process: &mut Process, port: u16) -> Result<()> {
    let mark = format!(":{port:04X}");
    until_some(
        &format!("port {port} on {}", host.name()),
        START_LIMIT,
        || {
            process.require_running()?;
            // The process is in the host's namespace, so its own table is the host's.
            let listening = ["tcp", "tcp6"].iter().any(|table| {
                let path = format!("/proc/{}/net/{table}", process.id());
                let text = fs::read_to_string(path).unwrap_or_default();
                text.lines().any(|line| {
                    let mut words = line.split_whitespace().skip(1);
                    let local = words.next().is_some_and(|local| local.ends_with(&mark));
                    // 0A is LISTEN.
                    local && words.nth(1) == Some("0A")
                })
            });
            Ok(listening.then_some(()))
        },
    )
}

/// Ends a peer with all its daemons at once, as a power cut would, and waits until they are gone.
/// A master moves itself and its daemons into a process group of its own, so every group in
/// the family is ended: what is forked meanwhile is in one of them.
fn kill_family(host: &Host, process: Process, within: Duration) -> Result<()> {
    let root = i32::try_from(process.id()).context("a process number")?;
    // Number, parent and group of everything on the host.
    let alive: Vec<(i32, i32, i32)> = host.process_ids()?.into_iter().filter_map(place).collect();
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        for (id, parent, _) in &alive {
            if family.contains(parent) {
                family.insert(*id);
            }
        }
        if family.len() == before {
            break;
        }
    }
    let groups: BTreeSet<i32> = alive
        .iter()
        .filter(|(id, ..)| family.contains(id))
        .map(|(_, _, group)| *group)
        .collect();
    for group in &groups {
        // It may have ended meanwhile.
        let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
    }
    process.finish(within)?;
    until(
        &format!("the daemons killed on {} to be gone", host.name()),
        within,
        // A group without members cannot be signalled.
        || {
            groups
                .iter()
                .all(|group| killpg(Pid::from_raw(*group), None).is_err())
        },
    )
}

/// A process's number, parent and group, unless it has ended.
fn place(id: i32) -> Option<(i32, i32, i32)> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The program's name, in parentheses, may contain anything.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
    let parent = words.next()?.parse().ok()?;
    let group = words.next()?.parse().ok()?;
    Some((id, parent, group))
}

/// `address:port`, with brackets where IPv6 needs them.
fn socket(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}
