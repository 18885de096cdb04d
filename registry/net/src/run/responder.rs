use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{Notify, mpsc, watch};

use super::message::{Decline, FaultKind, LogLine, Progress, ReceiptAnswer, RunEvent, RunFault, VerdictAnswer};
use crate::RunLimits;

/// How the requester's side of a run ended before it had its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It said that it no longer wants the run.
    Cancelled,
    /// It went away without a word.
    Disconnected,
}

/// Where a host's answers to one ask go. Dropped before the last word, it tells the requester that the
/// host gave up.
pub struct Responder {
    words: mpsc::Sender<RunEvent>,
    advice: Arc<Advice>,
    ended: watch::Receiver<Option<Ending>>,
}

impl Responder {
    /// A responder, and the stream's side of it.
    pub(super) fn new(limits: &RunLimits, want_log: bool) -> (Self, Words) {
        // One place for `Accepted`, one for the last word.
        let (sender, words) = mpsc::channel(2);
        let (end, ended) = watch::channel(None);
        let advice = Arc::new(Advice {
            want_log,
            text_chars: limits.text_chars,
            lines: limits.events,
            lines_per_s: limits.log_lines_per_s,
            said: Mutex::new(Said::new()),
            news: Notify::new(),
        });
        (Self { words: sender, advice: advice.clone(), ended }, Words { words, advice, end })
    }

    /// The host takes the run, after so many others.
    pub async fn accept(&self, queue_position: u64) {
        self.say(RunEvent::Accepted { queue_position }).await;
    }

    /// How far it is. If the requester is slow, it sees the latest only.
    pub fn progress(&self, mut progress: Progress) {
        progress.what = self.advice.cut(progress.what);
        self.advice.said().progress = Some(progress);
        self.advice.news.notify_one();
    }

    /// What the guest said. Never waits: lines beyond the limits, or for a slow requester, are counted
    /// and dropped.
    pub fn log(&self, mut line: LogLine) {
        if !self.advice.want_log {
            return;
        }
        line.text = self.advice.cut(line.text);
        self.advice.add_line(line, Instant::now());
        self.advice.news.notify_one();
    }

    /// The last word: the host does not take the run.
    pub async fn decline(self, mut decline: Decline) {
        decline.text = self.advice.cut(decline.text);
        self.say(RunEvent::Declined(decline)).await;
    }

    /// The last word: the result.
    pub async fn receipt(self, answer: ReceiptAnswer) {
        self.say(RunEvent::Receipt(answer)).await;
    }

    /// The last word: the replay's result.
    pub async fn verdict(self, answer: VerdictAnswer) {
        self.say(RunEvent::Verdict(answer)).await;
    }

    /// The last word: no claim came of it.
    pub async fn fault(self, mut fault: RunFault) {
        fault.text = self.advice.cut(fault.text);
        self.say(RunEvent::Faulted(fault)).await;
    }

    /// Waits until the requester cancels or goes away. May be dropped and called again.
    pub async fn ended(&self) -> Ending {
        let mut ended = self.ended.clone();
        let ending = ended.wait_for(Option::is_some).await.ok().and_then(|ending| *ending);
        // The stream's task is gone: so is the stream.
        ending.unwrap_or(Ending::Disconnected)
    }

    async fn say(&self, word: RunEvent) {
        // Nobody listens any more, which `ended` tells.
        let _ = self.words.send(word).await;
    }
}

/// The stream's side of a [`Responder`].
pub(super) struct Words {
    words: mpsc::Receiver<RunEvent>,
    advice: Arc<Advice>,
    end: watch::Sender<Option<Ending>>,
}

impl Words {
    /// What is to be sent next, in the order in which it was said. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Vec<RunEvent> {
        tokio::select! {
            biased;
            word = self.words.recv() => {
                // A responder that was dropped gave up.
                let word = word.unwrap_or_else(|| RunEvent::Faulted(RunFault {
                    kind: FaultKind::Stopped,
                    text: "the host gave up without a reason".to_owned(),
                }));
                let mut events = self.advice.take();
                // `Accepted` is the first word, whatever was said since.
                match word.is_final() {
                    true => events.push(word),
                    false => events.insert(0, word),
                }
                events
            }
            () = self.advice.news.notified() => self.advice.take(),
        }
    }

    pub(super) fn end(&self, ending: Ending) {
        self.end.send_replace(Some(ending));
    }
}

/// Progress and log on their way: bounded, and the first to give way.
struct Advice {
    want_log: bool,
    text_chars: usize,
    lines: usize,
    lines_per_s: u32,
    said: Mutex<Said>,
    news: Notify,
}

struct Said {
    progress: Option<Progress>,
    lines: Vec<LogLine>,
    bytes: usize,
    dropped: u64,
    /// Lines that may be said before the next second begins.
    allowed: u32,
    second: Option<Instant>,
}

/// Bytes of log lines that wait to be sent together.
const LOG_BYTES: usize = 1 << 20;

impl Said {
    fn new() -> Self {
        Self { progress: None, lines: Vec::new(), bytes: 0, dropped: 0, allowed: 0, second: None }
    }
}

impl Advice {
    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().expect("no code panics while it holds what was said")
    }

    fn add_line(&self, line: LogLine, now: Instant) {
        let mut said = self.said();
        if said.second.is_none_or(|second| now.duration_since(second).as_secs() >= 1) {
            said.second = Some(now);
            said.allowed = self.lines_per_s;
        }
        if said.allowed == 0 || said.lines.len() >= self.lines || said.bytes + line.text.len() > LOG_BYTES {
            said.dropped += 1;
            return;
        }
        said.allowed -= 1;
        said.bytes += line.text.len();
        said.lines.push(line);
    }

    fn take(&self) -> Vec<RunEvent> {
        let mut said = self.said();
        let mut events = Vec::new();
        let (lines, dropped) = (std::mem::take(&mut said.lines), std::mem::take(&mut said.dropped));
        said.bytes = 0;
        if !lines.is_empty() || dropped > 0 {
            events.push(RunEvent::Log { lines, dropped });
        }
        events.extend(said.progress.take().map(RunEvent::Progress));
        events
    }

    /// Cuts a text to its limit.
    fn cut(&self, mut text: String) -> String {
        if let Some((end, _)) = text.char_indices().nth(self.text_chars) {
            text.truncate(end);
        }
        text
    }
}
