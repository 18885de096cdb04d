//! Log lines and progress: advisory, bounded, and dropped beyond the bound.

use super::host::Host;
use super::stop::Stop;
use crate::guest_text::{MAX_LINE_BYTES, one_line};
use crate::{Level, Word};

/// Lines of log that a run may have; the rest is dropped.
const MAX_LINES: u32 = 100_000;
/// Messages of progress that a run may have.
const MAX_PROGRESS: u32 = 100_000;

/// What a guest said so far.
#[derive(Default)]
pub(crate) struct Words {
    lines: u32,
    progress: u32,
    stderr: Lines,
    stdout: Lines,
}

/// Which of the two standard streams a piece of text comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Stdout,
    Stderr,
}

impl Words {
    /// One line of log.
    pub(crate) fn log(&mut self, host: &Host, level: Level, message: &str) -> Result<(), Stop> {
        self.lines = self.lines.saturating_add(1);
        if self.lines < MAX_LINES {
            host.word(Word::Log { level, message: one_line(message) })
        } else if self.lines == MAX_LINES {
            let message = format!("the run logs more than {MAX_LINES} lines: the rest is dropped");
            host.word(Word::Log { level: Level::Warn, message })
        } else {
            Ok(())
        }
    }

    /// How far the run is.
    pub(crate) fn progress(&mut self, host: &Host, done: u64, total: Option<u64>, what: &str) -> Result<(), Stop> {
        self.progress = self.progress.saturating_add(1);
        if self.progress > MAX_PROGRESS {
            return Ok(());
        }
        host.word(Word::Progress { done, total, what: one_line(what) })
    }

    /// Text of a standard stream, cut into lines.
    pub(crate) fn write(&mut self, host: &Host, source: Source, bytes: &[u8]) -> Result<(), Stop> {
        // In pieces: a large text of nothing but line ends must not become as many lines at once.
        for piece in bytes.chunks(MAX_LINE_BYTES) {
            if self.lines >= MAX_LINES {
                return Ok(());
            }
            for line in self.of(source).push(piece) {
                self.log(host, Level::Info, &line)?;
            }
        }
        Ok(())
    }

    /// What stands after the last line's end.
    pub(crate) fn finish(&mut self, host: &Host) -> Result<(), Stop> {
        for source in [Source::Stdout, Source::Stderr] {
            if let Some(line) = self.of(source).rest() {
                self.log(host, Level::Info, &line)?;
            }
        }
        Ok(())
    }

    fn of(&mut self, source: Source) -> &mut Lines {
        match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        }
    }
}

/// Bytes that wait for their line's end.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// The lines that these bytes complete. A line that is too long ends at the bound.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            if byte == b'\n' || self.open.len() == MAX_LINE_BYTES {
                lines.push(self.take());
            }
            if byte != b'\n' {
                self.open.push(byte);
            }
        }
        lines
    }

    fn rest(&mut self) -> Option<String> {
        (!self.open.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.open)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::{Request, way};
    use super::*;

    #[test]
    fn text_in_pieces_becomes_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\ntw"), ["one"]);
        assert_eq!(lines.push(b"o\n\n\xffx"), ["two", ""]);
        assert_eq!(lines.rest().as_deref(), Some("\u{fffd}x"));
        assert_eq!(lines.rest(), None);
        assert_eq!(lines.push(&[b'a'; MAX_LINE_BYTES + 1]).len(), 1);
    }

    #[test]
    fn a_flood_ends_with_one_warning() {
        let (host, requests) = way(0, false);
        let flood = std::thread::spawn(move || {
            let mut words = Words::default();
            for _ in 0..MAX_LINES + 10 {
                words.log(&host, Level::Info, "again").unwrap();
            }
        });
        let said: Vec<_> = requests.iter().collect();
        flood.join().unwrap();
        assert_eq!(said.len(), MAX_LINES as usize);
        assert!(matches!(said.last(), Some(Request::Word(Word::Log { level: Level::Warn, .. }))));
    }
}
