//! How a worker restricts itself, for good, before it reads a byte of anybody's.

use std::collections::BTreeSet;
use std::{fs, io};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs};

use super::filter;
use super::syscalls::{close_inherited, leave_namespaces};
use crate::layers::{Layer, LayerState, Layers};

/// Descriptors that a worker may have open.
const DESCRIPTORS: u64 = 256;
/// What makes the kernel kill a worker before anything else when memory ends.
const OOM_SCORE: &str = "1000";
/// The newest landlock interface that this program knows; an older kernel enforces what it has.
const LANDLOCK: ABI = ABI::V6;

/// Who computes in a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The processor.
    Processor,
    /// A GPU too, by way of its driver: strangers' code, which has threads of its own and talks to the kernel.
    Driver,
}

impl Profile {
    /// Threads of a worker, where it has a user namespace of its own: elsewhere the kernel would count every process of
    /// the user.
    fn threads(self) -> u64 {
        match self {
            Self::Processor => 64,
            Self::Driver => 192,
        }
    }
}

/// Puts on the wanted layers, and reports the state of all. Called while the process has one thread.
///
/// A worker wants them all. Tests want some, to prove each alone.
pub fn confine(wanted: &BTreeSet<Layer>) -> Layers {
    confine_around(wanted, Profile::Processor, || ()).0
}

/// The same around an act that opens files and makes threads, as the loading of a driver does: it has the layers that
/// need a process of one thread, and none yet of those that would not let it. A filter holds for its threads too.
pub fn confine_around<T>(wanted: &BTreeSet<Layer>, profile: Profile, act: impl FnOnce() -> T) -> (Layers, T) {
    let put_on = |layer| {
        if !wanted.contains(&layer) {
            return (layer, LayerState::Absent { why: "it was not asked for".into() });
        }
        let state = match apply(layer, profile) {
            Ok(how) => LayerState::Enforced { how },
            Err(why) => LayerState::Absent { why },
        };
        (layer, state)
    };
    let (before, after): (Vec<_>, Vec<_>) =
        Layer::ALL.into_iter().partition(|layer| !matches!(layer, Layer::Landlock | Layer::Seccomp));
    let mut states: Vec<_> = before.into_iter().map(put_on).collect();
    let acted = act();
    states.extend(after.into_iter().map(put_on));
    (Layers::new(states), acted)
}

/// Puts on one layer: what exactly is in force, or why it is not.
fn apply(layer: Layer, profile: Profile) -> Result<String, String> {
    match layer {
        Layer::Descriptors => {
            close_inherited().map(|()| "all but three closed".into()).map_err(|error| error.to_string())
        }
        Layer::Limits => limit_resources(),
        Layer::Undumpable => set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map(|()| "no tracing, no core dump".into())
            .map_err(|error| error.to_string()),
        Layer::Namespaces => separate(profile),
        Layer::Capabilities => drop_capabilities(),
        Layer::NoNewPrivileges => {
            set_no_new_privs(true).map(|()| "also across exec".into()).map_err(|error| error.to_string())
        }
        Layer::Landlock => restrict_paths(),
        Layer::Seccomp => {
            let install = filter::install(profile).map_err(|error| error.to_string());
            install.map(|calls| match profile {
                Profile::Processor => format!("{calls} system calls allowed"),
                Profile::Driver => format!("{calls} system calls allowed, those of a GPU's driver among them"),
            })
        }
    }
}

/// Lets no more memory of this process become executable, where the seccomp layer is on. Called once the worker's
/// program is loaded; threads made before keep what they may.
///
/// # Errors
/// The kernel's reason.
pub fn forbid_new_code(layers: &Layers) -> io::Result<()> {
    forbid_new_code_of(Profile::Processor, layers)
}

/// The same in a worker of this profile; a driver's threads may not either.
///
/// # Errors
/// The kernel's reason.
pub fn forbid_new_code_of(profile: Profile, layers: &Layers) -> io::Result<()> {
    if !layers.state(Layer::Seccomp).is_enforced() {
        return Ok(());
    }
    filter::forbid_new_code(profile).map_err(io::Error::other)
}

// RLIMIT_DATA is set by the daemon, from outside; never RLIMIT_AS: compiled code reserves far more than it uses.
fn limit_resources() -> Result<String, String> {
    let fixed = |most| Rlimit { current: Some(most), maximum: Some(most) };
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, DESCRIPTORS), (Resource::Memlock, 0)] {
        setrlimit(resource, fixed(most)).map_err(|error| error.to_string())?;
    }
    fs::write("/proc/self/oom_score_adj", OOM_SCORE).map_err(|error| format!("oom_score_adj: {error}"))?;
    Ok(format!("{DESCRIPTORS} descriptors, no core dump, killed first when memory ends"))
}

fn separate(profile: Profile) -> Result<String, String> {
    let all = UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
    leave_namespaces(all).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => "this system lets no unprivileged process make a user namespace".into(),
        Some(libc::ENOSPC) => "this system allows no further user namespace".into(),
        _ => error.to_string(),
    })?;
    let threads = profile.threads();
    let most = Some(threads);
    setrlimit(Resource::Nproc, Rlimit { current: most, maximum: most }).map_err(|error| error.to_string())?;
    Ok(format!("user, network, ipc; {threads} threads"))
}

fn drop_capabilities() -> Result<String, String> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(|error| error.to_string())?;
    Ok("none left".into())
}

fn restrict_paths() -> Result<String, String> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(LANDLOCK)))
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(|error| error.to_string())?;
    let interface = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        LandlockStatus::NotEnabled => return Err("the kernel has it, but it was not enabled at boot".into()),
        LandlockStatus::NotImplemented => return Err("the kernel does not have it".into()),
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(format!("interface {interface}")),
        RulesetStatus::PartiallyEnforced => Ok(format!("interface {interface} of {}: not all of it", LANDLOCK as i32)),
        RulesetStatus::NotEnforced => Err("the kernel did not enforce it".into()),
    }
}
