//! What this home knows besides content: packages by name, attempts, and who said what about which claim.
//!
//! One file, written in transactions: after a crash it holds what was committed, whole. Objects
//! themselves lie in the store; here are only their CIDs.

mod faults; // hosts that came to no claim

use std::path::Path;

use cid::Cid;
use poai_objects::codec;
use poai_objects::{ClaimId, PackageName, PublicKey, RunId};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use faults::{Faults, HostFault, MAX_FAULTS};

use crate::errors::{Failure, Kind, chain};

/// Attempts that are remembered; the oldest make room.
pub(crate) const MAX_ATTEMPTS: u64 = 10_000;
/// Statements about one claim, or claims about one run, that are remembered; later ones are refused.
const MAX_STATEMENTS: usize = 1_024;

const PACKAGES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("packages");
const ATTEMPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("attempts");
const CLAIMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("claims of runs");
const STATEMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("statements about claims");

/// A package that can be called by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackageRecord {
    pub(crate) name: PackageName,
    pub(crate) version: String,
    /// The package's payload.
    pub(crate) package: Cid,
    /// Its signature.
    pub(crate) envelope: Cid,
    pub(crate) program: Cid,
    pub(crate) published_ms: u64,
}

/// One try at a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttemptRecord {
    pub(crate) number: u64,
    pub(crate) run: RunId,
    pub(crate) target: String,
    /// `local`, `network`, or the host's peer id once one took it.
    pub(crate) on: String,
    pub(crate) requester: Option<String>,
    /// Whether nobody waits for it: then every change of it is made durable at once.
    pub(crate) detached: bool,
    pub(crate) started_ms: u64,
    pub(crate) ended_ms: Option<u64>,
    pub(crate) state: AttemptState,
    pub(crate) claim: Option<ClaimId>,
    pub(crate) receipt: Option<Cid>,
    /// Why it came to no claim.
    pub(crate) failure: Option<Failure>,
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttemptState {
    Waiting,
    Running,
    Ok,
    Failed,
    Trapped,
    Refused,
    Faulted,
    Cancelled,
    /// The process that worked on it ended.
    Lost,
}

impl AttemptState {
    pub(crate) fn has_ended(self) -> bool {
        !matches!(self, AttemptState::Waiting | AttemptState::Running)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            AttemptState::Waiting => "waiting",
            AttemptState::Running => "running",
            AttemptState::Ok => "ok",
            AttemptState::Failed => "failed",
            AttemptState::Trapped => "trapped",
            AttemptState::Refused => "refused",
            AttemptState::Faulted => "faulted",
            AttemptState::Cancelled => "cancelled",
            AttemptState::Lost => "lost",
        }
    }
}

/// A claim about a run, and why it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimRecord {
    pub(crate) claim: ClaimId,
    /// Whether this home executed the run itself and came to this claim.
    pub(crate) computed_here: bool,
}

/// Something signed about a claim: a receipt, or a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    /// The payload.
    pub(crate) object: Cid,
    /// Its signature.
    pub(crate) envelope: Cid,
    pub(crate) key: PublicKey,
}

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StatementKind {
    Receipt,
    /// A replay made the same claim.
    Same,
    /// A replay made another.
    Differs,
    /// A replay that computed a sample found no difference: nobody believes a claim for that.
    Sampled,
}

/// When a change survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    /// As soon as it is made.
    Now,
    /// With the next change that is durable at once, or [`Records::flush`].
    WithTheNext,
}

impl Durable {
    /// How much an attempt's history is worth: somebody who waits sees how it goes anyway.
    fn for_attempt(record: &AttemptRecord) -> Self {
        if record.detached { Durable::Now } else { Durable::WithTheNext }
    }
}

/// This home's records.
#[derive(Debug)]
pub(crate) struct Records {
    database: Database,
}

