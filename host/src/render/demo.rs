//! A demo's report in words: what was run where, what the replay said, and how to look further.

use std::fmt::Write;

use super::quantity::{bytes, count, microseconds};
use crate::demo::report::{DemoReport, RunRow};

/// Characters of a CID's end that tell it from the others of a table.
const TAIL: usize = 8;

/// The whole report.
pub(crate) fn words(report: &DemoReport) -> String {
    let mut text = cids(&report.runs);
    text.push('\n');
    text.push_str(&runs(&report.runs));
    let reading = &report.held_out;
    let _ = writeln!(
        text,
        "\nThe network that these runs trained reads {} of {} held-out images rightly: {:.1} %.",
        reading.correct,
        reading.images,
        reading.accuracy * 100.0
    );
    for row in report.runs.iter().filter(|row| row.differs()) {
        let field = row.replay.first_difference.as_deref().unwrap_or("an unnamed field");
        let _ = writeln!(
            text,
            "{} is caught in {}: its claim and the replay part first in {field}.\n  it claims  {}\n  replayed   {}",
            row.host, row.name, row.run.claim, row.replay.found
        );
    }
    let fetched: Vec<_> =
        report.peers.iter().map(|peer| format!("{} {}", peer.name, bytes(peer.received_bytes))).collect();
    let _ = writeln!(text, "Fetched from each other: {}.", fetched.join(", "));
    let _ = writeln!(text, "It took {} without the build.", microseconds(report.took_ms * 1000));
    text.push_str(&further(report));
    text
}

/// One line a run. Long names are in [`cids`].
fn runs(rows: &[RunRow]) -> String {
    let mut table = vec![["RUN", "HOST", "FUEL", "TIME", "VERDICT", "CLAIM"].map(str::to_owned)];
    for row in rows {
        let verdict = match &row.replay.first_difference {
            Some(field) => format!("DIFFERS in {field}"),
            None => "same".to_owned(),
        };
        table.push([
            row.name.clone(),
            row.host.clone(),
            count(row.run.fuel),
            microseconds(row.run.telemetry.wall_us),
            verdict,
            format!("…{}", tail(&row.run.claim)),
        ]);
    }
    align(&table)
}

fn tail(cid: &str) -> &str {
    let start = cid.char_indices().rev().nth(TAIL - 1).map_or(0, |(index, _)| index);
    &cid[start..]
}

/// Columns of equal width; numbers and times end at the same place.
fn align<const COLUMNS: usize>(table: &[[String; COLUMNS]]) -> String {
    const RIGHT: [&str; 2] = ["FUEL", "TIME"];
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let cell = if RIGHT.contains(&table[0][column].as_str()) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            };
            line.push_str(&cell);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Every name in full, to be copied.
fn cids(rows: &[RunRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{} on {}", row.name, row.host);
        let RunRow { run, replay, .. } = row;
        for (what, cid) in
            [("run", &run.run), ("claim", &run.claim), ("receipt", &run.receipt), ("verdict", &replay.signed)]
        {
            let _ = writeln!(text, "  {what:8} {cid}");
        }
        for (name, output) in &run.outputs {
            let _ = writeln!(text, "  {name:8} {}", output.cid);
        }
    }
    text
}

/// What to type next.
fn further(report: &DemoReport) -> String {
    let Some(kept) = &report.kept else {
        return "\nThe peers have ended and their homes are gone. To keep them and look further: poai demo --keep DIR\n".to_owned();
    };
    let mut text = format!("\nThe peers have ended; their homes are in {kept}. Look further:\n");
    let program = &report.program;
    let home = |name: &str| report.peers.iter().find(|peer| peer.name == name).map_or("", |peer| peer.home.as_str());
    let mut command = |peer: &str, words: &str| {
        let _ = writeln!(text, "  {program} --home {} {words}", home(peer));
    };
    command("author", "ls");
    command("author", "ps");
    if let Some(caught) = report.runs.iter().find(|row| row.differs()) {
        command(&caught.verifier, &format!("verify {}", caught.run.receipt));
    }
    if let Some(last) = report.runs.last() {
        command("author", &format!("show {}", last.run.run));
        command(&last.verifier, &format!("show {}", last.replay.signed));
        command(&last.verifier, &format!("verify {}", last.run.receipt));
        if let Some(output) = last.run.outputs.get("report") {
            command("author", &format!("pull {} --output -", output.cid));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{
        OutcomeKind, OutcomeWords, OutputWords, PublishAnswer, RunAnswer, TelemetryWords, VerdictWord, VerifyAnswer,
    };
    use crate::demo::report::{PeerRow, Reading};

    fn row(name: &str, host: &str, fuel: u64, difference: Option<&str>) -> RunRow {
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
                by: None,
            },
        }
    }

    fn report(kept: Option<&str>) -> DemoReport {
        let peer = |name: &str| PeerRow {
            name: name.into(),
            peer: "12D3Koo".into(),
            addresses: Vec::new(),
            home: format!("/demo/{name}"),
            received_bytes: 123_456,
        };
        DemoReport {
            task: PublishAnswer {
                package: "bafy-p".into(),
                program: "bafy-q".into(),
                name: "digits".into(),
                version: "0.1.0".into(),
                envelope: None,
            },
            peers: vec![peer("author"), peer("verifier")],
            runs: vec![
                row("train 1", "host-3", 1_234_567_890, Some("output weights")),
                row("train 1", "host-1", 1_234_567_890, None),
                row("classify", "host-2", 98_765, None),
            ],
            held_out: Reading { images: 500, correct: 490, accuracy: 0.98 },
            took_ms: 12_300,
            kept: kept.map(str::to_owned),
            program: "target/debug/poai".into(),
        }
    }

    #[test]
    fn a_report_reads_like_a_table() {
        insta::assert_snapshot!(words(&report(None)));
    }

    #[test]
    fn kept_homes_come_with_what_to_type() {
        insta::assert_snapshot!(further(&report(Some("/demo"))));
    }
}
