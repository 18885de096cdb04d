use std::collections::BTreeMap;
use std::sync::Arc;

use poai_net::{Ask, Identity, Net, NetConfig, PeerId, ReceiptAnswer, RunEvent};
use poai_objects::codec::{DAG_CBOR, cid_of};
use poai_objects::{EngineName, Link, Object, Program, Run, World};
use poai_store::{RAW, Store, StoreLimits};

use crate::command::{Home, wait_until};
use crate::programs::good_task;

/// The reasons for which a home keeps content.
fn pins(home: &Home) -> Vec<String> {
    let (_, listed) = home.json(["ls", "--pins"]);
    let entries = listed["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_requester_fetched_is_kept_for_it_no_longer() {
    let (author, host) = (Home::new().with("POAI_NETWORK_MDNS", "false"), Home::new());
    let daemon = host.daemon(["--accept", "any"]);
    let file = author.file("task.wasm", &good_task());
    let (exit, ran) = author.json(["run", file.to_str().unwrap(), "--on", &daemon.address()]);
    assert_eq!(exit, 0, "{ran}");
    wait_until(|| pins(&host).is_empty());
    // The author has it for good.
    assert_eq!(pins(&author), ["run"]);
    // Nobody fetches what a replay wrote: that is kept for its time.
    let (exit, verified) = author.json(["verify", ran["claim"].as_str().unwrap(), "--on", &daemon.address()]);
    assert_eq!(exit, 0, "{verified}");
    assert!(pins(&host).contains(&"replayed".to_owned()), "{:?}", pins(&host));
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_stay_until_their_requester_says_that_it_has_them() {
    let (requester, host) = (Home::new(), Home::new());
    let daemon = host.daemon(["--accept", "any"]);
    let store = Store::open(requester.scratch().join("store"), StoreLimits::default()).unwrap();
    let run = publish(&store);
    let net = Net::start(NetConfig::new(Identity::from_seed([7; 32])), Arc::new(store)).await.unwrap();
    let peer = net.dial(daemon.address().parse().unwrap()).await.unwrap();
    let answer = receipt(&net, peer, &run).await;
    let (receipt, _) = answer.open().unwrap();

    let kept = vec![format!("hosted for {}", net.peer())];
    assert_eq!(pins(&host), kept);
    let claim = receipt.object().claim.to_string();
    host.json(["gc"]);
    assert_eq!(host.json(["show", &claim]).0, 0, "it is not fetched yet");
    // Another receipt's envelope changes nothing.
    net.receipt_fetched(peer, cid_of(DAG_CBOR, b"another")).await.unwrap();
    assert_eq!(pins(&host), kept);
    net.receipt_fetched(peer, cid_of(DAG_CBOR, &answer.receipt.envelope)).await.unwrap();
    wait_until(|| pins(&host).is_empty());
    net.shut_down().await;
}

/// A run of a program that lies in a store.
fn publish(store: &Store) -> Run {
    let component = Link::try_from(store.put_bytes(RAW, good_task()).unwrap()).unwrap();
    let program = Program { world: World::Task, component, models: BTreeMap::new(), adapter: None };
    let (id, bytes) = program.seal().unwrap();
    store.put_bytes(DAG_CBOR, bytes).unwrap();
    Run::new(id, EngineName::CURRENT)
}

async fn receipt(net: &Net, host: PeerId, run: &Run) -> ReceiptAnswer {
    let mut answers = net.ask_run(host, Ask::for_run(run)).await.unwrap();
    loop {
        match answers.next().await.unwrap().unwrap() {
            RunEvent::Receipt(answer) => return answer,
            RunEvent::Declined(_) | RunEvent::Faulted(_) => panic!("the host gives no receipt"),
            _ => {}
        }
    }
}
