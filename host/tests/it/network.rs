use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::{Daemon, Home, finish_while, wait_until};
use crate::processes::descendants;
use crate::programs::{good_task, plain, task};

fn alone() -> Home {
    Home::new().with("POAI_NETWORK_MDNS", "false").with("POAI_NETWORK_PATIENCE_S", "60")
}

#[test]
fn a_run_goes_to_one_host_is_replayed_by_another_and_comes_back() {
    let (author, first, second) = (alone(), Home::new(), Home::new());
    let (exit, published) = author.json(["publish".as_ref(), task("hello").as_os_str()]);
    assert_eq!(exit, 0, "{published}");
    let program = format!("program:{}", published["program"].as_str().unwrap());
    let (one, two) = (first.daemon(["--accept", &program]), second.daemon(["--accept", "any"]));
    let peers = ["--peer", &one.address(), "--peer", &two.address()];
    let mut arguments = vec!["run", "hello", "--param", "name=Ada", "--on", "network", "--verify", "1"];
    arguments.extend(peers);
    let (exit, ran) = author.json(&arguments);
    assert_eq!(exit, 0, "{ran}");
    assert_eq!(ran["outputs"]["greeting"]["bytes"], 12);
    let host = ran["host"].as_str().unwrap();
    let verdict = &ran["verdicts"][0];
    assert_eq!((verdict["verdict"].as_str(), &verdict["found"]), (Some("same"), &ran["claim"]), "{ran}");
    assert_ne!(verdict["host"], host);
    // The author reaches the same claim.
    let (exit, verified) = author.json(["verify", ran["receipt"].as_str().unwrap()]);
    assert_eq!((exit, &verified["found"], verified["receipt_key"].is_string()), (0, &ran["claim"], true), "{verified}");
    // A stranger who knows the receipt's CID alone does too.
    let stranger = alone();
    let (exit, verified) =
        stranger.json(["verify", ran["receipt"].as_str().unwrap(), peers[0], peers[1], peers[2], peers[3]]);
    assert_eq!((exit, verified["verdict"].as_str()), (0, Some("same")), "{verified}");
    // And can have a host replay it, and fetch the output.
    let (exit, verified) = stranger.json(["verify", ran["claim"].as_str().unwrap(), "--on", &two.address()]);
    assert_eq!(
        (exit, verified["verdict"].as_str(), verified["by"].as_str()),
        (0, Some("same"), Some(two.peer())),
        "{verified}"
    );
    let out = stranger.scratch().join("greeting");
    let cid = ran["outputs"]["greeting"]["cid"].as_str().unwrap();
    let (exit, pulled) = stranger.json(["pull", cid, "--output", out.to_str().unwrap(), peers[0], peers[1]]);
    assert_eq!(exit, 0, "{pulled}");
    assert_eq!(std::fs::read_to_string(out).unwrap(), "Hello, Ada!\n");
}

/// The hosts fetch the program's models by their CIDs, and compute them by different kernels.
#[test]
fn models_are_fetched_and_computed_by_others_to_the_same_claim() {
    let (author, first) = (alone(), Home::new());
    let second = Home::new().with("POAI_NUMERICS_KERNELS", "scalar");
    let (exit, published) = author.json(["publish".as_ref(), task("nn-check").as_os_str()]);
    assert_eq!(exit, 0, "{published}");
    let (one, two) = (first.daemon(["--accept", "any"]), second.daemon(["--accept", "any"]));
    let peers = ["--peer", &one.address(), "--peer", &two.address()];
    let mut arguments = vec!["run", "nn-check", "--on", "network", "--verify", "1"];
    arguments.extend(peers);
    let (exit, ran) = author.json(&arguments);
    assert_eq!(exit, 0, "{ran}");
    let verdict = &ran["verdicts"][0];
    assert_eq!((verdict["verdict"].as_str(), &verdict["found"]), (Some("same"), &ran["claim"]), "{ran}");
    assert_ne!(verdict["host"], ran["host"]);
}

