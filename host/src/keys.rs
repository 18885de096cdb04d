//! This home's keys: an account, a host that may act for it, and a secret that only this disk knows.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use poai_objects::{Delegation, Envelope, Object, PublicKey, SecretKey, Signed};

use crate::errors::{Failure, Kind};
use crate::home::Home;

/// Bytes of a delegation's file: an envelope, its length before it, and a payload.
const MAX_DELEGATION_BYTES: u64 = 4 << 10;

/// The keys of one home.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Publishes packages, and signs delegations.
    pub(crate) account: SecretKey,
    /// Is the peer, and signs receipts and verdicts.
    pub(crate) host: SecretKey,
    /// Authenticates compiled code on this disk. Never leaves it.
    pub(crate) local: [u8; 32],
    /// The word of an account for which this host acts: this home's own, or another one's.
    delegation: Option<Signed<Delegation>>,
}

impl Keys {
    /// The keys of a home; makes those that are missing.
    pub(crate) fn open(home: &Home) -> Result<Self, Failure> {
        let folder = home.keys();
        Ok(Self {
            account: SecretKey::from_seed(&secret(&folder.join("account.key"))?),
            host: SecretKey::from_seed(&secret(&folder.join("host.key"))?),
            local: secret(&folder.join("local.key"))?,
            delegation: read_delegation(&delegation_path(home))?,
        })
    }

    /// The account for which this host acts, and until when (seconds since 1970).
    pub(crate) fn acts_for(&self, now_s: u64) -> Option<(PublicKey, u64)> {
        let delegation = self.delegation.as_ref()?;
        let holds = delegation.object().holds_at(now_s) && delegation.object().host == self.host.public();
        holds.then(|| (*delegation.key(), delegation.object().until_s))
    }

    /// Signs that a host may act for this home's account.
    pub(crate) fn delegate(&self, host: PublicKey, from_s: u64, until_s: u64) -> Result<Signed<Delegation>, Failure> {
        Ok(Signed::sign(Delegation { host, from_s, until_s }, &self.account)?)
    }
}

/// Where a home keeps the delegation to its host.
pub(crate) fn delegation_path(home: &Home) -> PathBuf {
    home.keys().join("delegation")
}

/// A delegation as a file: the envelope's length (4 bytes, big-endian), the envelope, the payload.
pub(crate) fn delegation_bytes(delegation: &Signed<Delegation>) -> Vec<u8> {
    let envelope = delegation.envelope().to_bytes();
    let mut bytes = (envelope.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&envelope);
    bytes.extend_from_slice(&delegation.object().to_bytes());
    bytes
}

fn read_delegation(path: &Path) -> Result<Option<Signed<Delegation>>, Failure> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_DELEGATION_BYTES).read_to_end(&mut bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    }
    .map_err(|error| Failure::file("read", path, &error))?;
    let refuse = |reason: &str| Failure::new(Kind::BadInput, format!("{} is no delegation: {reason}", path.display()));
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| refuse("it is too short"))?;
    let length = u32::from_be_bytes(*length) as usize;
    let (envelope, payload) = rest.split_at_checked(length).ok_or_else(|| refuse("it is cut off"))?;
    let envelope = Envelope::from_bytes(envelope).map_err(|error| refuse(&error.to_string()))?;
    Signed::open(envelope, payload).map(Some).map_err(|error| refuse(&error.to_string()))
}

/// The 32 secret bytes of a key file; a missing file is made of random ones.
fn secret(path: &Path) -> Result<[u8; 32], Failure> {
    match File::open(path) {
        Ok(file) => read_secret(path, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_secret(path),
        Err(error) => Err(Failure::file("read", path, &error)),
    }
}

fn read_secret(path: &Path, mut file: File) -> Result<[u8; 32], Failure> {
    let about = file.metadata().map_err(|error| Failure::file("read", path, &error))?;
    if about.permissions().mode() & 0o077 != 0 || about.uid() != rustix::process::getuid().as_raw() {
        let message =
            format!("the key {} can be read by others (mode {:o})", path.display(), about.permissions().mode() & 0o777);
        return Err(Failure::new(Kind::Config, message)
            .hint(format!("chmod 600 {}, if nobody has read it yet", path.display())));
    }
    let damaged = || {
        Failure::new(Kind::Damaged, format!("{} does not hold a key of 32 bytes", path.display()))
            .hint("restore it from a backup")
    };
    if about.len() != 32 {
        return Err(damaged());
    }
    let mut bytes = [0; 32];
    file.read_exact(&mut bytes).map_err(|_| damaged())?;
    Ok(bytes)
}

/// Writes a new secret beside its place and renames it, so that no half key is ever read.
fn make_secret(path: &Path) -> Result<[u8; 32], Failure> {
    let failed = |error: &std::io::Error| Failure::file("write", path, error);
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| failed(&std::io::Error::other(error.to_string())))?;
    let draft = path.with_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let mut file = file.map_err(|error| failed(&error))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
    std::fs::rename(&draft, path).map_err(|error| failed(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Places;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path()), &Places::default()).unwrap();
        (folder, home)
    }

    #[test]
    fn keys_are_made_once_and_for_their_owner_alone() {
        let (_folder, home) = home();
        let first = Keys::open(&home).unwrap();
        let second = Keys::open(&home).unwrap();
        assert_eq!(first.account.public(), second.account.public());
        assert_ne!(first.account.public(), first.host.public());
        let mode = std::fs::metadata(home.keys().join("host.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (_folder, home) = home();
        Keys::open(&home).unwrap();
        let path = home.keys().join("account.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Keys::open(&home).unwrap_err().message.contains("can be read by others (mode 644)"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(Keys::open(&home).unwrap_err().kind, Kind::Damaged);
    }

    #[test]
    fn a_delegation_is_kept_and_ends() {
        let (_folder, home) = home();
        let keys = Keys::open(&home).unwrap();
        let delegation = keys.delegate(keys.host.public(), 100, 200).unwrap();
        std::fs::write(delegation_path(&home), delegation_bytes(&delegation)).unwrap();
        let keys = Keys::open(&home).unwrap();
        assert_eq!(keys.acts_for(150), Some((keys.account.public(), 200)));
        assert_eq!(keys.acts_for(200), None);
    }

    #[test]
    fn a_forged_delegation_is_refused() {
        let (_folder, home) = home();
        let keys = Keys::open(&home).unwrap();
        let mut bytes = delegation_bytes(&keys.delegate(keys.host.public(), 100, 200).unwrap());
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(delegation_path(&home), bytes).unwrap();
        assert!(Keys::open(&home).unwrap_err().message.contains("is no delegation"));
    }
}
