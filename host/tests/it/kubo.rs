use poai_store::unixfs::{self, ImportLimits};
use poai_store::{Blocks, MemoryBlocks, RAW, Verified, Walk};
use serde_json::Value;

use crate::command::Home;
use crate::kubo_server::{KuboServer, Manner};
use crate::programs::good_task;

/// A home without peers that has this Kubo node.
fn with_kubo(address: &str) -> Home {
    Home::new()
        .with("POAI_NETWORK_MDNS", "false")
        .with("POAI_NETWORK_PATIENCE_S", "1")
        .with("POAI_STORE_KUBO", format!("http://{address}"))
}

fn cid(value: &Value) -> cid::Cid {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn what_one_home_runs_another_has_by_the_kubo_node_between_them() {
    let server = KuboServer::start(Manner::Honest);
    let (author, reader) = (with_kubo(&server.address), with_kubo(&server.address));
    let file = author.file("task.wasm", &good_task());
    let (exit, ran) = author.json(["run", file.to_str().unwrap()]);
    assert_eq!(exit, 0, "{ran}");
    assert!(server.is_pinned(&cid(&ran["envelope"])), "{ran}");
    // Nobody else has it: no peer runs.
    let (exit, verified) = reader.json(["verify", ran["receipt"].as_str().unwrap()]);
    assert_eq!((exit, &verified["found"]), (0, &ran["claim"]), "{verified}");

    let (_, status) = reader.json(["status"]);
    assert_eq!(status["kubo"], format!("0.39.0 at {}", server.address));
    let (_, doctor) = reader.json(["doctor"]);
    let checks = doctor["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "kubo" && check["state"] == "good"), "{doctor}");
}

#[test]
fn a_published_package_is_given_to_the_kubo_node() {
    let server = KuboServer::start(Manner::Honest);
    let author = with_kubo(&server.address);
    let folder = author.scratch().join("task");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("task.wasm"), good_task()).unwrap();
    std::fs::write(folder.join("package.toml"), PACKAGE).unwrap();
    let (exit, published) = author.json(["publish".as_ref(), folder.as_os_str()]);
    assert_eq!(exit, 0, "{published}");
    assert!(server.is_pinned(&cid(&published["envelope"])), "{published}");
}

#[test]
fn a_kubo_node_that_fails_is_said_and_done_without() {
    let here = Verified::of(RAW, b"it is here".to_vec()).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (manner, words) in
        [(Some(Manner::Lying), "corrupt"), (Some(Manner::Silent), "it stopped answering"), (None, "refused")]
    {
        let server = manner.map(KuboServer::start);
        if let Some(server) = &server {
            server.blocks().put(&here).unwrap();
        }
        let home = with_kubo(server.as_ref().map_or(&closed, |server| &server.address));
        // What only Kubo may have is not found, in time.
        let pulled = home.run(["--progress", "json", "pull", &here.cid().to_string()]);
        assert_eq!(pulled.exit, 1, "{}", pulled.stderr);
        assert!(pulled.stderr.contains(words), "{manner:?}: {}", pulled.stderr);
        // What is here, or needs nobody, works as ever; what is wrong is said once, and Kubo is asked no more.
        let file = home.file("task.wasm", &good_task());
        let ran = home.run(["--json", "--progress", "json", "run", file.to_str().unwrap()]);
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        assert!(ran.stderr.matches("going on without it").count() <= 1, "{}", ran.stderr);
        let (exit, status) = home.json(["status"]);
        let answers = manner == Some(Manner::Lying);
        assert_eq!((exit, status["kubo"].as_str().unwrap().contains("0.39.0")), (0, answers), "{status}");
    }
}

#[test]
fn a_kubo_node_that_has_half_of_it_is_enough_with_a_peer_that_has_the_rest() {
    let server = KuboServer::start(Manner::Honest);
    let (owner, reader) = (Home::new(), with_kubo(&server.address));
    let file = owner.file("large", &(0..3_000_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let (_, imported) = owner.json(["import", file.to_str().unwrap()]);
    let blocks = MemoryBlocks::new();
    let root = unixfs::import(&blocks, &file, &ImportLimits::default(), &blocks.in_use()).unwrap().written.cid;
    assert_eq!(imported["roots"][0], root.to_string());
    // The root and its first leaf.
    for visit in Walk::new(&blocks, [root]).take(2) {
        server.blocks().put(&blocks.need(&visit.cid).unwrap()).unwrap();
    }
    let daemon = owner.daemon([] as [&str; 0]);
    let out = reader.scratch().join("out");
    let pull = ["pull", &root.to_string(), "--output", out.to_str().unwrap(), "--peer", &daemon.address()];
    let (exit, pulled) = reader.json(pull);
    assert_eq!(exit, 0, "{pulled}");
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&file).unwrap());
    let size = blocks.need(&root).unwrap().bytes().len() as u64 + file.metadata().unwrap().len();
    assert_eq!(pulled["fetched_bytes"], size, "from both together");
}

const PACKAGE: &str = r#"
[package]
name = "nothing"
version = "1.0.0"
summary = "Does nothing."
licence = "Apache-2.0"

[program]
world = "poai:task/task@0.1"
component = "task.wasm"
"#;
