//! The pinned bytes of every message. After a deliberate change of one, and of the protocol's version:
//! `POAI_RENEW_VECTORS=1 cargo test -p poai-net vectors` writes them and the fuzz corpus anew.

use std::fs;
use std::path::{Path, PathBuf};

use cid::Cid;
use poai_objects::codec::{DAG_CBOR, cid_of};
use poai_objects::{
    Claim, EngineName, Fuel, Object, Offer, Outcome, Price, ProgramId, Receipt, Run, RunId, SecretKey, Signed,
    Telemetry, TraceId, Verdict,
};
use poai_store::{RAW, Verified};

use crate::bitswap::message::{Block, Presence, Want, WantKind};
use crate::run::message::{Hello, VERSION};
use crate::*;

use super::*;

const HEADER: &str = "\
# Every message in its bytes: fuzz target, name, bytes in hexadecimal.
# POAI_RENEW_VECTORS=1 cargo test -p poai-net vectors
";

struct Sample {
    target: &'static str,
    name: &'static str,
    bytes: Vec<u8>,
}

#[test]
fn vectors_are_as_pinned() {
    let path = home().join("tests/vectors.txt");
    let found = HEADER.to_owned() + &samples().iter().map(line).collect::<String>();
    if std::env::var_os("POAI_RENEW_VECTORS").is_some() {
        fs::write(&path, &found).unwrap();
        samples().iter().for_each(write_seed);
    }
    let pinned = fs::read_to_string(&path).unwrap();
    for (pinned, found) in pinned.lines().zip(found.lines()) {
        assert_eq!(pinned, found);
    }
    assert_eq!(pinned.lines().count(), found.lines().count());
}

#[test]
fn every_sample_is_taken_by_its_target() {
    for Sample { target, name, bytes } in samples() {
        match target {
            "fuzz_bitswap" => drop(Message::decode(bytes.clone().into(), &BitswapLimits::default()).unwrap()),
            "fuzz_run" => assert!(
                decode::<FromRequester>(&bytes).is_ok() || decode::<FromHost>(&bytes).is_ok(),
                "{name} is refused"
            ),
            "fuzz_offer" => drop(offers::open(&bytes, &OfferLimits::default()).unwrap()),
            _ => fuzz_frames(&bytes),
        }
    }
}

#[test]
fn messages_that_are_not_canonical_are_refused() {
    let cancel = encode(&FromRequester::Cancel);
    let unknown = encode(&std::collections::BTreeMap::from([("cancel", 1u8)]));
    for (what, bytes) in [
        ("bytes to spare", [&cancel[..], &[0]].concat()),
        ("a longer length than needed", [&[0x78, 0x06], &cancel[1..]].concat()),
        ("an unknown form", unknown),
        ("nothing", Vec::new()),
    ] {
        let error = decode::<FromRequester>(&bytes).expect_err(what);
        assert!(matches!(error, NetError::Malformed { .. }), "{what}: {error}");
    }
}

#[test]
fn an_answer_whose_claim_is_another_is_refused() {
    let key = SecretKey::from_seed(&[1; 32]);
    let mut answer = ReceiptAnswer::of(&Signed::sign(receipt(), &key).unwrap(), &claim());
    assert!(answer.open().is_ok());
    answer.claim = Claim { fuel: Fuel(8), ..claim() }.to_bytes();
    assert!(matches!(answer.open(), Err(poai_objects::ObjectError::WrongCid { .. })));
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn line(Sample { target, name, bytes }: &Sample) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{target} {name} {digits}\n")
}

fn write_seed(Sample { target, name, bytes }: &Sample) {
    let folder: PathBuf = home().join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |target, name, bytes| samples.push(Sample { target, name, bytes });
    for (name, message) in bitswap_samples() {
        add("fuzz_bitswap", name, message.encode().concat());
    }
    for (name, message) in requester_samples() {
        add("fuzz_run", name, encode(&message));
    }
    for (name, message) in host_samples() {
        add("fuzz_run", name, encode(&message));
    }
    for (name, offer) in offer_samples() {
        add(
            "fuzz_offer",
            name,
            encode(&SignedBytes::of(&Signed::sign(offer, &SecretKey::from_seed(&[2; 32])).unwrap())),
        );
    }
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("two", b"\x01a\x02bc"),
        ("cut-off", b"\x05ab"),
        ("too-large", b"\x81\x08"),
        ("endless-length", &[0xff; 12]),
    ] {
        add("fuzz_frames", name, bytes.to_vec());
    }
    samples
}

