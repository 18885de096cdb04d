//! The table by operator.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost::Message;

use super::case::Case;
use super::deviations;
use super::verdict::Verdict;

#[derive(Message)]
struct ModelMessage {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphMessage>,
}

#[derive(Message)]
struct GraphMessage {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<NodeMessage>,
}

#[derive(Message)]
struct NodeMessage {
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(string, tag = "7")]
    domain: String,
}

/// The operators that a case's model names outside of bodies and functions.
pub(crate) fn named(case: &Case) -> BTreeSet<String> {
    let graph = ModelMessage::decode(case.model.clone()).ok().and_then(|model| model.graph);
    let nodes = graph.map_or_else(Vec::new, |graph| graph.nodes);
    nodes.into_iter().map(|node| qualified(&node.domain, node.operator)).collect()
}

fn qualified(domain: &str, operator: String) -> String {
    if domain.is_empty() || domain == "ai.onnx" { operator } else { format!("{domain}.{operator}") }
}

/// Cases of one operator, or of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    unsupported: usize,
    skipped: usize,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        let count = match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Unsupported { .. } => &mut self.unsupported,
            Verdict::Skipped(_) => &mut self.skipped,
        };
        *count += 1;
    }

    fn total(self) -> usize {
        self.passed + self.failed + self.unsupported + self.skipped
    }
}

/// What is known of each operator.
#[derive(Debug, Default)]
pub(crate) struct Operators {
    kinds: BTreeMap<String, Tally>,
    /// Cases whose models have this operator alone, and why some of them are unsupported.
    operators: BTreeMap<String, (Tally, BTreeSet<String>)>,
    /// Operators that ended cases, each with its reasons and how many cases these ended.
    unsupported: BTreeMap<String, BTreeMap<String, usize>>,
    /// Cases that failed, and how.
    failures: Vec<(String, String)>,
}

impl Operators {
    /// Counts a case.
    pub(crate) fn add(&mut self, case: &Case, verdict: &Verdict) {
        let kind = case.name.split('/').next().unwrap_or_default();
        self.kinds.entry(kind.to_owned()).or_default().add(verdict);
        let mut operators = named(case);
        if let (Some(operator), true) = (operators.pop_first(), operators.is_empty()) {
            let (tally, reasons) = self.operators.entry(operator).or_default();
            tally.add(verdict);
            if let Verdict::Unsupported { reason, .. } = verdict {
                reasons.insert(reason.clone());
            }
        }
        match verdict {
            Verdict::Unsupported { operator, reason } => {
                let reasons = self.unsupported.entry(operator.clone()).or_default();
                *reasons.entry(reason.clone()).or_default() += 1;
            }
            Verdict::Failed(reason) => self.failures.push((case.name.clone(), reason.clone())),
            Verdict::Passed | Verdict::Skipped(_) => {}
        }
    }

    /// Whether a case failed that has no reason to.
    pub(crate) fn failed(&self) -> bool {
        self.failures.iter().any(|(case, _)| deviations::reason(case).is_none())
    }

    /// What is not built, for the terminal.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for (operator, reasons) in &self.unsupported {
            for (reason, cases) in reasons {
                let _ = writeln!(text, "unsupported in {cases} cases: {operator}: {reason}");
            }
        }
        text
    }

    /// The page docs/onnx-operators.md.
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(HEAD);
        for (kind, tally) in &self.kinds {
            row(&mut page, kind, *tally);
            page.push('\n');
        }
        let all = self.kinds.values().fold(Tally::default(), |all, tally| Tally {
            passed: all.passed + tally.passed,
            failed: all.failed + tally.failed,
            unsupported: all.unsupported + tally.unsupported,
            skipped: all.skipped + tally.skipped,
        });
        row(&mut page, "**all**", all);
        page.push('\n');
        page.push_str(OPERATORS);
        for (operator, (tally, reasons)) in &self.operators {
            row(&mut page, operator, *tally);
            let reasons: Vec<_> = reasons.iter().map(|reason| escaped(reason)).collect();
            let _ = writeln!(page, " {} |", reasons.join("; "));
        }
        page.push_str(FAILURES);
        for (case, how) in &self.failures {
            let reason = deviations::reason(case).map_or(String::new(), |reason| format!(". *Understood*: {reason}"));
            let _ = writeln!(page, "- {case}: {}{reason}.", escaped(how));
        }
        if self.failures.is_empty() {
            page.push_str("None.\n");
        }
        page
    }
}

fn row(page: &mut String, name: &str, tally: Tally) {
    let Tally { passed, failed, unsupported, skipped } = tally;
    let _ = write!(page, "| {name} | {passed}/{} | {failed} | {unsupported} | {skipped} |", tally.total());
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('\n', " ")
}

const HEAD: &str = "# ONNX operators

What poai makes of ONNX's own test cases. Generated, not written: `python runtime/graph/scripts/onnx-cases.py CASES`, then
`cargo run -p poai-graph --example conformance -- CASES --write docs/onnx-operators.md`.

*Passed*: integers are equal; floats are within the tolerance that the case declares (ONNX's usual: 0.001 of the value, and
1e-7), since that is a comparison with another implementation. That all our processors give the *same bits* is a claim of
its own, with tests of its own. *Unsupported*: an error says so, and what. *Skipped*: the case is about sequences, optionals or
maps.

| kind of case | passed | failed | unsupported | skipped |
|---|---|---|---|---|
";

const OPERATORS: &str = "
## By operator
Cases whose models have this operator alone. What is unsupported is said as the error says it.

| operator | passed | failed | unsupported | skipped | what is unsupported |
|---|---|---|---|---|---|
";

const FAILURES: &str = "
## Failures

";
