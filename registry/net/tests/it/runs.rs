//! Runs asked of real hosts.

use std::time::Duration;

use poai_net::{
    Ask, Decline, DeclineReason, Ending, FaultKind, IncomingRuns, LogLevel, LogLine, NetError, NetEvent, Progress,
    ReceiptAnswer, RunEvent, RunFault, Stage, VerdictAnswer,
};
use poai_objects::codec::{DAG_CBOR, cid_of};
use poai_objects::{
    Claim, EngineName, Fuel, Object, Outcome, ProgramId, Receipt, Run, SecretKey, Signed, Telemetry, TraceId, Verdict,
};

use crate::stranger::{Stranger, framed};
use crate::world::{LONG, Peer, config, soon};

fn run() -> Run {
    Run::new(ProgramId::try_from(cid_of(DAG_CBOR, b"program")).unwrap(), EngineName::CURRENT)
}

fn claim() -> Claim {
    let trace = TraceId::try_from(cid_of(DAG_CBOR, b"trace")).unwrap();
    Claim { run: run().id(), outcome: Outcome::Ok, outputs: Default::default(), fuel: Fuel(7), trace }
}

fn receipt() -> ReceiptAnswer {
    let receipt = Receipt { claim: claim().id(), package: None, telemetry: Telemetry::default() };
    ReceiptAnswer::of(&Signed::sign(receipt, &SecretKey::from_seed(&[1; 32])).unwrap(), &claim())
}

fn line(text: &str) -> LogLine {
    LogLine { level: LogLevel::Info, text: text.into() }
}

