//! A file system of its own in an image, so that its power can be cut: what was not flushed is
//! gone, and every later write and sync fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::lab::until_asked;

const RELEASED: Duration = crate::lab::CEILING;

/// An ext4 in an image, mounted or not. Unmounted when dropped.
#[derive(Debug)]
pub(super) struct Image {
    file: PathBuf,
    at: PathBuf,
    mounted: bool,
}

impl Image {
    /// Makes a file system of so many megabytes and mounts it. Who else runs in a mount namespace
    /// of its own must have been started before: it would keep the mount.
    pub(super) fn make(file: &Path, at: &Path, megabytes: u64) -> Result<Self> {
        fs::create_dir_all(at)?;
        File::create(file)?.set_len(megabytes << 20)?;
        let path = text(file)?;
        // Nothing is kept for the superuser alone, and nothing is left to be done later.
        let words = [
            "-q",
            "-F",
            "-m",
            "0",
            "-E",
            "lazy_itable_init=0,lazy_journal_init=0",
        ];
        command("mkfs.ext4", &[&words[..], &[path]].concat())?;
        let mut image = Self {
            file: file.to_path_buf(),
            at: at.to_path_buf(),
            mounted: false,
        };
        image.mount()?;
        Ok(image)
    }

    /// Mounts it; after a power cut its journal is replayed.
    pub(super) fn mount(&mut self) -> Result<()> {
        let words = [
            "-t",
            "ext4",
            "-o",
            "loop",
            text(&self.file)?,
            text(&self.at)?,
        ];
        command("mount", &words).context(
            "this scenario mounts an image as root: `losetup -f` has to name a device (sudo \
             modprobe loop; in a container: --privileged, and /dev/loop* of the machine)",
        )?;
        self.mounted = true;
        Ok(())
    }

    /// Unmounts it and waits until nobody holds it any more.
    pub(super) fn unmount(&mut self) -> Result<()> {
        command("umount", &[text(&self.at)?])?;
        self.mounted = false;
        let file = text(&self.file)?;
        // Mounted again before, it would be the same file system, still dead.
        until_asked("the image to be released", RELEASED, || {
            let used = command("losetup", &["-j", file])?;
            Ok(used.trim().is_empty().then_some(()))
        })
    }

    /// Mounts it in the place of the dead one, which whoever has files open still holds: what an
    /// operator does who mends a disk under a running program. That program (`process`) has a mount
    /// namespace of its own.
    pub(super) fn mount_anew(&mut self, process: u32) -> Result<()> {
        let (at, file) = (text(&self.at)?, text(&self.file)?);
        let device = command("losetup", &["--find", "--show", file])?;
        let device = device.trim();
        let process = process.to_string();
        let there = ["-t", process.as_str(), "-m"];
        let mounted = command("umount", &["-l", at])
            .and_then(|_| command("mount", &["-t", "ext4", device, at]))
            .and_then(|_| command("nsenter", &[&there[..], &["umount", "-l", at]].concat()))
            .and_then(|_| {
                let words = ["mount", "-t", "ext4", device, at];
                command("nsenter", &[&there[..], &words].concat())
            });
        // It is let go of as soon as it is unmounted.
        command("losetup", &["-d", device])?;
        mounted.map(|_| ())
    }

    /// Cuts its power: nothing is flushed (FS_IOC_SHUTDOWN with NOLOGFLUSH, which is what
    /// `shutdown` without `-f` asks for).
    pub(super) fn cut_power(&self) -> Result<()> {
        command("xfs_io", &["-x", "-c", "shutdown", text(&self.at)?])
            .map(|_| ())
            .context("ext4 is shut down by an ioctl that Linux has since 4.14, as root")
    }

    /// It goes read only by itself, as ext4 does where `errors=remount-ro` meets one.
    pub(super) fn abort(&self) -> Result<()> {
        command("mount", &["-o", "remount,abort", text(&self.at)?]).map(|_| ())
    }

    /// Mounts it for reading alone.
    pub(super) fn mount_read_only(&mut self) -> Result<()> {
        let (file, at) = (text(&self.file)?, text(&self.at)?);
        // The device itself can be written: it is the mount that cannot.
        let device = command("losetup", &["--find", "--show", file])?;
        let device = device.trim();
        let mounted = command("mount", &["-t", "ext4", "-o", "ro", device, at]);
        command("losetup", &["-d", device])?;
        mounted?;
        self.mounted = true;
        Ok(())
    }

    /// Lets it be written again under `process`, which has a mount namespace of its own.
    pub(super) fn remount_writable(&self, process: u32) -> Result<()> {
        let at = text(&self.at)?;
        let words = ["mount", "-o", "remount,rw", at];
        command("mount", &["-o", "remount,rw", at])?;
        let process = process.to_string();
        let there = ["-t", process.as_str(), "-m"];
        command("nsenter", &[&there[..], &words].concat()).map(|_| ())
    }

