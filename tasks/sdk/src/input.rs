//! The run's inputs, and folders of them.

use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::Error;
use crate::bindings::poai::task::inputs;
use crate::window::{Source, Window};

/// An open input file, read ahead in steps that grow to 1 MiB while it is read in order.
///
/// It implements [`Read`], [`BufRead`] and [`Seek`], so it needs no [`BufReader`](io::BufReader).
pub struct Input {
    window: Window<inputs::File>,
}

impl Input {
    /// Opens the file at `path`: an input's name, or a name inside a folder: `corpus/1984/novel.txt`.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such path, or it names a folder.
    pub fn open(path: &str) -> Result<Self, Error> {
        let file = inputs::open(path).map_err(|error| refused(path, error))?;
        Ok(Self { window: Window::new(file) })
    }

    /// The whole file at `path`. For files that fit into memory; read others piece by piece.
    ///
    /// # Errors
    /// [`Error::Input`] as for [`Input::open`], or if the run's memory does not hold the file.
    pub fn read_all(path: &str) -> Result<Vec<u8>, Error> {
        let mut input = Self::open(path)?;
        let mut bytes = Vec::new();
        let size = usize::try_from(input.size()).ok().filter(|size| bytes.try_reserve_exact(*size).is_ok());
        if size.is_none() {
            return Err(Error::Input { path: path.to_owned(), problem: InputProblem::TooLarge });
        }
        input.read_to_end(&mut bytes).expect("reading an input never fails");
        Ok(bytes)
    }

    /// The whole file at `path`, or `None` if there is none: for inputs that may be left out.
    ///
    /// # Errors
    /// As [`Input::read_all`], but for the path that does not exist.
    pub fn read_optional(path: &str) -> Result<Option<Vec<u8>>, Error> {
        match Self::read_all(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Input { problem: InputProblem::NotFound, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.window.size()
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.window.read(buffer)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.window.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.window.consume(amount);
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.window.seek(to)
    }
}

impl Source for inputs::File {
    fn size(&self) -> u64 {
        Self::size(self)
    }

    fn read(&self, offset: u64, length: u32) -> Vec<u8> {
        Self::read(self, offset, length)
    }
}

/// What the folder at `path` holds, ordered by the bytes of the names. The empty path lists the inputs.
///
/// # Errors
/// [`Error::Input`] if there is no such path, or it names a file.
pub fn entries(path: &str) -> Result<Vec<Entry>, Error> {
    let entries = inputs::list(path).map_err(|error| refused(path, error))?;
    Ok(entries.into_iter().map(Entry::from).collect())
}

/// One entry of a folder, or one of the run's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of the path.
    pub name: String,
    /// A file or a folder.
    pub kind: Kind,
    /// Bytes of a file; 0 for a folder.
    pub size: u64,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    File,
    /// Names of files and folders.
    Folder,
}

impl From<inputs::Entry> for Entry {
    fn from(entry: inputs::Entry) -> Self {
        let kind = match entry.kind {
            inputs::Kind::File => Kind::File,
            inputs::Kind::Folder => Kind::Folder,
        };
        Self { name: entry.name, kind, size: entry.size }
    }
}

/// Why an input cannot be opened or listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputProblem {
    /// No input, or nothing inside a folder, has this path.
    NotFound,
    /// The path names a folder where a file is needed.
    IsFolder,
    /// The path names a file where a folder is needed.
    IsFile,
    /// The path has an empty part, a `.`, a `..`, or a NUL.
    InvalidPath,
    /// The run's memory does not hold the file.
    TooLarge,
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "does not exist",
            Self::IsFolder => "is a folder, not a file",
            Self::IsFile => "is a file, not a folder",
            Self::InvalidPath => "is not a valid path",
            Self::TooLarge => "does not fit into the run's memory",
        })
    }
}

fn refused(path: &str, error: inputs::Error) -> Error {
    let problem = match error {
        inputs::Error::NotFound => InputProblem::NotFound,
        inputs::Error::IsFolder => InputProblem::IsFolder,
        inputs::Error::IsFile => InputProblem::IsFile,
        inputs::Error::InvalidPath => InputProblem::InvalidPath,
    };
    Error::Input { path: path.to_owned(), problem }
}
