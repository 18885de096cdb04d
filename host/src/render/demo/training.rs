use std::fmt::Write;

use super::super::quantity::{count, microseconds};
use super::table::{align, cids, fetched, further, tail};
use crate::demo::report::{DemoReport, RunRow};

/// The report of a training.
pub(crate) fn training(report: &DemoReport) -> String {
    let mut text: String = report.runs.iter().map(cids).collect();
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
    text.push_str(&fetched(&report.peers));
    let _ = writeln!(text, "It took {} without the build.", microseconds(report.took_ms * 1000));
    text.push_str(&next(report));
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

/// What to type next.
fn next(report: &DemoReport) -> String {
    let mut commands = vec![("author", "ls".to_owned()), ("author", "ps".to_owned())];
    if let Some(caught) = report.runs.iter().find(|row| row.differs()) {
        commands.push((&caught.verifier, format!("verify {}", caught.run.receipt)));
    }
    if let Some(last) = report.runs.last() {
        commands.push(("author", format!("show {}", last.run.run)));
        commands.push((&last.verifier, format!("show {}", last.replay.signed)));
        commands.push((&last.verifier, format!("verify {}", last.run.receipt)));
        if let Some(output) = last.run.outputs.get("report") {
            commands.push(("author", format!("pull {} --output -", output.cid)));
        }
    }
    further(report.kept.as_deref(), &report.program, &report.peers, "demo", &commands)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{peer, row, task};
    use super::*;
    use crate::demo::report::Reading;

    fn report(kept: Option<&str>) -> DemoReport {
        DemoReport {
            task: task("digits"),
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
        insta::assert_snapshot!(training(&report(None)));
    }

    #[test]
    fn kept_homes_come_with_what_to_type() {
        insta::assert_snapshot!(next(&report(Some("/demo"))));
    }
}
