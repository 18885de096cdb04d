//! The only place that prints: answers to stdout, everything else to stderr.

pub(crate) mod demo;
pub(crate) mod devices;
mod human;
mod json;
mod progress;
mod quantity;

use std::io::{self, IsTerminal, Write};

use crate::control::Answer;
use crate::errors::{Exit, Failure};
use crate::events::Event;

use progress::Bars;

/// How a command shows what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// One JSON object on stdout instead of words.
    pub(crate) json: bool,
    /// Events as JSON lines on stderr instead of bars.
    pub(crate) json_events: bool,
    /// No events at all, but for a task's errors.
    pub(crate) quiet: bool,
}

/// Shows events as they come, then the answer or the failure.
pub(crate) struct Screen {
    style: Style,
    bars: Bars,
}

impl Screen {
    pub(crate) fn new(style: Style) -> Self {
        let bars = Bars::new(!style.quiet && !style.json_events && io::stderr().is_terminal());
        Self { style, bars }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Shows something that happened.
    pub(crate) fn event(&mut self, event: &Event) {
        if self.style.json_events {
            return line(io::stderr(), &json::event(event));
        }
        if self.bars.takes(event) {
            return;
        }
        if let Some(text) = human::event(event, self.style.quiet) {
            self.bars.above(|| line(io::stderr(), &plain(&text)));
        }
    }

    /// Shows an event that is itself what was asked for: its words are the command's output.
    pub(crate) fn wanted(&mut self, event: &Event) {
        if self.style.json || self.style.json_events {
            return self.event(event);
        }
        if let Some(text) = human::event(event, false) {
            line(io::stdout(), &plain(&text));
        }
    }

    /// Shows an answer, and gives its exit code.
    pub(crate) fn answer(&mut self, answer: &Answer) -> Exit {
        self.bars.clear();
        if self.style.json {
            line(io::stdout(), &json::answer(answer));
        } else {
            let (text, notes) = human::answer(answer);
            block(io::stdout(), &plain(&text));
            if !self.style.quiet {
                block(io::stderr(), &plain(&notes));
            }
        }
        answer.exit()
    }

    /// Shows a JSON value of a command that asks no node, or the words for it.
    pub(crate) fn value(&mut self, value: &serde_json::Value, words: &str) {
        self.bars.clear();
        if self.style.json {
            line(io::stdout(), &value.to_string());
        } else {
            block(io::stdout(), &plain(words));
        }
    }

    /// Shows why a command came to nothing, and gives its exit code.
    pub(crate) fn failure(&mut self, failure: &Failure) -> Exit {
        self.bars.clear();
        if self.style.json {
            line(io::stdout(), &json::failure(failure));
        } else {
            block(io::stderr(), &plain(&human::failure(failure)));
        }
        failure.kind.exit()
    }

    /// Copies a program's own output to stdout, byte for byte.
    pub(crate) fn raw(&mut self, mut from: impl io::Read) -> io::Result<()> {
        self.bars.clear();
        let mut stdout = io::stdout().lock();
        io::copy(&mut from, &mut stdout)?;
        stdout.flush()
    }
}

/// Says why a worker could not serve, to whoever started it.
pub(crate) fn worker_failure(error: &dyn std::error::Error) {
    line(io::stderr(), &format!("error: {error}"));
}

/// Writes a script as it is.
pub(crate) fn script(bytes: &[u8]) {
    if let Err(error) = io::stdout().write_all(bytes) {
        tracing::debug!(%error, "nobody reads the output");
    }
}

/// Text without what a terminal would take for commands: guests and peers have put words into it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Writes one line. A reader that has gone away is not an error of the command.
fn line(mut to: impl Write, text: &str) {
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        Ok(()) => {}
        Err(error) => tracing::debug!(%error, "nobody reads the output"),
    }
}

fn block(to: impl Write, text: &str) {
    if !text.is_empty() {
        line(to, text.trim_end_matches('\n'));
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_that_a_stranger_wrote_commands_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\r\n\tc\u{9b}1m"), "a\u{fffd}[2Jb\u{fffd}\n\tc\u{fffd}1m");
    }
}
