//! What is written for one person alone: files 0600 in folders 0700.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A folder that is new, or has nothing in it yet, for its owner alone; another one stays as it is.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match fs::read_dir(path)?.next() {
        None => fs::set_permissions(path, Permissions::from_mode(0o700)),
        Some(_) => Ok(()),
    }
}

/// A new file for its owner alone.
pub(super) fn file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_for_its_owner_alone() {
        let home = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let new = home.path().join("backup");
        folder(&new).expect("a folder");
        file(&new.join("x")).expect("a file");
        assert_eq!((mode(&new), mode(&new.join("x"))), (0o700, 0o600));
        assert!(file(&new.join("x")).is_err());
        // Somebody's folder with something in it is not shut.
        fs::set_permissions(&new, Permissions::from_mode(0o755)).expect("set");
        folder(&new).expect("a folder");
        assert_eq!(mode(&new), 0o755);
    }
}
