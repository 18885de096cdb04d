use std::collections::BTreeMap;
use std::sync::Arc;

use cid::Cid;
use poai_objects::codec::{self, DecodeLimits};
use poai_objects::{Envelope, InputName, Object, Package, PackageId, Params, Port, Program, ProgramId, World};

use super::Node;
use crate::control::{Answer, DescribeAnswer};
use crate::errors::{Failure, Kind};
use crate::nearest::nearest;
use crate::package_file::takes_stdin;
use crate::records::PackageRecord;
use crate::shelf::Shelf;

/// A program, and what is known around it.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) id: ProgramId,
    pub(super) program: Program,
    /// The package by which it was named, with its signature's CID if that is known.
    pub(super) package: Option<(PackageId, Option<Cid>)>,
    /// What a package or draft says of parameters and inputs; none for a bare program.
    pub(super) interface: Option<Interface>,
}

/// What a package says of what goes in.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) params: Params,
    pub(super) inputs: BTreeMap<InputName, Port>,
}

impl Resolved {
    pub(super) fn is_plain(&self) -> bool {
        self.program.world == World::Command
    }
}

impl Node {
    /// What a CID, or a package's `name[@version]`, stands for. A name must be one of this home's.
    pub(super) fn cid_of_name(&self, name: &str) -> Result<Cid, Failure> {
        match Cid::try_from(name) {
            Ok(cid) => Ok(cid),
            Err(_) => Ok(self.package_record(name)?.package),
        }
    }

    /// The record of a package's `name[@version]`; without a version, the highest.
    pub(super) fn package_record(&self, text: &str) -> Result<PackageRecord, Failure> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let all = self.records.packages()?;
        let named: Vec<&PackageRecord> = all.iter().filter(|record| record.name.as_str() == name).collect();
        let fits = |record: &&&PackageRecord| version.is_none_or(|version| record.version == version);
        let found = named.iter().filter(fits).max_by(|a, b| compare(&a.version, &b.version));
        found.map(|record| (**record).clone()).ok_or_else(|| unknown(text, name, &all, &named))
    }

    /// The program that a name or CID stands for. The objects must be here; content need not be.
    pub(super) fn resolve(&self, name: &str) -> Result<Resolved, Failure> {
        let Ok(cid) = Cid::try_from(name) else {
            let record = self.package_record(name)?;
            return self.resolve_package(record.package, Some(record.envelope));
        };
        let block = self.store.get(&cid)?.ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("{cid} is not in this home"))
                .hint("name a peer that has it with --peer MULTIADDR")
        })?;
        let (kind, _) = codec::kind_of(block.bytes(), &DecodeLimits::default())?;
        match kind.as_str() {
            Package::KIND => {
                let envelope = self.records.packages()?.into_iter().find(|record| record.package == cid);
                self.resolve_package(cid, envelope.map(|record| record.envelope))
            }
            Program::KIND => {
                let program: Program = self.store.object(cid)?;
                Ok(Resolved { id: cid.try_into()?, program, package: None, interface: None })
            }
            Envelope::KIND => {
                let signed = self.store.signed::<Package>(&cid)?;
                self.resolve_package(signed.object().id().into(), Some(cid))
            }
            other => {
                Err(Failure::new(Kind::BadInput, format!("{cid} is a {other}: only packages and programs can be run")))
            }
        }
    }

    fn resolve_package(&self, cid: Cid, envelope: Option<Cid>) -> Result<Resolved, Failure> {
        if let Some(envelope) = &envelope {
            self.store.signed::<Package>(envelope)?;
        }
        let package: Package = self.store.object(cid)?;
        let program: Program = self.store.object(package.program)?;
        let interface = Interface { params: package.params, inputs: package.inputs };
        Ok(Resolved {
            id: package.program,
            program,
            package: Some((cid.try_into()?, envelope)),
            interface: Some(interface),
        })
    }

    /// What a name stands for, for the command that is about to run it.
    pub(super) fn describe(self: &Arc<Self>, name: &str) -> Result<Answer, Failure> {
        let resolved = self.resolve(name)?;
        let inputs = resolved.interface.as_ref().map(|interface| interface.inputs.clone()).unwrap_or_default();
        let takes_stdin = takes_stdin(resolved.is_plain(), &inputs);
        Ok(Answer::Described(DescribeAnswer { program: resolved.id.to_string(), takes_stdin }))
    }
}

fn unknown(text: &str, name: &str, all: &[PackageRecord], named: &[&PackageRecord]) -> Failure {
    let failure = Failure::new(Kind::NotFound, format!("there is no package {text} in this home"));
    if !named.is_empty() {
        let versions: Vec<&str> = named.iter().map(|record| record.version.as_str()).collect();
        return failure.hint(format!("its versions here: {}", versions.join(", ")));
    }
    match nearest(name, all.iter().map(|record| record.name.as_str())) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None if std::path::Path::new(name).exists() => {
            failure.hint(format!("to run the folder or file, write ./{name}"))
        }
        None => failure.hint("`poai ls` lists this home's packages; elsewhere a package is named by its CID"),
    }
}

/// Versions in order: numbers as numbers, a pre-release before its release, all else as text.
fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    let ((a_core, a_rest), (b_core, b_rest)) = (core_and_rest(a), core_and_rest(b));
    a_core.cmp(&b_core).then_with(|| match (a_rest, b_rest) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(_), None) => std::cmp::Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    })
}

fn core_and_rest(version: &str) -> (Vec<Part<'_>>, Option<Vec<Part<'_>>>) {
    match version.split_once('-') {
        Some((core, rest)) => (parts(core), Some(parts(rest))),
        None => (parts(version), None),
    }
}

/// One part of a version. Numbers come before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(u64),
    Word(&'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    text.split('.').map(|part| part.parse().map_or(Part::Word(part), Part::Number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_people_count() {
        for (lower, higher) in
            [("0.9.0", "0.10.0"), ("1.0.0-rc.1", "1.0.0"), ("1.0.0-rc.2", "1.0.0-rc.10"), ("1.0", "1.0.1")]
        {
            assert!(compare(lower, higher).is_lt(), "{lower} {higher}");
            assert!(compare(higher, lower).is_gt(), "{lower} {higher}");
        }
        assert!(compare("1.0.0", "1.0.0").is_eq());
    }
}
