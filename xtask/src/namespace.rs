//! Starting a program in network, mount and process namespaces of its own: as root with
//! `unshare -nm`, otherwise with a user namespace in which we are root (`-Urnm`).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command that starts `program` there; arguments and environment are the caller's to add.
pub(crate) fn command(program: &Path) -> Result<Command> {
    let flags = flags()?;
    let link = |kind: &str| {
        fs::read_link(format!("/proc/self/ns/{kind}")).context("namespaces need /proc mounted")
    };
    let outer = format!("{} {}", link("net")?.display(), link("mnt")?.display());
    let mut command = Command::new("unshare");
    // A shell is the first process there: it collects orphans, and Ctrl-C reaches the program
    // below it, which as first process itself would not be ended by it.
    command
        .args(flags)
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(program);
    command.env("SERVERGATE_LAB_OUTER", outer);
    Ok(command)
}

fn flags() -> Result<Vec<&'static str>> {
    let mut flags = if is_root()? {
        vec!["-nm"]
    } else {
        vec!["-Urnm"]
    };
    if !is_root()? && maps_many_users() {
        flags.push("--map-auto");
    }
    if !works(&flags) {
        bail!(
            "this machine does not let `unshare {}` make namespaces. As root it works: \
             sudo -E env \"PATH=$PATH\" cargo xtask e2e. Without root one of these may forbid it: \
             sudo sysctl -w kernel.unprivileged_userns_clone=1 (Debian), \
             sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); \
             in a container start it with --privileged",
            flags.join(" ")
        );
    }
    // When the launcher goes, everything it started goes with its process namespace.
    let contained = [&flags[..], &["-pf", "--mount-proc", "--kill-child"]].concat();
    Ok(if works(&contained) { contained } else { flags })
}

fn works(flags: &[&str]) -> bool {
    let mut probe = Command::new("unshare");
    probe
        .args(flags)
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0"))
}

/// Whether `newuidmap` may map a range of users for us (Postfix needs a second user).
fn maps_many_users() -> bool {
    let present = ["/usr/bin/newuidmap", "/bin/newuidmap"]
        .iter()
        .any(|path| Path::new(path).exists());
    present && works(&["-Ur", "--map-auto"])
}
