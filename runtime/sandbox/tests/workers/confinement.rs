//! Each layer alone, and all together: what a guest that broke out of wasm would find.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use poai_sandbox::{Layer, LayerState, Layers};

use crate::content::{Case, workers};
use crate::{executable, programs};

fn attempt(layers: &str, act: &str, argument: &str) -> Output {
    Command::new(executable()).args(["attempt", layers, act, argument]).output().unwrap()
}

/// What the process printed, or the signal that ended it.
fn result(output: &Output) -> String {
    match output.status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => String::from_utf8_lossy(&output.stdout).trim().into(),
    }
}

/// The layers that this machine has: a kernel without landlock, or a container that forbids user
/// namespaces, is no reason for the tests to fail, but must be told.
fn layers_here() -> Layers {
    let home = tempfile::tempdir().unwrap();
    workers(home.path(), |_| {}).layers().clone()
}

#[test]
fn without_layers_everything_goes_through() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = std::process::id().to_string();
    for (act, argument) in [
        ("read", "/etc/passwd"),
        ("list", "/proc"),
        ("connect", address.as_str()),
        ("execute", "/bin/true"),
        ("open-many", ""),
        ("kill", own.as_str()),
    ] {
        assert_eq!(result(&attempt("", act, argument)), "done", "{act} {argument}: the test would prove nothing");
    }
}

#[test]
fn each_layer_stops_by_itself_what_it_is_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = std::process::id().to_string();
    let memory = format!("/proc/{own}/mem");
    let created = std::env::temp_dir().join("poai-sandbox-must-not-be-created");
    let created = created.to_str().unwrap();
    let here = layers_here();
    for (layer, act, argument, expected) in [
        ("landlock", "read", "/etc/passwd", "EACCES"),
        ("landlock", "read", memory.as_str(), "EACCES"),
        ("landlock", "read", "/proc/self/status", "EACCES"),
        ("landlock", "list", "/proc", "EACCES"),
        ("landlock", "list", "/", "EACCES"),
        ("landlock", "create", created, "EACCES"),
        ("landlock", "execute", "/bin/true", "EACCES"),
        ("landlock", "connect", address.as_str(), "EACCES"),
        ("landlock", "kill", own.as_str(), "EPERM"),
        ("landlock", "read-memory", own.as_str(), "EPERM"),
        ("namespaces", "connect", address.as_str(), "ENETUNREACH"),
        ("namespaces", "read-memory", own.as_str(), "EPERM"),
        ("capabilities", "chroot", "/", "EPERM"),
        ("limits", "open-many", "", "EMFILE"),
        ("limits", "first-to-be-killed", "", "done"),
        ("undumpable", "undumpable", "", "done"),
        ("no-new-privileges", "no-new-privileges", "", "done"),
    ] {
        let found = result(&attempt(layer, act, argument));
        match here.iter().find(|(known, _)| known.to_string() == layer).unwrap().1 {
            LayerState::Absent { .. } => {
                assert!(found.starts_with("not confined"), "{layer} is absent, and nobody is told: {found}")
            }
            LayerState::Enforced { how } if how.contains("not all of it") && found == "done" => {}
            LayerState::Enforced { .. } => assert_eq!(found, expected, "{layer}: {act} {argument}"),
        }
    }
    assert!(!std::path::Path::new(created).exists());
}

