use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use poai_objects::{InputName, ObjectError, RunId};
use serde::{Deserialize, Serialize};

use crate::package_file::Draft;

/// What a command asks of a node. Paths are absolute: the daemon's folder is not the command's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Status,
    Publish(Draft),
    Run(Box<RunRequest>),
    Processes {
        all: bool,
    },
    Logs {
        attempt: AttemptName,
        follow: bool,
    },
    Wait {
        attempt: AttemptName,
        timeout: Option<Duration>,
    },
    Cancel {
        attempt: AttemptName,
    },
    Verify {
        target: VerifyTarget,
        on: Place,
        /// How many of a million effects are computed, if not all.
        per_million: Option<u32>,
        peers: Vec<String>,
    },
    Show {
        name: String,
        peers: Vec<String>,
    },
    List {
        name: Option<String>,
        pins: bool,
        peers: Vec<String>,
    },
    Pull {
        name: String,
        output: Option<PathBuf>,
        peers: Vec<String>,
    },
    /// The models that are here.
    Models,
    PullModels {
        target: Target,
        peers: Vec<String>,
    },
    Pin {
        name: String,
    },
    Unpin {
        name: String,
    },
    CollectGarbage {
        check: bool,
    },
    Export {
        names: Vec<String>,
        output: PathBuf,
    },
    /// Paths, and whether each is an archive.
    Import {
        paths: Vec<(PathBuf, bool)>,
    },
    Describe {
        name: String,
    },
    Key,
    Delegate {
        host: String,
        days: u32,
        output: PathBuf,
    },
    Doctor,
    Stop,
}

/// One execution to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunRequest {
    /// The target in the asker's words.
    pub(crate) label: String,
    pub(crate) target: Target,
    pub(crate) inputs: BTreeMap<InputName, Source>,
    /// `K=V` in the order given.
    pub(crate) params: Vec<(String, String)>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) seed: u64,
    pub(crate) clock_ns: u64,
    pub(crate) fuel: Option<u64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) on: Place,
    pub(crate) peers: Vec<String>,
    /// How many other hosts shall replay it.
    pub(crate) verify: u32,
    /// Whether a known claim may answer.
    pub(crate) cache: bool,
    /// Whether to go on when whoever asked goes away.
    pub(crate) detach: bool,
    pub(crate) timeout: Option<Duration>,
    /// A folder for the outputs.
    pub(crate) output: Option<PathBuf>,
    /// A file for a plain program's stdout.
    pub(crate) stdout_to: Option<PathBuf>,
}

impl RunRequest {
    /// A request for a target and nothing more: executed here, whatever is known.
    pub(crate) fn plain(target: Target) -> Self {
        let label = match &target {
            Target::Named(name) => name.clone(),
            Target::File(path) => path.display().to_string(),
            Target::Draft(draft) => draft.name.to_string(),
        };
        Self {
            label,
            target,
            inputs: BTreeMap::new(),
            params: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            seed: 0,
            clock_ns: 0,
            fuel: None,
            memory_bytes: None,
            on: Place::Local,
            peers: Vec::new(),
            verify: 0,
            cache: false,
            detach: false,
            timeout: None,
            output: None,
            stdout_to: None,
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// A package by `name[@version]`, or a package or program by CID.
    Named(String),
    /// A component or module as a file.
    File(PathBuf),
    /// A task's folder, read and built.
    Draft(Box<Draft>),
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// A file or folder on this machine.
    Path(PathBuf),
    /// Content by CID.
    Cid(String),
}

/// Who executes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// This node.
    Local,
    /// Whichever host offers, best first.
    Network,
    /// One host: a peer id, or a multiaddr that ends in one.
    Peer(String),
}

/// An attempt by its number in this home, or by its run's CID (the latest one of that run).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttemptName {
    Number(u64),
    Run(RunId),
}

/// What is to be verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VerifyTarget {
    /// A claim, receipt or run by CID.
    Cid(String),
    /// An archive that holds one.
    File(PathBuf),
}

impl FromStr for AttemptName {
    type Err = ObjectError;

    fn from_str(text: &str) -> Result<Self, ObjectError> {
        match text.parse() {
            Ok(number) => Ok(AttemptName::Number(number)),
            Err(_) => text.parse().map(AttemptName::Run),
        }
    }
}

impl Request {
    /// Whether the work goes on when whoever asked has gone.
    pub(crate) fn outlives_its_asker(&self) -> bool {
        matches!(self, Request::Run(run) if run.detach)
    }
}
