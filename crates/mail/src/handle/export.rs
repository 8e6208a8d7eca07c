//! All that is kept, as files for one person: `NUMBER.eml`, readable by the standby's account alone.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use store::Beside;

use super::{HandleError, MailHandle};
use crate::spool::{Message, MessageBody, SpoolError};

impl MailHandle {
    /// Writes all that is kept as files `NUMBER.eml` into `to`, which is made.
    ///
    /// # Errors
    /// Something could not be read or written.
    pub fn export(&self, to: &Path) -> Result<usize, HandleError> {
        folder(to).map_err(HandleError::Export)?;
        let (mut after, mut written) = (0, 0);
        loop {
            let numbers = self.office.spool.waiting(after, 256);
            let Some(last) = numbers.last() else { break };
            after = *last;
            for number in numbers {
                written += self.write_out(number, to)?;
            }
        }
        for number in self.office.spool.quarantined() {
            written += self.write_out(number, to)?;
        }
        Ok(written)
    }

    /// Writes one message; one that was handed back meanwhile is none.
    fn write_out(&self, number: u64, to: &Path) -> Result<usize, HandleError> {
        let message = match self.office.spool.read(number) {
            Err(SpoolError::Gone(_)) => return Ok(0),
            message => message?,
        };
        let path = to.join(format!("{number}.eml"));
        let file = file(&path).and_then(|file| self.office.spool.beside(file));
        write(&message, file.map_err(HandleError::Export)?)?;
        Ok(1)
    }
}

/// The folder; one that is new, or has nothing in it yet, is for its owner alone.
fn folder(to: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    match fs::read_dir(to)?.next() {
        None => fs::set_permissions(to, Permissions::from_mode(0o700)),
        Some(_) => Ok(()),
    }
}

/// A new file for its owner alone. One that is there already is taken away before: it may be open
/// for others, or lead elsewhere.
fn file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn write(message: &Message, mut file: Beside) -> Result<(), HandleError> {
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(HandleError::Export);
    match &message.body {
        MessageBody::Inline(bytes) => put(bytes)?,
        MessageBody::Blob(blob) => {
            let mut piece = vec![0; 64 << 10];
            let mut offset = 0;
            loop {
                let read = blob.read_at(offset, &mut piece).map_err(SpoolError::from)?;
                if read == 0 {
                    break;
                }
                offset += read as u64;
                put(piece.get(..read).unwrap_or_default())?;
            }
        }
    }
    file.sync_all().map_err(HandleError::Export)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn exports_are_for_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let new = home.path().join("a/b");
        folder(&new).unwrap();
        assert_eq!((mode(&new), mode(&home.path().join("a"))), (0o700, 0o700));

        let open = home.path().join("open");
        DirBuilder::new().mode(0o755).create(&open).unwrap();
        folder(&open).unwrap();
        assert_eq!(mode(&open), 0o700);

        // What is there already neither keeps its rights nor leads elsewhere.
        let (elsewhere, planted) = (home.path().join("elsewhere"), open.join("1.eml"));
        fs::write(&elsewhere, "x").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &planted).unwrap();
        file(&planted).unwrap().write_all(b"mail").unwrap();
        assert_eq!(fs::read(&elsewhere).unwrap(), b"x");
        assert_eq!(
            (mode(&planted), fs::read(&planted).unwrap()),
            (0o600, b"mail".to_vec())
        );
        // A folder with other people's files stays as it is.
        DirBuilder::new()
            .mode(0o755)
            .create(home.path().join("used"))
            .unwrap();
        fs::set_permissions(home.path().join("used"), Permissions::from_mode(0o755)).unwrap();
        fs::write(home.path().join("used/x"), "x").unwrap();
        folder(&home.path().join("used")).unwrap();
        assert_eq!(mode(&home.path().join("used")), 0o755);
    }
}
