//! What happens while a command works, as data. Only `render` turns it into something to look at.

use poai_sandbox::{Level, Word};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::control::VerdictWords;

/// Events that a slow watcher may be behind; further advisory ones are dropped and counted.
pub(crate) const WATCHER_EVENTS: usize = 1_024;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// Something that whoever asked should know before it goes on.
    Notice { message: String },
    /// A run has an id, and this attempt a number.
    Attempt { attempt: u64, run: String },
    /// A file is being taken into the store.
    Importing { what: String, done_bytes: u64, total_bytes: Option<u64> },
    /// Blocks come from peers.
    Fetching { cid: String, done_bytes: u64, total_bytes: Option<u64>, from: Option<String> },
    /// The run waits for a slot.
    Queued { ahead: u64 },
    /// A host is looked for.
    LookingForHosts,
    /// Somebody executes it: `local` or a peer.
    Started { on: String },
    /// A host would not, or could not; another is looked for.
    HostFailed { host: String, reason: String },
    /// The task's own line of log.
    Log { level: LogLevel, message: String },
    /// The task's own word of how far it is.
    Progress { done: u64, total: Option<u64>, what: String },
    /// A replay came to its end.
    Verdict(VerdictWords),
    /// A file or archive is being written.
    Writing { what: String, done_bytes: u64, total_bytes: Option<u64> },
    /// Lines or events that the watcher was too slow for.
    Dropped { count: u64 },
}

/// A log line's urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        }
    }
}

impl From<Word> for Event {
    fn from(word: Word) -> Self {
        match word {
            Word::Log { level, message } => Event::Log { level: level.into(), message },
            Word::Progress { done, total, what } => Event::Progress { done, total, what },
        }
    }
}

/// Where a node's events go. Sending never waits: a watcher that is too slow misses some, and is told how many.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: mpsc::Sender<Event>,
    dropped: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Events {
    /// A channel for one request.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WATCHER_EVENTS);
        (Self { sender, dropped: std::sync::Arc::default() }, receiver)
    }

    /// Tells whoever watches, if anybody does.
    pub(crate) fn send(&self, event: Event) {
        use std::sync::atomic::Ordering::Relaxed;
        let missed = self.dropped.swap(0, Relaxed);
        if missed > 0 && self.sender.try_send(Event::Dropped { count: missed }).is_err() {
            self.dropped.fetch_add(missed, Relaxed);
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(event) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Whether anybody still watches.
    pub(crate) fn has_watcher(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Tells whoever watches, and waits for them: for what must not be missed. Blocks this thread.
    pub(crate) fn send_patiently(&self, event: Event) {
        // Nobody watches any more: there is nothing to be done about it.
        let _ = self.sender.blocking_send(event);
    }

    /// Something that whoever asked should know.
    pub(crate) fn notice(&self, message: impl Into<String>) {
        self.send(Event::Notice { message: message.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_watcher_is_told_what_it_missed() {
        let (events, mut receiver) = Events::channel();
        for _ in 0..WATCHER_EVENTS + 3 {
            events.notice("n");
        }
        for _ in 0..WATCHER_EVENTS {
            assert_eq!(receiver.try_recv().unwrap(), Event::Notice { message: "n".into() });
        }
        events.notice("after");
        assert_eq!(receiver.try_recv().unwrap(), Event::Dropped { count: 3 });
        assert_eq!(receiver.try_recv().unwrap(), Event::Notice { message: "after".into() });
    }
}
