//! A program's bytes, from a file that may be anything.

use std::path::Path;

use crate::errors::{Failure, Kind};

/// Reads a component or module. What has no end, or is too large for any host, is not read at all.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let about = std::fs::metadata(path).map_err(|error| Failure::file("open", path, &error))?;
    // Opening a pipe waits for whoever writes to it, and a device may never end.
    if !about.is_file() {
        return Err(Failure::new(Kind::BadInput, format!("{} is no ordinary file", path.display())));
    }
    let most = poai_sandbox::max_program_bytes();
    if about.len() > most {
        let message = format!("{}: {} bytes are more than the limit of {most}", path.display(), about.len());
        return Err(Failure::refused("component-bytes", &message));
    }
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}
