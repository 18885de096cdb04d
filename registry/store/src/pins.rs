use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cid::Cid;

use crate::StoreError;
use crate::limits::PIN_NAME_BYTES;
use crate::pin_log::{PinLog, Record};

/// How far a pin reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PinMode {
    /// This block alone.
    Direct,
    /// This block and all that is reachable from it.
    Recursive,
}

/// A reason to keep content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What is kept.
    pub cid: Cid,
    /// How far.
    pub mode: PinMode,
    /// Who keeps it, or why: content may have several pins by different names.
    pub name: String,
    /// When it ends; never, if none. A remote run's outputs are kept so until they are fetched.
    pub until: Option<SystemTime>,
}

/// All pins: in memory, and in a log on disk.
pub(crate) struct Pins {
    by_key: BTreeMap<(Cid, String), (PinMode, Option<u64>)>,
    log: PinLog,
    limit: u64,
}

impl Pins {
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Self, StoreError> {
        let mut by_key = BTreeMap::new();
        let log = PinLog::open(path, |record| apply(&mut by_key, record))?;
        Ok(Self { by_key, log, limit })
    }

    pub(crate) fn add(&mut self, pin: &Pin) -> Result<(), StoreError> {
        check_name(&pin.name)?;
        let key = (pin.cid, pin.name.clone());
        if !self.by_key.contains_key(&key) && self.by_key.len() as u64 >= self.limit {
            return Err(StoreError::Limit { what: pin.cid.to_string(), name: "pins", limit: self.limit });
        }
        let until = pin.until.map(unix_millis);
        self.write(Record::Pin { cid: key.0, name: key.1, mode: pin.mode, until })
    }

    pub(crate) fn remove(&mut self, cid: &Cid, name: &str) -> Result<(), StoreError> {
        if !self.by_key.contains_key(&(*cid, name.to_owned())) {
            return Err(StoreError::NoSuchPin { cid: *cid, name: name.into() });
        }
        self.write(Record::Unpin { cid: *cid, name: name.to_owned() })
    }

    /// Forgets pins whose time has come.
    pub(crate) fn expire(&mut self, now: SystemTime) -> Result<(), StoreError> {
        let now = unix_millis(now);
        let ended: Vec<_> = self
            .by_key
            .iter()
            .filter(|(_, (_, until))| until.is_some_and(|until| until <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for (cid, name) in ended {
            self.write(Record::Unpin { cid, name })?;
        }
        Ok(())
    }

    pub(crate) fn list(&self) -> Vec<Pin> {
        let pin = |((cid, name), (mode, until)): (&(Cid, String), &(PinMode, Option<u64>))| Pin {
            cid: *cid,
            mode: *mode,
            name: name.clone(),
            until: until.map(|millis| UNIX_EPOCH + Duration::from_millis(millis)),
        };
        self.by_key.iter().map(pin).collect()
    }

    fn write(&mut self, record: Record) -> Result<(), StoreError> {
        self.log.append(&record)?;
        apply(&mut self.by_key, record);
        if self.log.wants_rewriting(self.by_key.len()) {
            let live = self.by_key.iter().map(|((cid, name), (mode, until))| Record::Pin {
                cid: *cid,
                name: name.clone(),
                mode: *mode,
                until: *until,
            });
            self.log.rewrite(live)?;
        }
        Ok(())
    }
}

fn apply(by_key: &mut BTreeMap<(Cid, String), (PinMode, Option<u64>)>, record: Record) {
    match record {
        Record::Pin { cid, name, mode, until } => by_key.insert((cid, name), (mode, until)),
        Record::Unpin { cid, name } => by_key.remove(&(cid, name)),
    };
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let refuse = |reason| Err(StoreError::BadPinName { name: name.chars().take(64).collect(), reason });
    if name.len() > PIN_NAME_BYTES {
        return refuse("it is longer than 255 bytes");
    }
    if name.chars().any(char::is_control) {
        return refuse("it has control characters");
    }
    Ok(())
}

/// Milliseconds since 1970, rounded up: a pin is never cut short.
fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
