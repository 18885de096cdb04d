//! The whole story, as README's first command tells it.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::command::{Home, PATIENCE, finish, finish_within, wait_until};
use crate::processes::{Process, descendants};
use crate::programs::{build, tasks};

#[test]
fn the_demo_tells_the_whole_story_and_cleans_up() {
    let home = Home::new();
    let places = home.scratch().join("tmp");
    std::fs::create_dir(&places).unwrap();
    let mut command = home.command(["--json", "demo", "--tasks"]);
    command.arg(tasks()).env("TMPDIR", &places);
    let ended = finish(command, home.scratch());
    let report = ended.json();
    assert_eq!(ended.exit, 0, "{report}\n{}", ended.stderr);
    assert!(report["held_out"]["accuracy"].as_f64().unwrap() >= 0.95, "{report}");

    let runs = report["runs"].as_array().unwrap();
    let rows: Vec<_> =
        runs.iter().map(|row| (text(&row["name"]), text(&row["host"]), text(&row["replay"]["verdict"]))).collect();
    let expected = [
        ("train 1", "host-1", "same"),
        ("train 2", "host-2", "same"),
        ("train 3", "host-3", "differs"),
        ("train 3", "host-1", "same"),
    ];
    assert_eq!(rows[..4], expected);
    // The last one goes to whoever offers.
    assert_eq!((rows[4].0, rows[4].2, rows.len()), ("classify", "same", 5));
    // The honest host comes to the very claim that the verifier found.
    assert_eq!(runs[2]["replay"]["first_difference"], "output weights");
    assert_eq!(runs[2]["replay"]["found"], runs[3]["run"]["claim"]);
    assert_eq!(std::fs::read_dir(&places).unwrap().count(), 0, "the peers' homes are gone");
}

/// `poai build` brings the models by pip; without it, or without an index of packages, this fails and says so.
#[test]
fn models_are_computed_by_one_code_and_verified_by_another() {
    let home = Home::new();
    for name in ["filetype", "embed", "chat"] {
        build(&home, name);
    }
    let mut command = home.command(["--json", "demo", "--models", "--tasks"]);
    command.arg(tasks()).env("TMPDIR", home.scratch());
    // Three peers compile three tasks, and one computes every model by the slow code that is the definition.
    let ended = finish_within(3 * PATIENCE, command, home.scratch(), || {});
    let report = ended.json();
    assert_eq!(ended.exit, 0, "{report}\n{}", ended.stderr);
    let rows = report["tasks"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| (text(&row["name"]), text(&row["host"]))).collect();
    assert_eq!(names, [("filetype", "host"), ("embed", "host"), ("chat", "host")]);
    let kernels = |peer: &str| {
        let peers = report["peers"].as_array().unwrap();
        text(&peers.iter().find(|row| row["name"] == peer).unwrap()["kernels"]).to_owned()
    };
    assert_eq!(kernels("verifier"), "scalar");
    // The claim of each task says nothing of the code that computed its model.
    for row in rows {
        assert_eq!((text(&row["kernels"]), text(&row["verifier_kernels"])), (&*kernels("host"), "scalar"), "{row}");
        assert_eq!(row["replay"]["verdict"], "same", "{row}");
        assert_eq!(row["replay"]["found"], row["run"]["claim"], "{row}");
    }
    // Magika's label of Rust, and MiniLM's cosines of tasks/embed's own sentences.
    assert!(text(&rows[0]["answer"][0]).starts_with("rust ("), "{report}");
    let cosines: Vec<f64> = rows[1]["answer"].as_array().unwrap().iter().map(cosine).collect();
    assert_eq!(cosines.len(), 3);
    assert!((cosines[0] - 0.5462).abs() < 1e-3 && (cosines[1] + 0.0607).abs() < 1e-3, "{report}");
    // What llama.cpp says, too: tasks/chat/scripts/reference.py.
    assert_eq!(rows[2]["answer"], json!(["The primary colors are:", "Red (R)", "Blue (B)", "Yellow (Y)"]));
}

/// The number that a line of embed's answer begins with.
fn cosine(line: &Value) -> f64 {
    text(line).split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let home = Home::new();
    let places = home.scratch().join("tmp");
    std::fs::create_dir(&places).unwrap();
    let mut command = home.command(["demo", "--tasks"]);
    command.arg(tasks()).env("TMPDIR", &places).stdout(Stdio::null()).stderr(Stdio::null());
    let mut demo = command.spawn().unwrap();
    wait_until(|| peers_of(&places) >= 5);
    rustix::process::kill_process(rustix::process::Pid::from_child(&demo), rustix::process::Signal::INT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert_eq!(peers_of(&places), 0);
    assert_eq!(std::fs::read_dir(&places).unwrap().count(), 0);
}

#[test]
fn a_killed_demo_takes_all_its_processes_with_it() {
    let home = Home::new();
    let places = home.scratch().join("tmp");
    std::fs::create_dir(&places).unwrap();
    let mut command = home.command(["demo", "--tasks"]);
    command.arg(tasks()).env("TMPDIR", &places).stdout(Stdio::null()).stderr(Stdio::null());
    let mut demo = command.spawn().unwrap();
    // Every peer is there, and one has a worker: a run is under way, or just over.
    let started = || {
        let processes = descendants(demo.id());
        peers_of(&places) >= 5 && processes.iter().any(|process| process.words.contains(" worker "))
    };
    wait_until(started);
    let processes = descendants(demo.id());
    assert!(processes.len() > 5, "{processes:?}");
    demo.kill().unwrap();
    demo.wait().unwrap();
    wait_until(|| processes.iter().all(Process::is_gone));
    assert_eq!(peers_of(&places), 0, "and none was started since");
}

/// Processes whose command line names a folder.
fn peers_of(folder: &std::path::Path) -> usize {
    let folder = folder.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let names = |process: &std::fs::DirEntry| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.windows(folder.len()).any(|part| part == folder)
    };
    processes.filter(names).count()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