impl Records {
    /// Opens the file, or makes it; attempts that nobody works on any more become lost.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let database = Database::create(path).map_err(|error| {
            let kind =
                if matches!(error, redb::DatabaseError::DatabaseAlreadyOpen) { Kind::HomeBusy } else { Kind::Damaged };
            Failure::new(kind, format!("{} cannot be opened: {}", path.display(), chain(&error)))
                .hint("it holds names and history, no content: move it away to begin anew")
        })?;
        let records = Self { database };
        records.write(Durable::Now, |tables| {
            tables.0.open_table(PACKAGES)?;
            tables.0.open_table(CLAIMS)?;
            tables.0.open_table(STATEMENTS)?;
            tables.make_faults()?;
            tables.end_lost_attempts()
        })?;
        Ok(records)
    }

    /// Changes records, all or nothing.
    fn write<T>(&self, durable: Durable, change: impl FnOnce(&Tables) -> Result<T, redb::Error>) -> Result<T, Failure> {
        let work = || {
            let mut transaction = self.database.begin_write()?;
            if durable == Durable::WithTheNext {
                transaction.set_durability(redb::Durability::None)?;
            }
            let tables = Tables(transaction);
            let value = change(&tables)?;
            tables.0.commit()?;
            Ok(value)
        };
        work().map_err(|error: redb::Error| damaged(&error))
    }

    pub(crate) fn add_package(&self, record: &PackageRecord) -> Result<(), Failure> {
        self.write(Durable::Now, |tables| {
            let mut table = tables.0.open_table(PACKAGES)?;
            table.insert((record.name.as_str(), record.version.as_str()), &*codec::encode(record))?;
            Ok(())
        })
    }

    /// All packages, by name and version.
    pub(crate) fn packages(&self) -> Result<Vec<PackageRecord>, Failure> {
        let read = || {
            let table = self.database.begin_read()?.open_table(PACKAGES)?;
            table.iter()?.map(|entry| Ok(decode(entry?.1.value()))).collect::<Result<Vec<_>, redb::Error>>()
        };
        read().map_err(|error| damaged(&error))?.into_iter().collect()
    }

    /// Gives an attempt its number, and forgets the oldest if there are too many. Names the forgotten ones.
    pub(crate) fn add_attempt(&self, mut record: AttemptRecord) -> Result<(AttemptRecord, Vec<u64>), Failure> {
        self.write(Durable::for_attempt(&record), |tables| {
            let mut table = tables.0.open_table(ATTEMPTS)?;
            let last = table.last()?.map_or(0, |(number, _)| number.value());
            record.number = last + 1;
            table.insert(record.number, &*codec::encode(&record))?;
            let mut forgotten = Vec::new();
            while table.first()?.is_some_and(|(first, _)| record.number - first.value() >= MAX_ATTEMPTS) {
                forgotten.extend(table.pop_first()?.map(|(number, _)| number.value()));
            }
            Ok((record, forgotten))
        })
    }

    /// Writes how an attempt stands now.
    pub(crate) fn update_attempt(&self, record: &AttemptRecord) -> Result<(), Failure> {
        self.write(Durable::for_attempt(record), |tables| {
            tables.0.open_table(ATTEMPTS)?.insert(record.number, &*codec::encode(record))?;
            Ok(())
        })
    }

    /// Attempts, newest first, at most `count`.
    pub(crate) fn attempts(&self, count: usize) -> Result<Vec<AttemptRecord>, Failure> {
        let read = || {
            let table = self.database.begin_read()?.open_table(ATTEMPTS)?;
            table
                .iter()?
                .rev()
                .take(count)
                .map(|entry| Ok(decode(entry?.1.value())))
                .collect::<Result<Vec<_>, redb::Error>>()
        };
        read().map_err(|error| damaged(&error))?.into_iter().collect()
    }

    pub(crate) fn attempt(&self, number: u64) -> Result<Option<AttemptRecord>, Failure> {
        let read =
            || Ok(self.database.begin_read()?.open_table(ATTEMPTS)?.get(number)?.map(|entry| decode(entry.value())));
        read().map_err(|error: redb::Error| damaged(&error))?.transpose()
    }

    /// Remembers a claim about a run, and the receipt for it.
    pub(crate) fn add_claim(&self, run: RunId, record: ClaimRecord, receipt: Statement) -> Result<(), Failure> {
        self.write(Durable::Now, |tables| {
            tables.add_statement(record.claim, receipt)?;
            tables.change_list(CLAIMS, &key_of(run.cid()), |claims: &mut Vec<ClaimRecord>| {
                match claims.iter_mut().find(|known| known.claim == record.claim) {
                    Some(known) => known.computed_here |= record.computed_here,
                    None => push(claims, record),
                }
            })
        })
    }

    /// The claims about a run, in the order in which they came.
    pub(crate) fn claims(&self, run: RunId) -> Result<Vec<ClaimRecord>, Failure> {
        self.list(CLAIMS, &key_of(run.cid()))
    }

    /// Remembers something signed about a claim.
    pub(crate) fn add_statement(&self, claim: ClaimId, statement: Statement) -> Result<(), Failure> {
        self.write(Durable::Now, |tables| tables.add_statement(claim, statement))
    }

    /// Makes durable whatever is not yet.
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        self.write(Durable::Now, |_| Ok(()))
    }

    /// What was signed about a claim, in the order in which it came.
    pub(crate) fn statements(&self, claim: ClaimId) -> Result<Vec<Statement>, Failure> {
        self.list(STATEMENTS, &key_of(claim.cid()))
    }

    fn list<T: DeserializeOwned>(
        &self,
        table: TableDefinition<'_, &[u8], &[u8]>,
        key: &[u8],
    ) -> Result<Vec<T>, Failure> {
        let read = || Ok(self.database.begin_read()?.open_table(table)?.get(key)?.map(|entry| decode(entry.value())));
        Ok(read().map_err(|error: redb::Error| damaged(&error))?.transpose()?.unwrap_or_default())
    }
}

