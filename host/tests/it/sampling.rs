//! `verify --sample`: what a host recorded, and what a verifier computes of it.

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Claim, ClaimId, Object, TraceChunk, TraceRoot};
use poai_store::{DAG_CBOR, Store, StoreLimits};
use serde_json::Value;

use crate::command::{Home, wait_until};
use crate::programs::task;

/// Effects of the check.
const EFFECTS: u64 = 19;

/// A home that has run the check of wasi-nn, and its claim.
fn checked(home: &Home) -> String {
    let (exit, ran) = home.json(["run".as_ref(), task("nn-check").as_os_str()]);
    assert_eq!(exit, 0, "{ran}");
    ran["claim"].as_str().unwrap().to_owned()
}

fn verify(home: &Home, claim: &str, share: &str) -> (i32, Value) {
    home.json(["verify", claim, "--sample", share])
}

#[test]
fn a_sample_finds_no_difference_in_an_honest_claim_and_is_no_full_verdict() {
    let home = Home::new();
    let claim = checked(&home);
    let (exit, verified) = verify(&home, &claim, "0.1");
    assert_eq!((exit, verified["verdict"].as_str()), (0, Some("same-by-sample")), "{verified}");
    let sample = &verified["sample"];
    assert_eq!((sample["effects"].as_u64(), sample["unrecorded"].as_u64()), (Some(EFFECTS), Some(0)));
    let indices = sample["indices"].as_array().unwrap();
    assert!((1..EFFECTS).contains(&(indices.len() as u64)), "{sample}");
    assert_eq!(sample["recomputed"].as_u64(), Some(indices.len() as u64));
    assert_eq!((sample["full"].as_bool(), sample["seed"].as_str().unwrap().len()), (Some(false), 64));
    let (_, shown) = home.json(["show", verified["signed"].as_str().unwrap()]);
    assert_eq!(shown["object"]["payload_kind"], "poai/sampled-verdict", "{shown}");
    let (_, shown) = home.json(["show", &claim]);
    assert!(shown["related"]["verdict (no difference in a sample)"].is_array(), "{shown}");

    let (exit, verified) = verify(&home, &claim, "1");
    assert_eq!((exit, verified["verdict"].as_str()), (0, Some("same")), "{verified}");
    assert_eq!((&verified["sample"]["full"], &verified["sample"]["recomputed"]), (&true.into(), &EFFECTS.into()));
}

/// Changes one bit of what an effect results in, and makes the claim that a host would sign for it.
fn lie(home: &Home, honest: &str, index: usize) -> ClaimId {
    let store = Store::open(home.path().join("store"), StoreLimits::default()).unwrap();
    let block = |cid: &cid::Cid| store.need(cid).unwrap().bytes().to_vec();
    let claim = Claim::from_bytes(&block(&honest.parse().unwrap())).unwrap();
    let trace = TraceRoot::from_bytes(&block(claim.trace.cid())).unwrap();
    let mut chunk = TraceChunk::from_bytes(&block(trace.chunks[0].cid())).unwrap();
    let effect = &mut chunk.effects[index];
    let mut results = block(&effect.results);
    let tensors = poai_store::links(&cid_of(DAG_CBOR, &results), &results).unwrap();
    let mut tensor = block(&tensors[0]);
    tensor[0] ^= 1;
    let altered = store.put_bytes(RAW, tensor).unwrap();
    let place = results.windows(36).position(|window| window == tensors[0].to_bytes()).unwrap();
    results[place..place + 36].copy_from_slice(&altered.to_bytes());
    effect.results = store.put_bytes(RAW, results).unwrap();
    store.put_bytes(DAG_CBOR, chunk.to_bytes()).unwrap();
    let trace = TraceRoot { chunks: vec![chunk.id()], ..trace };
    store.put_bytes(DAG_CBOR, trace.to_bytes()).unwrap();
    let lie = Claim { trace: trace.id(), ..claim };
    store.put_bytes(DAG_CBOR, lie.to_bytes()).unwrap();
    lie.id()
}

#[test]
fn a_lie_in_one_effect_is_named() {
    let home = Home::new();
    let honest = checked(&home);
    let lie = lie(&home, &honest, 7).to_string();
    for arguments in [vec!["verify", &lie], vec!["verify", &lie, "--sample", "1"]] {
        let (exit, verified) = home.json(&arguments);
        assert_eq!((exit, verified["verdict"].as_str()), (5, Some("differs")), "{verified}");
        assert_eq!(verified["first_difference"], "effect 7", "{verified}");
    }
}

#[test]
fn what_was_not_recorded_is_computed() {
    let home = Home::new().with("POAI_STORE_EFFECT_BYTES", "0");
    let claim = checked(&home);
    let (exit, verified) = verify(&home, &claim, "0.000001");
    assert_eq!(exit, 0, "{verified}");
    let sample = &verified["sample"];
    let (unrecorded, recomputed) = (sample["unrecorded"].as_u64().unwrap(), sample["recomputed"].as_u64().unwrap());
    // Errors have no tensors.
    assert!(unrecorded > 8 && recomputed < EFFECTS && recomputed <= unrecorded + 1, "{sample}");
}

#[test]
fn a_verifier_brings_what_a_host_recorded() {
    let (author, host, verifier) = (Home::new().with("POAI_NETWORK_MDNS", "false"), Home::new(), Home::new());
    let daemon = host.daemon(["--accept", "any"]);
    let folder = task("nn-check");
    let (exit, ran) = author.json(["run", folder.to_str().unwrap(), "--on", &daemon.address()]);
    assert_eq!(exit, 0, "{ran}");
    // What the requester has fetched is let go; what an audit may ask for is not.
    let kept = || host.json(["ls", "--pins"]).1["entries"].as_array().unwrap().clone();
    wait_until(|| kept().iter().all(|pin| pin["name"] == "effects"));
    assert_eq!(kept().len(), 1);
    let archive = author.scratch().join("receipt.car");
    let (exit, exported) =
        author.json(["export", ran["receipt"].as_str().unwrap(), "--output", archive.to_str().unwrap()]);
    assert_eq!(exit, 0, "{exported}");
    let verifier = verifier.with("POAI_NETWORK_MDNS", "false");
    let (exit, imported) = verifier.json(["import", archive.to_str().unwrap()]);
    assert_eq!(exit, 0, "{imported}");
    let claim = ran["claim"].as_str().unwrap();
    let (exit, verified) = verifier.json(["verify", claim, "--sample", "0.1", "--peer", &daemon.address()]);
    assert_eq!((exit, verified["verdict"].as_str()), (0, Some("same-by-sample")), "{verified}");
    assert_eq!(verified["sample"]["unrecorded"], 0, "{verified}");
}
