use std::path::Path;

use poai_testing::skipped;

use super::Surprises;
use crate::command::{Home, finish};
use crate::programs::good_task;

#[test]
fn configuration_that_cannot_be_used_is_named() {
    let mut surprises = Surprises::default();
    for (name, text, words) in [
        ("not TOML", &b"[host\n"[..], "config.toml, line 1"),
        ("not text", b"\xff\xfe\x00", "config.toml"),
        ("unknown key", b"[host]\nslot = 1\n", "there is no key host.slot"),
        ("wrong type", b"[host]\nslots = \"two\"\n", "host.slots must be a whole number"),
        ("impossible", b"[network]\npatience_s = 0\n", "network.patience_s is 0"),
        ("nonsense rule", b"[host]\naccept = [\"everybody\"]\n", "\"everybody\" is no rule"),
    ] {
        let home = Home::new();
        std::fs::create_dir_all(home.path()).unwrap();
        std::fs::write(home.path().join("config.toml"), text).unwrap();
        surprises.expect_failure(name, &home.json(["status"]), (1, "config", words));
    }
    let home = Home::new();
    std::fs::create_dir_all(home.path().join("config.toml")).unwrap();
    surprises.expect_failure("a folder", &home.json(["status"]), (1, "config", "config.toml"));
    let home = Home::new();
    surprises.expect_failure(
        "missing",
        &home.json(["status", "--config", "/nowhere/config.toml"]),
        (1, "config", "/nowhere/config.toml"),
    );
    let home = Home::new().with("POAI_HOST_SLOT", "1");
    surprises.expect_failure("variable", &home.json(["status"]), (1, "config", "POAI_HOST_SLOT"));
}

#[test]
fn a_home_that_is_no_folder_is_refused() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    std::fs::write(home.path(), "a file").unwrap();
    surprises.expect_failure("file", &home.json(["status"]), (1, "file", "home"));
    let home = Home::new();
    surprises.expect_failure("device", &home.json(["--home", "/dev/null", "status"]), (2, "usage", "--home"));
}

#[test]
fn a_home_has_one_daemon() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let daemon = home.daemon([] as [&str; 0]);
    let second = home.json(["host", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    surprises.expect_failure("second daemon", &second, (1, "home-busy", &format!("process {}", daemon.child.id())));
    let (exit, status) = home.json(["status"]);
    assert_eq!((exit, status["daemon"].as_u64()), (0, Some(daemon.child.id().into())), "{status}");
}

#[test]
fn a_daemon_that_was_killed_leaves_a_home_that_works() {
    let home = Home::new();
    drop(home.daemon([] as [&str; 0]));
    let (exit, status) = home.json(["status"]);
    assert_eq!((exit, status.get("daemon")), (0, None), "{status}");
    drop(home.daemon([] as [&str; 0]));
}

#[test]
fn a_quota_that_is_used_up_is_named() {
    let mut surprises = Surprises::default();
    let home = Home::new().with("POAI_STORE_QUOTA_BYTES", "200000");
    let task = home.file("task.wasm", &good_task());
    let big = home.file("big", &vec![7; 3 << 20]);
    let input = format!("big={}", big.display());
    surprises.expect_failure(
        "quota",
        &home.json(["run", task.to_str().unwrap(), "--input", &input]),
        (6, "disk-full", "200000"),
    );
    // What was there before still works.
    assert_eq!(home.json(["run", task.to_str().unwrap()]).0, 0);
}

/// On a file system of six megabytes. Where the tests may not mount one, that is said, and fails in continuous
/// integration.
#[test]
fn a_full_disk_is_said_in_words_and_survived() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    std::fs::create_dir(home.path()).unwrap();
    let folder = home.path();
    let small = match SmallDisk::mount(&folder) {
        Ok(small) => small,
        Err(refused) => return skipped(&format!("no small file system may be mounted here: {refused}")),
    };
    let task = home.file("task.wasm", &good_task());
    let big = home.file("big", &noise(16 << 20));
    let input = format!("big={}", big.display());
    let ended = home.json(["run", task.to_str().unwrap(), "--input", &input]);
    surprises.expect_failure("full disk", &ended, (6, "disk-full", ""));
    let (exit, status) = home.json(["status"]);
    assert_eq!(exit, 0, "{status}");
    drop(small);
}

/// The one file of every system that is always full.
#[test]
fn a_full_stdout_is_said_in_words() {
    let home = Home::new();
    let text = home.file("text", b"words");
    let (_, imported) = home.json(["import", text.to_str().unwrap()]);
    let cid = imported["roots"][0].as_str().unwrap().to_owned();
    let mut command = home.command(["pull", &cid, "--output", "-"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(6), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Bytes of which no two blocks are the same.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(count).collect()
}

struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// The file system at a folder, or why there is none.
    fn mount(folder: &'a Path) -> Result<Self, String> {
        let mut mount = std::process::Command::new("mount");
        let tried = mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(folder).output();
        let tried = tried.map_err(|error| error.to_string())?;
        if tried.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&tried.stderr).trim().into())
        }
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "the small file system stays mounted");
    }
}

#[test]
fn errors_are_words_on_a_terminal_too() {
    let home = Home::new();
    let ended = finish(home.command(["run", "no-such-package"]), home.scratch());
    assert_eq!(ended.exit, 1);
    assert!(ended.stdout.is_empty());
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
}
