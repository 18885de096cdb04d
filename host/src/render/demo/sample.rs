//! Runs and peers as reports have them, for tests.

use crate::control::{
    OutcomeKind, OutcomeWords, OutputWords, PublishAnswer, RunAnswer, TelemetryWords, VerdictWord, VerifyAnswer,
};
use crate::demo::report::{PeerRow, RunRow};

pub(super) fn task(name: &str) -> PublishAnswer {
    PublishAnswer {
        package: "bafy-p".into(),
        program: "bafy-q".into(),
        name: name.into(),
        version: "0.1.0".into(),
        envelope: None,
    }
}

pub(super) fn peer(name: &str) -> PeerRow {
    PeerRow {
        name: name.into(),
        peer: "12D3Koo".into(),
        addresses: Vec::new(),
        home: format!("/demo/{name}"),
        kernels: "avx2".into(),
        device: None,
        received_bytes: 123_456,
    }
}

/// A run, and a replay that comes to the same claim unless there is a first difference.
pub(super) fn row(name: &str, host: &str, fuel: u64, difference: Option<&str>) -> RunRow {
    let id = |what: &str| format!("bafy-{what}-{name}-{host}").replace(' ', "-");
    let output = OutputWords { cid: id("output"), bytes: 900 };
    let verdict = if difference.is_some() { VerdictWord::Differs } else { VerdictWord::Same };
    let found = if difference.is_some() { id("another-claim") } else { id("claim") };
    RunRow {
        name: name.into(),
        host: host.into(),
        run: RunAnswer {
            run: id("run"),
            claim: id("claim"),
            receipt: id("receipt"),
            envelope: None,
            outcome: OutcomeWords { kind: OutcomeKind::Ok, message: None, exit_code: None, trap: None },
            fuel,
            outputs: [("report".to_owned(), output)].into(),
            cached: false,
            cached_from: None,
            host: Some("12D3Koo".into()),
            verdicts: Vec::new(),
            telemetry: TelemetryWords { started_ms: 0, wall_us: fuel / 1_000, prepare_us: 0, device: "cpu".into() },
            plain: false,
        },
        verifier: "verifier".into(),
        replay: VerifyAnswer {
            claim: id("claim"),
            verdict,
            first_difference: difference.map(str::to_owned),
            found,
            run: id("run"),
            signed: id("verdict"),
            receipt_key: None,
            sample: None,
            by: None,
        },
    }
}
