//! The real program, called as a user calls it, under a time limit, and what must hold of whatever it says.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long any command of a test may take: the first ones build guests from nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(3);

/// A home in a folder of its own, removed at the end.
pub(crate) struct Home {
    folder: TempDir,
    path: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What a command came to.
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    words: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("home"), folder, variables: Vec::new() }
    }

    /// The same home with a variable in every command's environment.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Where the home lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The same variables with a home elsewhere, inside the scratch folder.
    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.path = path.to_owned();
        self
    }

    /// A folder beside the home, for a test's files.
    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file beside the home.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A command of this home, not yet started: no variable of poai's but those that the test set.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poai"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POAI_") {
                command.env_remove(name);
            }
        }
        command.arg("--home").arg(self.path()).args(arguments).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        finish(self.command(arguments), self.scratch())
    }

    /// Runs a command with `--json`, and gives its exit code and object.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> (i32, Value) {
        let mut command = self.command(["--json"]);
        command.args(arguments);
        let ended = finish(command, self.scratch());
        (ended.exit, ended.json())
    }

    /// Starts this home's daemon and waits until it is ready.
    pub(crate) fn daemon<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Daemon {
        self.daemon_by(&["host"], arguments)
    }

    /// The same by another command than `poai host`.
    pub(crate) fn daemon_by<A: AsRef<OsStr>>(&self, by: &[&str], arguments: impl IntoIterator<Item = A>) -> Daemon {
        let log = File::create(self.scratch().join("daemon.log")).unwrap();
        let mut command = self.command(["--json"]);
        command.args(by).args(["--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(log).process_group(0);
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        while line.last() != Some(&b'\n') && stdout.read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
        }
        let text = String::from_utf8(line).unwrap();
        let ready: Value = serde_json::from_str(&text).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(self.scratch().join("daemon.log")).unwrap();
            panic!("the daemon did not become ready: {text}{log}")
        });
        assert!(ready["peer"].is_string(), "{ready}");
        Daemon { child, ready, _stdout: stdout }
    }
}

/// A daemon that ends with its test.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) ready: Value,
    _stdout: std::process::ChildStdout,
}

impl Daemon {
    pub(crate) fn peer(&self) -> &str {
        self.ready["peer"].as_str().unwrap()
    }

    /// An address that ends in the peer's id.
    pub(crate) fn address(&self) -> String {
        let address = self.ready["addresses"][0].as_str().unwrap();
        if address.contains("/p2p/") { address.to_owned() } else { format!("{address}/p2p/{}", self.peer()) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        // A daemon that has ended already is what some tests are about.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The one object of `--json`: the last line.
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.stdout);
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{}: no JSON: {text}\n{}", self.words, self.stderr))
    }
}

/// Waits for something that must come, and fails if it does not.
pub(crate) fn wait_until(met: impl Fn() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(begun.elapsed() < PATIENCE, "it does not come to that");
        std::thread::sleep(20 * PAUSE);
    }
}

/// Runs a command under the time limit. Its output goes to files, so that nothing waits for a reader.
pub(crate) fn finish(command: Command, scratch: &Path) -> Ended {
    finish_within(PATIENCE, command, scratch, || {})
}

/// The same, and does something again and again until the command ends.
pub(crate) fn finish_while(command: Command, scratch: &Path, meanwhile: impl Fn()) -> Ended {
    finish_within(PATIENCE, command, scratch, meanwhile)
}

/// The same for a command that may take so long.
pub(crate) fn finish_within(patience: Duration, mut command: Command, scratch: &Path, meanwhile: impl Fn()) -> Ended {
    let words = format!("{command:?}");
    let folder = tempfile::tempdir_in(scratch).unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap()).process_group(0);
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > patience {
            rustix::process::kill_process_group(
                rustix::process::Pid::from_child(&child),
                rustix::process::Signal::KILL,
            )
            .unwrap();
            child.wait().unwrap();
            panic!("{words} hangs: {}", std::fs::read_to_string(&err).unwrap());
        }
        meanwhile();
        std::thread::sleep(PAUSE);
    };
    let stderr = String::from_utf8_lossy(&std::fs::read(&err).unwrap()).into_owned();
    let ended = Ended {
        exit: status.code().unwrap_or_else(|| panic!("{words} was ended by a signal: {status}\n{stderr}")),
        stdout: std::fs::read(&out).unwrap(),
        stderr,
        words,
    };
    ended.assert_fit_for_people();
    ended
}

impl Ended {
    /// No panic, no back trace, no Debug form, no control character: whatever happened.
    fn assert_fit_for_people(&self) {
        let Self { stderr, words, .. } = self;
        for never in
            ["panicked", "RUST_BACKTRACE", "unwrap()", "Some(", "Err(", "Ok(", "Os {", "(os error", "core::", "std::"]
        {
            assert!(!stderr.contains(never), "{words}: stderr has {never:?}:\n{stderr}");
        }
        let structure = stderr.match_indices(" { ").find(|(at, _)| {
            let word = stderr[..*at].rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            word.starts_with(char::is_uppercase)
        });
        assert!(structure.is_none(), "{words}: stderr has a Debug form:\n{stderr}");
        assert!(
            !stderr.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
            "{words}: control characters:\n{stderr:?}"
        );
        assert!((0..=6).contains(&self.exit) || self.exit == 130, "{words}: exit {}\n{stderr}", self.exit);
    }
}
