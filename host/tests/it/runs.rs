use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::command::{Home, finish};
use crate::programs::{good_task, plain, task};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_way_in_which_a_run_ends_has_its_exit_code() {
    let home = Home::new();
    for (name, body, exit, outcome) in [
        ("ok", "", 0, r#"{"kind":"ok"}"#),
        ("status", "i32.const 1 call $exit", 3, r#"{"exit_code":1,"kind":"failed","message":"exit status 1"}"#),
        ("unreachable", "unreachable", 4, r#"{"kind":"trapped","trap":"unreachable"}"#),
        ("endless", "(loop br 0)", 4, r#"{"kind":"trapped","trap":"out-of-fuel"}"#),
    ] {
        let file = home.file(&format!("{name}.wasm"), &plain(body));
        let (code, ran) = home.json(["run", file.to_str().unwrap(), "--fuel", "2000000"]);
        assert_eq!((code, ran["outcome"].to_string().as_str()), (exit, outcome), "{name}: {ran}");
    }
    assert_eq!(home.json(["run", "nothing"]).0, 1);
    assert_eq!(home.json(["run"]).0, 2);
    let endless = home.file("endless.wasm", &plain("(loop br 0)"));
    let (code, failed) = home.json(["run", endless.to_str().unwrap(), "--timeout", "300ms"]);
    assert_eq!((code, failed["error"]["kind"].as_str()), (6, Some("timed-out")), "{failed}");
}

#[test]
fn hello_goes_from_its_folder_to_a_verified_receipt() {
    let home = Home::new();
    let folder = task("hello");
    let (exit, published) = home.json(["publish".as_ref(), folder.as_os_str()]);
    assert_eq!((exit, published["name"].as_str()), (0, Some("hello")), "{published}");
    let out = home.scratch().join("out");
    let (exit, ran) = home.json(["run", "hello", "--param", "name=Ada", "--output", out.to_str().unwrap()]);
    assert_eq!(exit, 0, "{ran}");
    for field in ["run", "claim", "receipt", "outcome", "fuel", "outputs", "cached", "telemetry"] {
        assert!(keys(&ran).contains(&field), "{field}: {ran}");
    }
    assert_eq!(std::fs::read_to_string(out.join("greeting")).unwrap(), "Hello, Ada!\n");
    assert_eq!(ran["outputs"]["greeting"]["bytes"], 12);
    let (exit, verified) = home.json(["verify", ran["receipt"].as_str().unwrap()]);
    assert_eq!(
        (exit, verified["verdict"].as_str(), &verified["claim"]),
        (0, Some("same"), &ran["claim"]),
        "{verified}"
    );

    // The archive alone is enough for a stranger.
    let car = home.scratch().join("receipt.car");
    let (exit, exported) = home.json(["export", ran["receipt"].as_str().unwrap(), "--output", car.to_str().unwrap()]);
    assert_eq!(exit, 0, "{exported}");
    let stranger = Home::new();
    let (exit, verified) = stranger.json(["verify".as_ref(), car.as_os_str()]);
    assert_eq!(
        (exit, verified["verdict"].as_str(), &verified["claim"]),
        (0, Some("same"), &ran["claim"]),
        "{verified}"
    );
    assert!(verified["receipt_key"].is_string(), "the archive has the signature: {verified}");
}

#[test]
fn a_known_claim_answers_only_by_the_rule() {
    let home = Home::new();
    let file = home.file("task.wasm", &good_task());
    let run = ["run", file.to_str().unwrap()];
    let (_, first) = home.json(run);
    let (_, second) = home.json(run);
    assert_eq!((&first["cached"], &second["cached"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(second["cached_from"], "computed by this home");
    assert_eq!(first["claim"], second["claim"]);
    let (_, again) = home.json(["run", file.to_str().unwrap(), "--no-cache"]);
    assert_eq!((&again["cached"], &again["claim"]), (&Value::Bool(false), &first["claim"]));
    let (_, other) = home.json(["run", file.to_str().unwrap(), "--seed", "1"]);
    assert_eq!(other["cached"], Value::Bool(false));
}

#[test]
fn a_claim_answers_only_while_its_outputs_are_here() {
    let home = Home::new();
    let (exit, ran) = home.json(["run".as_ref(), task("hello").as_os_str()]);
    assert_eq!(exit, 0, "{ran}");
    assert_eq!(home.json(["unpin", ran["receipt"].as_str().unwrap()]).0, 0);
    assert_eq!(home.json(["gc"]).0, 0);
    let (exit, again) = home.json(["run".as_ref(), task("hello").as_os_str()]);
    assert_eq!((exit, &again["cached"], &again["claim"]), (0, &Value::Bool(false), &ran["claim"]), "{again}");
}

#[test]
fn a_pipe_is_a_plain_programs_stdin_and_its_stdout_is_printed() {
    let home = Home::new();
    let mut command = home.command(["run".as_ref(), task("wordfreq").as_os_str()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one two one\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "       2 one\n       1 two\n");
    assert!(stderr.contains("claim"), "{stderr}");
}

#[test]
fn a_stdin_that_nobody_closes_does_not_hold_up_a_task_that_reads_none() {
    let home = Home::new();
    let file = home.file("task.wasm", &good_task());
    let mut command = home.command(["run", file.to_str().unwrap()]);
    command.stdin(Stdio::piped());
    assert_eq!(finish(command, home.scratch()).exit, 0);
}

#[test]
fn a_new_task_is_built_and_run() {
    let home = Home::new();
    let folder = home.scratch().join("my-task");
    let (exit, made) = home.json(["new".as_ref(), folder.as_os_str()]);
    assert_eq!((exit, made["name"].as_str()), (0, Some("my-task")), "{made}");
    let (exit, ran) = home.json(["run", folder.to_str().unwrap(), "--param", "name=Ada"]);
    assert_eq!((exit, &ran["outputs"]["greeting"]["bytes"]), (0, &Value::from(12)), "{ran}");
    let (exit, again) = home.json(["new".as_ref(), folder.as_os_str()]);
    assert_eq!((exit, again["error"]["kind"].as_str()), (1, Some("bad-input")), "{again}");
}

#[test]
fn content_comes_back_as_it_went_in() {
    let home = Home::new();
    let folder = home.scratch().join("folder");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    std::fs::write(folder.join("deep/file"), vec![7; 3 << 20]).unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    let (exit, imported) = home.json(["import".as_ref(), folder.as_os_str()]);
    assert_eq!(exit, 0, "{imported}");
    let root = imported["roots"][0].as_str().unwrap();
    let out = home.scratch().join("out");
    let (exit, pulled) = home.json(["pull", root, "--output", out.to_str().unwrap()]);
    assert_eq!(exit, 0, "{pulled}");
    assert_eq!(std::fs::read(out.join("deep/file")).unwrap(), vec![7; 3 << 20]);
    assert_eq!(std::fs::read(out.join("empty")).unwrap(), b"");
    let (_, listed) = home.json(["ls", root]);
    assert_eq!(listed["entries"][0]["name"], "deep");
    let (exit, again) = home.json(["pull", root, "--output", out.to_str().unwrap()]);
    assert_eq!((exit, again["error"]["kind"].as_str()), (1, Some("bad-input")), "nothing is overwritten: {again}");
}

#[test]
fn progress_is_json_lines_when_asked_for() {
    let home = Home::new();
    let file = home.file("task.wasm", &good_task());
    let ended = home.run(["--json", "--progress", "json", "run", file.to_str().unwrap()]);
    let events: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert!(names.contains(&"attempt") && names.contains(&"started"), "{names:?}");
}
