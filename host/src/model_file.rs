//! A model's file, and the files beside it that hold its weights.

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use poai_graph::onnx::Beside;
use poai_graph::{Graph, Inspection, ModelError, ModelLimits, gguf, onnx};

use crate::errors::{Failure, Kind};

/// Bytes of a model in one file, or of a file of weights beside it.
const FILE_BYTES: u64 = 64 << 30;

/// A model, and the folder that it may read.
#[derive(Debug)]
pub(crate) struct ModelFile {
    path: PathBuf,
    bytes: Bytes,
    limits: ModelLimits,
}

impl ModelFile {
    /// Reads a model's file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Ok(Self { path: path.to_owned(), bytes: whole(path, FILE_BYTES)?, limits: ModelLimits::default() })
    }

    /// The model as it can be computed.
    pub(crate) fn graph(&self) -> Result<Graph, Failure> {
        let bytes = self.bytes.clone();
        let read = if self.is_gguf() { gguf::read(bytes, &self.limits) } else { onnx::read(bytes, self, &self.limits) };
        read.map_err(|error| self.refused(&error))
    }

    /// What the model is.
    pub(crate) fn inspection(&self) -> Result<Inspection, Failure> {
        let bytes = self.bytes.clone();
        let found =
            if self.is_gguf() { gguf::inspect(bytes, &self.limits) } else { onnx::inspect(bytes, self, &self.limits) };
        found.map_err(|error| self.refused(&error))
    }

    fn is_gguf(&self) -> bool {
        self.bytes.starts_with(gguf::MAGIC)
    }

    /// Why it is no model that can be computed.
    pub(crate) fn refused(&self, error: &ModelError) -> Failure {
        let failure = Failure::new(Kind::BadInput, format!("{}: {error}", self.path.display()));
        match error {
            ModelError::Malformed(_) => failure.hint("give a whole file in the ONNX or GGUF format"),
            ModelError::Unsupported { .. } => {
                failure.hint(format!("`poai model inspect {}` lists all that is unsupported", self.path.display()))
            }
            _ => failure,
        }
    }

    /// Where a location in the model's folder leads; none if it leads out, by its words or by a symbolic link.
    fn inside(&self, location: &str) -> Option<PathBuf> {
        let plain = |part| matches!(part, Component::Normal(_));
        if location.is_empty() || !Path::new(location).components().all(plain) {
            return None;
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().ok()?;
        let path = folder.join(location).canonicalize().ok()?;
        path.starts_with(&folder).then_some(path)
    }
}

impl Beside for ModelFile {
    fn file(&self, location: &str) -> Option<Bytes> {
        whole(&self.inside(location)?, FILE_BYTES).ok()
    }
}

/// Reads a file that a person or a model names. What has no end, or is too large, is not read at all.
pub(crate) fn whole(path: &Path, most_bytes: u64) -> Result<Bytes, Failure> {
    let about = std::fs::metadata(path).map_err(|error| Failure::file("open", path, &error))?;
    // Opening a pipe waits for whoever writes to it, and a device may never end.
    if !about.is_file() {
        return Err(Failure::new(Kind::BadInput, format!("{} is no ordinary file", path.display())));
    }
    if about.len() > most_bytes {
        let message = format!("{}: {} bytes are more than the limit of {most_bytes}", path.display(), about.len());
        return Err(Failure::new(Kind::BadInput, message));
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_model_reads_its_own_folder_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("model");
        fs::create_dir_all(folder.join("weights")).unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        for name in ["model.onnx", "data", "weights/0"] {
            fs::write(folder.join(name), name).unwrap();
        }
        symlink("data", folder.join("link")).unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        let model = ModelFile::read(&folder.join("model.onnx")).unwrap();
        let secret = home.path().join("secret");
        for (location, expected) in [
            ("data", Some("data")),
            ("weights/0", Some("weights/0")),
            ("link", Some("data")),
            ("out", None),
            ("up/secret", None),
            ("../secret", None),
            ("weights/../../secret", None),
            (secret.to_str().unwrap(), None),
            ("weights", None),
            ("missing", None),
            ("", None),
            (".", None),
            ("da\0ta", None),
        ] {
            let found = model.file(location);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{location:?}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("model");
        assert_eq!(whole(&path, 4).unwrap_err().kind, Kind::NotFound);
        fs::write(&path, "four").unwrap();
        assert_eq!(whole(&path, 4).unwrap(), "four");
        assert!(whole(&path, 3).unwrap_err().message.contains("more than the limit of 3"));
        assert!(whole(home.path(), 4).unwrap_err().message.contains("no ordinary file"));
    }
}
