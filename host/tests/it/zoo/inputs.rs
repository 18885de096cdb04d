use std::os::unix::fs::symlink;

use super::Surprises;
use crate::command::{Home, finish};
use crate::programs::{good_task, task};

#[test]
fn names_that_leave_their_place_are_refused() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let task = home.file("task.wasm", &good_task());
    let file = home.file("file", b"content");
    let long = "x".repeat(256);
    for (name, words) in [
        ("..", "--input"),
        (".", "--input"),
        ("../x", "--input"),
        ("a/b", "--input"),
        ("/etc/passwd", "--input"),
        ("", "--input"),
        ("a\nb", "invalid value"),
        ("a\u{1b}[2Jb", "invalid value"),
        (&long, "--input"),
    ] {
        let input = format!("{name}={}", file.display());
        let ended = home.json(["run", task.to_str().unwrap(), "--input", &input]);
        surprises.expect_failure(&format!("{name:?}"), &ended, (2, "usage", words));
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let task = home.file("task.wasm", &good_task());
    let file = home.file("file", b"content");
    let input = format!("a={}", file.display());
    let missing = format!("a={}/missing", home.scratch().display());
    for (arguments, expected) in [
        (vec!["--param", "x"], (2, "usage", "NAME=VALUE")),
        (vec!["--fuel", "-1"], (2, "usage", "-1")),
        (vec!["--fuel", "18446744073709551615"], (1, "bad-input", "fuel")),
        (vec!["--memory-bytes", "18446744073709551615"], (1, "bad-input", "memory_bytes")),
        (vec!["--seed", "one"], (2, "usage", "--seed")),
        (vec!["--timeout", "0s"], (2, "usage", "--timeout")),
        (vec!["--input", &input, "--input", &input], (2, "usage", "the input a is given twice")),
        (vec!["--input", &missing], (1, "not-found", "missing")),
        (vec!["--on", "nobody"], (2, "usage", "nobody")),
        (vec!["--peer", "here"], (2, "usage", "here")),
    ] {
        let mut command = vec!["run", task.to_str().unwrap()];
        command.extend(&arguments);
        surprises.expect_failure(&arguments.join(" "), &home.json(command), expected);
    }
}

/// Files that have no end, or no beginning, would be read for ever.
#[test]
fn inputs_that_are_no_files_are_refused() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let task = home.file("task.wasm", &good_task());
    let fifo = home.scratch().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let folder = home.scratch().join("folder");
    std::fs::create_dir(&folder).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    for (path, words) in [(fifo.as_path(), "fifo"), (folder.as_path(), "fifo"), ("/dev/zero".as_ref(), "/dev/zero")] {
        let input = format!("a={}", path.display());
        let ended = home.json(["run", task.to_str().unwrap(), "--input", &input]);
        surprises.expect_failure(&input, &ended, (1, "bad-input", words));
    }
}

/// A folder's links could point to what its owner never meant to give away.
#[test]
fn links_in_a_folder_are_refused_and_named() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let task = home.file("task.wasm", &good_task());
    let folder = home.scratch().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for (name, target) in [("secret", "/etc/hostname"), ("loop", "."), ("dangling", "nowhere")] {
        let link = folder.join(name);
        symlink(target, &link).unwrap();
        let input = format!("a={}", folder.display());
        let ended = home.json(["run", task.to_str().unwrap(), "--input", &input]);
        surprises.expect_failure(name, &ended, (1, "bad-input", name));
        std::fs::remove_file(link).unwrap();
    }
}

#[test]
fn package_files_that_are_wrong_are_refused() {
    let mut surprises = Surprises::default();
    for (name, text, words) in [
        ("not TOML", "[package", "line 1"),
        ("no name", "[package]\n", "missing field"),
        ("a path in the name", &package("../evil", "task.wasm"), "not a valid package name"),
        ("a path out of the folder", &package("good", "../../etc/passwd"), "leaves the task's folder"),
        ("an absolute path", &package("good", "/etc/passwd"), "leaves the task's folder"),
    ] {
        let home = Home::new();
        let folder = home.scratch().join("task");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("package.toml"), text).unwrap();
        surprises.expect_failure(name, &home.json(["publish".as_ref(), folder.as_os_str()]), (1, "bad-input", words));
    }
}

/// Guests need Rust to be built; whoever lacks it is told so.
#[test]
fn a_machine_without_rust_is_told_what_to_install() {
    let mut surprises = Surprises::default();
    let home = Home::new();
    let mut command = home.command(["--json", "build"]);
    command.arg(task("hello")).env("PATH", home.scratch());
    let ended = finish(command, home.scratch());
    surprises.expect_failure("no cargo", &(ended.exit, ended.json()), (1, "build", "no such file or directory"));
}

fn package(name: &str, component: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nsummary = \"S.\"\nlicence = \"Apache-2.0\"\n\
         [program]\nworld = \"poai:task/task@0.1\"\ncomponent = \"{component}\"\n"
    )
}
