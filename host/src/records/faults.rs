//! Which hosts came to no claim on which run: after three, it is the run that is held to be at fault.
//!
//! Such a run is quarantined, and sent to nobody, until the first of the three faults is old enough.

use poai_objects::{RunId, codec};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Durable, Records, Tables, damaged, decode, key_of};
use crate::errors::Failure;

/// Hosts that may fault on a run before it is held to be the run's doing.
pub(crate) const MAX_FAULTS: usize = 3;
/// Runs whose faults are remembered; those of further ones are not, until some are old enough.
const MAX_RUNS: u64 = 4_096;

const FAULTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("faults of hosts on runs");

/// A host that took a run and came to no claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostFault {
    pub(crate) host: String,
    /// In the host's words, or this node's if it went away.
    pub(crate) reason: String,
    pub(crate) at_ms: u64,
}

/// What is remembered of one run: the last fault of each host, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Faults(Vec<HostFault>);

impl Faults {
    /// With one more, and without those that are `kept_ms` older than it.
    fn with(mut self, fault: HostFault, kept_ms: u64) -> Self {
        self.0.retain(|other| other.host != fault.host && fault.at_ms.saturating_sub(other.at_ms) < kept_ms);
        self.0.push(fault);
        self.0.drain(..self.0.len().saturating_sub(MAX_FAULTS));
        self
    }

    /// When the run may be sent out again, if it may not now.
    pub(crate) fn quarantined_until_ms(&self, now_ms: u64, kept_ms: u64) -> Option<u64> {
        let first = self.0.first().filter(|_| self.0.len() == MAX_FAULTS)?;
        Some(first.at_ms.saturating_add(kept_ms)).filter(|until_ms| now_ms < *until_ms)
    }

    /// What each host said.
    pub(crate) fn words(&self) -> String {
        let said: Vec<String> = self.0.iter().map(|fault| format!("{}: {}", fault.host, fault.reason)).collect();
        said.join("; ")
    }

    fn is_old(&self, now_ms: u64, kept_ms: u64) -> bool {
        self.0.last().is_none_or(|last| now_ms.saturating_sub(last.at_ms) >= kept_ms)
    }
}

impl Records {
    /// Remembers that a host came to no claim on a run, for so long; gives all that is remembered of the run.
    pub(crate) fn add_fault(&self, run: RunId, fault: HostFault, kept_ms: u64) -> Result<Faults, Failure> {
        self.write(Durable::Now, |tables| {
            let mut table = tables.0.open_table(FAULTS)?;
            table.retain(|_, kept| decode(kept).is_ok_and(|faults: Faults| !faults.is_old(fault.at_ms, kept_ms)))?;
            let key = key_of(run.cid());
            let known = table.get(&*key)?.and_then(|kept| decode::<Faults>(kept.value()).ok());
            let has_room = known.is_some() || table.len()? < MAX_RUNS;
            let faults = known.unwrap_or_default().with(fault, kept_ms);
            if has_room {
                table.insert(&*key, &*codec::encode(&faults))?;
            } else {
                tracing::warn!("more than {MAX_RUNS} runs with faults: those of the last one are not remembered");
            }
            Ok(faults)
        })
    }

    /// What is remembered of a run.
    pub(crate) fn faults(&self, run: RunId) -> Result<Faults, Failure> {
        let read = || {
            let table = self.database.begin_read()?.open_table(FAULTS)?;
            Ok(table.get(&*key_of(run.cid()))?.map(|kept| decode(kept.value())))
        };
        Ok(read().map_err(|error: redb::Error| damaged(&error))?.transpose()?.unwrap_or_default())
    }

    /// Forgets a run's faults.
    pub(crate) fn forget_faults(&self, run: RunId) -> Result<(), Failure> {
        if self.faults(run)? == Faults::default() {
            return Ok(());
        }
        self.write(Durable::Now, |tables| {
            tables.0.open_table(FAULTS)?.remove(&*key_of(run.cid()))?;
            Ok(())
        })
    }
}

impl Tables {
    pub(super) fn make_faults(&self) -> Result<(), redb::Error> {
        self.0.open_table(FAULTS)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT_MS: u64 = 1_000;

    fn fault(host: &str, at_ms: u64) -> HostFault {
        HostFault { host: host.into(), reason: "its worker died".into(), at_ms }
    }

    #[test]
    fn three_hosts_within_the_time_make_a_quarantine() {
        for (faults, now_ms, until_ms) in [
            (vec![], 0, None),
            (vec![("a", 1), ("b", 2)], 3, None),
            (vec![("a", 1), ("b", 2), ("c", 3)], 3, Some(1_001)),
            (vec![("a", 1), ("b", 2), ("c", 3)], 1_001, None),
            // The same host again says nothing of the run.
            (vec![("a", 1), ("b", 2), ("a", 3)], 3, None),
            (vec![("a", 1), ("b", 2), ("a", 3), ("c", 4)], 4, Some(1_002)),
            (vec![("a", 1), ("b", 2), ("c", 3), ("d", 9)], 9, Some(1_002)),
            // An old fault does not count.
            (vec![("a", 1), ("b", 2), ("c", 1_001)], 1_001, None),
        ] {
            let all =
                faults.iter().fold(Faults::default(), |all, (host, at_ms)| all.with(fault(host, *at_ms), KEPT_MS));
            assert_eq!(all.quarantined_until_ms(now_ms, KEPT_MS), until_ms, "{faults:?}");
        }
    }

    #[test]
    fn faults_are_remembered_of_each_run_until_they_are_old_or_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.redb");
        let run = |byte| codec::cid_of(codec::DAG_CBOR, &[byte]).try_into().unwrap();
        let records = Records::open(&path).unwrap();
        records.add_fault(run(1), fault("a", 1), KEPT_MS).unwrap();
        records.add_fault(run(2), fault("a", 500), KEPT_MS).unwrap();
        assert_eq!(records.add_fault(run(2), fault("b", 600), KEPT_MS).unwrap().0.len(), 2);
        drop(records);

        let records = Records::open(&path).unwrap();
        assert_eq!(records.faults(run(1)).unwrap().words(), "a: its worker died");
        assert_eq!(records.faults(run(2)).unwrap().0, [fault("a", 500), fault("b", 600)]);
        records.add_fault(run(3), fault("a", 1_001), KEPT_MS).unwrap();
        assert_eq!(records.faults(run(1)).unwrap(), Faults::default(), "it is old");
        records.forget_faults(run(2)).unwrap();
        assert_eq!(records.faults(run(2)).unwrap(), Faults::default());
        assert_eq!(records.faults(run(3)).unwrap().0, [fault("a", 1_001)]);
    }
}
