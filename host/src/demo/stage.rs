//! Where the peers live: a folder with a home for each, removed at the end unless it is to be kept.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::errors::{Failure, Kind};

/// The folder with the peers' homes.
pub(crate) struct Stage {
    root: PathBuf,
    temporary: Option<TempDir>,
}

impl Stage {
    /// A folder that is removed when this is dropped.
    pub(crate) fn temporary() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("poai-demo-").tempdir();
        let folder = folder.map_err(|error| Failure::file("make a folder in", &std::env::temp_dir(), &error))?;
        Ok(Self { root: folder.path().to_owned(), temporary: Some(folder) })
    }

    /// A folder of the user's, which stays. It must be empty, or not be there yet.
    pub(crate) fn kept(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| Failure::file("make the folder", folder, &error))?;
        let root = folder.canonicalize().map_err(|error| Failure::file("open", folder, &error))?;
        let mut entries = fs::read_dir(&root).map_err(|error| Failure::file("read", &root, &error))?;
        if entries.next().is_some() {
            let message = format!("{} is not empty: the peers of a demo need a folder of their own", root.display());
            return Err(Failure::new(Kind::BadInput, message).hint("name another folder, or remove what is in it"));
        }
        Ok(Self { root, temporary: None })
    }

    /// A peer's home.
    pub(super) fn home(&self, peer: &str) -> PathBuf {
        self.root.join(peer)
    }

    /// A peer's log.
    pub(super) fn log(&self, peer: &str) -> PathBuf {
        self.file(&format!("{peer}.log"))
    }

    /// A file beside the homes.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder, if it stays.
    pub(super) fn stays(&self) -> Option<&Path> {
        self.temporary.is_none().then_some(&*self.root)
    }

    /// Removes what is not to be kept; the peers must have ended.
    pub(crate) fn close(self) -> Result<(), Failure> {
        match self.temporary {
            Some(folder) => folder.close().map_err(|error| Failure::file("remove", &self.root, &error)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_removed_or_kept_and_never_somebody_elses() {
        let stage = Stage::temporary().unwrap();
        let home = stage.home("author");
        fs::create_dir(&home).unwrap();
        assert!(stage.stays().is_none());
        stage.close().unwrap();
        assert!(!home.parent().unwrap().exists());

        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::kept(&folder.path().join("new")).unwrap();
        fs::create_dir(stage.home("author")).unwrap();
        stage.close().unwrap();
        let refused = Stage::kept(&folder.path().join("new")).err().expect("it holds a home");
        assert_eq!(refused.kind, Kind::BadInput);
    }
}
