//! What a command can fail with: each kind has one exit code and one hint.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// An exit code of the program. Scripts rely on them: they change only with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Error = 1,
    Usage = 2,
    TaskFailed = 3,
    TaskTrapped = 4,
    Difference = 5,
    HostFault = 6,
    Interrupted = 130,
}

/// Why a command came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The command line is wrong.
    Usage,
    /// A file, parameter or object that was given is not valid.
    BadInput,
    /// The program breaks a static rule of the engine.
    Refused,
    /// Nothing here has that name or CID.
    NotFound,
    /// A configuration file or variable cannot be used.
    Config,
    /// Another process owns this home.
    HomeBusy,
    /// The command needs a daemon, and none runs in this home.
    NoDaemon,
    /// The daemon's program is of another version.
    OtherVersion,
    /// Bytes are not what their CID says.
    WrongCid,
    /// A signature was not made by the key that it names.
    ForgedSignature,
    /// A store or record on disk is damaged.
    Damaged,
    /// The disk, or the store's quota, is full.
    DiskFull,
    /// A file could not be read or written.
    File,
    /// A guest could not be built.
    Build,
    /// No peer answers, or has what is wanted.
    NoPeer,
    /// Every host declined.
    Declined,
    /// The network failed.
    Network,
    /// The host, not the task, is at fault.
    HostFault,
    /// It took longer than was allowed.
    TimedOut,
    /// Whoever asked for it no longer wants it.
    Interrupted,
    /// A bug in poai.
    Bug,
}

impl Kind {
    /// The exit code of a command that fails like this.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Kind::Usage => Exit::Usage,
            Kind::DiskFull | Kind::HostFault | Kind::TimedOut => Exit::HostFault,
            Kind::Interrupted => Exit::Interrupted,
            _ => Exit::Error,
        }
    }

    /// What to do about it, where that is the same for all errors of the kind.
    fn hint(self) -> Option<&'static str> {
        Some(match self {
            Kind::Usage => "see `poai help`",
            Kind::Refused => "no host would run this program: it must be built otherwise",
            Kind::Config => "`poai config show` lists every key with its value and where it comes from",
            Kind::HomeBusy => "wait for the other command, or run `poai host` so that commands share the home",
            Kind::NoDaemon => "start one with `poai host`, for instance in another terminal",
            Kind::OtherVersion => "stop the daemon and start it again with this version of poai",
            Kind::WrongCid => "whoever gave these bytes is wrong or lies; fetch them from somebody else",
            Kind::ForgedSignature => "whoever gave you this object is wrong or lies; nothing of it was kept",
            Kind::Damaged => {
                "`poai gc --check` looks at every block and drops what is damaged; it can then be fetched again"
            }
            Kind::DiskFull => "run `poai gc`, free some space, or raise `store.quota_bytes`",
            Kind::NoPeer => "name one with --peer MULTIADDR; `poai status` lists the peers that are known",
            Kind::Declined => "a host takes only what its operator accepts: see `poai host --accept`",
            Kind::HostFault => "another host may do better: try again with --on network",
            Kind::Bug => "please report it, with the output of `poai doctor`",
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A failed command: data, so that a daemon can send it to the command that asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// What was wrong with which thing.
    pub(crate) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) hint: Option<String>,
    /// The static rule that a refused program breaks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rule: Option<String>,
}

