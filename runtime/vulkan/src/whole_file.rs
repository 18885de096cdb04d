//! Files that are there whole, or not at all.

use std::path::Path;
use std::{fs, io, process};

/// Writes a file, and the folder that it is in; another process that reads it meanwhile finds the old one or the new.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_added_extension(process::id().to_string());
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)
}
