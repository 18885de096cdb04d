//! The run's outputs on their way out: named, append-only, counted.

use std::collections::BTreeSet;
use std::ops::Bound;

use poai_objects::{Limits, OutputName};

use super::host::Host;
use super::stop::Stop;

/// Bytes gathered before they go out: programs write by the line.
const GATHERED_BYTES: usize = 64 << 10;

/// What was written so far.
pub(crate) struct Outputs {
    names: BTreeSet<OutputName>,
    left_bytes: u64,
    left_count: u32,
    left_name_bytes: usize,
    /// The end of the output that was written last.
    gathered: Option<(OutputName, Vec<u8>)>,
}

impl Outputs {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            names: BTreeSet::new(),
            left_bytes: limits.output_bytes,
            left_count: limits.output_count,
            left_name_bytes: Limits::MAX_OUTPUT_NAME_BYTES,
            gathered: None,
        }
    }

    /// Whether an output has this name, or one that lies inside it or contains it.
    pub(crate) fn conflicts(&self, name: &str) -> bool {
        let inside = format!("{name}/");
        let is_folder = self
            .names
            .range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded))
            .next()
            .is_some_and(|next| next.as_str().starts_with(&inside));
        let ancestors = name.match_indices('/').map(|(end, _)| &name[..end]);
        is_folder || self.names.contains(name) || ancestors.into_iter().any(|ancestor| self.names.contains(ancestor))
    }

    /// Creates an empty output. Its name must not conflict.
    pub(crate) fn create(&mut self, host: &Host, name: &OutputName) -> Result<(), Stop> {
        self.left_count = self.left_count.checked_sub(1).ok_or(Stop::OutputLimit)?;
        self.left_name_bytes = self.left_name_bytes.checked_sub(name.as_str().len()).ok_or(Stop::OutputLimit)?;
        self.names.insert(name.clone());
        host.output(name, &[])
    }

    /// Adds bytes at an output's end.
    pub(crate) fn append(&mut self, host: &Host, name: &OutputName, bytes: &[u8]) -> Result<(), Stop> {
        self.left_bytes = self.left_bytes.checked_sub(bytes.len() as u64).ok_or(Stop::OutputLimit)?;
        if self.gathered.as_ref().is_some_and(|(gathered, _)| gathered != name) {
            self.flush(host)?;
        }
        let (_, gathered) = self.gathered.get_or_insert_with(|| (name.clone(), Vec::new()));
        gathered.extend_from_slice(bytes);
        if gathered.len() >= GATHERED_BYTES { self.flush(host) } else { Ok(()) }
    }

    /// Sends everything out, and tells what there is.
    pub(crate) fn finish(&mut self, host: &Host) -> Result<Vec<OutputName>, Stop> {
        self.flush(host)?;
        Ok(std::mem::take(&mut self.names).into_iter().collect())
    }

    fn flush(&mut self, host: &Host) -> Result<(), Stop> {
        match self.gathered.take() {
            Some((name, bytes)) if !bytes.is_empty() => host.output(&name, &bytes),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::way;
    use super::*;

    fn name(name: &str) -> OutputName {
        name.parse().unwrap()
    }

    #[test]
    fn a_name_and_its_folders_exclude_each_other() {
        let (host, _requests) = way(0, false);
        let mut outputs = Outputs::new(&Limits::default());
        outputs.create(&host, &name("a/b")).unwrap();
        outputs.create(&host, &name("a-b")).unwrap();
        for (name, conflicts) in
            [("a", true), ("a/b", true), ("a/b/c", true), ("a/c", false), ("a-", false), ("b", false), ("a-b/c", true)]
        {
            assert_eq!(outputs.conflicts(name), conflicts, "{name}");
        }
    }

    #[test]
    fn the_limits_hold_to_the_byte() {
        let (host, _requests) = way(0, false);
        let mut outputs = Outputs::new(&Limits { output_bytes: 5, output_count: 1, ..Limits::default() });
        outputs.create(&host, &name("one")).unwrap();
        outputs.append(&host, &name("one"), b"12345").unwrap();
        assert!(matches!(outputs.append(&host, &name("one"), b"6"), Err(Stop::OutputLimit)));
        assert!(matches!(outputs.create(&host, &name("two")), Err(Stop::OutputLimit)));
    }
}
