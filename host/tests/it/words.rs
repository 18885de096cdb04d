//! What people read, pinned. Whatever differs from run to run is replaced by what it is.

use crate::command::Home;
use crate::models;
use crate::programs::{build, plain, task};

/// Replaces CIDs, keys, times and folders.
fn redacted(text: &str, home: &Home) -> String {
    let text = text.replace(home.scratch().to_str().unwrap(), "[folder]");
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut words = Vec::new();
        for word in line.split(' ') {
            words.push(redacted_word(word));
        }
        out.push_str(&words.join(" "));
    }
    out
}

fn redacted_word(word: &str) -> String {
    let (body, end) = word.split_at(word.trim_end_matches(['\n', ',', ')', ':', '.', ';']).len());
    let body = if body.starts_with("baf") && body.len() > 50 {
        "[cid]"
    } else if body.starts_with("12D3") {
        "[peer]"
    } else if body.starts_with("ed25519:") {
        "[key]"
    } else if is_date(body) {
        "[date]"
    } else {
        body
    };
    format!("{body}{end}")
}

fn is_date(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    (digits == 8 && word.contains('-')) || (word.ends_with('Z') && word.contains(':'))
}

fn said(home: &Home, arguments: &[&str]) -> String {
    let ended = home.run(arguments);
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let text = format!("exit {}\n--- stdout\n{stdout}--- stderr\n{}", ended.exit, ended.stderr);
    redacted(&text, home)
}

/// A run's duration is measured, and its fuel is pinned elsewhere: neither is part of how it reads.
fn without_figures(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.split_once(" fuel, ") {
            Some((before, after)) => {
                let kind = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
                let rest = after.find(',').map_or("", |comma| &after[comma..]);
                out.push_str(&format!("{kind}  [fuel] fuel, [time]{rest}\n"));
            }
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[test]
fn the_first_steps_read_well() {
    let home = Home::new();
    let folder = task("hello");
    build(&home, "hello");
    let published = home.run(["publish".as_ref(), folder.as_os_str()]);
    insta::assert_snapshot!("publish", redacted(&String::from_utf8_lossy(&published.stdout), &home));
    insta::assert_snapshot!("run", without_figures(&said(&home, &["run", "hello"])));
    insta::assert_snapshot!("run_again", without_figures(&said(&home, &["run", "hello"])));
    insta::assert_snapshot!("ls", said(&home, &["ls"]));
    insta::assert_snapshot!("ps", said(&home, &["ps", "--all"]));
    insta::assert_snapshot!("key", said(&home, &["key"]));
}

#[test]
fn models_read_like_a_table() {
    let home = Home::new();
    insta::assert_snapshot!("no_models", said(&home, &["model", "ls"]));
    let folder = models::folder(&home);
    insta::assert_snapshot!("model_pull", said(&home, &["model", "pull", folder.to_str().unwrap()]));
    home.run(["publish".as_ref(), folder.as_os_str()]);
    insta::assert_snapshot!("model_ls", said(&home, &["model", "ls"]));
}

#[test]
fn errors_name_what_was_wrong_and_what_to_do() {
    let home = Home::new();
    let trap = home.file("trap.wasm", &plain("unreachable"));
    let missing = home.scratch().join("missing.wasm");
    for (name, arguments) in [
        ("trap", vec!["run", trap.to_str().unwrap()]),
        ("no_such_package", vec!["run", "hullo"]),
        ("no_such_file", vec!["run", missing.to_str().unwrap()]),
        ("no_such_attempt", vec!["logs", "7"]),
        ("not_a_cid", vec!["verify", "nonsense"]),
        ("not_here", vec!["show", "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"]),
        ("usage", vec!["run"]),
        ("no_daemon", vec!["stop"]),
    ] {
        let home = Home::new().with("POAI_NETWORK_MDNS", "false").with("POAI_NETWORK_PATIENCE_S", "1");
        insta::assert_snapshot!(
            name,
            without_figures(&said(&home, &arguments)).replace(trap.parent().unwrap().to_str().unwrap(), "[folder]")
        );
    }
}

#[test]
fn help_lists_every_command() {
    let home = Home::new();
    insta::assert_snapshot!("help", said(&home, &["--help"]));
}
