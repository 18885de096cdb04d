use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::Surprises;
use crate::command::Home;
use crate::programs::{good_task, task};

/// The id of a peer that nobody is.
const NOBODY: &str = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";

fn impatient() -> Home {
    Home::new().with("POAI_NETWORK_PATIENCE_S", "2").with("POAI_NETWORK_MDNS", "false")
}

/// Somebody at an address of this machine who treats every caller the same way.
fn somebody(treat: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            std::thread::spawn(move || treat(caller));
        }
    });
    format!("/ip4/127.0.0.1/tcp/{port}/p2p/{NOBODY}")
}

#[test]
fn peers_that_do_not_speak_the_protocol_end_in_words() {
    let mut surprises = Surprises::default();
    let silent = somebody(|mut caller| {
        let mut bytes = Vec::new();
        // Reads for ever, and never answers.
        let _ = caller.read_to_end(&mut bytes);
    });
    let flooding = somebody(|mut caller| while caller.write_all(&[0x5a; 65_536]).is_ok() {});
    let rude = somebody(drop);
    let absent = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{NOBODY}", listener.local_addr().unwrap().port())
    };
    let home = impatient();
    let task = home.file("task.wasm", &good_task());
    for (name, address) in [("silent", silent), ("flooding", flooding), ("rude", rude), ("absent", absent)] {
        let ended = home.json(["run", task.to_str().unwrap(), "--on", &address]);
        surprises.expect_failure(name, &ended, (1, "no-peer", ""));
    }
}

#[test]
fn a_peer_that_is_somebody_else_is_not_trusted() {
    let mut surprises = Surprises::default();
    let host = Home::new();
    let daemon = host.daemon(["--accept", "any"]);
    let address = daemon.address().replace(daemon.peer(), NOBODY);
    let home = impatient();
    let task = home.file("task.wasm", &good_task());
    surprises.expect_failure(
        "another id",
        &home.json(["run", task.to_str().unwrap(), "--on", &address]),
        (1, "no-peer", ""),
    );
}

#[test]
fn a_host_takes_only_what_its_operator_named() {
    let mut surprises = Surprises::default();
    let host = Home::new();
    let daemon = host.daemon([] as [&str; 0]);
    let home = Home::new().with("POAI_NETWORK_MDNS", "false");
    let task = home.file("task.wasm", &good_task());
    let ended = home.json(["run", task.to_str().unwrap(), "--on", &daemon.address()]);
    surprises.expect_failure("closed host", &ended, (1, "declined", ""));
}

/// The demo's cheat changes one bit of the weights that its guests write.
#[test]
fn a_host_that_lies_is_caught_by_another() {
    let (liar, judge) = (Home::new(), Home::new());
    let lying = liar.daemon_by(&["demo", "cheating-host"], ["--accept", "any"]);
    let judging = judge.daemon(["--accept", "any"]);
    let home = Home::new().with("POAI_NETWORK_MDNS", "false");
    let data = task("digits").join("data");
    let input = |name: &str, file: &str| format!("{name}={}", data.join(file).display());
    let digits = task("digits");
    let (exit, ran) = home.json([
        "run",
        digits.to_str().unwrap(),
        "--param",
        "epochs=1",
        "--input",
        &input("images", "train-images"),
        "--input",
        &input("labels", "train-labels"),
        "--on",
        &lying.address(),
        "--peer",
        &judging.address(),
        "--verify",
        "1",
    ]);
    assert_eq!(exit, 5, "{ran}");
    let verdict = &ran["verdicts"][0];
    assert_eq!(verdict["verdict"], "differs", "{ran}");
    assert_eq!(verdict["first_difference"], "output weights", "{ran}");
    assert_eq!(verdict["host"], judging.peer(), "{ran}");
}

/// Whoever floods a host's port does not keep it from its work.
#[test]
fn a_host_works_on_while_strangers_flood_it() {
    let host = Home::new();
    let daemon = host.daemon(["--accept", "any"]);
    let address = daemon.address();
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    for _ in 0..16 {
        std::thread::spawn(move || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10) {
                if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                    // The host hangs up on it sooner or later.
                    let _ = stream.write_all(&[0xa5; 1 << 20]);
                }
            }
        });
    }
    let home = Home::new().with("POAI_NETWORK_MDNS", "false");
    let task = home.file("task.wasm", &good_task());
    let (exit, ran) = home.json(["run", task.to_str().unwrap(), "--on", &address]);
    assert_eq!(exit, 0, "{ran}");
}