#[test]
fn another_host_is_tried_when_one_declines() {
    let (author, closed, open) = (alone(), Home::new(), Home::new());
    let picky = closed.daemon(["--accept", "program:bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"]);
    let willing = open.daemon(["--accept", "any"]);
    let file = author.file("task.wasm", &good_task());
    let peers = ["--peer", &picky.address(), "--peer", &willing.address()];
    let mut arguments = vec!["run", file.to_str().unwrap(), "--on", "network"];
    arguments.extend(peers);
    let (exit, ran) = author.json(&arguments);
    assert_eq!((exit, ran["host"].as_str()), (0, Some(willing.peer())), "{ran}");
    let (exit, failed) = author.json(["run", file.to_str().unwrap(), "--seed", "1", "--on", &picky.address()]);
    assert_eq!((exit, failed["error"]["kind"].as_str()), (1, Some("declined")), "{failed}");
    assert!(failed["error"]["message"].as_str().unwrap().contains("its operator has named neither"), "{failed}");
}

#[test]
fn too_few_verifiers_are_said_and_the_run_is_kept() {
    let (author, host) = (alone().with("POAI_NETWORK_PATIENCE_S", "15"), Home::new());
    let daemon = host.daemon(["--accept", "any"]);
    let file = author.file("task.wasm", &good_task());
    let run = ["run", file.to_str().unwrap(), "--on", &daemon.address()];
    let (exit, failed) = author.json([&run[..], &["--verify", "2"]].concat());
    assert_eq!((exit, failed["error"]["kind"].as_str()), (1, Some("no-peer")), "{failed}");
    assert!(failed["error"]["message"].as_str().unwrap().contains("0 of 2 replays"), "{failed}");
}

#[test]
fn a_heard_claim_is_not_believed_without_trusted_verdicts() {
    let (author, host, judge) = (alone(), Home::new(), Home::new());
    let (one, two) = (host.daemon(["--accept", "any"]), judge.daemon(["--accept", "any"]));
    let file = author.file("task.wasm", &good_task());
    let run = ["run", file.to_str().unwrap()];
    let (host_address, judge_address) = (one.address(), two.address());
    let elsewhere = [&run[..], &["--on", &host_address, "--verify", "1", "--peer", &judge_address]].concat();
    let (exit, ran) = author.json(&elsewhere);
    assert_eq!(exit, 0, "{ran}");
    let (_, judge_keys) = judge.json(["key"]);
    let judge_key = judge_keys["host"].as_str().unwrap();
    let trusting = author.with("POAI_CACHE_TRUSTED_KEYS", judge_key);
    let (_, cached) = trusting.json(run);
    assert_eq!(
        (&cached["cached"], cached["cached_from"].as_str()),
        (&Value::Bool(true), Some("1 verdict of a trusted key")),
        "{cached}"
    );
    let untrusting = trusting.with("POAI_CACHE_TRUSTED_KEYS", "");
    let (_, executed) = untrusting.json(run);
    assert_eq!((&executed["cached"], &executed["claim"]), (&Value::Bool(false), &ran["claim"]), "{executed}");
}

#[test]
fn a_cancelled_run_stops_at_its_host_too() {
    let (author, host) = (alone(), Home::new());
    let daemon = host.daemon(["--accept", "any"]);
    let endless = author.file("endless.wasm", &plain("(loop br 0)"));
    let at_host = |state: &str| host.json(["ps", "--all"]).1["attempts"][0]["state"] == state;
    let mut command = author.command(["run", endless.to_str().unwrap(), "--on", &daemon.address()]);
    let mut asking = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| at_host("running"));
    kill_process(Pid::from_child(&asking), Signal::INT).unwrap();
    assert_eq!(asking.wait().unwrap().code(), Some(130));
    wait_until(|| at_host("cancelled"));
}