struct Tables(redb::WriteTransaction);

impl Tables {
    fn add_statement(&self, claim: ClaimId, statement: Statement) -> Result<(), redb::Error> {
        self.change_list(STATEMENTS, &key_of(claim.cid()), |statements: &mut Vec<Statement>| {
            if !statements.iter().any(|known| known.envelope == statement.envelope) {
                push(statements, statement);
            }
        })
    }

    fn change_list<T: Serialize + DeserializeOwned>(
        &self,
        table: TableDefinition<'_, &[u8], &[u8]>,
        key: &[u8],
        change: impl FnOnce(&mut Vec<T>),
    ) -> Result<(), redb::Error> {
        let mut table = self.0.open_table(table)?;
        let mut list: Vec<T> = match table.get(key)? {
            Some(entry) => serde_ipld_dagcbor::from_slice(entry.value())
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?,
            None => Vec::new(),
        };
        change(&mut list);
        table.insert(key, &*codec::encode(&list))?;
        Ok(())
    }

    fn end_lost_attempts(&self) -> Result<(), redb::Error> {
        let mut table = self.0.open_table(ATTEMPTS)?;
        let mut lost = Vec::new();
        for entry in table.iter()? {
            let record: Result<AttemptRecord, Failure> = decode(entry?.1.value());
            lost.extend(record.ok().filter(|record| !record.state.has_ended()));
        }
        for mut record in lost {
            record.state = AttemptState::Lost;
            table.insert(record.number, &*codec::encode(&record))?;
        }
        Ok(())
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_STATEMENTS {
        list.push(item);
    } else {
        tracing::warn!("more than {MAX_STATEMENTS} statements about one object: the last one is not remembered");
    }
}

fn key_of(cid: &Cid) -> Vec<u8> {
    cid.to_bytes()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| Failure::new(Kind::Damaged, format!("a record cannot be read: {error}")))
}

fn damaged(error: &redb::Error) -> Failure {
    let full = matches!(error, redb::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull);
    Failure::new(if full { Kind::DiskFull } else { Kind::Damaged }, format!("this home's records: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> (tempfile::TempDir, Records) {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.redb")).unwrap();
        (folder, records)
    }

    fn cid(byte: u8) -> Cid {
        codec::cid_of(codec::DAG_CBOR, &[byte])
    }

    fn attempt(state: AttemptState) -> AttemptRecord {
        AttemptRecord {
            number: 0,
            run: cid(1).try_into().unwrap(),
            target: "hello".into(),
            on: "local".into(),
            requester: None,
            detached: true,
            started_ms: 5,
            ended_ms: None,
            state,
            claim: None,
            receipt: None,
            failure: None,
        }
    }

    #[test]
    fn attempts_are_numbered_and_those_of_a_dead_process_are_lost() {
        let (folder, records) = records();
        let (first, _) = records.add_attempt(attempt(AttemptState::Running)).unwrap();
        let (mut second, forgotten) = records.add_attempt(attempt(AttemptState::Waiting)).unwrap();
        assert_eq!((first.number, second.number, forgotten), (1, 2, vec![]));
        second.state = AttemptState::Ok;
        records.update_attempt(&second).unwrap();
        drop(records);
        let records = Records::open(&folder.path().join("records.redb")).unwrap();
        let states: Vec<_> = records.attempts(9).unwrap().iter().map(|record| record.state).collect();
        assert_eq!(states, [AttemptState::Ok, AttemptState::Lost]);
        assert_eq!(records.attempt(3).unwrap(), None);
    }

    #[test]
    fn a_claim_that_was_heard_of_may_be_computed_later() {
        let (_folder, records) = records();
        let run = cid(1).try_into().unwrap();
        let claim = cid(2).try_into().unwrap();
        let key = poai_objects::SecretKey::from_seed(&[7; 32]).public();
        let receipt = |byte| Statement { kind: StatementKind::Receipt, object: cid(byte), envelope: cid(byte), key };
        for (byte, computed_here) in [(3, false), (4, true), (4, false)] {
            records.add_claim(run, ClaimRecord { claim, computed_here }, receipt(byte)).unwrap();
        }
        assert_eq!(records.statements(claim).unwrap(), [receipt(3), receipt(4)]);
        assert_eq!(records.claims(run).unwrap(), [ClaimRecord { claim, computed_here: true }]);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.redb");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        let error = Records::open(&path).unwrap_err();
        assert_eq!(error.kind, Kind::Damaged);
        assert!(error.message.contains("records.redb cannot be opened"), "{}", error.message);
    }
}