/// A host, the queue of its asks, and a requester that is connected to it.
async fn pair(seed: u8) -> (Peer, IncomingRuns, Peer) {
    let (host, requester) = (Peer::start(seed).await, Peer::start(seed + 1).await);
    requester.connect(&host).await;
    let runs = host.net.incoming_runs().unwrap();
    assert!(host.net.incoming_runs().is_none(), "there is one queue");
    (host, runs, requester)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_accepted_followed_and_receipted() {
    let (host, mut runs, requester) = pair(70).await;
    let ask = Ask { note: "please".into(), ..Ask::for_run(&run()) };
    let mut answers = soon(requester.net.ask_run(host.net.peer(), ask.clone())).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    assert_eq!((incoming.peer, &incoming.ask), (requester.net.peer(), &ask));

    incoming.responder.accept(2).await;
    assert_eq!(soon(answers.next()).await.unwrap().unwrap(), RunEvent::Accepted { queue_position: 2 });
    let progress = Progress { stage: Stage::Running, done: 1, total: Some(3), what: "epoch".into() };
    incoming.responder.progress(progress.clone());
    assert_eq!(soon(answers.next()).await.unwrap().unwrap(), RunEvent::Progress(progress));
    incoming.responder.log(line("hello"));
    assert_eq!(soon(answers.next()).await.unwrap().unwrap(), RunEvent::Log { lines: vec![line("hello")], dropped: 0 });
    incoming.responder.receipt(receipt()).await;
    let RunEvent::Receipt(answer) = soon(answers.next()).await.unwrap().unwrap() else {
        panic!("a receipt comes last")
    };
    assert_eq!(answer.open().unwrap().1, claim());
    assert!(soon(answers.next()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_answered_by_a_verdict() {
    let (host, mut runs, requester) = pair(72).await;
    let mut answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_verdict(&run(), &claim()))).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    assert_eq!(incoming.ask.claim().unwrap(), Some(claim()));
    let verdict = Verdict { seen: claim().id(), found: claim().id(), first_difference: None };
    let verdict = Signed::sign(verdict, &SecretKey::from_seed(&[2; 32])).unwrap();
    incoming.responder.verdict(VerdictAnswer::of(&verdict, &claim())).await;
    let RunEvent::Verdict(answer) = soon(answers.next()).await.unwrap().unwrap() else { panic!("a verdict comes") };
    assert_eq!(answer.open().unwrap().0, verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_declines_faults_or_gives_up_in_words() {
    let (host, mut runs, requester) = pair(74).await;
    let decline = Decline { reason: DeclineReason::Refused { rule: "locals".into() }, text: "5,000 locals".into() };
    let fault = RunFault { kind: FaultKind::HostMemory, text: "no memory".into() };
    let gave_up = RunFault { kind: FaultKind::Stopped, text: "the host gave up without a reason".into() };
    for expected in [RunEvent::Declined(decline), RunEvent::Faulted(fault), RunEvent::Faulted(gave_up)] {
        let mut answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
        let responder = soon(runs.next()).await.unwrap().responder;
        match expected.clone() {
            RunEvent::Declined(decline) => responder.decline(decline).await,
            RunEvent::Faulted(fault) if fault.kind == FaultKind::HostMemory => responder.fault(fault).await,
            _ => drop(responder),
        }
        assert_eq!(soon(answers.next()).await.unwrap().unwrap(), expected);
        assert!(soon(answers.next()).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_answers_cancels_and_losing_the_peer_is_told_apart() {
    let (host, mut runs, requester) = pair(76).await;
    let answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    incoming.responder.accept(0).await;
    drop(answers);
    assert_eq!(soon(incoming.responder.ended()).await, Ending::Cancelled);

    let _answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    incoming.responder.accept(0).await;
    requester.net.disconnect(host.net.peer()).await.unwrap();
    assert_eq!(soon(incoming.responder.ended()).await, Ending::Disconnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_goes_away_is_an_error_that_names_it() {
    let (host, mut runs, requester) = pair(78).await;
    let mut answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    incoming.responder.accept(0).await;
    assert!(soon(answers.next()).await.unwrap().is_ok());
    let peer = host.net.peer();
    soon(host.net.shut_down()).await;
    match soon(answers.next()).await {
        Some(Err(NetError::Disconnected { peer: gone })) => assert_eq!(gone, peer),
        other => panic!("{other:?}"),
    }
    assert!(soon(answers.next()).await.is_none());
    assert!(soon(runs.next()).await.is_none(), "the queue ends with the network");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_engine_is_named() {
    let mut other = config(80);
    other.engine = "poai-engine/0.99".parse().unwrap();
    let (host, requester) = (Peer::start_with(other).await, Peer::start(81).await);
    let _runs = host.net.incoming_runs().unwrap();
    requester.connect(&host).await;
    let Err(error) = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await else {
        panic!("it cannot")
    };
    let ours = EngineName::CURRENT;
    assert_eq!(error.to_string(), format!("that host speaks engine poai-engine/0.99, and this run is for {ours}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_beyond_the_limits_and_asks_that_nobody_takes_are_declined() {
    let mut narrow = config(82);
    narrow.limits.run.asks_per_peer = 2;
    let (host, requester) = (Peer::start_with(narrow).await, Peer::start(83).await);
    requester.connect(&host).await;
    let declined = async |ask: Ask| match soon(requester.net.ask_run(host.net.peer(), ask)).await.unwrap().next().await
    {
        Some(Ok(RunEvent::Declined(Decline { reason, text }))) => (reason, text),
        other => panic!("{other:?}"),
    };
    let (reason, text) = declined(Ask::for_run(&run())).await;
    assert_eq!((reason, text.as_str()), (DeclineReason::Policy, "this peer takes no runs"));

    let _runs = host.net.incoming_runs().unwrap();
    let _first = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let _second = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let (reason, text) = declined(Ask::for_run(&run())).await;
    assert_eq!((reason, text.as_str()), (DeclineReason::Busy, "a peer may ask for 2 runs at a time (asks_per_peer)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_is_counted_and_never_waits() {
    let (host, mut runs, requester) = pair(84).await;
    let mut answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    for number in 0..100_000 {
        incoming.responder.log(line(&format!("{number} {}", "x".repeat(200))));
    }
    incoming.responder.fault(RunFault { kind: FaultKind::Unknown, text: "y".repeat(10_000) }).await;
    let (mut shown, mut left_out) = (0, 0);
    loop {
        match soon(answers.next()).await.unwrap().unwrap() {
            RunEvent::Log { lines, dropped } => {
                shown += lines.len() as u64;
                left_out += dropped;
            }
            RunEvent::Faulted(fault) => break assert_eq!(fault.text.len(), 4_096, "texts are cut"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shown + left_out, 100_000);
    assert!(shown >= 1 && left_out > 90_000, "{shown} shown, {left_out} left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_nothing_to_say_is_waited_for_and_one_that_is_silent_is_not() {
    let (mut quiet, mut hasty) = (config(86), config(87));
    quiet.limits.run.heartbeat = Duration::from_millis(100);
    hasty.limits.run.silence = Duration::from_secs(6);
    let (host, requester) = (Peer::start_with(quiet).await, Peer::start_with(hasty.clone()).await);
    requester.connect(&host).await;
    let mut runs = host.net.incoming_runs().unwrap();
    let mut answers = soon(requester.net.ask_run(host.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let incoming = soon(runs.next()).await.unwrap();
    // Sixty heartbeats keep it alive for longer than silence would be borne.
    tokio::time::sleep(Duration::from_secs(7)).await;
    incoming.responder.accept(0).await;
    assert!(soon(answers.next()).await.unwrap().is_ok());

    let mut without_pulse = config(88);
    without_pulse.limits.run.heartbeat = LONG;
    let silent = Peer::start_with(without_pulse).await;
    let _runs = silent.net.incoming_runs().unwrap();
    requester.connect(&silent).await;
    let mut answers = soon(requester.net.ask_run(silent.net.peer(), Ask::for_run(&run()))).await.unwrap();
    let error = soon(answers.next()).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("{} did not answer within 6 s", silent.net.peer()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_hears_that_its_receipt_s_outputs_are_fetched() {
    let (host, _runs, requester) = pair(94).await;
    let mut events = host.net.events();
    let envelope = cid_of(DAG_CBOR, b"an envelope");
    soon(requester.net.receipt_fetched(host.net.peer(), envelope)).await.unwrap();
    let expected = NetEvent::ReceiptFetched { peer: requester.net.peer(), envelope };
    soon(async { while events.recv().await.unwrap() != expected {} }).await;
}

/// A message as the other side would send it, from the fuzz corpus.
fn sample(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_run").join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_of_another_version_learns_ours_and_no_more() {
    let host = Peer::start(89).await;
    let _runs = host.net.incoming_runs().unwrap();
    let mut stranger = Stranger::start("/poai/run/1", |_| Vec::new()).await;
    stranger.dial(host.address().await).await;
    soon(async {
        while host.net.peers().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let mut hello = sample("requester-hello");
    // The version is the last field.
    *hello.last_mut().unwrap() = 9;
    stranger.send(host.net.peer(), [framed(&hello), framed(&sample("ask-receipt"))].concat()).await;
    assert_eq!(soon(stranger.answers.recv()).await.unwrap(), framed(&sample("host-hello")));
}
