use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::{Home, wait_until};
use crate::programs::{good_task, plain};

const NOTHING: [&str; 0] = [];

fn attempts(home: &Home) -> Vec<(u64, String)> {
    let (_, listed) = home.json(["ps", "--all"]);
    let word = |attempt: &Value| (attempt["attempt"].as_u64().unwrap(), attempt["state"].as_str().unwrap().to_owned());
    listed["attempts"].as_array().unwrap().iter().map(word).collect()
}

/// A run in a process of its own, once that has told that the run has begun.
fn started(home: &Home, program: &Path) -> Child {
    let mut command = home.command(["--json", "--progress", "json", "run", program.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let begun = events.find(|event| event.contains(r#""event":"started""#));
    assert!(begun.is_some(), "the run ended before it began");
    // Whatever it says later is read, so that it never waits for a reader.
    std::thread::spawn(|| events.count());
    child
}

fn interrupt(process: &Child) {
    signal(process, Signal::INT);
}

fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

#[test]
fn a_detached_run_is_listed_waited_for_and_cancelled() {
    // One slot for each of the two, however many processors there are.
    let home = Home::new().with("POAI_HOST_SLOTS", "2");
    let _daemon = home.daemon(NOTHING);
    let endless = home.file("endless.wasm", &plain("(loop br 0)"));
    let quick = home.file("quick.wasm", &plain(""));
    let (exit, first) = home.json(["run", endless.to_str().unwrap(), "--detach"]);
    assert_eq!((exit, first["attempt"].as_u64()), (0, Some(1)), "{first}");
    let (exit, second) = home.json(["run", quick.to_str().unwrap(), "--detach"]);
    assert_eq!((exit, second["attempt"].as_u64()), (0, Some(2)), "{second}");
    let (exit, waited) = home.json(["wait", "2"]);
    assert_eq!((exit, waited["outcome"]["kind"].as_str()), (0, Some("ok")), "{waited}");
    let (exit, waited) = home.json(["wait", "1", "--timeout", "200ms"]);
    assert_eq!((exit, waited["error"]["kind"].as_str()), (6, Some("timed-out")), "{waited}");
    let (exit, cancelled) = home.json(["cancel", first["run"].as_str().unwrap()]);
    assert_eq!(
        (exit, &cancelled["cancelled"], cancelled["state"].as_str()),
        (0, &Value::Bool(true), Some("cancelled"))
    );
    assert_eq!(attempts(&home), [(2, "ok".into()), (1, "cancelled".into())]);
    assert_eq!(home.json(["wait", "1"]).0, 130);
    assert_eq!(home.json(["cancel", "9"]).0, 1);
}

#[test]
fn logs_are_kept_and_followed() {
    let home = Home::new();
    let _daemon = home.daemon(NOTHING);
    let talker = home.file("talker.wasm", &crate::programs::talker("said so", ""));
    let (exit, _) = home.json(["run", talker.to_str().unwrap()]);
    assert_eq!(exit, 0);
    let ended = home.run(["logs", "1"]);
    assert_eq!((ended.exit, String::from_utf8_lossy(&ended.stdout).trim()), (0, "said so"));
    let endless = home.file("endless.wasm", &crate::programs::talker("still here", "(loop br 0)"));
    let (_, detached) = home.json(["run", endless.to_str().unwrap(), "--detach"]);
    let number = detached["attempt"].to_string();
    let mut follower =
        home.command(["logs", "--follow", &number]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("still here"));
    assert_eq!(home.json(["cancel", &number]).0, 0);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    assert_eq!(lines.next(), None);
}

#[test]
fn detaching_needs_a_daemon() {
    let home = Home::new();
    let quick = home.file("quick.wasm", &good_task());
    let (exit, failed) = home.json(["run", quick.to_str().unwrap(), "--detach"]);
    assert_eq!((exit, failed["error"]["kind"].as_str()), (1, Some("no-daemon")), "{failed}");
    assert_eq!(home.json(["stop"]).1["error"]["kind"], "no-daemon");
}

#[test]
fn ctrl_c_takes_a_run_back_with_and_without_a_daemon() {
    for with_daemon in [false, true] {
        let home = Home::new();
        let daemon = with_daemon.then(|| home.daemon(NOTHING));
        let endless = home.file("endless.wasm", &plain("(loop br 0)"));
        let mut child = started(&home, &endless);
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(attempts(&home), [(1, "cancelled".into())], "with a daemon: {with_daemon}");
        drop(daemon);
    }
}

#[test]
fn a_run_whose_asker_was_killed_does_not_go_on() {
    let home = Home::new();
    let _daemon = home.daemon(NOTHING);
    let endless = home.file("endless.wasm", &plain("(loop br 0)"));
    let mut child = started(&home, &endless);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(|| attempts(&home) == [(1, "cancelled".into())]);
}

#[test]
fn a_daemon_stops_when_it_is_told_to() {
    let home = Home::new();
    let mut daemon = home.daemon(NOTHING);
    let endless = home.file("endless.wasm", &plain("(loop br 0)"));
    assert_eq!(home.json(["run", endless.to_str().unwrap(), "--detach"]).0, 0);
    assert_eq!(home.json(["stop"]).0, 0);
    assert!(daemon.child.wait().unwrap().success());
    assert_eq!(attempts(&home), [(1, "cancelled".into())]);
    let mut daemon = home.daemon(NOTHING);
    signal(&daemon.child, Signal::TERM);
    assert!(daemon.child.wait().unwrap().success());
    assert!(!home.path().join("control.sock").exists());
}

#[test]
fn a_run_of_a_killed_daemon_is_lost_and_said_to_be() {
    let home = Home::new();
    let daemon = home.daemon(NOTHING);
    let endless = home.file("endless.wasm", &plain("(loop br 0)"));
    assert_eq!(home.json(["run", endless.to_str().unwrap(), "--detach"]).0, 0);
    drop(daemon);
    assert_eq!(attempts(&home), [(1, "lost".into())]);
    let (exit, failed) = home.json(["wait", "1"]);
    assert_eq!((exit, failed["error"]["kind"].as_str()), (6, Some("host-fault")), "{failed}");
}

#[test]
fn commands_of_one_home_take_turns() {
    let home = Home::new();
    let children: Vec<_> = (0..4)
        .map(|seed: u32| {
            let quick = home.file(&format!("quick-{seed}.wasm"), &good_task());
            let mut command = home.command(["--json", "run", quick.to_str().unwrap(), "--seed", &seed.to_string()]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}
