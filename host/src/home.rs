//! A home: the folder with everything that poai keeps, and who may use it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::errors::{Failure, Kind};

/// Bytes of a Unix socket's path, without the closing NUL: `sun_path` has 108.
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The folder with everything that poai keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    root: PathBuf,
    socket: PathBuf,
}

/// What the environment says about where a home is. Read once, in `main`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// `XDG_DATA_HOME`.
    pub(crate) xdg_data_home: Option<PathBuf>,
    /// `HOME`.
    pub(crate) user_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub(crate) xdg_runtime_dir: Option<PathBuf>,
}

impl Home {
    /// The home at `root`, or where the XDG rules put it. Makes the folder, for its owner alone.
    pub(crate) fn open(root: Option<&Path>, places: &Places) -> Result<Self, Failure> {
        let root = match root {
            Some(root) => std::path::absolute(root).map_err(|error| Failure::file("find", root, &error))?,
            None => default_root(places)?,
        };
        make_private_folder(&root)?;
        let root = root.canonicalize().map_err(|error| Failure::file("open", &root, &error))?;
        let socket = socket_path(&root, places)?;
        let home = Self { root, socket };
        for folder in [home.keys(), home.scratch(), home.logs()] {
            make_private_folder(&folder)?;
        }
        Ok(home)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub(crate) fn compiled(&self) -> PathBuf {
        self.root.join("compiled")
    }

    /// Verdicts on devices, and what their drivers made of shaders.
    pub(crate) fn devices(&self) -> PathBuf {
        self.root.join("devices")
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.root.join("records.redb")
    }

    /// Where attempts' lines are kept.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where files are written before they are given their names. Emptied whenever the home gets an owner.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The control socket's path.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Becomes the home's one owner, until the lock is dropped. `None`: another process is.
    pub(crate) fn lock(&self) -> Result<Option<HomeLock>, Failure> {
        let path = self.root.join("lock");
        let failed = |error: &std::io::Error| Failure::file("open", &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed(&error.into())),
        }
        file.set_len(0).map_err(|error| failed(&error))?;
        write!(file, "{}", std::process::id()).map_err(|error| failed(&error))?;
        empty(&self.scratch());
        Ok(Some(HomeLock { _file: file }))
    }

    /// The owner's process id, if the lock file names one.
    pub(crate) fn owner(&self) -> Option<u32> {
        let mut text = String::new();
        let mut file = File::open(self.root.join("lock")).ok()?;
        file.rewind().ok()?;
        file.take(16).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

/// Proof that this process owns the home.
#[derive(Debug)]
pub(crate) struct HomeLock {
    _file: File,
}

fn default_root(places: &Places) -> Result<PathBuf, Failure> {
    // The XDG rules: a relative path in a variable is ignored.
    let data = places.xdg_data_home.clone().filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(places.user_home.clone()?.join(".local/share")));
    data.map(|data| data.join("poai")).ok_or_else(|| {
        Failure::new(Kind::Config, "there is no place for poai's files: neither HOME nor XDG_DATA_HOME is set")
            .hint("name a folder with --home DIR")
    })
}

/// The socket lies in the home if its path is short enough, else in a private folder elsewhere,
/// under a name made of the home's path.
fn socket_path(root: &Path, places: &Places) -> Result<PathBuf, Failure> {
    let inside = root.join("control.sock");
    if inside.as_os_str().len() <= MAX_SOCKET_PATH_BYTES {
        return Ok(inside);
    }
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let name: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let user = rustix::process::getuid().as_raw();
    let runtime = places.xdg_runtime_dir.clone().filter(|path| path.is_absolute());
    let folder = runtime.map_or_else(|| PathBuf::from(format!("/tmp/poai-{user}")), |path| path.join("poai"));
    make_private_folder(&folder)?;
    check_private(&folder)?;
    let path = folder.join(format!("{name}.sock"));
    if path.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
        let message = format!("no path for the control socket is short enough: {} is too long", path.display());
        return Err(Failure::new(Kind::Config, message).hint("set XDG_RUNTIME_DIR to a short path"));
    }
    Ok(path)
}

/// Makes a folder that only its owner may enter, if there is none yet.
fn make_private_folder(path: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::file("make the folder", path, &error))
}

/// A folder in a place that others write to must be ours alone, or somebody else answers on our socket.
fn check_private(path: &Path) -> Result<(), Failure> {
    let about = fs::symlink_metadata(path).map_err(|error| Failure::file("look at", path, &error))?;
    let mine = about.uid() == rustix::process::getuid().as_raw();
    if about.is_dir() && mine && about.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let message = format!("{} is not a folder that only this user may enter", path.display());
    Err(Failure::new(Kind::Config, message).hint("remove it, or choose a home with a shorter path"))
}

/// Removes what an interrupted command left behind. What cannot be removed now is tried again later.
fn empty(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let removed = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "a left-over file could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_xdg_rules_place_the_home() {
        let places = |data: Option<&str>, home: Option<&str>| Places {
            xdg_data_home: data.map(Into::into),
            user_home: home.map(Into::into),
            xdg_runtime_dir: None,
        };
        for (data, home, expected) in [
            (Some("/data"), Some("/home/ada"), Some("/data/poai")),
            (Some("relative"), Some("/home/ada"), Some("/home/ada/.local/share/poai")),
            (None, Some("/home/ada"), Some("/home/ada/.local/share/poai")),
            (None, None, None),
        ] {
            assert_eq!(default_root(&places(data, home)).ok(), expected.map(PathBuf::from));
        }
    }

    #[test]
    fn a_long_home_has_its_socket_elsewhere() {
        let runtime = tempfile::tempdir().unwrap();
        let places = Places { xdg_runtime_dir: Some(runtime.path().into()), ..Places::default() };
        let short = socket_path(Path::new("/home/ada/poai"), &places).unwrap();
        assert_eq!(short, Path::new("/home/ada/poai/control.sock"));
        let long = socket_path(Path::new(&format!("/{}", "x".repeat(120))), &places).unwrap();
        assert!(long.starts_with(runtime.path()) && long.as_os_str().len() <= MAX_SOCKET_PATH_BYTES);
    }

    #[test]
    fn a_home_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path()), &Places::default()).unwrap();
        let lock = home.lock().unwrap().expect("nobody owns it yet");
        assert!(home.lock().unwrap().is_none());
        assert_eq!(home.owner(), Some(std::process::id()));
        drop(lock);
        assert!(home.lock().unwrap().is_some());
    }
}
