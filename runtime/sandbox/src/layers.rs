use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that stands between a guest that broke out of its sandbox and the rest of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Nothing inherited but the socket: every other descriptor is closed.
    Descriptors,
    /// Memory, descriptors, processes and core dumps are limited, and the kernel kills a worker first.
    Limits,
    /// The process cannot be traced, dumped, or read by others of the same user.
    Undumpable,
    /// A user namespace and a network namespace of its own: no interface, not even loopback.
    Namespaces,
    /// No capability of any kind, whoever started the daemon.
    Capabilities,
    /// Nothing executed later can gain privileges.
    NoNewPrivileges,
    /// Landlock: no path can be opened, no port bound or connected, no process outside signalled.
    Landlock,
    /// Seccomp: any system call that running compiled code does not need kills the process.
    Seccomp,
}

impl Layer {
    /// Every layer, in the order in which a worker puts them on.
    pub const ALL: [Self; 8] = [
        Self::Descriptors,
        Self::Limits,
        Self::Undumpable,
        Self::Namespaces,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Landlock,
        Self::Seccomp,
    ];
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptors => "descriptors",
            Self::Limits => "limits",
            Self::Undumpable => "undumpable",
            Self::Namespaces => "namespaces",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        })
    }
}

/// Whether a layer is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerState {
    /// It is.
    Enforced {
        /// What exactly, for people: a version, a limit's value.
        how: String,
    },
    /// It is not.
    Absent {
        /// The kernel's or the machine's reason.
        why: String,
    },
}

impl LayerState {
    /// Whether the layer is in force.
    pub fn is_enforced(&self) -> bool {
        matches!(self, Self::Enforced { .. })
    }
}

impl fmt::Display for LayerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforced { how } => write!(f, "enforced ({how})"),
            Self::Absent { why } => write!(f, "absent: {why}"),
        }
    }
}

/// What a worker reports of itself before it is given anything: the state of every layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layers(BTreeMap<Layer, LayerState>);

impl Layers {
    /// A report. A layer that `states` does not name counts as absent.
    pub(crate) fn new(states: impl IntoIterator<Item = (Layer, LayerState)>) -> Self {
        let unnamed = |layer| (layer, LayerState::Absent { why: "the worker did not report it".into() });
        let mut report: BTreeMap<_, _> = Layer::ALL.into_iter().map(unnamed).collect();
        report.extend(states);
        Self(report)
    }

    /// The state of one layer.
    pub fn state(&self, layer: Layer) -> &LayerState {
        self.0.get(&layer).expect("every report names every layer")
    }

    /// Every layer and its state, in the order in which they are put on.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, &LayerState)> {
        self.0.iter().map(|(layer, state)| (*layer, state))
    }

    /// The layers that are not in force.
    pub fn absent(&self) -> impl Iterator<Item = (Layer, &LayerState)> {
        self.iter().filter(|(_, state)| !state.is_enforced())
    }

    /// The report with one state changed.
    pub(crate) fn with(mut self, layer: Layer, state: LayerState) -> Self {
        self.0.insert(layer, state);
        self
    }

    /// Takes what a worker sent: every layer is named, whatever it left out.
    pub(crate) fn completed(self) -> Self {
        Self::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_left_out_of_a_report_is_absent() {
        let report = Layers::new([(Layer::Seccomp, LayerState::Enforced { how: "72 calls".into() })]);
        assert_eq!(report.iter().count(), Layer::ALL.len());
        assert!(report.state(Layer::Seccomp).is_enforced());
        assert_eq!(report.absent().count(), Layer::ALL.len() - 1);
    }
}
