use std::fmt::Write;

use super::super::quantity::{count, microseconds};
use super::table::{align, cids, fetched, further, tail};
use crate::demo::report::{ModelsReport, TaskRow};

/// The report of models.
pub(crate) fn models(report: &ModelsReport) -> String {
    let mut text: String = report.tasks.iter().map(|task| cids(&task.row)).collect();
    for task in &report.tasks {
        let _ = writeln!(text, "\n{}: {}", task.row.name, task.question);
        for line in &task.answer {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push('\n');
    text.push_str(&runs(&report.tasks));
    let _ = writeln!(text, "\nEvery model was computed twice, and every claim is the same to the last bit.");
    text.push_str(&fetched(&report.peers));
    let _ = writeln!(text, "It took {} without builds.", microseconds(report.took_ms * 1000));
    text.push_str(&next(report));
    text
}

/// One line a task.
fn runs(tasks: &[TaskRow]) -> String {
    let mut table =
        vec![["TASK", "HOST'S KERNELS", "VERIFIER'S", "FUEL", "TIME", "CLAIM", "REPLAYED"].map(str::to_owned)];
    for TaskRow { row, kernels, verifier_kernels, .. } in tasks {
        table.push([
            row.name.clone(),
            kernels.clone(),
            verifier_kernels.clone(),
            count(row.run.fuel),
            microseconds(row.run.telemetry.wall_us),
            format!("…{}", tail(&row.run.claim)),
            format!("…{}", tail(&row.replay.found)),
        ]);
    }
    align(&table)
}

/// What to type next.
fn next(report: &ModelsReport) -> String {
    let mut commands = vec![("author", "model ls".to_owned())];
    for task in &report.tasks {
        commands.push((&task.row.verifier, format!("verify {}", task.row.run.receipt)));
    }
    further(report.kept.as_deref(), &report.program, &report.peers, "demo --models", &commands)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{peer, row, task};
    use super::*;

    #[test]
    fn a_report_names_both_codes_and_the_answers() {
        let asked = |name: &str, fuel, question: &str, answer: &[&str]| TaskRow {
            task: task(name),
            row: row(name, "host", fuel, None),
            kernels: "avx512".into(),
            verifier_kernels: "scalar".into(),
            question: question.into(),
            answer: answer.iter().map(ToString::to_string).collect(),
        };
        let report = ModelsReport {
            peers: vec![peer("author"), peer("host"), peer("verifier")],
            tasks: vec![
                asked("filetype", 98_765, "What is it?", &["rust (Rust source), 99.8 % sure"]),
                asked("embed", 1_234_567_890, "Which are alike?", &["+0.5462  a ~ b", "-0.0607  a ~ c"]),
            ],
            took_ms: 4_500,
            kept: Some("/demo".into()),
            program: "target/debug/poai".into(),
        };
        insta::assert_snapshot!(models(&report));
    }
}
