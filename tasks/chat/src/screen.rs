//! The answer as it comes, for whoever watches: lines of log, and the end of the line that is being written as progress.

/// Bytes of a line, beyond which it is broken where it has a space.
const LINE_BYTES: usize = 96;
/// Characters that stand behind a bar of progress.
const SHOWN: usize = 32;

/// What was not shown as a line yet.
pub(crate) struct Screen {
    total: usize,
    /// The end of a character that is not whole.
    bytes: Vec<u8>,
    line: String,
}

impl Screen {
    /// Of an answer of so many tokens at most.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, bytes: Vec::new(), line: String::new() }
    }

    /// Shows the bytes of one more token, with which there are `done`.
    pub(crate) fn show(&mut self, bytes: &[u8], done: usize) {
        self.lines(bytes).iter().for_each(|line| poai_task::info!("{line}"));
        poai_task::progress(done as u64, self.total as u64, last(&self.line));
    }

    /// Shows what is left.
    pub(crate) fn finish(self) {
        if !self.line.is_empty() {
            poai_task::info!("{}", self.line);
        }
    }

    /// The lines that these bytes make whole.
    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        self.bytes.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.bytes.len(),
        };
        let whole: Vec<u8> = self.bytes.drain(..whole).collect();
        let mut lines = Vec::new();
        for character in String::from_utf8_lossy(&whole).chars() {
            if character == '\n' {
                lines.push(std::mem::take(&mut self.line));
                continue;
            }
            self.line.push(character);
            if self.line.len() > LINE_BYTES {
                let rest = self.line.rfind(' ').map(|space| self.line.split_off(space)).unwrap_or_default();
                lines.push(std::mem::replace(&mut self.line, rest.trim_start().to_owned()));
            }
        }
        lines
    }
}

/// What is shown of a line: its end, which is what is new.
fn last(line: &str) -> &str {
    let start = line.char_indices().rev().nth(SHOWN - 1).map_or(0, |(place, _)| place);
    &line[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_when_they_are_whole() {
        let mut screen = Screen::new(9);
        assert!(screen.lines("Café ".as_bytes()).is_empty());
        // A character in two tokens.
        assert!(screen.lines(&"☕".as_bytes()[..1]).is_empty());
        assert_eq!(screen.line, "Café ");
        assert!(screen.lines(&"☕".as_bytes()[1..]).is_empty());
        assert_eq!(screen.line, "Café ☕");
        assert_eq!(screen.lines(b"!\n\nMore"), ["Café ☕!", ""]);
        assert_eq!(screen.line, "More");
        assert!(screen.lines(b"\xff.").is_empty(), "what is no text does not stay back");
        assert_eq!(screen.line, "More\u{fffd}.");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let mut screen = Screen::new(9);
        let lines = screen.lines("12345678 ".repeat(25).as_bytes());
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES && line.ends_with("12345678")), "{lines:?}");
        let mut screen = Screen::new(9);
        assert_eq!(screen.lines(&[b'x'; 500]).len(), 5, "a word without end is broken anywhere");
    }

    #[test]
    fn the_end_of_a_line_is_shown() {
        assert_eq!(last("Café"), "Café");
        assert_eq!(last(&format!("gone{}", "é".repeat(SHOWN))), "é".repeat(SHOWN));
    }
}
