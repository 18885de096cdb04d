use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use poai_store::unixfs::{FileReader, FileWriter, LayoutLimits};
use poai_store::{Blocks, Kubo, KuboLimits, StoreError};

use crate::kubo_server::{KuboServer, Manner};
use crate::{block, noise};

fn kubo(server: &KuboServer) -> Kubo {
    Kubo::new(&*server.address, KuboLimits::default())
}

#[test]
fn a_kubo_node_is_a_home_of_blocks() {
    let server = KuboServer::start(Manner::Honest);
    let kubo = kubo(&server);
    assert_eq!(kubo.version().unwrap(), "0.39.0");

    let absent = block("absent");
    assert_eq!(kubo.size(absent.cid()).unwrap(), None);
    assert_eq!(kubo.get(absent.cid()).unwrap(), None);
    assert!(
        matches!(kubo.pin(absent.cid()), Err(StoreError::Kubo { reason, .. }) if reason.contains("could not find"))
    );

    let bytes = noise(1, (1 << 20) + 1_000);
    let mut file = FileWriter::new(&kubo, &kubo.in_use());
    file.append(&bytes).unwrap();
    let root = file.finish().unwrap().cid;
    kubo.pin(&root).unwrap();
    assert!(server.is_pinned(&root));
    assert!(kubo.size(&root).unwrap().is_some());
    let mut found = Vec::new();
    FileReader::open(&kubo, &root, &LayoutLimits::default()).unwrap().read_to_end(&mut found).unwrap();
    assert!(found == bytes);
}

#[test]
fn a_kubo_node_is_not_trusted() {
    let server = KuboServer::start(Manner::Lying);
    let truth = block("the truth");
    server.blocks().put(&truth).unwrap();
    assert!(matches!(kubo(&server).get(truth.cid()), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_kubo_node_that_does_not_answer_in_time_is_named() {
    let server = KuboServer::start(Manner::Silent);
    let short = Duration::from_millis(50);
    for (limits, words) in [
        (KuboLimits { read: short, ..KuboLimits::default() }, "it stopped answering"),
        (KuboLimits { answer: short, ..KuboLimits::default() }, "answer"),
    ] {
        let error = Kubo::new(&*server.address, limits).version().unwrap_err();
        assert!(matches!(&error, StoreError::Kubo { reason, .. } if reason.contains(words)), "{error}");
    }
}

#[test]
fn a_node_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = Kubo::new(&*address, KuboLimits::default()).get(block("x").cid()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("kubo at {address}: ")), "{error}");
}
