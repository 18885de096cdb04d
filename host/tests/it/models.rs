//! Models of packages: pulled before they are needed, and listed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::command::Home;
use crate::programs::good_task;

/// A model that nobody looks into, and the file beside it.
const GRAPH: &[u8] = b"a graph";
const WEIGHTS: &[u8] = &[7; 300_000];

const PACKAGE: &str = r#"
[package]
name = "guess"
version = "0.1.0"
summary = "Guesses."
licence = "Apache-2.0"

[program]
world = "poai:task/task@0.1"
component = "task.wasm"

[program.models.large]
file = "large.onnx"
format = "onnx"

[program.models.large.beside."weights.bin"]
file = "weights.bin"

[program.models.small]
file = "large.onnx"
format = "onnx"
"#;

/// A folder of a task with two models.
pub(crate) fn folder(home: &Home) -> PathBuf {
    let folder = home.scratch().join("guess");
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in [
        ("task.wasm", &*good_task()),
        ("package.toml", PACKAGE.as_bytes()),
        ("large.onnx", GRAPH),
        ("weights.bin", WEIGHTS),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
    folder
}

/// A model's name, size and package.
fn described(model: &Value) -> (&str, u64, Option<&str>) {
    assert_eq!(model["format"], "onnx", "{model}");
    (model["name"].as_str().unwrap(), model["bytes"].as_u64().unwrap(), model["package"].as_str())
}

fn rows(answer: &Value) -> Vec<(&str, u64, Option<&str>)> {
    answer["models"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(described).collect()
}

#[test]
fn models_come_from_peers_before_they_are_needed() {
    let (author, other) = (Home::new(), Home::new());
    let package = Some("guess@0.1.0");
    let whole = [("large", 300_007, package), ("small", 7, package)];

    assert_eq!(other.json(["model", "ls"]), (0, json!({ "models": [] })));
    let daemon = author.daemon::<&str>([]);
    let (exit, published) = author.json(["publish".as_ref(), folder(&author).as_os_str()]);
    assert_eq!(exit, 0, "{published}");
    let (_, theirs) = author.json(["model", "ls"]);
    assert_eq!(rows(&theirs), whole);

    let cid = published["package"].as_str().unwrap();
    let (exit, pulled) = other.json(["model", "pull", cid, "--peer", &daemon.address()]);
    assert_eq!((exit, rows(&pulled)), (0, whole.to_vec()));
    assert!(pulled["fetched_bytes"].as_u64().unwrap() >= 300_000, "{pulled}");
    assert_eq!(pulled["models"], theirs["models"]);
    drop(daemon);
    // Nobody is asked for what is here, and no garbage collection takes it away.
    assert_eq!(other.run(["gc"]).exit, 0);
    assert_eq!(other.json(["model", "ls"]), (0, theirs.clone()));
    let (exit, again) = other.json(["model", "pull", cid]);
    assert_eq!((exit, &again["fetched_bytes"], &again["models"]), (0, &json!(0), &theirs["models"]));
}

#[test]
fn models_come_from_a_tasks_folder() {
    let home = Home::new();
    let (exit, pulled) = home.json(["model".as_ref(), "pull".as_ref(), folder(&home).as_os_str()]);
    assert_eq!((exit, rows(&pulled)), (0, vec![("large", 300_007, None), ("small", 7, None)]));
    let (_, listed) = home.json(["model", "ls"]);
    assert_eq!(listed["models"], pulled["models"]);
    // A package's name is told once there is one of the same program.
    let (exit, published) = home.json(["publish".as_ref(), home.scratch().join("guess").as_os_str()]);
    assert_eq!((exit, &published["program"]), (0, &listed["models"][0]["program"]));
    let (_, listed) = home.json(["model", "ls"]);
    assert_eq!(rows(&listed), [("large", 300_007, Some("guess@0.1.0")), ("small", 7, Some("guess@0.1.0"))]);
}

/// A model by pip on a machine without Python, and on one whose Python has no pip.
#[test]
fn a_missing_pip_is_told_with_what_helps() {
    let home = Home::new();
    let folder = folder(&home);
    let by_pip = format!("pip = \"poai-none==0\"\npath = \"net.onnx\"\nsha256 = \"{}\"", "0".repeat(64));
    fs::write(folder.join("package.toml"), PACKAGE.replacen("file = \"large.onnx\"", &by_pip, 1)).unwrap();
    let programs = home.scratch().join("programs");
    fs::create_dir(&programs).unwrap();
    let home = home.with("PATH", programs.to_str().unwrap());
    for (python, why) in [(None, "python3 cannot be run: "), (Some("#!/bin/sh\nexit 1\n"), "python3 ended with exit ")]
    {
        if let Some(python) = python {
            fs::write(programs.join("python3"), python).unwrap();
            fs::set_permissions(programs.join("python3"), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let (exit, answer) = home.json(["model".as_ref(), "pull".as_ref(), folder.as_os_str()]);
        let (error, hint) = (&answer["error"]["message"], &answer["error"]["hint"]);
        assert_eq!((exit, &answer["error"]["kind"]), (1, &json!("build")), "{answer}");
        assert!(error.as_str().unwrap().starts_with(&format!("pip could not bring poai-none==0: {why}")), "{answer}");
        assert!(hint.as_str().unwrap().contains("Python with pip must be installed"), "{answer}");
    }
}
