use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::codec::{at_most, plain_text};
use crate::{InputName, Object, ObjectError, PackageId, PackageName, Params, ProgramId, PublicKey};

/// A description around a program, to be signed by who publishes it.
///
/// Editing it never changes the work's identity: runs name the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// What executes.
    pub program: ProgramId,
    /// The name that people call it by.
    pub name: PackageName,
    /// Its version: a text such as `1.0.2`, compared as semantic versions where they are such.
    pub version: String,
    /// One line for people.
    pub summary: String,
    /// A JSON Schema (canonical text) of the parameters; its defaults are filled in before a run's
    /// id is made.
    pub params: Params,
    /// What the task reads.
    pub inputs: BTreeMap<InputName, Port>,
    /// What the task writes. The names are for people: outputs may have names of their own.
    pub outputs: BTreeMap<String, Port>,
    /// Who is credited, and with what part.
    pub contributors: Vec<Contributor>,
    /// An SPDX licence expression.
    pub licence: String,
    /// Where the source is; empty if it is not public.
    pub source: String,
}

/// An input or output, described for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// What it holds.
    pub doc: String,
    /// Whether a run without it is refused before it starts.
    pub required: bool,
}

/// Somebody who is credited when the program's runs are paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contributor {
    /// Who.
    pub account: PublicKey,
    /// What for.
    pub role: Role,
    /// The part, in basis points (1/10,000) of what contributors get together.
    pub weight_bp: u16,
}

/// What somebody contributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Wrote the task.
    Author,
    /// Made a model that it uses.
    Model,
    /// Gave data that it was made from.
    Data,
}

impl Package {
    /// Contributors of one package.
    pub const MAX_CONTRIBUTORS: usize = 256;
    /// Inputs or outputs that one package describes.
    pub const MAX_PORTS: usize = 256;
    /// Bytes of a version.
    pub const MAX_VERSION_BYTES: usize = 64;
    /// Bytes of one text for people.
    pub const MAX_TEXT_BYTES: usize = 4 << 10;
    /// The whole, in basis points.
    pub const WHOLE_BP: u32 = 10_000;

    /// Everybody who is credited has a part, is listed once for each role, and the parts are a whole.
    fn check_contributors(&self) -> Result<(), ObjectError> {
        at_most(Self::KIND, "contributors", self.contributors.len(), Self::MAX_CONTRIBUTORS)?;
        let distinct: BTreeSet<_> = self.contributors.iter().map(|one| (one.account, one.role)).collect();
        if distinct.len() < self.contributors.len() {
            return Self::malformed("it lists a contributor twice for one role");
        }
        if self.contributors.iter().any(|contributor| contributor.weight_bp == 0) {
            return Self::malformed("it lists a contributor without a part");
        }
        let total: u32 = self.contributors.iter().map(|contributor| u32::from(contributor.weight_bp)).sum();
        if !self.contributors.is_empty() && total != Self::WHOLE_BP {
            return Self::malformed("its contributors' weights do not add up to 10000 basis points");
        }
        Ok(())
    }

    fn malformed(reason: &str) -> Result<(), ObjectError> {
        Err(ObjectError::Malformed { kind: Self::KIND, reason: reason.into() })
    }
}

impl Object for Package {
    const KIND: &'static str = "poai/package";
    const VERSION: u64 = 1;
    type Id = PackageId;

    fn validate(&self) -> Result<(), ObjectError> {
        at_most(Self::KIND, "version bytes", self.version.len(), Self::MAX_VERSION_BYTES)?;
        if self.version.is_empty() || self.version.chars().any(|c| c.is_control() || c.is_whitespace() || c == '@') {
            return Self::malformed("its version is empty, or has a space, a control character or an '@'");
        }
        at_most(Self::KIND, "inputs", self.inputs.len(), Self::MAX_PORTS)?;
        at_most(Self::KIND, "outputs", self.outputs.len(), Self::MAX_PORTS)?;
        let docs = self.inputs.values().chain(self.outputs.values()).map(|port| &port.doc);
        for text in [&self.summary, &self.licence, &self.source].into_iter().chain(self.outputs.keys()).chain(docs) {
            plain_text(Self::KIND, "text bytes", text, Self::MAX_TEXT_BYTES)?;
        }
        self.params.check_schema()?;
        self.check_contributors()
    }
}