fn bitswap_samples() -> Vec<(&'static str, Message)> {
    let block = Verified::of(RAW, b"poai".as_slice()).unwrap();
    let cid = *block.cid();
    let want = Want { cid, priority: 1, cancel: false, kind: WantKind::Block, send_dont_have: true };
    let cancel = Want { cancel: true, ..want.clone() };
    let have = Want { kind: WantKind::Have, ..want.clone() };
    vec![
        ("want-block", Message { wants: vec![want.clone()], ..Message::default() }),
        ("want-have", Message { wants: vec![have], ..Message::default() }),
        ("cancel", Message { wants: vec![cancel], ..Message::default() }),
        ("full", Message { wants: vec![want], full: true, ..Message::default() }),
        ("block", Message { blocks: vec![Block::of(block)], pending_bytes: 300, ..Message::default() }),
        (
            "presences",
            Message { presences: vec![(cid, Presence::Have), (cid, Presence::DontHave)], ..Message::default() },
        ),
    ]
}

fn dag_cbor(bytes: &[u8]) -> Cid {
    cid_of(DAG_CBOR, bytes)
}

fn run() -> Run {
    Run::new(ProgramId::try_from(dag_cbor(b"program")).unwrap(), EngineName::CURRENT)
}

fn claim() -> Claim {
    Claim {
        run: RunId::try_from(dag_cbor(b"run")).unwrap(),
        outcome: Outcome::Ok,
        outputs: Default::default(),
        fuel: Fuel(7),
        trace: TraceId::try_from(dag_cbor(b"trace")).unwrap(),
    }
}

fn receipt() -> Receipt {
    Receipt { claim: claim().id(), package: None, telemetry: Telemetry::default() }
}

fn requester_samples() -> Vec<(&'static str, FromRequester)> {
    let key = SecretKey::from_seed(&[1; 32]);
    let package = SignedBytes::of(&Signed::sign(receipt(), &key).unwrap());
    let ask = Ask { package: Some(package), want_log: false, note: "please".into(), ..Ask::for_run(&run()) };
    vec![
        ("requester-hello", FromRequester::Hello(Hello { version: VERSION, engine: EngineName::CURRENT })),
        ("ask-receipt", FromRequester::Ask(Ask::for_run(&run()))),
        ("ask-receipt-of-package", FromRequester::Ask(ask)),
        ("ask-verdict", FromRequester::Ask(Ask::for_verdict(&run(), &claim()))),
        ("cancel", FromRequester::Cancel),
        ("fetched", FromRequester::Fetched(receipt().id().into())),
    ]
}

fn host_samples() -> Vec<(&'static str, FromHost)> {
    let key = SecretKey::from_seed(&[1; 32]);
    let verdict = Verdict { seen: claim().id(), found: claim().id(), first_difference: None };
    let decline = |reason, text: &str| FromHost::Event(RunEvent::Declined(Decline { reason, text: text.into() }));
    let line = LogLine { level: LogLevel::Info, text: "hello".into() };
    let progress = Progress { stage: Stage::Fetching, done: 1, total: Some(2), what: "weights".into() };
    let receipt = ReceiptAnswer::of(&Signed::sign(receipt(), &key).unwrap(), &claim());
    let verdict = VerdictAnswer::of(&Signed::sign(verdict, &key).unwrap(), &claim());
    vec![
        ("host-hello", FromHost::Hello(Hello { version: VERSION, engine: EngineName::CURRENT })),
        ("alive", FromHost::Alive),
        ("accepted", FromHost::Event(RunEvent::Accepted { queue_position: 3 })),
        ("progress", FromHost::Event(RunEvent::Progress(progress))),
        ("log", FromHost::Event(RunEvent::Log { lines: vec![line], dropped: 9 })),
        ("declined-policy", decline(DeclineReason::Policy, "only named programs")),
        ("declined-busy", decline(DeclineReason::Busy, "")),
        ("declined-engine", decline(DeclineReason::Engine, "")),
        ("declined-limits", decline(DeclineReason::Limits, "")),
        ("declined-refused", decline(DeclineReason::Refused { rule: "locals".into() }, "")),
        ("declined-unknown-program", decline(DeclineReason::UnknownProgram, "")),
        ("declined-malformed", decline(DeclineReason::Malformed, "")),
        ("receipt", FromHost::Event(RunEvent::Receipt(receipt))),
        ("verdict", FromHost::Event(RunEvent::Verdict(verdict))),
        ("faulted", FromHost::Event(RunEvent::Faulted(RunFault { kind: FaultKind::Watchdog, text: "an hour".into() }))),
    ]
}

fn offer_samples() -> Vec<(&'static str, Offer)> {
    let offer = Offer {
        engine: EngineName::CURRENT,
        addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()],
        devices: Vec::new(),
        fuel_per_s: 1_000_000_000,
        price: Price(0),
        free_slots: 2,
        memory_bytes: 4 << 30,
        open: true,
        sequence: 1,
        expires_s: 2_000_000_000,
    };
    let none = Offer { addresses: Vec::new(), open: false, ..offer.clone() };
    vec![("offer", offer), ("offer-without-addresses", none)]
}