    /// Every write waits until the value is dropped.
    pub(super) fn freeze(&self) -> Result<Frozen> {
        command("fsfreeze", &["-f", text(&self.at)?])?;
        Ok(Frozen(self.at.clone()))
    }

    /// Takes all inodes, and half of a gigabyte has 32,768 of them.
    pub(super) fn take_all_inodes(&self) -> Result<()> {
        for folder in 0_u32.. {
            let folder = self.at.join(format!("many-{folder}"));
            if fs::create_dir(&folder).is_err() {
                return Ok(());
            }
            for number in 0..5000 {
                if File::create(folder.join(number.to_string())).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Gives the inodes back.
    pub(super) fn give_inodes_back(&self) -> Result<()> {
        for entry in fs::read_dir(&self.at)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("many-") {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }

    /// Leaves `free` bytes to others, taken by a file of ballast.
    pub(super) fn fill(&self, free: u64) -> Result<()> {
        let space = self.free()?;
        let length = space.saturating_sub(free).to_string();
        let ballast = self.at.join("ballast");
        command("fallocate", &["-l", &length, text(&ballast)?]).map(|_| ())
    }

    /// Leaves nothing to others: what `fill` cannot take at once is written.
    pub(super) fn fill_to_the_last_block(&self) -> Result<()> {
        self.fill(8 << 20)?;
        let path = self.at.join("ballast");
        let mut file = File::options().append(true).open(path)?;
        let mut piece = 1 << 20;
        while piece >= 512 {
            if file.write_all(&vec![1; piece]).is_err() {
                piece /= 2;
            }
        }
        // What lies in memory has its blocks set aside; a sync gives them.
        let _ = file.sync_all();
        Ok(())
    }

    /// Takes the ballast away.
    pub(super) fn empty(&self) -> Result<()> {
        fs::remove_file(self.at.join("ballast")).context("the ballast")
    }

    pub(super) fn free(&self) -> Result<u64> {
        let said = command("stat", &["-f", "-c", "%a %S", text(&self.at)?])?;
        let mut numbers = said.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(blocks)), Some(Ok(size))) => Ok(blocks * size),
            _ => bail!("`stat -f` said {said:?}"),
        }
    }

    /// A file that proves that the file system lives, made durable now.
    pub(super) fn probe(&self) -> Result<Probe> {
        let path = self.at.join("probe");
        let mut file = File::create(path)?;
        file.write_all(&[0; 8])?;
        file.sync_all()?;
        Ok(Probe(file))
    }

    /// Writes a file and does not sync it: a power cut has to take what is in it. (Written over, ext4
    /// would flush it at once, so each has another name.)
    pub(super) fn leave_unsynced(&self, name: &str) -> Result<()> {
        fs::write(self.at.join(name), "written and never synced").context("the unsynced file")
    }

    /// Whether it is there.
    pub(super) fn kept_the_unsynced(&self, name: &str) -> bool {
        fs::read(self.at.join(name)).is_ok_and(|bytes| !bytes.is_empty())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.at).output();
        }
    }
}

/// A file system that stands still.
#[derive(Debug)]
pub(super) struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        let thaw = Command::new("fsfreeze").arg("-u").arg(&self.0).output();
        if !thaw.is_ok_and(|output| output.status.success()) {
            // Whoever waits for it would wait for ever; the report ends here as well.
            let _ = writeln!(std::io::stderr(), "{} cannot be thawed", self.0.display());
        }
    }
}

/// Asks a file system again and again whether it lives.
#[derive(Debug)]
pub(super) struct Probe(File);

impl Probe {
    /// Until the first failure, or until it is over; returns when the last successful try began.
    /// What was acknowledged before that was acknowledged while the file system lived.
    ///
    /// It writes in place and syncs data only, which commits no journal: a sync of more would do
    /// the standby's work.
    pub(super) fn run(&self, over: &AtomicBool) -> Option<Instant> {
        let mut last = None;
        for number in 0_u64.. {
            let begun = Instant::now();
            let written = self.0.write_all_at(&number.to_be_bytes(), 0);
            if written.and_then(|()| self.0.sync_data()).is_err() || over.load(Ordering::Relaxed) {
                break;
            }
            last = Some(begun);
        }
        last
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn command(program: &str, words: &[&str]) -> Result<String> {
    let shown = || format!("`{program} {}`", words.join(" "));
    let output = Command::new(program)
        .args(words)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .with_context(shown)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!(
            "{} failed: {}",
            shown(),
            String::from_utf8_lossy(&said).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
