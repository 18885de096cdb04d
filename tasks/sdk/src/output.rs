//! The run's outputs.

use std::fmt;
use std::io::{self, Write};

use crate::Error;
use crate::bindings::poai::task::outputs;

/// Bytes gathered before they go to the host. Larger writes go at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// An output that takes bytes at its end.
///
/// Writing never fails: more than the run's limits allow ends the run. What is still buffered goes out
/// when the output is flushed or dropped.
pub struct Output {
    output: outputs::Output,
    buffer: Vec<u8>,
}

impl Output {
    /// Creates an empty output. A name is one or more parts with `/` between them: `plots/loss.csv`.
    ///
    /// # Errors
    /// [`Error::Output`] if the name is not a valid one, or clashes with an output that exists.
    pub fn create(name: &str) -> Result<Self, Error> {
        match outputs::create(name) {
            Ok(output) => Ok(Self { output, buffer: Vec::new() }),
            Err(error) => Err(refused(name, error)),
        }
    }

    /// Creates an output that holds `bytes`.
    ///
    /// # Errors
    /// As [`Output::create`].
    pub fn write_whole(name: &str, bytes: &[u8]) -> Result<(), Error> {
        let output = Self::create(name)?;
        output.output.append(bytes);
        Ok(())
    }

    fn send(&mut self) {
        if !self.buffer.is_empty() {
            self.output.append(&self.buffer);
            self.buffer.clear();
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.send();
        }
        if bytes.len() > BUFFER_BYTES {
            self.output.append(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send();
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.send();
    }
}

/// Why an output cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputProblem {
    /// A part is empty, longer than 255 bytes, `.` or `..`, or has a control character.
    InvalidName,
    /// An output of this name, or one that this name lies inside of or contains, exists.
    AlreadyExists,
}

impl fmt::Display for OutputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "is not a valid name",
            Self::AlreadyExists => "clashes with an output that exists",
        })
    }
}

fn refused(name: &str, error: outputs::Error) -> Error {
    let problem = match error {
        outputs::Error::InvalidName => OutputProblem::InvalidName,
        outputs::Error::AlreadyExists => OutputProblem::AlreadyExists,
    };
    Error::Output { name: name.to_owned(), problem }
}
