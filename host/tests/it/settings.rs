use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::command::Home;

const NOTHING: [&str; 0] = [];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn every_key_says_where_its_value_comes_from() {
    let home = Home::new().with("POAI_HOST_SLOTS", "3");
    std::fs::create_dir_all(home.path()).unwrap();
    std::fs::write(home.path().join("config.toml"), "[store]\nquota_bytes = 5\n[host]\nslots = 2\n").unwrap();
    let (exit, shown) = home.json(["config", "show"]);
    assert_eq!(exit, 0, "{shown}");
    assert_eq!(shown["host.slots"], serde_json::json!({ "value": 3, "from": "POAI_HOST_SLOTS" }));
    assert_eq!(shown["store.quota_bytes"]["value"], 5);
    assert!(shown["store.quota_bytes"]["from"].as_str().unwrap().ends_with("config.toml"));
    assert_eq!(shown["host.queue"]["from"], "default");
    let defaults = home.run(["config", "show", "--defaults"]);
    let table: toml::Table = String::from_utf8(defaults.stdout).unwrap().parse().unwrap();
    assert_eq!(table["host"]["accept"].as_array().map(Vec::len), Some(0), "by default nobody's runs are taken");
}

#[test]
fn what_is_secret_is_the_owners_alone() {
    let home = Home::new();
    let _daemon = home.daemon(NOTHING);
    assert_eq!(mode(&home.path().join("control.sock")), 0o600);
    for key in ["account.key", "host.key", "local.key"] {
        assert_eq!(mode(&home.path().join("keys").join(key)), 0o600, "{key}");
    }
    assert_eq!(mode(&home.path()), 0o700);
}

/// A socket's path has 108 bytes at most; a home's may have more.
#[test]
fn a_home_with_a_long_path_has_a_daemon_too() {
    let runtime = tempfile::tempdir().unwrap();
    let home = Home::new().with("XDG_RUNTIME_DIR", runtime.path().to_str().unwrap());
    let long = home.scratch().join("x".repeat(120));
    let home = home.at(&long);
    let daemon = home.daemon(NOTHING);
    let (exit, status) = home.json(["status"]);
    assert_eq!((exit, status["daemon"].as_u64()), (0, Some(daemon.child.id().into())), "{status}");
    assert!(!long.join("control.sock").exists() && runtime.path().join("poai").is_dir());
}

#[test]
fn a_host_acts_for_the_account_that_says_so() {
    let (owner, worker) = (Home::new(), Home::new());
    let (_, keys) = worker.json(["key"]);
    let file = owner.scratch().join("delegation");
    let host = keys["host"].as_str().unwrap();
    let (exit, delegated) = owner.json(["key", "delegate", host, "--days", "7", "--output", file.to_str().unwrap()]);
    assert_eq!((exit, delegated["host"].as_str()), (0, Some(host)), "{delegated}");
    std::fs::copy(&file, worker.path().join("keys/delegation")).unwrap();
    let (_, keys) = worker.json(["key"]);
    assert_eq!(keys["acts_for"], delegated["account"]);
    let (exit, refused) = owner.json(["key", "delegate", "nonsense", "--output", file.to_str().unwrap()]);
    assert_eq!((exit, refused["error"]["kind"].as_str()), (1, Some("bad-input")), "{refused}");
}

#[test]
fn the_machine_is_looked_at() {
    let (exit, doctor) = Home::new().json(["doctor"]);
    assert_eq!(exit, 0, "{doctor}");
    let names: Vec<&str> =
        doctor["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in ["sandbox: landlock", "sandbox: seccomp", "disk", "keys", "policy", "compiler"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(["completions", shell]);
        let text = String::from_utf8(script.stdout).unwrap();
        assert!(script.exit == 0 && text.contains("publish"), "{shell}");
    }
}

#[test]
fn a_log_goes_to_the_file_that_was_named() {
    let home = Home::new();
    let log = home.scratch().join("poai.log");
    let home = home.with("POAI_LOG_FILE", log.to_str().unwrap()).with("POAI_LOG_LEVEL", "debug");
    assert_eq!(home.json(["status"]).0, 0);
    assert!(log.exists());
    let (exit, refused) = home.with("POAI_LOG_LEVEL", "poai=loud").json(["status"]);
    assert_eq!((exit, refused["error"]["kind"].as_str()), (1, Some("config")), "{refused}");
    assert_eq!(refused["exit"], Value::from(1));
}
