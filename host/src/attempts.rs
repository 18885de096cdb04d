//! Runs under way: who watches them, what takes them back, what the task said.
//!
//! An attempt's lines are kept in one file each, so that they can be read after the end, by anybody.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::errors::Failure;
use crate::events::{Event, Events};
use crate::records::{AttemptRecord, AttemptState};

/// Bytes of one attempt's kept lines; later ones are shown to those who watch, and not kept.
const MAX_LOG_BYTES: u64 = 8 << 20;

/// The attempts that this node works on now.
#[derive(Debug)]
pub(crate) struct Attempts {
    folder: PathBuf,
    live: Mutex<BTreeMap<u64, Arc<Attempt>>>,
}

/// One attempt under way.
#[derive(Debug)]
pub(crate) struct Attempt {
    record: Mutex<AttemptRecord>,
    /// Takes it back.
    pub(crate) cancel: CancellationToken,
    watchers: Mutex<Vec<Events>>,
    log: Mutex<Log>,
    ended: watch::Sender<bool>,
}

#[derive(Debug)]
struct Log {
    file: Option<File>,
    left_bytes: u64,
}

impl Attempts {
    /// Keeps lines in a folder, which exists.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, live: Mutex::default() }
    }

    /// Begins an attempt that has its number.
    pub(crate) fn begin(&self, record: AttemptRecord, cancel: CancellationToken) -> Result<Arc<Attempt>, Failure> {
        let path = self.log_path(record.number);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Failure::file("write", &path, &error))?;
        let number = record.number;
        let attempt = Arc::new(Attempt {
            record: Mutex::new(record),
            cancel,
            watchers: Mutex::default(),
            log: Mutex::new(Log { file: Some(file), left_bytes: MAX_LOG_BYTES }),
            ended: watch::Sender::new(false),
        });
        self.lock().insert(number, attempt.clone());
        Ok(attempt)
    }

    /// Ends an attempt: those who wait for it wake up.
    pub(crate) fn end(&self, attempt: &Attempt) {
        self.lock().remove(&attempt.record().number);
        lock(&attempt.watchers).clear();
        attempt.ended.send_replace(true);
    }

    /// An attempt that is under way.
    pub(crate) fn live(&self, number: u64) -> Option<Arc<Attempt>> {
        self.lock().get(&number).cloned()
    }

    /// Takes all of them back.
    pub(crate) fn cancel_all(&self) {
        self.lock().values().for_each(|attempt| attempt.cancel.cancel());
    }

    /// Whether none is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// Drops the lines of attempts that are no longer remembered.
    pub(crate) fn forget(&self, numbers: &[u64]) {
        for number in numbers {
            if let Err(error) = std::fs::remove_file(self.log_path(*number)) {
                tracing::debug!(number, %error, "an old attempt's lines could not be removed");
            }
        }
    }

    /// Shows what an attempt said so far, and counts it. Whoever wants the rest watches before.
    pub(crate) fn replay(&self, number: u64, events: &Events) -> Result<u64, Failure> {
        let path = self.log_path(number);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        let mut count = 0;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| Failure::file("read", &path, &error))?;
            // A line that a crash cut short is no line.
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            events.send_patiently(event);
            count += 1;
        }
        Ok(count)
    }

    fn log_path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.log"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Attempt>>> {
        lock(&self.live)
    }
}

impl Attempt {
    /// How it stands.
    pub(crate) fn record(&self) -> AttemptRecord {
        lock(&self.record).clone()
    }

    /// Changes how it stands; gives the new record, to be written down.
    pub(crate) fn change(&self, change: impl FnOnce(&mut AttemptRecord)) -> AttemptRecord {
        let mut record = lock(&self.record);
        change(&mut record);
        record.clone()
    }

    /// Tells everybody who watches; lines of log are kept.
    pub(crate) fn say(&self, event: &Event) {
        if matches!(event, Event::Log { .. }) {
            lock(&self.log).write(event);
        }
        if let Event::Started { on } = event {
            self.change(|record| {
                record.state = AttemptState::Running;
                record.on.clone_from(on);
            });
        }
        let mut watchers = lock(&self.watchers);
        watchers.retain(Events::has_watcher);
        watchers.iter().for_each(|watcher| watcher.send(event.clone()));
    }

    /// Adds somebody who watches.
    pub(crate) fn watch(&self, events: Events) {
        lock(&self.watchers).push(events);
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in this very attempt.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

impl Log {
    fn write(&mut self, event: &Event) {
        let Some(file) = &mut self.file else { return };
        let mut line = serde_json::to_vec(event).expect("events have text keys and no float");
        line.push(b'\n');
        if line.len() as u64 > self.left_bytes {
            self.file = None;
            return;
        }
        self.left_bytes -= line.len() as u64;
        if let Err(error) = file.write_all(&line) {
            tracing::warn!(%error, "an attempt's lines are no longer kept");
            self.file = None;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this lock")
}
