//! The system calls of a worker.
//!
//! Found by running: what loading and executing compiled code, threads, memory and the one socket
//! need. No path can be opened, no program executed, no process made, no socket made, no other
//! process touched. Whatever is not named here kills the process: it is no longer ours.
//! To look for a call that is missing: the kernel's log names the number (`type=1326 … syscall=`).

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch,
};

use super::confine::Profile;

type Rules = BTreeMap<i64, Vec<Rule>>;

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[i64] = &[
    // Memory, executable memory among it.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Open descriptors; none of these calls takes a path.
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_memfd_create,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // The socket to the daemon.
    libc::SYS_ppoll,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    // Threads that exist.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    // Signals that the process sends itself: a trap of compiled code is one.
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Time and randomness, for the runtime's own use; guests get neither.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
];

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[libc::SYS_poll];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// Calls that answer "not implemented", since libraries try them and then do without. The flags of
/// `clone3` lie in memory, where no filter sees them: the C library then calls `clone`. The standard
/// library opens files to count processors.
const ABSENT: &[i64] = &[libc::SYS_clone3, libc::SYS_newfstatat, libc::SYS_openat, libc::SYS_statx];

/// Calls that a GPU's driver needs beside those, on what it opened before: Mesa's and others' talk to the kernel by
/// `ioctl`.
const OF_DRIVERS: &[i64] = &[libc::SYS_ioctl];

/// The flags with which the C libraries make a thread.
const THREAD: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// Why no filter is in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("no filter is known for {ARCH}")]
    Architecture,
    #[error(transparent)]
    Build(#[from] BackendError),
    #[error(transparent)]
    Install(#[from] seccompiler::Error),
}

/// Installs the filter on this thread and all that it will make; with a driver, on the threads that this has made, too.
/// How many calls are allowed. A driver's other calls are not made either, but answer "not implemented", as it cannot be
/// known beforehand what it tries.
pub(super) fn install(profile: Profile) -> Result<usize, FilterError> {
    let absent: Rules = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
    let not_implemented = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let absent = program(absent, SeccompAction::Allow, not_implemented.clone())?;
    let mut rules = allowed()?;
    let otherwise = match profile {
        Profile::Processor => SeccompAction::KillProcess,
        Profile::Driver => {
            rules.extend(OF_DRIVERS.iter().map(|call| (*call, Vec::new())));
            not_implemented
        }
    };
    let calls = rules.len() - ABSENT.len();
    let allowed = program(rules, otherwise, SeccompAction::Allow)?;
    // Of several filters the strictest answer counts.
    apply(profile, &absent)?;
    apply(profile, &allowed)?;
    Ok(calls)
}

fn apply(profile: Profile, program: &BpfProgram) -> Result<(), seccompiler::Error> {
    match profile {
        Profile::Processor => seccompiler::apply_filter(program),
        Profile::Driver => seccompiler::apply_filter_all_threads(program),
    }
}

/// From now on, no memory of this process becomes executable: the worker has loaded its program, and
/// whatever a guest writes stays data. Holds for this thread and all that it will make.
pub(super) fn forbid_new_code(profile: Profile) -> Result<(), FilterError> {
    let executable = Is::MaskedEq(u64::from(libc::PROT_EXEC.cast_unsigned()));
    let mut rules = Rules::new();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![argument(2, executable.clone(), libc::PROT_EXEC)?]);
    }
    Ok(apply(profile, &program(rules, SeccompAction::Allow, SeccompAction::KillProcess)?)?)
}

fn program(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<BpfProgram, FilterError> {
    let architecture = TargetArch::try_from(ARCH).map_err(|_| FilterError::Architecture)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, architecture)?.try_into()?)
}

fn allowed() -> Result<Rules, FilterError> {
    let whatever = |call: &i64| (*call, Vec::new());
    let mut rules: Rules = ALLOWED.iter().chain(ALLOWED_HERE).chain(ABSENT).map(whatever).collect();
    // Exactly a thread: not a process, not a namespace. The bit that musl still sets has meant nothing since 2004.
    let exactly_a_thread = Is::MaskedEq(u64::from(!libc::CLONE_DETACHED.cast_unsigned()));
    rules.insert(libc::SYS_clone, vec![argument(0, exactly_a_thread, THREAD)?]);
    // Copies of open descriptors, seals on our own memory.
    let commands = [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_ADD_SEALS];
    rules.insert(
        libc::SYS_fcntl,
        commands.iter().map(|command| argument(1, Is::Eq, *command)).collect::<Result<_, _>>()?,
    );
    // Names of threads and mappings; and a further filter, which can only be stricter.
    let settings = [libc::PR_SET_NAME, libc::PR_SET_VMA, libc::PR_SET_NO_NEW_PRIVS];
    rules.insert(libc::SYS_seccomp, vec![argument(0, Is::Eq, libc::SECCOMP_SET_MODE_FILTER.cast_signed())?]);
    rules.insert(libc::SYS_prctl, settings.iter().map(|name| argument(0, Is::Eq, *name)).collect::<Result<_, _>>()?);
    // Reading our own limits: no process but this, nothing to set.
    let reading = Rule::new(vec![condition(0, Width::Dword, Is::Eq, 0)?, condition(2, Width::Qword, Is::Eq, 0)?])?;
    rules.insert(libc::SYS_prlimit64, vec![reading]);
    // `abort` signals this process, and only this.
    let ourselves = rustix::process::getpid().as_raw_nonzero().get();
    rules.insert(libc::SYS_tgkill, vec![argument(0, Is::Eq, ourselves)?]);
    Ok(rules)
}

fn argument(index: u8, is: Is, value: i32) -> Result<Rule, BackendError> {
    Rule::new(vec![condition(index, Width::Dword, is, u64::from(value.cast_unsigned()))?])
}

fn condition(index: u8, width: Width, is: Is, value: u64) -> Result<Condition, BackendError> {
    Condition::new(index, width, is, value)
}