/// A driver's threads are there before the filter, which holds for them all the same.
#[test]
fn a_drivers_threads_are_confined_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = std::process::id().to_string();
    for (act, argument, expected) in [
        ("nothing", "", "done"),
        ("thread", "", "done"),
        ("read", "/etc/passwd", "ENOSYS"),
        ("connect", address.as_str(), "ENOSYS"),
        ("execute", "/bin/true", "ENOSYS"),
        ("kill", own.as_str(), "ENOSYS"),
        ("new-code", "", "signal 31"),
    ] {
        let output = Command::new(executable()).args(["drivers-thread", act, argument]).output().unwrap();
        assert_eq!(result(&output), expected, "{act} {argument}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn inherited_descriptors_are_closed() {
    let inherited = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    assert_eq!(result(&attempt("", "count-descriptors", "")), "another error", "the test would prove nothing");
    assert_eq!(result(&attempt("descriptors", "count-descriptors", "")), "done");
}

#[test]
fn a_confined_worker_that_breaks_out_gets_nowhere() {
    let own = std::process::id().to_string();
    for (act, argument, expected) in [
        ("nothing", "", "done"),
        ("thread", "", "done"),
        ("new-code", "", "done"),
        ("new-code-once-loaded", "", "signal 31"),
        ("read", "/etc/passwd", "ENOSYS"),
        ("list", "/proc", "ENOSYS"),
        ("create", "/tmp/poai-sandbox-must-not-be-created", "ENOSYS"),
        ("connect", "127.0.0.1:1", "signal 31"),
        ("execute", "/bin/true", "signal 31"),
        ("kill", own.as_str(), "signal 31"),
        ("read-memory", own.as_str(), "signal 31"),
        ("chroot", "/", "signal 31"),
    ] {
        assert_eq!(result(&attempt("all", act, argument)), expected, "{act} {argument}");
    }
}

/// What models are handed out as: a file that was opened for reading. Other workers map the same one.
#[test]
fn a_file_that_is_given_to_be_read_cannot_be_changed() {
    let try_on = |given: std::fs::File, layers: &str, act: &str| {
        let mut worker = Command::new(executable());
        result(&worker.args(["attempt", layers, act]).stdin(given).output().unwrap())
    };
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let writable = || std::fs::File::options().read(true).write(true).open(&path).unwrap();
    for (act, expected) in [
        ("write-given", "EBADF"),
        ("truncate-given", "EINVAL"),
        ("map-given-writable", "EACCES"),
        ("make-given-writable", "EACCES"),
    ] {
        assert_eq!(try_on(writable(), "", act), "done", "{act}: the test would prove nothing");
        for layers in ["", "all"] {
            assert_eq!(try_on(std::fs::File::open(&path).unwrap(), layers, act), expected, "{layers}: {act}");
        }
    }
    // Nor can it be opened anew to be written.
    for call in [libc::SYS_fchmod, libc::SYS_openat2] {
        assert_eq!(result(&attempt("all", "syscall", &call.to_string())), "signal 31");
    }
    assert_eq!(result(&attempt("all", "create", "/proc/self/fd/0")), "ENOSYS");
}

#[test]
fn system_calls_that_no_worker_needs_kill() {
    for (name, number) in [
        ("accept4", libc::SYS_accept4),
        ("add_key", libc::SYS_add_key),
        ("bind", libc::SYS_bind),
        ("bpf", libc::SYS_bpf),
        ("clone as a process", libc::SYS_clone),
        ("connect", libc::SYS_connect),
        ("dup3", libc::SYS_dup3),
        ("execve", libc::SYS_execve),
        ("execveat", libc::SYS_execveat),
        ("fcntl of another kind", libc::SYS_fcntl),
        ("getdents64", libc::SYS_getdents64),
        ("init_module", libc::SYS_init_module),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("ioctl", libc::SYS_ioctl),
        ("kcmp", libc::SYS_kcmp),
        ("keyctl", libc::SYS_keyctl),
        ("kill", libc::SYS_kill),
        ("linkat", libc::SYS_linkat),
        ("mount", libc::SYS_mount),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("openat2", libc::SYS_openat2),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("personality", libc::SYS_personality),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("pidfd_open", libc::SYS_pidfd_open),
        ("pivot_root", libc::SYS_pivot_root),
        ("prctl of another kind", libc::SYS_prctl),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("ptrace", libc::SYS_ptrace),
        ("readlinkat", libc::SYS_readlinkat),
        ("renameat2", libc::SYS_renameat2),
        ("sendto", libc::SYS_sendto),
        ("setns", libc::SYS_setns),
        ("setsockopt", libc::SYS_setsockopt),
        ("setuid", libc::SYS_setuid),
        ("shmget", libc::SYS_shmget),
        ("socket", libc::SYS_socket),
        ("socketpair", libc::SYS_socketpair),
        ("swapon", libc::SYS_swapon),
        ("tgkill of another", libc::SYS_tgkill),
        ("unlinkat", libc::SYS_unlinkat),
        ("unshare", libc::SYS_unshare),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("wait4", libc::SYS_wait4),
    ] {
        assert_eq!(result(&attempt("all", "syscall", &number.to_string())), "signal 31", "{name}");
    }
    for (name, number) in [("clone3", libc::SYS_clone3), ("openat", libc::SYS_openat), ("statx", libc::SYS_statx)] {
        assert_eq!(result(&attempt("all", "syscall", &number.to_string())), "ENOSYS", "{name}");
    }
}

#[test]
fn a_worker_reports_every_layer_and_has_those_of_every_linux() {
    let here = layers_here();
    assert_eq!(here.iter().map(|(layer, _)| layer).collect::<Vec<_>>(), Layer::ALL);
    for (layer, state) in here.iter() {
        assert!(state.is_enforced() || matches!(layer, Layer::Landlock | Layer::Namespaces), "{layer}: {state}");
    }
}

#[test]
fn nothing_of_an_earlier_run_is_left_in_a_worker() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    let case = Case::new(&programs::leave_traces());
    let first = case.run_in(&workers).unwrap();
    assert_eq!(first.finished.outcome, poai_objects::Outcome::Ok);
    for _ in 0..3 {
        let again = case.run_in(&workers).unwrap();
        assert_eq!(again.worker, first.worker, "the test would prove nothing");
        assert_eq!(again.finished.outcome, poai_objects::Outcome::Ok, "a run found what another left");
    }
}