/// Two hosts whose watchdog ends the run, and one whose workers are killed, as by a flaw in the compiler.
#[test]
fn a_run_that_breaks_three_hosts_is_quarantined_until_somebody_lifts_it() {
    let author = alone();
    let hasty = || Home::new().with("POAI_HOST_RUN_TIMEOUT_S", "1");
    let hosts = [hasty(), hasty(), Home::new()];
    let daemons = hosts.each_ref().map(|host| host.daemon(["--accept", "any"]));
    let endless = author.file("endless.wasm", &plain("(loop br 0)"));
    let addresses = daemons.each_ref().map(Daemon::address);
    let peers = addresses.iter().flat_map(|address| ["--peer", address]);
    let run: Vec<&str> = ["run", endless.to_str().unwrap(), "--on", "network"].into_iter().chain(peers).collect();
    let attempts = || hosts.each_ref().map(|host| host.json(["ps", "--all"]).1["attempts"].as_array().unwrap().len());

    let mut command = author.command(["--json"]);
    command.args(&run);
    let ended = finish_while(command, author.scratch(), || kill_workers_of(&daemons[2]));
    let (exit, failed) = (ended.exit, ended.json());
    let message = failed["error"]["message"].as_str().unwrap();
    assert_eq!((exit, failed["error"]["kind"].as_str()), (6, Some("host-fault")), "{failed}");
    assert!(message.contains("quarantined: 3 hosts came to no claim"), "{message}");
    assert!(daemons.iter().all(|daemon| message.contains(daemon.peer())), "{message}");
    assert_eq!(attempts(), [1, 1, 1], "each host was asked once");

    // It is remembered: nobody is asked again, and the message says what to do.
    let (exit, again) = author.json(&run);
    assert_eq!((exit, &again["error"]["message"]), (6, &failed["error"]["message"]));
    assert!(again["error"]["hint"].as_str().unwrap().contains("--no-cache"), "{again}");
    assert_eq!(attempts(), [1, 1, 1]);

    // Lifted, it goes out again: to one host, whose fault counts anew.
    let lifted = ["run", endless.to_str().unwrap(), "--no-cache", "--on", &addresses[0]];
    let (exit, failed) = author.json(lifted);
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(exit == 6 && message.contains("no host came to a claim"), "{failed}");
    assert_eq!(attempts(), [2, 1, 1]);
}

/// Kills every worker that executes or compiles for a daemon.
fn kill_workers_of(daemon: &Daemon) {
    for worker in descendants(daemon.child.id()) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_raw(worker.id.cast_signed()).unwrap(), Signal::KILL);
    }
}

#[test]
fn a_folder_elsewhere_is_listed_by_its_own_blocks_alone() {
    let (owner, reader) = (Home::new(), alone());
    let folder = owner.scratch().join("folder");
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    for (name, bytes) in [("large", 3 << 20), ("small", 5), ("inner/one", 7)] {
        std::fs::write(folder.join(name), vec![1; bytes]).unwrap();
    }
    let (_, imported) = owner.json(["import", folder.to_str().unwrap()]);
    let cid = imported["roots"][0].as_str().unwrap();
    let daemon = owner.daemon([] as [&str; 0]);
    let (exit, listed) = reader.json(["ls", cid, "--peer", &daemon.address()]);
    assert_eq!(exit, 0, "{listed}");
    let entries = listed["entries"].as_array().unwrap();
    let rows: Vec<_> = entries.iter().map(|entry| (&entry["name"], &entry["kind"], &entry["bytes"])).collect();
    let expected = [("inner", "not fetched", None), ("large", "not fetched", None), ("small", "file", Some(5))];
    let expected = expected.map(|(name, kind, bytes)| (name.into(), kind.into(), Value::from(bytes)));
    assert_eq!(rows, expected.each_ref().map(|(name, kind, bytes)| (name, kind, bytes)));
    assert_eq!(reader.json(["status"]).1["store_blocks"], 1, "the folder's own block");
    // What is here is told in full.
    let (_, listed) = owner.json(["ls", cid]);
    let kinds: Vec<_> = listed["entries"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["folder", "file", "file"]);
    assert_eq!(listed["entries"][1]["bytes"], 3 << 20);
}

#[test]
fn nobody_there_is_said_in_time() {
    let home = alone().with("POAI_NETWORK_PATIENCE_S", "1");
    let file = home.file("task.wasm", &good_task());
    let (exit, failed) = home.json(["run", file.to_str().unwrap(), "--on", "network"]);
    assert_eq!((exit, failed["error"]["kind"].as_str()), (1, Some("no-peer")), "{failed}");
}
