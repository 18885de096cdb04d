//! A worker for the tests, and a process that confines itself and then tries what it must not.
//!
//! `worker` serves; `attempt LAYERS ACT [ARGUMENT]` puts on the layers named (`all`, or names joined
//! by commas) and tries one thing. It prints `done` if that went through, else the error; the kernel
//! may kill it first. `drivers-thread ACT [ARGUMENT]` tries it in a worker with a GPU's driver.
#![expect(unsafe_code, reason = "tries system calls that no safe function offers")]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of the tests: it reports to them, and may fail loudly"
)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::process::{Command, ExitCode};
use std::sync::mpsc;

use poai_sandbox::worker::{Profile, confine, confine_around, forbid_new_code, forbid_new_code_of, serve};
use poai_sandbox::{Kernels, Layer, Numerics, OptLevel};
use rustix::process::DumpableBehavior;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        // Kernels may follow. Whatever else follows only marks the process, so that a test knows its own.
        ["worker", ref rest @ ..] => match serve(OptLevel::Speed, numerics(rest), None) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        // Says hello to nobody: what a worker that hangs at once looks like.
        ["silent"] => loop {
            std::thread::park();
        },
        ["attempt", layers, act, ref argument @ ..] => {
            attempt(layers, act, argument.first().copied().unwrap_or_default());
            ExitCode::SUCCESS
        }
        ["drivers-thread", act, ref argument @ ..] => {
            drivers_thread(act, argument.first().copied().unwrap_or_default());
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

/// Tries something on a thread that is older than the filter, as a driver's are.
fn drivers_thread(act: &str, argument: &str) {
    let (go, wait) = mpsc::channel();
    let (act, argument) = (act.to_owned(), argument.to_owned());
    let start = || {
        std::thread::spawn(move || {
            wait.recv().unwrap();
            act_out(&act, &argument)
        })
    };
    let (layers, thread) = confine_around(&BTreeSet::from(Layer::ALL), Profile::Driver, start);
    forbid_new_code_of(Profile::Driver, &layers).unwrap();
    go.send(()).unwrap();
    say(thread.join().unwrap());
}

fn say(result: io::Result<()>) {
    match result {
        Ok(()) => println!("done"),
        Err(error) => println!("{}", error.raw_os_error().and_then(errno_name).unwrap_or("another error")),
    }
}

/// Kernels by name, on two threads.
fn numerics(arguments: &[&str]) -> Numerics {
    let kernels = arguments.iter().find_map(|argument| argument.parse::<Kernels>().ok());
    Numerics { kernels: kernels.unwrap_or_default(), threads: NonZeroUsize::MIN.saturating_add(1) }
}

fn attempt(layers: &str, act: &str, argument: &str) {
    let wanted: BTreeSet<Layer> = Layer::ALL
        .into_iter()
        .filter(|layer| layers == "all" || layers.split(',').any(|name| name == layer.to_string()))
        .collect();
    let report = confine(&wanted);
    let absent: Vec<_> = report
        .absent()
        .filter(|(layer, _)| wanted.contains(layer))
        .map(|(layer, state)| format!("{layer} {state}"))
        .collect();
    // All that this machine has must do; of a layer that is named, the absence is the answer.
    if layers != "all" && !absent.is_empty() {
        println!("not confined: {absent:?}");
        return;
    }
    if act == "new-code-once-loaded" {
        forbid_new_code(&report).unwrap();
    }
    say(act_out(act, argument));
}

fn act_out(act: &str, argument: &str) -> io::Result<()> {
    match act {
        "nothing" => Ok(()),
        "thread" => {
            std::thread::spawn(|| vec![0_u8; 1 << 20].len()).join().unwrap();
            Ok(())
        }
        "read" => fs::read(argument).map(drop),
        "list" => fs::read_dir(argument).map(drop),
        "create" => File::create(argument).map(drop),
        "connect" => TcpStream::connect(argument).map(drop),
        "execute" => Command::new(argument).status().map(drop),
        "chroot" => Ok(rustix::process::chroot(argument)?),
        "kill" => {
            let pid = rustix::process::Pid::from_raw(argument.parse().unwrap()).unwrap();
            Ok(rustix::process::test_kill_process(pid)?)
        }
        "syscall" => {
            let number: libc::c_long = argument.parse().unwrap();
            // SAFETY: null and zero arguments; no call reads or writes through a null pointer in this process.
            let result = unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
            if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        }
        "read-memory" => read_memory(argument.parse().unwrap()),
        "new-code" | "new-code-once-loaded" => make_executable(),
        "open-many" => (0..1_000).map(|_| File::open("/dev/null")).collect::<Result<Vec<_>, _>>().map(drop),
        "count-descriptors" => holds(fs::read_dir("/proc/self/fd")?.count() == 4),
        "write-given" => Ok(rustix::io::write(io::stdin(), b"x").map(drop)?),
        "truncate-given" => Ok(rustix::fs::ftruncate(io::stdin(), 0)?),
        "map-given-writable" => map_given(true),
        "make-given-writable" => map_given(false),
        "undumpable" => holds(rustix::process::dumpable_behavior()? == DumpableBehavior::NotDumpable),
        "no-new-privileges" => holds(rustix::thread::no_new_privs()?),
        "first-to-be-killed" => holds(fs::read_to_string("/proc/self/oom_score_adj")?.trim() == "1000"),
        _ => unreachable!("no such act"),
    }
}

fn holds(condition: bool) -> io::Result<()> {
    if condition { Ok(()) } else { Err(io::Error::other("it does not hold")) }
}

/// Reads the first bytes of another process's own code.
fn read_memory(pid: libc::pid_t) -> io::Result<()> {
    let mut bytes = [0_u8; 8];
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let text = main as *const () as *mut libc::c_void;
    let remote = libc::iovec { iov_base: text, iov_len: bytes.len() };
    // SAFETY: `local` is a live buffer of that length; `remote` is only an address in the other process.
    let result = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What a guest that broke out does with the machine code that it wrote.
fn make_executable() -> io::Result<()> {
    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
    // SAFETY: a new mapping of one page, which nothing else knows and nothing executes.
    unsafe {
        let page = mmap_anonymous(std::ptr::null_mut(), 4_096, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
        mprotect(page, 4_096, MprotectFlags::READ | MprotectFlags::EXEC)?;
    }
    Ok(())
}

/// Maps a page of standard input for all to see, to be written at once or only later.
fn map_given(at_once: bool) -> io::Result<()> {
    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
    let protection = if at_once { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
    // SAFETY: a new mapping of one page, which nothing else knows and nothing reads.
    unsafe {
        let page = mmap(std::ptr::null_mut(), 4_096, protection, MapFlags::SHARED, io::stdin(), 0)?;
        mprotect(page, 4_096, MprotectFlags::READ | MprotectFlags::WRITE)?;
    }
    Ok(())
}

fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        libc::EACCES => "EACCES",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EFAULT => "EFAULT",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::ENOSYS => "ENOSYS",
        libc::EPERM => "EPERM",
        libc::ESRCH => "ESRCH",
        _ => return None,
    })
}
