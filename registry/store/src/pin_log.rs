//! Pins on disk: a line for each change, appended and synced.
//!
//! `CHECK pin r UNTIL CID NAME` or `CHECK unpin CID NAME`, where CHECK is the first 16 hex digits of the
//! sha2-256 of the rest, `r` or `d` the mode, UNTIL milliseconds since 1970 or `-`. A torn last line is
//! dropped: its change was never acknowledged. Damage before a good line is an error, since a lost pin
//! would cost data.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cid::Cid;

use crate::block::sha2_256;
use crate::{PinMode, StoreError};

/// Lines that changes may leave behind before the log is written anew, beside those that count.
const SLACK_LINES: usize = 4_096;
/// Bytes of the whole log: the pins' limit at their greatest length, twice.
const LOG_BYTES: u64 = 1 << 30;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Pin { cid: Cid, name: String, mode: PinMode, until: Option<u64> },
    Unpin { cid: Cid, name: String },
}

pub(crate) struct PinLog {
    path: PathBuf,
    file: File,
    bytes: u64,
    lines: usize,
}

impl PinLog {
    /// Opens the log and replays it.
    pub(crate) fn open(path: &Path, mut replay: impl FnMut(Record)) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(path, error);
        let mut file = open_file(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length > LOG_BYTES {
            return Err(StoreError::Limit { what: path.display().to_string(), name: "log_bytes", limit: LOG_BYTES });
        }
        let mut bytes = Vec::new();
        (&mut file).take(LOG_BYTES).read_to_end(&mut bytes).map_err(io)?;
        let (records, good_bytes) = parse(path, &bytes)?;
        let lines = records.len();
        records.into_iter().for_each(&mut replay);
        if good_bytes < length {
            tracing::warn!(path = %path.display(), "the last pin was torn by a crash, and is dropped");
            file.set_len(good_bytes).and_then(|()| file.sync_all()).map_err(io)?;
        }
        file.seek(SeekFrom::Start(good_bytes)).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, bytes: good_bytes, lines })
    }

    /// Appends a change, durably. After an error, the log is as it was.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let line = record.to_line();
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let undone = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(StoreError::io(&self.path, undone.err().unwrap_or(error)));
        }
        self.bytes += line.len() as u64;
        self.lines += 1;
        Ok(())
    }

    pub(crate) fn wants_rewriting(&self, live: usize) -> bool {
        self.lines > 2 * live + SLACK_LINES
    }

    /// Replaces the log by these records.
    pub(crate) fn rewrite(&mut self, live: impl Iterator<Item = Record>) -> Result<(), StoreError> {
        let mut text = String::new();
        let mut lines = 0;
        for record in live {
            text += &record.to_line();
            lines += 1;
        }
        let fresh = self.path.with_extension("new");
        let io = |error| StoreError::io(&fresh, error);
        let _ = fs::remove_file(&fresh);
        let mut file = open_file(&fresh).map_err(io)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        fs::rename(&fresh, &self.path).map_err(io)?;
        sync_parent(&self.path)?;
        (self.file, self.bytes, self.lines) = (file, text.len() as u64, lines);
        Ok(())
    }
}

impl Record {
    fn to_line(&self) -> String {
        let rest = match self {
            Self::Pin { cid, name, mode, until } => {
                let mode = if *mode == PinMode::Recursive { 'r' } else { 'd' };
                let until = until.map_or_else(|| "-".to_owned(), |until| until.to_string());
                format!("pin {mode} {until} {cid} {name}")
            }
            Self::Unpin { cid, name } => format!("unpin {cid} {name}"),
        };
        format!("{} {rest}\n", checksum(&rest))
    }

    fn from_line(line: &str) -> Option<Self> {
        let (check, rest) = line.split_once(' ')?;
        if check != checksum(rest) {
            return None;
        }
        let (word, rest) = rest.split_once(' ')?;
        if word == "unpin" {
            let (cid, name) = rest.split_once(' ')?;
            return Some(Self::Unpin { cid: cid.parse().ok()?, name: name.to_owned() });
        }
        let mut parts = rest.splitn(4, ' ');
        let mode = match parts.next()? {
            "r" => PinMode::Recursive,
            "d" => PinMode::Direct,
            _ => return None,
        };
        let until = match parts.next()? {
            "-" => None,
            millis => Some(millis.parse().ok()?),
        };
        Some(Self::Pin { cid: parts.next()?.parse().ok()?, name: parts.next()?.to_owned(), mode, until })
    }
}

/// The records, and how many bytes of the log they take.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Record>, u64), StoreError> {
    let mut records = Vec::new();
    let mut good_bytes = 0;
    let mut bad_line = None;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let record =
            line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()).and_then(Record::from_line);
        match (record, bad_line) {
            (Some(record), None) => {
                records.push(record);
                good_bytes += line.len() as u64;
            }
            (Some(_), Some(line)) => {
                return Err(StoreError::PinsDamaged {
                    path: path.to_owned(),
                    line,
                    reason: "its checksum is wrong".to_owned(),
                });
            }
            (None, _) => bad_line = bad_line.or(Some(index as u64 + 1)),
        }
    }
    Ok((records, good_bytes))
}

fn checksum(rest: &str) -> String {
    sha2_256(rest.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().expect("the log lies in the store's folder");
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| StoreError::io(folder, error))
}