impl Failure {
    /// A failure with its kind's hint.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: kind.hint().map(str::to_owned), rule: None }
    }

    /// A program that breaks a static rule of the engine.
    pub(crate) fn refused(rule: &str, message: &str) -> Self {
        Self {
            rule: Some(rule.to_owned()),
            ..Self::new(Kind::Refused, format!("the program is refused ({rule}): {message}"))
        }
    }

    /// The same with a hint of its own.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An address of this machine that could not be listened on.
    pub(crate) fn address(who: &str, address: std::net::SocketAddr, error: &io::Error) -> Self {
        Self::new(Kind::Network, format!("the {who} cannot listen on {address}: {}", plain(error)))
    }

    /// A file that could not be read or written.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::DiskFull,
            io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::File,
        };
        Self::new(kind, format!("cannot {doing} {}: {}", path.display(), plain(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<poai_store::StoreError> for Failure {
    fn from(error: poai_store::StoreError) -> Self {
        use poai_store::StoreError as E;
        let kind = match &error {
            E::Corrupt { .. } => Kind::WrongCid,
            E::NotFound { .. } | E::Incomplete { .. } | E::NoSuchPin { .. } => Kind::NotFound,
            E::QuotaUsedUp { .. } | E::DiskFull { .. } => Kind::DiskFull,
            E::HeldElsewhere { .. } => Kind::HomeBusy,
            E::NotAStore { .. } | E::PinsDamaged { .. } | E::NotDurable { .. } => Kind::Damaged,
            E::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            E::Io { .. } => Kind::File,
            _ => Kind::BadInput,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<poai_net::NetError> for Failure {
    fn from(error: poai_net::NetError) -> Self {
        use poai_net::NetError as E;
        let kind = match error {
            E::Store(error) => return error.into(),
            E::Object(error) => return error.into(),
            E::NotFound { .. } => {
                return Self::new(Kind::NotFound, error.to_string())
                    .hint("name a peer that has it with --peer MULTIADDR");
            }
            E::Dial { .. } | E::Disconnected { .. } | E::Silent { .. } => Kind::NoPeer,
            E::EngineMismatch { .. } | E::VersionMismatch { .. } => Kind::Declined,
            E::DagTooLarge { .. } => Kind::BadInput,
            _ => Kind::Network,
        };
        Self::new(kind, error.to_string())
    }
}

/// The system's words for an error, without the number that Rust adds.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// An error and its causes in one line, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

impl From<poai_objects::ObjectError> for Failure {
    fn from(error: poai_objects::ObjectError) -> Self {
        use poai_objects::ObjectError as E;
        let kind = match error {
            E::WrongCid { .. } => Kind::WrongCid,
            E::ForgedSignature { .. } => Kind::ForgedSignature,
            _ => Kind::BadInput,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<poai_sandbox::Fault> for Failure {
    fn from(fault: poai_sandbox::Fault) -> Self {
        use poai_sandbox::Fault as F;
        let kind = match fault {
            F::Cancelled => Kind::Interrupted,
            F::Watchdog { .. } => Kind::TimedOut,
            F::Storage { .. } => Kind::DiskFull,
            _ => Kind::HostFault,
        };
        Self::new(kind, fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_documented_exit_codes() {
        for (kind, exit) in [
            (Kind::Usage, 2),
            (Kind::NotFound, 1),
            (Kind::Refused, 1),
            (Kind::NoPeer, 1),
            (Kind::HostFault, 6),
            (Kind::DiskFull, 6),
            (Kind::Interrupted, 130),
        ] {
            assert_eq!(kind.exit() as u8, exit, "{kind}");
        }
    }

    #[test]
    fn a_full_disk_under_a_run_is_told_with_what_helps() {
        let fault = poai_sandbox::Fault::Storage { reason: "a model as a whole file: no space left on device".into() };
        let failure = Failure::from(fault);
        assert_eq!((failure.kind, failure.kind.exit() as u8), (Kind::DiskFull, 6));
        assert!(failure.hint.unwrap().contains("`poai gc`"));
    }

    #[test]
    fn a_kind_is_shown_by_its_name() {
        assert_eq!(Kind::NoDaemon.to_string(), "no-daemon");
    }

    #[test]
    fn causes_are_said_once() {
        let inner = Failure::new(Kind::File, "no such file");
        let outer = io::Error::other(inner);
        assert_eq!(chain(&outer), "no such file");
    }
}
