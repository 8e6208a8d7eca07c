//! Files that the program writes beside its store: backups, exports.
//!
//! They may lie on the same disk, and there they leave the reserve alone as everything else does.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;

use crate::{BlobError, Blobs};

/// A file being written beside a store. On the store's disk it ends with `StorageFull` where the
/// reserve begins.
#[derive(Debug)]
pub struct Beside {
    file: File,
    blobs: Option<Blobs>,
}

impl Beside {
    pub(crate) fn new(file: File, blobs: &Blobs) -> io::Result<Self> {
        let same = blobs.device().is_none_or(|device| {
            let file = file.metadata();
            file.is_ok_and(|file| file.dev() == device)
        });
        let blobs = same.then(|| blobs.clone());
        if let Some(blobs) = &blobs {
            blobs.look_for_room().map_err(full)?;
        }
        Ok(Self { file, blobs })
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// The sync failed.
    pub fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(blobs) = &self.blobs {
            blobs.count(bytes.len() as u64).map_err(full)?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn full(error: BlobError) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Committer, Options, Store};

    fn store(dir: &std::path::Path, reserve_bytes: u64) -> Store {
        let options = Options {
            committer: Committer::Inline,
            reserve_bytes,
            ballast_bytes: 0,
            ..Options::default()
        };
        Store::open(dir, options).unwrap()
    }

    #[test]
    fn what_lies_on_the_same_disk_leaves_the_reserve_alone() {
        let dir = tempfile::tempdir().unwrap();
        // All that is there now is the reserve, but for a little.
        drop(store(&dir.path().join("store"), 0));
        let left = crate::disk::available(dir.path()).unwrap();
        let path = dir.path().join("export");
        let within = store(&dir.path().join("store"), left.saturating_sub(1 << 40));
        let mut file = within.beside(File::create(&path).unwrap()).unwrap();
        file.write_all(&[1; 5 << 20]).unwrap();
        file.sync_all().unwrap();
        drop((file, within));

        let beyond = store(&dir.path().join("store"), u64::MAX);
        let refused = beyond.beside(File::create(&path).unwrap()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(refused.to_string().contains("reserve"), "{refused}");
        // Elsewhere it takes nothing of ours.
        let Ok(elsewhere) = File::create("/dev/shm/servergate-beside-test") else {
            return;
        };
        let taken = beyond
            .beside(elsewhere)
            .and_then(|mut it| it.write_all(b"x"));
        std::fs::remove_file("/dev/shm/servergate-beside-test").unwrap();
        taken.unwrap();
    }

    #[test]
    fn many_small_writers_look_for_room_together() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), 0);
        let (mut looked, before) = (0, store.blobs().looks());
        let mut files: Vec<_> = (0..60)
            .map(|number| {
                let file = File::create(dir.path().join(format!("aside-{number}"))).unwrap();
                looked += 1;
                store.beside(file).unwrap()
            })
            .collect();
        for file in &mut files {
            file.write_all(&vec![1; 1 << 20]).unwrap();
        }
        let looks = store.blobs().looks() - before - looked;
        assert_eq!(looks, 15, "60 MiB, one look for each 4 MiB of all together");
    }
}
